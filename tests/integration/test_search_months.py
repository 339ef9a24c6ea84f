"""What stands in the months of a person with many transactions narrows a search, and changes nothing of what is found."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from mintql.domain.months import first_day
from mintql.services import search_months
from mintql.services.search import Search, Sort, count, search
from mintql.services.transactions import TransactionFilter
from support.factories import create_person, create_transaction
from support.people import acting_as

DAYS = 400
LAST = date(2026, 11, 20)
PAGE = 7
ASKED = [
    Search(["seattle"], TransactionFilter()),
    Search(["seattle"], TransactionFilter(), ascending=True),
    Search(["seattle", "cafe"], TransactionFilter(), Sort.AMOUNT),
    Search(["seattle"], TransactionFilter(), Sort.AMOUNT, ascending=True),
    Search(["only", "once"], TransactionFilter()),
    Search(["12.34"], TransactionFilter()),
    Search(["cafee"], TransactionFilter()),
    Search(["seatle"], TransactionFilter()),
    Search(["zzzqqq"], TransactionFilter()),
    Search(["seattle"], TransactionFilter(first_day=LAST - timedelta(days=200), last_day=LAST - timedelta(days=90))),
]


@pytest.fixture
async def person(conn, monkeypatch):
    monkeypatch.setattr(search_months, "TRANSACTIONS_MIN", 10)
    found = await create_person(conn)
    for place in range(0, DAYS, 4):
        await create_transaction(
            conn, found.user_id, found.account_id, posted_on=LAST - timedelta(days=place), amount_minor=-100 - place,
            description=f"{('CAFE', 'OIL', 'MARKET')[place % 3]} {('SEATTLE', 'AUSTIN')[place % 8 // 4]}",
            merchant=("Cafe", "Oil", "Market")[place % 3],
        )  # fmt: skip
    await create_transaction(
        conn, found.user_id, found.account_id, posted_on=LAST - timedelta(days=300), amount_minor=-1_234,
        description="ONLY ONCE", merchant="Once",
    )  # fmt: skip
    return found


async def everything(conn, person, asked):
    """All pages of a search with its count, as a member of nothing sees them: ids and how the words were read."""
    async with acting_as(conn, person.user_id):
        found, after, pages = [], None, []
        while True:
            page = await search(conn, person.user_id, asked, after, PAGE)
            found += [row.transaction_id for _, row in page.rows]
            pages.append((page.reading, len(page.rows)))
            if not page.has_next:
                return found, pages, await count(conn, person.user_id, asked, page.words)
            after = page.rows[-1][0]


async def rebuild(conn, person):
    await search_months.rebuild(conn, person.user_id)
    return await conn.fetchval("SELECT count(*) FROM search_months")


async def test_what_is_found_is_the_same_with_the_months_and_without(conn, person):
    before = [await everything(conn, person, asked) for asked in ASKED]
    assert await rebuild(conn, person) == 14
    assert [await everything(conn, person, asked) for asked in ASKED] == before
    assert [len(found) for found, _, _ in before] == [50, 50, 17, 50, 1, 1, 34, 50, 0, 14]


async def test_what_came_and_changed_after_the_months_were_written_down_is_found(conn, person):
    await rebuild(conn, person)
    came = await create_transaction(
        conn, person.user_id, person.account_id, posted_on=LAST - timedelta(days=250), description="BRAND NEW"
    )
    await conn.execute("UPDATE transactions SET note = 'Renamed by hand' WHERE description = 'ONLY ONCE'")
    assert (await everything(conn, person, Search(["brand"], TransactionFilter())))[0] == [came]
    assert len((await everything(conn, person, Search(["renamed"], TransactionFilter())))[0]) == 1
    await conn.execute("UPDATE transactions SET removed_at = now() WHERE description = 'ONLY ONCE'")
    assert (await everything(conn, person, Search(["renamed"], TransactionFilter())))[0] == []


async def test_a_rare_word_is_walked_for_in_its_month_and_the_newest_alone(conn, person):
    await rebuild(conn, person)
    seen = []
    with conn.query_logger(seen.append):
        await everything(conn, person, Search(["once"], TransactionFilter()))
    newest = first_day(first_day(LAST) - timedelta(days=1))
    walked = [(item.args[3], item.args[1]) for item in seen if "ORDER BY posted_on DESC" in item.query]
    assert walked[0][0] == newest
    month = first_day(LAST - timedelta(days=300))
    assert [(first, first_day(last)) for first, last in walked[1:]] == [(month, month)]


async def test_few_transactions_are_not_written_down(conn, person, monkeypatch):
    monkeypatch.setattr(search_months, "TRANSACTIONS_MIN", 5_000)
    assert await rebuild(conn, person) == 0


async def test_after_more_changes_than_are_told_apart_every_row_is_looked_at(conn, person, monkeypatch):
    await rebuild(conn, person)
    monkeypatch.setattr(search_months, "CHANGES_MAX", 3)
    await conn.execute("UPDATE transactions SET note = 'all of them'")
    assert len((await everything(conn, person, Search(["them"], TransactionFilter())))[0]) == 101


async def test_a_member_of_a_household_reads_no_words_of_the_owner(conn, person):
    await rebuild(conn, person)
    async with conn.transaction():
        await conn.execute("SET LOCAL ROLE mintql_household")
        await conn.execute("SELECT set_config('mintql.user_id', $1, true)", str(person.user_id))
        assert await conn.fetchval("SELECT count(*) FROM search_months") == 0
