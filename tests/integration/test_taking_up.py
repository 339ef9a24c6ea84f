"""Accounts that are connected again with another login go on with the history that was kept of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from mintql.domain.credentials import Credentials
from mintql.domain.ids import ConnectionId, TransactionId, UserId
from mintql.services import connections
from mintql.services.annotations import Annotation, annotate
from mintql.services.connections import Access
from mintql.services.reconcile import reconcile_page
from mintql.services.removal import remove_doomed
from support.pipeline import NOW, Pipeline, open_pipeline
from support.plaid import drawn, plaid_place
from support.scripted import page, row
from support.simplefin import NOW as SIMPLEFIN_NOW
from support.simplefin import simplefin_place

DAY = date(2026, 11, 10)
OLD = date(2024, 11, 20)
WINDOW = (date(2026, 10, 29), date(2026, 11, 13))
BOTH = ("card", "savings")

Login = Callable[[], Awaitable[Credentials]]
"""Makes one more login of the same person at the bank."""


@pytest.fixture
async def bank(database_url: str, tmp_path: Path) -> AsyncIterator[Pipeline]:
    async with open_pipeline(database_url, tmp_path / "objects") as pipeline:
        pipeline.institution.masks = {"card": "4242", "new-card": "4242", "savings": "9999", "other": "1111"}
        pipeline.institution.names = {"card": "Card", "new-card": "Card"}
        yield pipeline


async def connect(bank: Pipeline, user_id: UserId, credentials: Credentials, *pages: bytes) -> ConnectionId:
    """Connect as the API does, and let the first run go its way."""
    if pages:
        bank.institution.pages = list(pages)
    bank.now += timedelta(seconds=1)
    access = Access.at(bank.institution, credentials)
    async with bank.begin() as conn:
        connection_id, _, effects = await connections.create(conn, user_id, access, bank.place.vault, bank.now)
    await bank.perform(effects)
    return connection_id


async def connect_item(bank: Pipeline, user_id: UserId, item: str, *pages: bytes) -> ConnectionId:
    return await connect(bank, user_id, Credentials("", item, "secret"), *pages)


async def end(bank: Pipeline, user_id: UserId, connection_id: ConnectionId, *, keep_history: bool = True) -> None:
    async with bank.begin() as conn:
        effects = await connections.disconnect(
            conn, user_id, connection_id, keep_history=keep_history, farewells=(), now=bank.now
        )
    await bank.perform(effects)


async def counted(bank: Pipeline, user_id: UserId) -> dict[str, int]:
    rows = await bank.fetch(
        "SELECT external_id, amount_minor FROM transactions WHERE user_id = $1 AND successor_id IS NULL"
        " AND removed_at IS NULL",
        user_id,
    )
    return {item["external_id"]: item["amount_minor"] for item in rows}


async def total(bank: Pipeline, user_id: UserId) -> int:
    query = "SELECT coalesce(sum(posted_minor + pending_minor), 0)::bigint FROM monthly_spending WHERE user_id = $1"
    return int(await bank.value(query, user_id))


async def note(bank: Pipeline, user_id: UserId, external_id: str, text: str) -> None:
    query = "SELECT transaction_id FROM transactions WHERE user_id = $1 AND external_id = $2"
    transaction_id = TransactionId(await bank.value(query, user_id, external_id))
    async with bank.begin() as conn:
        await annotate(conn, user_id, transaction_id, Annotation(note=text, changes_note=True), bank.now)


async def notes(bank: Pipeline, user_id: UserId) -> dict[str, str]:
    """What the person noted on rows that count."""
    query = (
        "SELECT external_id, note FROM transactions WHERE user_id = $1 AND note IS NOT NULL AND successor_id IS NULL"
        " AND removed_at IS NULL"
    )
    return {item["external_id"]: item["note"] for item in await bank.fetch(query, user_id)}


async def links(bank: Pipeline, user_id: UserId) -> dict[int, tuple[str, list[int]]]:
    query = "SELECT connection_id, status, former_ids FROM connections WHERE user_id = $1 AND institution_id = $2"
    rows = await bank.fetch(query, user_id, bank.institution.institution_id)
    return {item["connection_id"]: (item["status"], item["former_ids"]) for item in rows}


async def agrees(bank: Pipeline, user_id: UserId) -> None:
    """The ledger is what a rebuild from the raw pages gives, and the sums are those of its rows."""
    assert (await bank.replay(user_id)).differences == []
    async with bank.begin() as conn:
        assert (await reconcile_page(conn, UserId(0)))[1] == []


@pytest.fixture
async def ended(bank: Pipeline) -> tuple[UserId, ConnectionId]:
    """A person who has ended a connection and kept its history: -4.50 with a note, and -70.00 of two years ago."""
    user_id, spare_id = await bank.person()
    await end(bank, user_id, spare_id, keep_history=False)
    first_id = await connect_item(bank, user_id, "item-1", page(row("t1", -450, DAY), row("t0", -7000, OLD)))
    await note(bank, user_id, "t1", "with Grace")
    await end(bank, user_id, first_id)
    return user_id, first_id


async def test_the_same_accounts_under_their_ids_go_on_with_everything_that_was_kept(bank, ended):
    user_id, first_id = ended
    account = await bank.value("SELECT account_id FROM accounts")
    again = page(row("t1", -450, DAY), row("t2", -700, DAY), window=WINDOW)
    second_id = await connect_item(bank, user_id, "item-2", again)
    assert await counted(bank, user_id) == {"t0": -7000, "t1": -450, "t2": -700}
    assert await total(bank, user_id) == -8150
    assert await notes(bank, user_id) == {"t1": "with Grace"}
    assert [tuple(item) for item in await bank.fetch("SELECT account_id, connection_id FROM accounts")] == [
        (account, second_id)
    ]
    assert await links(bank, user_id) == {second_id: ("active", [first_id])}
    await agrees(bank, user_id)
    told = "SELECT payload ->> 'what', payload -> 'connection_id' FROM events WHERE kind = 'connection_changed'"
    assert [tuple(item) for item in await bank.fetch(f"{told} ORDER BY seq DESC LIMIT 2")] == [
        ("removed", str(first_id)),
        ("connected", str(second_id)),
    ]
    await bank.refresh(user_id, second_id, page(row("t2", -800, DAY), row("t1", -450, DAY), window=WINDOW))
    assert await total(bank, user_id) == -8250
    await agrees(bank, user_id)


async def test_the_same_accounts_and_rows_under_other_ids_count_once_and_keep_their_notes(bank, ended):
    user_id, _ = ended
    moved = {"account_external_id": "new-card"}
    window = (date(2024, 12, 1), WINDOW[1])
    again = page(row("n1", -450, DAY, **moved), row("n2", -700, DAY, **moved), accounts=("new-card",), window=window)
    second_id = await connect_item(bank, user_id, "item-2", again)
    assert await counted(bank, user_id) == {"t0": -7000, "n1": -450, "n2": -700}
    assert await total(bank, user_id) == -8150
    assert await notes(bank, user_id) == {"n1": "with Grace"}
    known = await bank.fetch("SELECT connection_id, external_id, former_external_ids FROM accounts")
    assert [tuple(item) for item in known] == [(second_id, "new-card", ["card"])]
    await agrees(bank, user_id)


async def test_an_account_that_is_connected_no_more_keeps_its_history_and_a_new_one_gets_its_own(bank, ended):
    user_id, first_id = ended
    bank.institution.pages = [page(row("s1", -100, DAY, account_external_id="savings"), accounts=BOTH)]
    await connect_item(bank, user_id, "item-1")
    await end(bank, user_id, first_id)
    shown = page(row("o1", -20, DAY, account_external_id="other"), row("t1", -450, DAY), accounts=("card", "other"))
    second_id = await connect_item(bank, user_id, "item-2", shown)
    query = "SELECT connection_id, external_id, missing_since IS NOT NULL FROM accounts ORDER BY account_id"
    assert [tuple(item) for item in await bank.fetch(query)] == [
        (second_id, "card", False),
        (second_id, "savings", True),
        (second_id, "other", False),
    ]
    assert await total(bank, user_id) == -7570
    await agrees(bank, user_id)


async def test_a_third_login_goes_on_with_the_second_and_removing_it_removes_all_pages_of_all_three(bank, ended):
    user_id, first_id = ended
    second_id = await connect_item(bank, user_id, "item-2", page(row("t2", -700, DAY)))
    await end(bank, user_id, second_id)
    third_id = await connect_item(bank, user_id, "item-3", page(row("t3", -800, DAY)))
    assert await links(bank, user_id) == {third_id: ("active", [first_id, second_id])}
    assert await total(bank, user_id) == -8950
    await agrees(bank, user_id)
    raw = [key async for key in bank.place.objects.list(f"raw/{user_id}/")]
    assert {int(key.split("/")[2]) for key in raw} == {first_id, second_id, third_id}
    await end(bank, user_id, third_id, keep_history=False)
    await remove_doomed(bank.place)
    assert [key async for key in bank.place.objects.list(f"raw/{user_id}/")] == []
    assert (await total(bank, user_id), await links(bank, user_id)) == (0, {})


@pytest.mark.parametrize(("shown", "ended_last_goes_on"), [(BOTH, False), (("card",), True)])
async def test_the_one_that_agrees_best_is_gone_on_with_and_of_equals_the_one_that_ended_last(
    bank, ended, shown, ended_last_goes_on
):
    user_id, ended_last = ended
    await bank.fetch("UPDATE connections SET status = 'active' WHERE connection_id = $1", ended_last)
    agrees_best = await connect_item(bank, user_id, "item-2", page(row("t1", -450, DAY), accounts=BOTH))
    await end(bank, user_id, agrees_best)
    bank.now += timedelta(days=1)
    await end(bank, user_id, ended_last)
    third_id = await connect_item(bank, user_id, "item-3", page(row("t1", -450, DAY), accounts=shown))
    goes_on, stays = (ended_last, agrees_best) if ended_last_goes_on else (agrees_best, ended_last)
    assert await links(bank, user_id) == {third_id: ("active", [goes_on]), stays: ("disconnected", [])}


async def test_other_accounts_other_institutions_other_persons_and_living_connections_are_left_alone(bank, ended):
    user_id, first_id = ended
    stranger_id, stranger_connection_id = await bank.person()
    await end(bank, stranger_id, stranger_connection_id, keep_history=False)
    theirs = await connect_item(bank, stranger_id, "item-9", page(row("t1", -450, DAY)))
    assert await links(bank, stranger_id) == {theirs: ("active", [])}
    second_id = await connect_item(
        bank, user_id, "item-2", page(row("o1", -20, DAY, account_external_id="other"), accounts=("other",))
    )
    assert await links(bank, user_id) == {first_id: ("disconnected", []), second_id: ("active", [])}
    await bank.fetch("UPDATE connections SET institution_id = 'elsewhere' WHERE connection_id = $1", first_id)
    third_id = await connect_item(bank, user_id, "item-3", page(row("t1", -450, DAY)))
    await bank.fetch("UPDATE connections SET institution_id = 'scripted' WHERE connection_id = $1", first_id)
    assert set(await links(bank, user_id)) == {first_id, second_id, third_id}
    # Living ones show an account twice, and neither goes on with the other.
    fourth_id = await connect_item(bank, user_id, "item-4", page(row("t1", -450, DAY)))
    assert await links(bank, user_id) == {
        second_id: ("active", []),
        third_id: ("active", []),
        fourth_id: ("active", [first_id]),
    }


async def test_short_ids_of_another_server_do_not_mix_two_accounts(bank, ended):
    user_id, first_id = ended
    bank.institution.names["card"], bank.institution.masks["card"] = "Giro", "0001"
    second_id = await connect_item(bank, user_id, "item-2", page(row("t1", -99, DAY)))
    assert await links(bank, user_id) == {first_id: ("disconnected", []), second_id: ("active", [])}
    assert await bank.value("SELECT count(*) FROM accounts WHERE user_id = $1", user_id) == 2
    assert await total(bank, user_id) == -7549


async def test_two_daily_runs_of_one_day_become_one_and_a_request(bank, ended):
    user_id, first_id = ended
    await bank.fetch("UPDATE sync_runs SET reason = 'daily', day = $1 WHERE connection_id = $2", NOW.date(), first_id)
    bank.carry = False
    bank.institution.pages = [page(row("t1", -450, DAY))]
    second_id = await connect_item(bank, user_id, "item-2")
    await bank.fetch("UPDATE sync_runs SET reason = 'daily', day = $1 WHERE connection_id = $2", NOW.date(), second_id)
    bank.carry = True
    await bank.sweep(after=timedelta(seconds=10))
    runs = await bank.fetch("SELECT connection_id, reason, state FROM sync_runs ORDER BY run_id")
    assert [tuple(run) for run in runs] == [(second_id, "request", "succeeded"), (second_id, "daily", "succeeded")]
    await agrees(bank, user_id)


async def test_a_worker_that_dies_after_it_took_up_a_history_leaves_nothing_halfway(bank, ended, monkeypatch):
    user_id, first_id = ended

    async def dying(*_: object) -> None:
        raise RuntimeError("the worker dies")

    monkeypatch.setattr("mintql.services.rawlog.write", dying)
    second_id = await connect_item(bank, user_id, "item-2", page(row("t1", -450, DAY), row("t2", -700, DAY)))
    assert await links(bank, user_id) == {second_id: ("active", [first_id])}
    assert await total(bank, user_id) == -7450
    monkeypatch.undo()
    await bank.sweep(after=timedelta(minutes=1))
    assert await total(bank, user_id) == -8150
    await agrees(bank, user_id)


# Through real protocols


@asynccontextmanager
async def simplefin(folder: Path, database_url: str) -> AsyncIterator[tuple[Pipeline, Login]]:
    async with (
        simplefin_place(folder) as place,
        open_pipeline(database_url, folder / "objects", institution=place.connector, now=SIMPLEFIN_NOW) as pipeline,
    ):
        # A quarter of a year says as much here as two.
        place.connector.capabilities = replace(place.connector.capabilities, history_days_max=90)

        async def login() -> Credentials:
            return await place.connector.connect(Credentials("", "", await place.token()))

        yield pipeline, login


@asynccontextmanager
async def plaid(folder: Path, database_url: str) -> AsyncIterator[tuple[Pipeline, Login]]:
    async with (
        plaid_place(folder) as place,
        open_pipeline(database_url, folder / "objects", institution=place.connector, now=SIMPLEFIN_NOW) as pipeline,
    ):
        yield pipeline, place.link


@pytest.mark.parametrize("protocol", [simplefin, plaid])
async def test_a_new_token_or_item_of_a_bank_that_was_left_doubles_nothing(
    protocol, database_url, tmp_path, monkeypatch
):
    monkeypatch.setattr("mintql.sandbox.bank.History", drawn)
    monkeypatch.setattr("mintql.institutions.plaid.ROUND_PAUSE_SECONDS", 0)
    async with protocol(tmp_path, database_url) as (pipeline, login):
        user_id, spare_id = await pipeline.person()
        await end(pipeline, user_id, spare_id, keep_history=False)
        first_id = await connect(pipeline, user_id, await login())
        before, spent = sorted((await counted(pipeline, user_id)).values()), await total(pipeline, user_id)
        query = (
            "SELECT external_id FROM transactions WHERE NOT pending AND successor_id IS NULL ORDER BY posted_on DESC"
        )
        await note(pipeline, user_id, await pipeline.value(query), "with Grace")
        accounts = await pipeline.fetch("SELECT account_id, name, mask FROM accounts ORDER BY account_id")
        assert len(before) > 50
        await end(pipeline, user_id, first_id)
        second_id = await connect(pipeline, user_id, await login())
        assert await links(pipeline, user_id) == {second_id: ("active", [first_id])}
        assert await pipeline.fetch("SELECT account_id, name, mask FROM accounts ORDER BY account_id") == accounts
        assert sorted((await counted(pipeline, user_id)).values()) == before
        assert await total(pipeline, user_id) == spent
        assert list((await notes(pipeline, user_id)).values()) == ["with Grace"]
        await agrees(pipeline, user_id)
