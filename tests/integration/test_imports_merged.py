"""Files first and the connection later: the two accounts are merged, and each purchase counts once, to the cent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mintql.domain.errors import InvalidInput, NotFound
from mintql.domain.ids import ConnectionId
from mintql.services import matches
from mintql.store import transactions_read
from support.importer import Importer
from support.pipeline import Pipeline, open_pipeline
from support.scripted import page, row
from support.uploads import ofx

FIRST = date(2026, 10, 20)
SHOPS = ("BLUE BOTTLE", "SHELL OIL 123", "CORNER SHOP")


@dataclass(frozen=True)
class Purchase:
    """What really happened: `number` tells two equal ones apart, as the bank's ids do."""

    number: int
    day: int
    amount_minor: int
    shop: str = SHOPS[0]

    @property
    def posted_on(self) -> date:
        return FIRST + timedelta(days=self.day)


def live_page(purchases: Sequence[Purchase], first: int = 0, last: int = 24) -> bytes:
    told = [
        row(f"id{item.number}", item.amount_minor, item.posted_on, description=item.shop)
        for item in purchases
        if first <= item.day <= last
    ]
    return page(*told, window=(FIRST + timedelta(days=first), FIRST + timedelta(days=last)))


def table(purchases: Sequence[Purchase], first: int = 0, last: int = 24) -> bytes:
    """A file as another program writes it: the same days and amounts, other texts, no ids."""
    lines = [
        f"{item.posted_on.isoformat()},Card payment {item.shop.title()},{item.amount_minor / 100:.2f}"
        for item in purchases
        if first <= item.day <= last
    ]
    return ("Date,Description,Amount\n" + "\n".join(lines) + "\n").encode()


MONTH = [Purchase(number, 2 * number, -1000 - number, SHOPS[number % 3]) for number in range(12)]
AMOUNTS = sorted(item.amount_minor for item in MONTH)


@pytest.fixture
async def bank(database_url, tmp_path):
    async with open_pipeline(database_url, tmp_path / "objects") as pipe:
        yield pipe


@pytest.fixture
async def ada(bank) -> Importer:
    user_id, _ = await bank.person()
    return Importer(bank, user_id)


async def connect(ada: Importer, *pages: bytes) -> ConnectionId:
    """Let the bank be read for the first time."""
    connection_id = await ada.pipe.value(
        "SELECT connection_id FROM connections WHERE user_id = $1 AND institution_id = 'scripted'", ada.user_id
    )
    await ada.pipe.refresh(ada.user_id, connection_id, *pages)
    return connection_id


async def test_what_was_imported_first_counts_once_when_its_account_is_merged_into_the_banks(ada):
    await ada.take_in(table(MONTH))
    filed = await ada.account()
    connection_id = await connect(ada, live_page(MONTH))
    live = await ada.account(connection_id)
    assert await ada.counted() == sorted([*AMOUNTS, *AMOUNTS])
    [suggestion] = await ada.suggestions()
    assert (suggestion.from_id, suggestion.into_id) == (filed, live)
    assert suggestion.why == "Of the last 12 transactions that files brought into a, 12 are in Card as well."

    merged = await ada.merge(filed, live)

    assert (merged.account_id, merged.moved, merged.matched, merged.suggested) == (live, 12, 12, 0)
    assert await ada.counted() == AMOUNTS
    assert await ada.suggestions() == []
    assert [item["account_id"] for item in await ada.pipe.fetch("SELECT account_id FROM accounts")] == [live]
    assert await ada.differences() == []
    kinds = await ada.pipe.fetch("SELECT DISTINCT kind, state FROM transaction_matches")
    assert [tuple(item) for item in kinds] == [("same_purchase", "applied")]


async def test_what_only_the_file_told_of_comes_along_and_stays(ada):
    await ada.take_in(table(MONTH))
    connection_id = await connect(ada, live_page(MONTH, 10))

    merged = await ada.merge(await ada.account(), await ada.account(connection_id))

    assert (merged.moved, merged.matched, merged.suggested) == (12, 7, 0)
    assert await ada.counted() == AMOUNTS
    assert await ada.differences() == []


async def test_what_was_written_onto_imported_transactions_is_on_the_banks_after_the_merge(ada):
    await ada.take_in(table(MONTH))
    filed = await ada.account()
    old = await ada.transaction(-1003)
    only_in_file = await ada.transaction(-1000)
    await ada.pipe.fetch(
        "UPDATE transactions SET category_id = 603, category_source = 'manual', note = 'lunch with ' || amount_minor,"
        " tags = '{trip}', part_category_ids = '{701}', part_amounts_minor = '{-500}', part_notes = '{half}'"
        " WHERE amount_minor IN (-1003, -1000)"
    )
    connection_id = await connect(ada, live_page(MONTH, 2))

    await ada.merge(filed, await ada.account(connection_id))

    async with ada.begin() as conn:
        found = await transactions_read.resolve(conn, ada.user_id, [old, only_in_file])
    assert found[old].transaction_id != old, "an old link leads to the bank's row"
    assert found[only_in_file].transaction_id == only_in_file
    for resolved in found.values():
        assert resolved.note == f"lunch with {resolved.amount_minor}"
        assert (resolved.tags, resolved.category_id, resolved.category_source) == (("trip",), 603, "manual")
        assert [part.amount_minor for part in resolved.parts] == [-500]
    assert await ada.counted() == AMOUNTS
    assert await ada.differences() == []


async def test_the_next_file_of_the_sort_goes_into_the_account_that_the_first_was_merged_into(ada):
    await ada.take_in(table(MONTH, 0, 10))
    connection_id = await connect(ada, live_page(MONTH))
    live = await ada.account(connection_id)
    await ada.merge(await ada.account(), live)

    preview = await ada.preview(table(MONTH, 8), "b.csv")
    assert [(item.account_id, item.duplicates) for item in preview.statements] == [(live, 8)]
    await ada.confirm(preview.row.import_id)

    assert await ada.counted() == AMOUNTS
    assert await ada.differences() == []


async def test_a_statement_that_names_its_account_goes_where_that_was_merged_into(ada):
    told = [(f"x{item.number}", f"{item.posted_on:%Y%m%d}", f"{item.amount_minor / 100:.2f}", "SHOP") for item in MONTH]
    await ada.take_in(ofx(told), "a.ofx")
    ada.pipe.institution.masks = {"card": "3456"}
    connection_id = await connect(ada, live_page(MONTH))
    live = await ada.account(connection_id)
    waiting = await ada.preview(ofx([*told, ("y1", "20261102", "-77.00", "KIOSK")]), "b.ofx")
    await ada.merge(await ada.account(), live)

    # It was shown before the merge, and another one names the account after it.
    await ada.confirm(waiting.row.import_id)
    await ada.take_in(ofx([("y2", "20261103", "-88.00", "KIOSK")]), "c.ofx")

    assert await ada.counted() == sorted([*AMOUNTS, -7700, -8800])
    assert await ada.pipe.value("SELECT count(*) FROM accounts") == 1
    assert await ada.differences() == []


async def test_a_preview_asks_whether_the_account_of_files_is_one_that_a_connection_reads(ada):
    await ada.take_in(ofx([("x1", "20261102", "-9.00", "BOOKS")]), "a.ofx")
    ada.pipe.institution.masks = {"card": "3456"}
    await connect(ada, live_page(MONTH))

    preview = await ada.preview(ofx([("x2", "20261103", "-8.00", "BOOKS")]), "b.ofx")

    # The bank says that it is a credit card and the file that it is a checking account: two of one ending.
    assert not any("merge them" in words for words in preview.unsure)
    await ada.pipe.fetch("UPDATE accounts SET kind = 'checking'")
    preview = await ada.preview(ofx([("x3", "20261104", "-7.00", "BOOKS")]), "c.ofx")
    [words] = [words for words in preview.unsure if "merge" in words]
    assert words == (
        "It would go into Checking 3456, which only files bring, and Card has a number that ends in 3456 as well: if "
        "the two are one account, merge them, so that nothing counts twice."
    )


async def test_accounts_are_suggested_by_their_numbers_until_their_transactions_say_otherwise(ada):
    await ada.take_in(ofx([("x1", "20261102", "-9.00", "BOOKS")]), "a.ofx")
    ada.pipe.institution.masks = {"card": "3456"}
    connection_id = await connect(ada, live_page(MONTH))
    await ada.pipe.fetch("UPDATE accounts SET kind = 'checking'")
    assert [item.why for item in await ada.suggestions()] == [
        "Checking 3456 and Card are both held in USD, and their numbers end in 3456."
    ]

    others = [(f"y{day}", f"202611{day:02d}", f"-3.{day:02d}", "KIOSK") for day in range(1, 10)]
    await ada.take_in(ofx(others), "b.ofx", await ada.account())
    assert await ada.suggestions() == []
    assert connection_id


async def test_an_import_is_undone_after_the_merge(ada):
    first = await ada.take_in(table(MONTH, 0, 10))
    second = await ada.take_in(table(MONTH, 6, 24), account_id=await ada.account())
    connection_id = await connect(ada, live_page(MONTH, 12))
    await ada.merge(await ada.account(), await ada.account(connection_id))
    assert await ada.counted() == AMOUNTS

    await ada.undo(first)
    assert await ada.counted() == sorted(item.amount_minor for item in MONTH if item.day >= 6)
    assert await ada.differences() == []
    await ada.undo(second)
    assert await ada.counted() == sorted(item.amount_minor for item in MONTH if item.day >= 12)
    assert await ada.differences() == []


async def test_a_file_that_went_into_both_accounts_is_there_once(ada):
    connection_id = await connect(ada, live_page(MONTH, 20))
    live = await ada.account(connection_id)
    await ada.take_in(table(MONTH, 0, 10))
    filed = await ada.account()
    await ada.pipe.fetch("UPDATE transactions SET note = 'mine' WHERE amount_minor = -1002")
    await ada.take_in(table(MONTH, 4, 16), "again.csv", live)
    doubled = [item.amount_minor for item in MONTH if 4 <= item.day <= 10]
    assert await ada.counted() == sorted([*doubled, *(item.amount_minor for item in MONTH if item.day != 18)])

    merged = await ada.merge(filed, live)

    assert (merged.moved, merged.matched) == (6, 4)
    assert await ada.counted() == sorted(item.amount_minor for item in MONTH if item.day != 18)
    assert await ada.pipe.value("SELECT note FROM transactions WHERE amount_minor = -1002") == "mine"
    assert await ada.differences() == []


async def test_two_accounts_of_files_become_one(ada):
    told = [(f"x{item.number}", f"{item.posted_on:%Y%m%d}", f"{item.amount_minor / 100:.2f}", "SHOP") for item in MONTH]
    await ada.take_in(ofx(told), "a.ofx")
    stays = await ada.account()
    await ada.take_in(table(MONTH), "b.csv")
    goes = await ada.account()
    assert stays != goes

    merged = await ada.merge(goes, stays)

    assert (merged.moved, merged.matched, merged.suggested) == (12, 12, 0)
    assert await ada.counted() == AMOUNTS
    assert await ada.differences() == []


async def test_a_purchase_at_the_edge_of_what_is_known_is_asked_about_and_counts_until_answered(ada):
    await ada.take_in(table([Purchase(0, 5, -450), Purchase(1, 2, -7)], 0, 5))
    connection_id = await connect(ada, live_page([Purchase(2, 7, -450), Purchase(3, 12, -8)], 6))
    merged = await ada.merge(await ada.account(), await ada.account(connection_id))
    assert (merged.moved, merged.matched, merged.suggested) == (2, 0, 1)
    assert await ada.counted() == [-450, -450, -8, -7]

    from_id = await ada.pipe.value("SELECT from_id FROM transaction_matches WHERE state = 'suggested'")
    async with ada.begin() as conn:
        await matches.confirm(conn, ada.user_id, from_id, ada.pipe.now)
    assert await ada.counted() == [-450, -8, -7]
    assert await ada.differences() == []


async def test_events_and_alerts_follow_a_merge(ada):
    await ada.take_in(table(MONTH))
    connection_id = await connect(ada, live_page(MONTH))
    await ada.merge(await ada.account(), await ada.account(connection_id))
    event = await ada.pipe.value(
        "SELECT payload::text FROM events WHERE kind = 'transactions_changed' ORDER BY seq DESC LIMIT 1"
    )
    assert '"removed_count": 12' in event
    assert ada.user_id in ada.pipe.effects.changed
    assert ada.user_id in ada.pipe.effects.told


async def test_only_accounts_of_files_are_merged_into_ones_of_their_currency_while_nothing_is_read(ada):
    await ada.take_in(table(MONTH))
    filed = await ada.account()
    connection_id = await connect(ada, live_page(MONTH))
    live = await ada.account(connection_id)

    with pytest.raises(InvalidInput, match="Card is read through a connection; only accounts that files alone bring"):
        await ada.merge(live, filed)
    with pytest.raises(InvalidInput, match="cannot be merged into itself"):
        await ada.merge(filed, filed)
    await ada.pipe.fetch("UPDATE accounts SET currency = 'EUR' WHERE account_id = $1", live)
    with pytest.raises(InvalidInput, match="a is held in USD and Card in EUR; they cannot be one account"):
        await ada.merge(filed, live)
    await ada.pipe.fetch("UPDATE accounts SET currency = 'USD'")
    ada.pipe.carry = False
    await ada.confirm((await ada.preview(table(MONTH, 20), "b.csv")).row.import_id)
    with pytest.raises(InvalidInput, match="A file is just being read into a; merge when that is done"):
        await ada.merge(filed, live)
    assert await ada.counted() == sorted([*AMOUNTS, *AMOUNTS])


async def test_another_persons_account_is_not_found_and_nothing_changes(ada, bank):
    await ada.take_in(table(MONTH))
    mine = await ada.account()
    user_id, connection_id = await bank.person()
    eve = Importer(bank, user_id)
    await bank.refresh(user_id, connection_id, live_page(MONTH))
    await eve.take_in(table(MONTH))
    before = await bank.fetch("SELECT * FROM transactions ORDER BY transaction_id")

    with pytest.raises(NotFound) as failure:
        await eve.merge(mine, await eve.account(connection_id))
    assert failure.value.field == "from"
    with pytest.raises(NotFound) as failure:
        await eve.merge(await eve.account(), mine)
    assert failure.value.field == "into"
    assert await bank.fetch("SELECT * FROM transactions ORDER BY transaction_id") == before


async def test_a_merge_leaves_one_copy_of_each_file(ada):
    await ada.take_in(table(MONTH))
    connection_id = await connect(ada, live_page(MONTH))
    await ada.merge(await ada.account(), await ada.account(connection_id))

    objects = ada.place.objects
    kept = {key async for key in objects.list(f"raw/{ada.user_id}/") if "/imports/" in key}
    named = await ada.pipe.fetch(
        "SELECT object_key FROM raw_objects JOIN sync_runs USING (user_id, run_id) WHERE import_id IS NOT NULL"
    )
    assert {item["object_key"] for item in named} == kept
    assert len(kept) == 2


async def test_a_file_that_went_missing_does_not_keep_its_account_from_being_merged(ada):
    import_id = await ada.take_in(table(MONTH))
    key = await ada.pipe.value("SELECT object_key FROM file_imports WHERE import_id = $1", import_id)
    await ada.place.objects.delete(key)
    connection_id = await connect(ada, live_page(MONTH))

    merged = await ada.merge(await ada.account(), await ada.account(connection_id))

    # Its last day is known by its rows no more, so that what lies at an edge is asked about.
    assert merged.matched + merged.suggested == 12
    assert len(await ada.counted()) == 12 + merged.suggested


purchase = st.tuples(st.integers(0, 20), st.sampled_from((-450, -450, -450, -999, -1200, 300)), st.sampled_from(SHOPS))
spans = st.tuples(st.integers(0, 20), st.integers(0, 20)).map(lambda pair: (min(pair), max(pair)))


def told(purchases: Sequence[Purchase], *days: tuple[int, int]) -> Counter[int]:
    return Counter(item.amount_minor for item in purchases if any(first <= item.day <= last for first, last in days))


@settings(
    max_examples=30,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(purchase, min_size=1, max_size=14), spans, spans, spans)
async def test_purchases_count_once_wherever_they_are_told(
    bank: Pipeline,
    items: list[tuple[int, int, str]],
    first: tuple[int, int],
    second: tuple[int, int],
    live: tuple[int, int],
) -> None:
    purchases = [Purchase(number, *item) for number, item in enumerate(items)]
    user_id, connection_id = await bank.person()
    ada = Importer(bank, user_id)
    files = [span for span in (first, second) if any(span[0] <= item.day <= span[1] for item in purchases)]
    for span in files:
        options = {"currency": "USD", "date_order": "ymd", "inverse_sign": False}
        await ada.take_in(table(purchases, *span), account_id=await ada.account(), **options)
    await bank.refresh(user_id, connection_id, live_page(purchases, *live))
    if files:
        await ada.merge(await ada.account(), await ada.account(connection_id))

    counted = Counter(await ada.counted())
    assert counted >= told(purchases, *files, live), "a real purchase was dropped"
    doubtful = await bank.value(
        "SELECT count(*) FROM transaction_matches WHERE user_id = $1 AND state = 'suggested'", user_id
    )
    extra = counted - told(purchases, *files, live)
    assert extra.total() <= doubtful, "a purchase counts twice, and nobody is asked"
    assert await ada.differences() == []
