"""Searching for transactions: what is found by which words, in which order, and whose."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import asyncpg
import pytest

from mintql.domain.errors import InvalidInput
from mintql.services.search import Place, Reading, Search, Sort, check_words, count, search
from mintql.services.transactions import TransactionFilter
from support.factories import create_person, create_transaction
from support.people import acting_as, category

ROWS = {
    "coffee": ("SQ *BLUE BOTTLE 0042 SEATTLE WA", "Blue Bottle", -1250, 3),
    "books": ("AMAZON MKTPL*2K4 AMZN.COM", "Amazon", -4599, 5),
    "pay": ("ACME PAYROLL PPD", "Acme", 250_000, 1),
    "russian": ("МАГНИТ 77 ПЛОЩАДЬ", "Магнит", -900, 7),
    "chinese": ("支付宝 星巴克", "星巴克", -3300, 8),
    "sale": ("CAFÉ 100% FAIR_TRADE", "Café Fair", -500, 9),
}


@pytest.fixture
async def database(database_url):
    conn = await asyncpg.connect(database_url)
    yield conn
    await conn.close()


@pytest.fixture
async def ada(database):
    person = await create_person(database)
    for name, (description, merchant, minor, day) in ROWS.items():
        await create_transaction(
            database, person.user_id, person.account_id, external_id=name, description=description,
            merchant=merchant, amount_minor=minor, posted_on=date(2026, 11, day),
        )  # fmt: skip
    return person


async def found_by(conn, person, text, wanted=None, *, sort=Sort.DATE, ascending=False, size=50):
    """Names of what is found, page by page, and how the words were read."""
    asked = Search(check_words(text), wanted or TransactionFilter(), sort, ascending)
    ids, place, more = [], None, True
    async with acting_as(conn, person.user_id):
        while more:
            page = await search(conn, person.user_id, asked, place, size)
            ids += [row.transaction_id for _, row in page.rows]
            place, more = page.rows[-1][0] if page.rows else None, page.has_next
        assert await count(conn, person.user_id, asked, page.words) == len(ids)
    names = await conn.fetch("SELECT transaction_id, external_id FROM transactions")
    by_id = {row["transaction_id"]: row["external_id"] for row in names}
    return [by_id[number] for number in ids], page.reading


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("blue", ["coffee"]), ("BOTTLE seattle", ["coffee"]), ("bottle tacoma", []), ("ottl", ["coffee"]),
        ("a", ["sale", "russian", "books", "coffee", "pay"]), ("12.50", ["coffee"]), ("12,5", ["coffee"]),
        ("$45.99", ["books"]), ("2500", ["pay"]), ("$2,500.00", ["pay"]), ("2.500,0", ["pay"]), ("2.500.00", []), ("5", ["sale"]), ("магнит", ["russian"]), ("площ", ["russian"]), ("星", ["chinese"]),
        ("支付", ["chinese"]), ("100%", ["sale"]), ("r_t", ["sale"]), ("0%0", []), ("0_4", []), ("500", []), ("\\", None),
    ],
)  # fmt: skip
async def test_words_are_found_anywhere_as_they_are_written(database, ada, text, names):
    if names is None:
        with pytest.raises(InvalidInput, match="too short to search for"):
            check_words(text)
    elif text == "a":
        assert set((await found_by(database, ada, text))[0]) == {"sale", "books", "coffee", "pay"}
    else:
        found, reading = await found_by(database, ada, text)
        assert (found, reading is Reading.AS_WRITTEN) == (names, True)


async def test_notes_parts_tags_and_given_names_are_searched_too(database, ada):
    await database.execute("UPDATE transactions SET note = 'For Grace' WHERE external_id = 'books'")
    await database.execute("UPDATE transactions SET tags = '{Reimbursed}' WHERE external_id = 'coffee'")
    await database.execute("UPDATE transactions SET display_name = 'The office' WHERE external_id = 'pay'")
    await database.execute(
        "UPDATE transactions SET part_category_ids = '{501}', part_amounts_minor = '{-5}', part_notes = '{Candles}'"
        " WHERE external_id = 'sale'"
    )
    for text, name in (("grace", "books"), ("reimb", "coffee"), ("office", "pay"), ("candles", "sale")):
        assert await found_by(database, ada, text) == ([name], Reading.AS_WRITTEN)
    assert await found_by(database, ada, "offcie") == (["pay"], Reading.CORRECTED)


@pytest.mark.parametrize(
    ("text", "name", "reading"),
    [
        ("amazn", "books", Reading.CORRECTED), ("amzaon mktpl", "books", Reading.CORRECTED),
        ("blue botle", "coffee", Reading.CORRECTED), ("магнт", "russian", Reading.CORRECTED),
        ("seatle", "coffee", Reading.ALIKE), ("botle seatle", "coffee", Reading.ALIKE),
    ],
)  # fmt: skip
async def test_typos_are_forgiven_where_nothing_has_the_words_as_written(database, ada, text, name, reading):
    assert await found_by(database, ada, text) == ([name], reading)


async def test_results_are_sorted_by_day_or_amount_from_either_end_and_paged(database, ada):
    by_day = ["pay", "coffee", "books"]
    by_amount = ["books", "coffee", "pay"]
    for size in (1, 2, 3):
        for sort, order in ((Sort.DATE, by_day), (Sort.AMOUNT, by_amount)):
            for ascending in (True, False):
                names, _ = await found_by(database, ada, "o", sort=sort, ascending=ascending, size=size)
                assert names == (order if ascending else order[::-1])


async def test_amounts_are_compared_in_units_of_their_own_currency(database, ada):
    for name, minor, currency in (("yen", -2000, "JPY"), ("dollars", -2100, "USD")):
        await create_transaction(
            database, ada.user_id, ada.account_id, external_id=name, amount_minor=minor, currency=currency,
            description="KIOSK", merchant="Kiosk",
        )  # fmt: skip
    assert (await found_by(database, ada, "kiosk", sort=Sort.AMOUNT, ascending=True))[0] == ["yen", "dollars"]


async def test_the_filter_holds_as_well(database, ada):
    for wanted, names in (
        (TransactionFilter(first_day=date(2026, 11, 4)), ["sale", "books"]),
        (TransactionFilter(last_day=date(2026, 11, 3)), ["coffee"]),
        (TransactionFilter(greatest=Decimal(-10)), ["books", "coffee"]),
        (TransactionFilter(category_ids=frozenset([category("groceries")])), []),
        (TransactionFilter(pending=True), []),
        (TransactionFilter(text="fair"), ["sale"]),
    ):
        for sort in Sort:
            found, _ = await found_by(database, ada, "a", wanted, sort=sort)
            assert set(found) - {"pay"} == set(names)


async def test_nobody_else_is_found_and_their_words_correct_nothing(database, ada):
    ben = await create_person(database)
    assert await found_by(database, ben, "amazon") == ([], Reading.AS_WRITTEN)
    assert await found_by(database, ben, "amazn") == ([], Reading.AS_WRITTEN)
    async with acting_as(database, ben.user_id):
        page = await search(database, ada.user_id, Search(["amazon"], TransactionFilter()), None, 5)
    assert page.rows == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "too short"), ("  ", "too short"), ("?!", "too short"), ("a b c d e f g", "7 words are too many"),
     ("x" * 101, "101 characters are too many"), ("a\0", "U\\+0000")],
)  # fmt: skip
def test_what_cannot_be_searched_for_is_said_in_words(text, words):
    with pytest.raises(InvalidInput, match=words):
        check_words(text)


async def test_later_pages_are_read_as_the_first_one_was(database, ada):
    for day in (1, 2, 3):
        await create_transaction(
            database, ada.user_id, ada.account_id, merchant="Amazon", posted_on=date(2026, 10, day)
        )
    asked = Search(["amazn"], TransactionFilter())
    async with acting_as(database, ada.user_id):
        first = await search(database, ada.user_id, asked, None, 2)
    await create_transaction(
        database, ada.user_id, ada.account_id, description="AMAZN", posted_on=date(2026, 1, 1), merchant="Other"
    )
    async with acting_as(database, ada.user_id):
        second = await search(database, ada.user_id, asked, first.rows[-1][0], 5)
    assert (first.reading, second.reading) == (Reading.CORRECTED, Reading.CORRECTED)
    assert [row.posted_on for _, row in second.rows][:2] == [date(2026, 10, 2), date(2026, 10, 1)]
    assert isinstance(first.rows[0][0], Place)
