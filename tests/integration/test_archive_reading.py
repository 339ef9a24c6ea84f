"""Archived transactions are read, searched, changed and told of as if they had never left the database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from acceptance.test_reads_graphql import Client
from integration.test_transactions_pages import DAY, a_varied_history, filters
from mintql.api.nodes import encode_id
from mintql.gateways.objects_disk import DiskObjectStore
from mintql.services import archive
from mintql.services.archive_reading import Archive
from mintql.services.transactions import PageRequest, list_page
from support.factories import create_account, create_person, create_transaction
from support.people import acting_as, category
from support.pipeline import Pipeline, open_pipeline
from support.scripted import page, row

NOW = datetime.now(UTC)
LONG_AGO = NOW.date().replace(day=15) - timedelta(days=1_000)
EVERYTHING = -1
"""Of no month any row is kept: this one goes as well."""


async def put_away(begin: Any, store: Any, *user_ids: int, now: datetime = NOW, kept: int = EVERYTHING) -> int:
    """Archive what these persons have, all of it unless so many months are kept."""
    pipeline = Pipeline(None, Path(), now=now)
    place = replace(pipeline.place, begin=begin, objects=store)
    async with begin() as conn:
        await conn.execute("INSERT INTO archive_use VALUES (true, $1) ON CONFLICT DO NOTHING", now - timedelta(days=1))
    return await archive.archive_due(place, user_ids, kept)


async def rows_left(conn: Any) -> int:
    return await conn.fetchval("SELECT count(*) FROM transactions")


@pytest.mark.parametrize("forward", [True, False])
@pytest.mark.parametrize("size", [1, 7, 100])
async def test_pages_meet_every_matching_row_once_wherever_it_is(runtime, conn, tmp_path, forward, size):
    person, other_account, rows = await a_varied_history(conn)
    store = DiskObjectStore(tmp_path / "objects")
    # Every other month stays, and pending rows stay among those that go.
    for item in rows:
        item["posted_on"] = DAY - (DAY - item["posted_on"]) * 31
        await conn.execute(
            "UPDATE transactions SET posted_on = $2 WHERE transaction_id = $1",
            item["transaction_id"],
            item["posted_on"],
        )
    rows.sort(key=lambda item: (item["posted_on"], item["transaction_id"]), reverse=True)
    assert await put_away(runtime.system, store, person.user_id) > 40
    async with runtime.system() as back:
        for month in {item["posted_on"].replace(day=1) for item in rows if item["posted_on"].month % 2}:
            await archive.bring_back(back, store, person.user_id, NOW, first=month, last=month)
    assert 10 < await rows_left(conn) < 50
    read = partial(Archive(store).page, datetime(2029, 1, 1, tzinfo=UTC))
    async with acting_as(conn, person.user_id):
        for wanted, matches in filters(other_account):
            expected = [item["transaction_id"] for item in rows if matches(item)]
            met, cursor = [], None
            while True:
                after, before = (cursor, None) if forward else (None, cursor)
                found = await list_page(conn, person.user_id, wanted, PageRequest(size, forward, after, before), read)
                ids = [item.transaction_id for item in found.rows]
                met = met + ids if forward else ids + met
                ahead, behind = (
                    (found.has_next, found.has_previous) if forward else (found.has_previous, found.has_next)
                )
                assert behind == (cursor is not None)
                assert ahead == (len(met) < len(expected))
                if not ahead:
                    break
                cursor = found.rows[-1 if forward else 0].key
            assert met == expected, wanted


@pytest.fixture
async def ada(conn: Any):
    person = await create_person(conn)
    savings = await create_account(conn, person.user_id, person.connection_id, name="Savings")
    ids: dict[str, int] = {}

    async def add(name: str, amount_minor: int, days: int, account_id: int = person.account_id, **more: Any) -> None:
        ids[name] = await create_transaction(
            conn, person.user_id, account_id, amount_minor=amount_minor, posted_on=LONG_AGO + timedelta(days), **more
        )

    groceries = {"category_id": category("groceries"), "category_source": "dictionary"}
    await add("food", -1_200, 0, description="ACME MARKET 12", merchant="Acme Market", **groceries)
    await add("rent", -90_000, 1, category_id=category("rent"), category_source="dictionary")
    await add("out", -5_000, 2)
    await add("in", 5_000, 2, savings)
    await add("posted", -700, 3, external_id="posted")
    await add("pending", -700, 2, pending=True, successor_id=ids["posted"])
    await conn.execute(
        "INSERT INTO transfers (user_id, out_id, in_id, state) VALUES ($1, $2, $3, 'applied')",
        person.user_id, ids["out"], ids["in"],
    )  # fmt: skip
    await conn.execute(
        "INSERT INTO transaction_matches (user_id, from_id, to_id, kind, state)"
        " VALUES ($1, $2, $3, 'pending_link', 'applied')",
        person.user_id, ids["pending"], ids["posted"],
    )  # fmt: skip
    await conn.execute(
        "UPDATE transactions SET tags = '{Holiday}', note = 'by the sea' WHERE transaction_id = $1", ids["food"]
    )
    return person, savings, ids


@pytest.fixture
def client(api_runtime: Any, ada: Any) -> Client:
    return Client(api_runtime, ada[0].user_id)


FIELDS = """
  id postedOn description merchant note tags createdAt updatedAt amount { amountMinor currency } category { id slug }
  account { id name } parts { note } categorization { source }
  transfer { state other { id } transfer { id moneyOut { id } moneyIn { id } } }
  origin { externalId matches { kind explanation transaction { id } } }
"""
TRANSACTIONS = (
    "query T($filter: TransactionFilter) { transactions(first: 50, filter: $filter) { edges { cursor } nodes {"
    + FIELDS
    + "} pageInfo { hasNextPage hasPreviousPage } } }"
)
NODE = "query N($id: ID!) { node(id: $id) { id ... on Transaction {" + FIELDS + "} } }"


async def test_what_is_archived_is_shown_with_all_that_belongs_to_it(runtime, conn, client, ada):
    person, _, ids = ada
    asked = [
        (TRANSACTIONS, {}),
        (TRANSACTIONS, {"filter": {"tags": ["holiday"]}}),
        (TRANSACTIONS, {"filter": {"categoryIds": [encode_id("Category", category("rent"))]}}),
        *((NODE, {"id": encode_id("Transaction", number)}) for number in ids.values()),
        (NODE, {"id": encode_id("Transaction", 2**40)}),
        (NODE, {"id": encode_id("TransactionMatch", ids["pending"])}),
        (NODE, {"id": encode_id("Transfer", 1)}),
        ("{ tags { name transactionCount } }", {}),
    ]
    before = [await client.ask(operation, **variables) for operation, variables in asked]
    assert len(before[0]["transactions"]["nodes"]) == 5
    assert before[0]["transactions"]["nodes"][1]["transfer"]
    assert await put_away(runtime.system, runtime.objects, person.user_id) == 6
    client.runtime.archive._asked_at = 0.0
    assert [await client.ask(operation, **variables) for operation, variables in asked] == before
    assert await rows_left(conn) == 0


async def test_another_person_sees_nothing_of_it(runtime, api_runtime, conn, ada):
    person, _, ids = ada
    eve = await create_person(conn)
    await put_away(runtime.system, runtime.objects, person.user_id)
    stranger = Client(api_runtime, eve.user_id)
    assert (await stranger.ask(TRANSACTIONS))["transactions"]["nodes"] == []
    assert (await stranger.ask(NODE, id=encode_id("Transaction", ids["food"])))["node"] is None
    async with acting_as(conn, eve.user_id):
        assert await archive.bring_back(conn, runtime.objects, person.user_id, NOW) == 0


async def test_a_member_of_a_household_sees_what_is_shared_of_it_and_no_more(runtime, conn, ada):
    person, savings, ids = ada
    await put_away(runtime.system, runtime.objects, person.user_id)
    archived = Archive(runtime.objects)
    async with conn.transaction():
        await conn.execute("SET LOCAL ROLE mintql_household")
        for name, value in (("user_id", person.user_id), ("shared_accounts", f"{{{savings}}}")):
            await conn.execute("SELECT set_config($1, $2, true)", f"mintql.{name}", str(value))
        found = await archived.resolve(conn, person.user_id, list(ids.values()))
        await conn.execute("RESET ROLE")
    assert set(found) == {ids["in"]}


ANNOTATE = """
mutation A($id: ID!, $note: String) {
  annotateTransaction(id: $id, note: $note) { ... on AnnotateTransactionSuccess { transaction { note tags } } }
}
"""


async def test_a_change_brings_the_month_back_first(runtime, conn, client, ada):
    person, _, ids = ada
    sums = "SELECT * FROM monthly_spending ORDER BY month, category_id, currency"
    before = await conn.fetch(sums)
    await put_away(runtime.system, runtime.objects, person.user_id)
    data = await client.ask(ANNOTATE, id=encode_id("Transaction", ids["food"]), note="in the hills")
    assert data["annotateTransaction"]["transaction"] == {"note": "in the hills", "tags": ["Holiday"]}
    assert await conn.fetch(sums) == before
    assert await conn.fetchval("SELECT note FROM transactions WHERE transaction_id = $1", ids["food"]) == "in the hills"


UNDO = "mutation U($id: ID!) { undoTransfer(id: $id) { ... on TransferSuccess { transfer { state } } } }"


async def test_a_transfer_that_is_archived_can_be_undone(runtime, conn, client, ada):
    await put_away(runtime.system, runtime.objects, ada[0].user_id)
    data = await client.ask(UNDO, id=encode_id("Transfer", 1))
    assert data["undoTransfer"]["transfer"] == {"state": "UNDONE"}


SPANS = {
    "long": f'from: "{LONG_AGO}", to: "{NOW.date()}"',
    "days": f'from: "{LONG_AGO}", to: "{LONG_AGO + timedelta(2)}"',
}
READS = [
    'query S { searchTransactions(text: "acme") { nodes { id note } } }',
    "{ spending(long, groupBy: MERCHANT, interval: YEAR) { overall { groups { merchantKey spent { amountMinor } } } } }",
    "{ topMerchants(days) { merchant spent { amountMinor } } }",
    "{ cashFlow(days) { overall { sums { spending { amountMinor } } } } }",
    "{ changes { added { id } removed } }",
]


@pytest.mark.parametrize("operation", READS)
async def test_what_looks_through_old_days_finds_them(runtime, conn, client, ada, operation):
    for name, days in SPANS.items():
        operation = operation.replace(f"({name}", f"({days}")
    before = await client.ask(operation)
    assert str(before).count("'") > 8
    await put_away(runtime.system, runtime.objects, ada[0].user_id)
    client.runtime.archive._asked_at = 0.0
    assert await client.ask(operation) == before


async def test_a_copy_is_not_told_that_what_was_archived_is_gone(runtime, conn, client, ada):
    person, _, ids = ada
    changes = (
        "query C($since: Cursor) { changes(since: $since) { added { id } modified { note } removed cursor hasMore } }"
    )
    cursor = None
    for _ in range(3):
        cursor = (await client.ask(changes, since=cursor))["changes"]["cursor"]
    await conn.execute("UPDATE transactions SET note = 'late' WHERE transaction_id = $1", ids["rent"])
    await put_away(runtime.system, runtime.objects, person.user_id)
    client.runtime.archive._asked_at = 0.0
    said = (await client.ask(changes, since=cursor))["changes"]
    assert (said["modified"], said["removed"]) == ([{"note": "late"}], [])
    assert await rows_left(conn) == 0


# What institutions and files tell again


@pytest.fixture
async def bank(database_url: str, tmp_path: Path):
    async with open_pipeline(database_url, tmp_path / "objects") as pipeline:
        yield pipeline


OLD = date(2025, 2, 10)
HISTORY = page(row("a", -500, OLD), row("b", -700, OLD + timedelta(days=20)), row("new", -100, date(2026, 11, 10)))


async def linked(bank: Pipeline) -> tuple[int, int]:
    user_id, connection_id = await bank.person()
    await bank.refresh(user_id, connection_id, HISTORY, reason="link")
    assert await put_away(bank.begin, bank.place.objects, user_id, now=bank.now, kept=6) == 2
    return user_id, connection_id


async def sums(bank: Pipeline) -> int:
    return await bank.value("SELECT sum(posted_minor)::bigint FROM monthly_spending")


async def test_rows_that_are_told_again_are_not_doubled(bank):
    user_id, connection_id = await linked(bank)
    await bank.fetch("UPDATE account_sync SET seen = ''")
    await bank.refresh(user_id, connection_id, HISTORY)
    rows = await bank.fetch("SELECT external_id FROM transactions ORDER BY 1")
    assert [item["external_id"] for item in rows] == ["a", "b", "new"]
    assert await sums(bank) == -1_300


async def test_a_refresh_of_recent_days_leaves_old_months_where_they_are(bank):
    user_id, connection_id = await linked(bank)
    await bank.fetch("UPDATE archived_months SET object_key = object_key || '-lost' WHERE month < '2026-01-01'")
    await bank.refresh(user_id, connection_id, page(row("newer", -40, date(2026, 11, 11))))
    assert [item["external_id"] for item in await bank.fetch("SELECT external_id FROM transactions ORDER BY 1")] == [
        "new",
        "newer",
    ]
    assert await sums(bank) == -1_340


async def test_an_archived_row_that_is_taken_back_goes_from_the_sums(bank):
    user_id, connection_id = await linked(bank)
    await bank.refresh(user_id, connection_id, page(removed=(("card", "a"),)))
    assert await sums(bank) == -800
    assert await bank.value("SELECT removed_at IS NOT NULL FROM transactions WHERE external_id = 'a'")


async def test_the_first_time_it_is_only_announced_that_months_will_move(bank):
    user_id, connection_id = await bank.person()
    await bank.refresh(user_id, connection_id, HISTORY, reason="link")
    assert await archive.archive_due(bank.place, [user_id], EVERYTHING) == 0
    bank.now += archive.ANNOUNCED / 2
    assert await archive.archive_due(bank.place, [user_id], EVERYTHING) == 0
    bank.now += archive.ANNOUNCED
    assert await archive.archive_due(bank.place, [user_id], EVERYTHING) == 3
