"""Removing a history for good: every row, however many, and every raw page, however late one comes."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path

import asyncpg
import pytest

from mintql.domain.errors import InstitutionDown
from mintql.domain.ids import ConnectionId, UserId
from mintql.jobs import JOB_TIMEOUT_SECONDS
from mintql.services import connections
from mintql.services.removal import WRITERS_GONE, remove_doomed
from mintql.store import connections as rows
from support.people import acting_as
from support.pipeline import Pipeline, open_pipeline
from support.scripted import ScriptedInstitution, page, row

DAY = date(2026, 11, 10)


class Interrupted(ScriptedInstitution):
    """An institution with which something happens once between its first page and its second."""

    meanwhile = None

    async def fetch(self, credentials, request):
        async for given in super().fetch(credentials, request):
            yield given
            what, self.meanwhile = self.meanwhile, None
            if what is not None:
                await what()


@pytest.fixture
async def bank(database_url: str, tmp_path: Path) -> AsyncIterator[Pipeline]:
    async with open_pipeline(database_url, tmp_path / "objects", institution=Interrupted()) as pipeline:
        yield pipeline


async def remove(bank: Pipeline, user_id: UserId, connection_id: ConnectionId) -> None:
    async with bank.begin() as conn, acting_as(conn, user_id):
        effects = await connections.disconnect(
            conn, user_id, connection_id, keep_history=False, farewells=(), now=bank.now
        )
    await bank.perform(effects)


async def raw(bank: Pipeline, prefix: str = "raw/") -> list[str]:
    return [key async for key in bank.place.objects.list(prefix)]


async def looks(bank: Pipeline) -> int:
    """How many prefixes are still to be looked at, now or later."""
    return int(await bank.value("SELECT count(*) FROM doomed_objects"))


@pytest.mark.parametrize("failure", [None, InstitutionDown("down")])
async def test_pages_that_were_being_fetched_when_their_history_was_removed_go_as_well(bank, failure):
    user_id, connection_id = await bank.person()
    other_id, other_connection_id = await bank.person()
    await bank.refresh(other_id, other_connection_id, page(row("o1", -450, DAY)))

    async def meanwhile() -> None:
        await remove(bank, user_id, connection_id)
        assert await remove_doomed(bank.place) == 1

    bank.institution.meanwhile = meanwhile
    bank.institution.failure = failure
    await bank.refresh(user_id, connection_id, page(row("t1", -450, DAY)), page(row("t2", -700, DAY)))
    assert len(await raw(bank, f"raw/{user_id}/")) == 1
    assert await remove_doomed(bank.place) == 1
    assert await raw(bank, f"raw/{user_id}/") == []
    assert len(await raw(bank)) == 1
    bank.now += WRITERS_GONE
    assert (await remove_doomed(bank.place), await looks(bank)) == (0, 0)


async def test_a_page_that_a_dying_worker_leaves_behind_is_found_by_a_second_look(bank):
    user_id, connection_id = await bank.person()
    await bank.refresh(user_id, connection_id, page(row("t1", -450, DAY)))
    await remove(bank, user_id, connection_id)
    assert (await remove_doomed(bank.place), await looks(bank)) == (1, 1)
    await bank.place.objects.put(f"raw/{user_id}/{connection_id}/9/1/00000.gz", b"late", "application/gzip")
    bank.now += WRITERS_GONE - timedelta(seconds=1)
    assert (await remove_doomed(bank.place), await looks(bank)) == (0, 1)
    bank.now += timedelta(seconds=1)
    assert (await remove_doomed(bank.place), await looks(bank)) == (1, 0)
    assert await raw(bank) == []


def test_the_second_look_comes_when_no_job_can_be_writing_any_more():
    assert timedelta(seconds=JOB_TIMEOUT_SECONDS) < WRITERS_GONE


async def test_what_is_removed_again_gets_its_two_looks_again(bank):
    user_id, connection_id = await bank.person()
    await bank.refresh(user_id, connection_id, page(row("t1", -450, DAY)))
    prefix = f"raw/{user_id}/{connection_id}/"
    async with bank.begin() as conn:
        await rows.doom_objects(conn, user_id, prefix, bank.now - WRITERS_GONE)
        await rows.doom_objects(conn, user_id, prefix, bank.now)
    assert (await remove_doomed(bank.place), await looks(bank)) == (1, 1)


@pytest.mark.parametrize("prefix", ["raw/{other}/1/", "raw/{mine}/", "raw/", "raw/{mine}1/", "raw/{mine}/../{other}/"])
async def test_nothing_is_removed_that_does_not_belong_to_who_asks(bank, prefix, caplog):
    caplog.set_level(logging.ERROR)
    user_id, _ = await bank.person()
    other_id, other_connection_id = await bank.person()
    await bank.refresh(other_id, other_connection_id, page(row("o1", -450, DAY)))
    asked = prefix.format(mine=user_id, other=other_id)
    with pytest.raises(asyncpg.CheckViolationError):
        async with bank.begin() as conn, acting_as(conn, user_id):
            await rows.doom_objects(conn, user_id, asked, bank.now)
    # Nor when the database were to let it in.
    await bank.fetch("ALTER TABLE doomed_objects DROP CONSTRAINT doomed_objects_prefix_check")
    async with bank.begin() as conn:
        await rows.doom_objects(conn, user_id, asked, bank.now)
    assert (await remove_doomed(bank.place), await looks(bank)) == (0, 0)
    assert "nothing is removed" in caplog.text
    assert len(await raw(bank)) == 1


async def test_a_long_history_goes_in_statements_of_bounded_size_to_the_last_cent(bank, monkeypatch):
    user_id, connection_id = await bank.person()
    other_id, other_connection_id = await bank.person()
    await bank.refresh(other_id, other_connection_id, page(row("o1", -450, DAY)))
    await bank.refresh(user_id, connection_id, page(*(row(f"t{number}", -100, DAY) for number in range(7))))
    sizes = []
    whole = rows.delete_transactions

    async def counting(conn, user_id, connection_id, limit):
        sizes.append(await whole(conn, user_id, connection_id, limit))
        return sizes[-1]

    monkeypatch.setattr(rows, "delete_transactions", counting)
    monkeypatch.setattr(connections, "ROWS_PER_STATEMENT_MAX", 3)
    await remove(bank, user_id, connection_id)
    assert sizes == [3, 3, 1]
    sums = "SELECT user_id, sum(posted_minor)::bigint AS minor FROM monthly_spending GROUP BY 1 ORDER BY 1"
    assert [tuple(item) for item in await bank.fetch(sums)] == [(user_id, 0), (other_id, -450)]
    told = "SELECT payload -> 'removed_count' FROM events WHERE user_id = $1 AND kind = 'transactions_changed'"
    assert [item[0] for item in await bank.fetch(f"{told} ORDER BY seq DESC LIMIT 1", user_id)] == ["7"]
    assert await bank.value("SELECT count(*) FROM connections") == 1
