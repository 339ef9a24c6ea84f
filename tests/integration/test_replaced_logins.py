"""A login that is replaced while a run is under way: what the old one may see does not mix with the new one's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from mintql.domain.credentials import Credentials
from mintql.domain.errors import AuthRequired
from mintql.domain.ids import SyncRunId
from mintql.services import connections
from mintql.services.connections import Access
from mintql.store.sync import RunKey
from support.people import acting_as
from support.pipeline import Pipeline, open_pipeline
from support.scripted import ScriptedInstitution, page, row

DAY = date(2026, 11, 10)
WINDOW = (date(2026, 10, 29), date(2026, 11, 13))


class Choosy(ScriptedInstitution):
    """Takes one password only, and lets something happen before it looks at the one it is given."""

    password = "old"
    meanwhile = None

    async def fetch(self, credentials, request):
        what, self.meanwhile = self.meanwhile, None
        if what is not None:
            await what()
        if credentials.password != self.password:
            raise AuthRequired("The bank refuses the login.")
        async for given in super().fetch(credentials, request):
            yield given


@pytest.fixture
async def bank(database_url: str, tmp_path: Path) -> AsyncIterator[Pipeline]:
    async with open_pipeline(database_url, tmp_path / "objects", institution=Choosy(), carry=False) as pipeline:
        yield pipeline


async def connected(bank, login="ada", password="old"):
    """A person whose connection was made as the API makes one, and its first run."""
    user_id, _ = await bank.person()
    async with bank.begin() as conn, acting_as(conn, user_id):
        access = Access.at(bank.institution, Credentials("", login, password))
        connection_id, run_id, _ = await connections.create(conn, user_id, access, bank.place.vault, bank.now)
    return user_id, connection_id, RunKey(user_id, run_id)


async def replace_login(bank, user_id, connection_id, login, password):
    async with bank.begin() as conn, acting_as(conn, user_id):
        access = Access.at(bank.institution, Credentials("", login, password))
        run_id, _ = await connections.replace_credentials(
            conn, user_id, connection_id, access, bank.place.vault, bank.now
        )
    return RunKey(user_id, SyncRunId(run_id))


async def runs(bank):
    return [tuple(run) for run in await bank.fetch("SELECT run_id, state, error_code FROM sync_runs ORDER BY run_id")]


async def place_of(bank, connection_id):
    query = "SELECT sync_cursor, synced_through, status, error_code FROM connections WHERE connection_id = $1"
    return tuple((await bank.fetch(query, connection_id))[0])


async def ingested(bank, key):
    await bank.run_job("extract", [list(key)])
    await bank.run_job("ingest", [list(key)])


@pytest.mark.parametrize("until", ["queued", "extracted"])
async def test_a_run_with_the_login_before_ends_and_another_reads_from_the_beginning(bank, until):
    user_id, connection_id, first = await connected(bank)
    bank.institution.pages = [page(row("t1", -450, DAY), window=WINDOW)]
    await ingested(bank, first)
    second = await bank.refresh(user_id, connection_id, page(row("old", -9900, DAY), window=WINDOW))
    if until == "extracted":
        await bank.run_job("extract", [list(second)])
    third = await replace_login(bank, user_id, connection_id, "grace", "old")
    await bank.run_job("ingest", [list(second)])
    assert await place_of(bank, connection_id) == ("", None, "active", None)
    assert await runs(bank) == [
        (first.run_id, "succeeded", None),
        (second.run_id, "failed", "LOGIN_REPLACED"),
        (third.run_id, "queued", None),
    ]
    told = await bank.value(
        "SELECT payload FROM events WHERE kind = 'sync_progress' AND payload ->> 'state' = 'failed'"
    )
    assert "another login" in told
    bank.institution.requests.clear()
    bank.institution.pages = [page(row("t1", -450, DAY), row("t2", -700, DAY), window=WINDOW)]
    await ingested(bank, third)
    assert bank.now.date() - bank.institution.requests[0].first == timedelta(days=730)
    assert await bank.value("SELECT sum(posted_minor)::bigint FROM monthly_spending") == -1150
    assert (await bank.replay(user_id)).differences == []


async def test_what_is_fetched_with_the_login_before_meanwhile_is_not_taken_up(bank):
    user_id, connection_id, first = await connected(bank)
    bank.institution.pages = [page(row("old", -9900, DAY), window=WINDOW)]

    async def meanwhile():
        await replace_login(bank, user_id, connection_id, "grace", "old")

    bank.institution.meanwhile = meanwhile
    await ingested(bank, first)
    assert [state for _, state, _ in await runs(bank)] == ["failed", "queued"]
    assert await bank.value("SELECT count(*) FROM transactions") == 0
    assert await place_of(bank, connection_id) == ("", None, "active", None)


async def test_a_run_is_joined_when_the_same_login_has_a_new_password(bank):
    user_id, connection_id, first = await connected(bank)
    assert await replace_login(bank, user_id, connection_id, "ada", "new") == first


async def test_the_refusal_of_a_password_that_was_replaced_meanwhile_is_not_held_against_the_new_one(bank):
    user_id, connection_id, first = await connected(bank)
    bank.institution.password = "new"
    bank.institution.pages = [page(row("t1", -450, DAY), window=WINDOW)]

    async def meanwhile():
        assert await replace_login(bank, user_id, connection_id, "ada", "new") == first

    bank.institution.meanwhile = meanwhile
    await bank.run_job("extract", [list(first)])
    assert [state for _, state, _ in await runs(bank)] == ["queued"]
    assert await place_of(bank, connection_id) == ("", None, "active", None)
    bank.carry = True
    await bank.sweep(after=timedelta(seconds=5))
    assert await runs(bank) == [(first.run_id, "succeeded", None)]
    assert await bank.value("SELECT sum(posted_minor)::bigint FROM monthly_spending") == -450


async def test_a_password_that_nobody_replaced_is_refused_for_good(bank):
    _, connection_id, first = await connected(bank, password="wrong")
    await bank.run_job("extract", [list(first)])
    assert await runs(bank) == [(first.run_id, "failed", "AUTH_REQUIRED")]
    assert await place_of(bank, connection_id) == ("", None, "action_required", "AUTH_REQUIRED")
