"""A file and a live connection of one account, in any order and any overlap: each purchase counts once."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mintql.domain.ids import ConnectionId, UserId
from mintql.services import connections, imports_ending, matches
from mintql.services.reconcile import reconcile_page
from support.pipeline import Pipeline, open_pipeline
from support.scripted import page, row
from support.sending import account_of, send_file
from support.sending import table as table_of

FIRST = date(2026, 10, 20)
SHOPS = ("BLUE BOTTLE", "SHELL OIL 123", "CORNER SHOP")


@dataclass(frozen=True)
class Purchase:
    """What really happened: `number` tells two equal ones apart, as the bank's ids do."""

    number: int
    day: int
    amount_minor: int
    shop: str

    @property
    def posted_on(self) -> date:
        return FIRST + timedelta(days=self.day)


def live_page(purchases: Sequence[Purchase], first: int, last: int) -> bytes:
    told = [
        row(f"id{item.number}", item.amount_minor, item.posted_on, description=item.shop)
        for item in purchases
        if first <= item.day <= last
    ]
    return page(*told, window=(FIRST + timedelta(days=first), FIRST + timedelta(days=last)))


def table(purchases: Sequence[Purchase], first: int, last: int) -> bytes:
    """A CSV file as another part of the bank writes it: the same days and amounts, other texts, no ids."""
    return table_of(
        (item.posted_on, f"Card payment {item.shop.title()}", item.amount_minor)
        for item in purchases
        if first <= item.day <= last
    )


@pytest.fixture
async def bank(database_url: str, tmp_path: Path) -> AsyncIterator[Pipeline]:
    async with open_pipeline(database_url, tmp_path / "objects") as pipeline:
        yield pipeline


async def counted(bank: Pipeline, user_id: UserId) -> Counter[tuple[date, int]]:
    rows = await bank.fetch(
        "SELECT posted_on, amount_minor FROM transactions WHERE user_id = $1 AND successor_id IS NULL"
        " AND removed_at IS NULL",
        user_id,
    )
    return Counter((item["posted_on"], item["amount_minor"]) for item in rows)


def told(purchases: Sequence[Purchase], *spans: tuple[int, int]) -> Counter[tuple[date, int]]:
    return Counter(
        (item.posted_on, item.amount_minor)
        for item in purchases
        if any(first <= item.day <= last for first, last in spans)
    )


purchase = st.tuples(st.integers(0, 20), st.sampled_from((-450, -450, -450, -999, -1200, 300)), st.sampled_from(SHOPS))
spans = st.tuples(st.integers(0, 20), st.integers(0, 20)).map(lambda pair: (min(pair), max(pair)))


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(purchase, min_size=1, max_size=14), spans, spans, spans)
async def test_purchases_count_once_wherever_they_are_told(
    bank: Pipeline,
    items: list[tuple[int, int, str]],
    first: tuple[int, int],
    file: tuple[int, int],
    then: tuple[int, int],
) -> None:
    purchases = [Purchase(number, *item) for number, item in enumerate(items)]
    user_id, connection_id = await bank.person()
    await bank.refresh(user_id, connection_id, live_page(purchases, *first))
    in_file = [item for item in purchases if file[0] <= item.day <= file[1]]
    if in_file:
        await send_file(bank, user_id, table(purchases, *file), await account_of(bank, user_id, connection_id))
    await bank.refresh(user_id, connection_id, live_page(purchases, *then))
    if in_file:
        await send_file(bank, user_id, table(purchases, *file), await account_of(bank, user_id, connection_id))

    assert await counted(bank, user_id) >= told(purchases, first, file, then), "a real purchase was dropped"
    doubtful = await bank.value(
        "SELECT count(*) FROM transaction_matches WHERE user_id = $1 AND state = 'suggested'", user_id
    )
    extra = await counted(bank, user_id) - told(purchases, first, file, then)
    assert extra.total() <= doubtful, "a purchase counts twice, and nobody is asked"
    assert (await bank.replay(user_id)).differences == []
    async with bank.begin() as conn:
        assert (await reconcile_page(conn, UserId(user_id - 1)))[1] == []


async def test_two_equal_coffees_of_one_day_stay_two_in_file_and_connection(bank: Pipeline) -> None:
    purchases = [Purchase(0, 5, -450, SHOPS[0]), Purchase(1, 5, -450, SHOPS[0]), Purchase(2, 9, -1, SHOPS[1])]
    user_id, connection_id = await bank.person()
    await bank.refresh(user_id, connection_id, live_page(purchases, 0, 20))
    await send_file(bank, user_id, table(purchases, 0, 20), await account_of(bank, user_id, connection_id))
    assert await counted(bank, user_id) == told(purchases, (0, 20))
    kinds = await bank.fetch("SELECT kind, state FROM transaction_matches")
    assert [tuple(item) for item in kinds] == [("same_purchase", "applied")] * 3


async def test_a_purchase_at_the_edge_of_what_is_known_is_asked_about_and_counts_until_answered(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    before = [Purchase(0, 5, -450, SHOPS[0]), Purchase(1, 2, -7, SHOPS[1])]
    after = [Purchase(2, 7, -450, SHOPS[0]), Purchase(3, 12, -8, SHOPS[1])]
    await bank.refresh(user_id, connection_id, live_page(after, 6, 20))
    account_id = await account_of(bank, user_id, connection_id)
    await send_file(bank, user_id, table(before, 0, 5), account_id)
    assert await counted(bank, user_id) == told(before + after, (0, 20))
    [suggested] = await bank.fetch("SELECT from_id, kind, state FROM transaction_matches")
    assert (suggested["kind"], suggested["state"]) == ("same_purchase", "suggested")
    async with bank.begin() as conn:
        await matches.confirm(conn, user_id, suggested["from_id"], bank.now)
    assert await counted(bank, user_id) == told([before[1], *after], (0, 20))
    assert (await bank.replay(user_id)).differences == []
    async with bank.begin() as conn:
        await matches.undo(conn, user_id, suggested["from_id"], bank.now)
    assert await counted(bank, user_id) == told(before + after, (0, 20))
    await send_file(bank, user_id, table(before, 0, 5), account_id)
    assert await counted(bank, user_id) == told(before + after, (0, 20))
    assert (await bank.replay(user_id)).differences == []


async def test_a_category_chosen_on_a_files_row_moves_along_to_the_connections(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    purchases = [Purchase(0, 5, -450, SHOPS[0]), Purchase(1, 1, -7, SHOPS[1]), Purchase(2, 9, -8, SHOPS[1])]
    await bank.refresh(user_id, connection_id, page())
    await send_file(bank, user_id, table(purchases, 0, 20), await account_of(bank, user_id, connection_id))
    await bank.fetch(
        "UPDATE transactions SET category_id = 603, category_source = 'manual', note = 'mine' WHERE amount_minor = -450"
    )
    await bank.refresh(user_id, connection_id, live_page(purchases, 0, 20))
    live = await bank.fetch("SELECT category_id, category_source, note FROM transactions WHERE external_id = 'id0'")
    assert [tuple(item) for item in live] == [(603, "manual", "mine")]
    assert await counted(bank, user_id) == told(purchases, (0, 20))


async def test_undoing_an_import_leaves_what_the_connection_told(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    purchases = [Purchase(number, number, -100 - number, SHOPS[0]) for number in range(10)]
    await bank.refresh(user_id, connection_id, live_page(purchases, 5, 20))
    import_id = await send_file(bank, user_id, table(purchases, 0, 20), await account_of(bank, user_id, connection_id))
    assert await counted(bank, user_id) == told(purchases, (0, 20))
    async with bank.begin() as conn:
        await imports_ending.undo(conn, user_id, import_id, bank.now)
    assert await counted(bank, user_id) == told(purchases, (5, 20))
    assert (await bank.replay(user_id)).differences == []


async def test_removing_imported_files_for_good_removes_their_rows_from_every_account(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    purchases = [Purchase(number, number, -100 - number, SHOPS[0]) for number in range(10)]
    await bank.refresh(user_id, connection_id, live_page(purchases, 5, 20))
    await send_file(bank, user_id, table(purchases, 0, 20), await account_of(bank, user_id, connection_id))
    await send_file(bank, user_id, table([Purchase(90, 3, -77, SHOPS[1])], 0, 20), None)
    files = await bank.value("SELECT connection_id FROM connections WHERE institution_id = 'files'")
    async with bank.begin() as conn:
        await connections.disconnect(
            conn, user_id, ConnectionId(files), keep_history=False, farewells=frozenset(), now=bank.now
        )
    assert await counted(bank, user_id) == told(purchases, (5, 20))
    removed = await bank.value("SELECT payload ->> 'removed_count' FROM events ORDER BY seq DESC LIMIT 1")
    assert removed == "6"
    assert (await bank.replay(user_id)).differences == []
    async with bank.begin() as conn:
        assert (await reconcile_page(conn, UserId(user_id - 1)))[1] == []


async def test_removing_a_connection_for_good_leaves_a_replay_in_peace_about_files_that_went_into_it(
    bank: Pipeline,
) -> None:
    user_id, connection_id = await bank.person()
    purchases = [Purchase(number, number, -100 - number, SHOPS[0]) for number in range(10)]
    await bank.refresh(user_id, connection_id, live_page(purchases, 5, 20))
    await send_file(bank, user_id, table(purchases, 0, 20), await account_of(bank, user_id, connection_id))
    async with bank.begin() as conn:
        await connections.disconnect(
            conn, user_id, connection_id, keep_history=False, farewells=frozenset(), now=bank.now
        )
    assert await counted(bank, user_id) == Counter()
    assert (await bank.replay(user_id)).differences == []
