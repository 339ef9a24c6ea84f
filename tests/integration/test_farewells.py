"""Ending a connection: the login is out of reach at once, and the institution is told where it has to be."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from mintql.domain.credentials import Credentials
from mintql.domain.errors import AccountGone, InstitutionDown
from mintql.jobs import farewell, sweep
from mintql.services import connections
from mintql.services.connections import Access
from mintql.services.farewells import KEPT, PAUSE_SECONDS, say_farewells
from support.people import acting_as
from support.pipeline import open_pipeline
from support.scripted import ScriptedInstitution

PASSWORD = "hunter2 and a half"


@dataclass
class LeftInstitution(ScriptedInstitution):
    """An institution that wants to be told; it fails with each of `failures` first."""

    told: list[Credentials] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)

    async def disconnect(self, credentials: Credentials) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.told.append(credentials)


@pytest.fixture
async def pipeline(database_url, tmp_path):
    institution = LeftInstitution()
    institution.capabilities = replace(institution.capabilities, farewell=True)
    # The database's own clock says when a farewell is due: ours is ahead of it by more than a test takes.
    now = datetime.now(UTC) + timedelta(minutes=5)
    async with open_pipeline(database_url, tmp_path, institution=institution, now=now) as opened:
        yield opened


async def connected(pipeline, login="ada"):
    """A connection made as the API makes one."""
    user_id, _ = await pipeline.person()
    async with pipeline.begin() as conn, acting_as(conn, user_id):
        access = access_of(pipeline, login)
        connection_id, _, _ = await connections.create(conn, user_id, access, pipeline.place.vault, pipeline.now)
    return user_id, connection_id


def access_of(pipeline, login):
    return Access.at(pipeline.institution, Credentials("https://bank.example", login, PASSWORD))


async def disconnect(pipeline, user_id, connection_id, *, keep_history=True, farewells=("scripted",)):
    async with pipeline.begin() as conn, acting_as(conn, user_id):
        return await connections.disconnect(
            conn, user_id, connection_id, keep_history=keep_history, farewells=farewells, now=pipeline.now
        )


async def kept(pipeline):
    secrets = await pipeline.value(
        "SELECT count(*) FROM connection_secrets JOIN connections USING (user_id, connection_id) WHERE login_key <> ''"
    )
    return secrets, await pipeline.value("SELECT count(*) FROM farewells")


async def later(pipeline, seconds):
    pipeline.now += timedelta(seconds=seconds)
    return await say_farewells(pipeline.place)


@pytest.mark.parametrize("keep_history", [True, False])
async def test_the_login_is_gone_at_once_and_the_institution_is_told_once(pipeline, keep_history):
    user_id, connection_id = await connected(pipeline)
    effects = await disconnect(pipeline, user_id, connection_id, keep_history=keep_history)
    assert [job.name for job in effects.jobs] == ["farewell"]
    assert await kept(pipeline) == (0, 1)
    async with pipeline.begin() as conn:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with acting_as(conn, user_id):
                await conn.fetch("SELECT ciphertext FROM farewells")
    assert await later(pipeline, 1) == 1
    assert [(told.login, told.password) for told in pipeline.institution.told] == [("ada", PASSWORD)]
    assert await kept(pipeline) == (0, 0)
    assert await later(pipeline, 3600) == 0
    assert len(pipeline.institution.told) == 1


async def test_an_institution_that_need_not_be_told_is_not_and_nothing_is_kept(pipeline):
    user_id, connection_id = await connected(pipeline)
    effects = await disconnect(pipeline, user_id, connection_id, farewells=())
    assert effects.jobs == []
    assert await kept(pipeline) == (0, 0)
    assert await later(pipeline, 1) == 0
    assert pipeline.institution.told == []


async def test_an_institution_that_is_down_is_told_when_it_is_up_with_pauses_between(pipeline):
    user_id, connection_id = await connected(pipeline)
    pipeline.institution.failures = [InstitutionDown("down"), RuntimeError("odd")]
    await disconnect(pipeline, user_id, connection_id)
    assert await later(pipeline, 1) == 0
    assert await later(pipeline, PAUSE_SECONDS[0] - 1) == 0
    assert len(pipeline.institution.failures) == 1
    assert await later(pipeline, 1) == 0
    assert pipeline.institution.failures == []
    assert await later(pipeline, PAUSE_SECONDS[1]) == 1
    assert await kept(pipeline) == (0, 0)


async def test_a_refusal_that_will_not_change_ends_it(pipeline):
    user_id, connection_id = await connected(pipeline)
    pipeline.institution.failures = [AccountGone("gone")]
    await disconnect(pipeline, user_id, connection_id)
    assert await later(pipeline, 1) == 0
    assert await kept(pipeline) == (0, 0)


async def test_no_login_outlives_its_connection_by_more_than_an_hour_and_no_log_shows_one(pipeline, caplog):
    caplog.set_level(logging.DEBUG)
    user_id, connection_id = await connected(pipeline)
    pipeline.institution.failures = [
        InstitutionDown(f"no {PASSWORD}"),
        RuntimeError(PASSWORD),
        *[InstitutionDown("x")] * 99,
    ]
    await disconnect(pipeline, user_id, connection_id)
    for _ in range(9):
        await later(pipeline, KEPT.total_seconds() / 10)
    assert await kept(pipeline) in ((0, 1), (0, 0))
    await later(pipeline, KEPT.total_seconds() / 10 + 1)
    assert await kept(pipeline) == (0, 0)
    assert pipeline.institution.told == []
    assert "scripted" in caplog.text
    assert PASSWORD not in caplog.text
    assert "ada" not in caplog.text


async def test_a_connection_that_is_made_again_meanwhile_is_not_ended_at_the_institution(pipeline):
    user_id, connection_id = await connected(pipeline)
    await disconnect(pipeline, user_id, connection_id)
    async with pipeline.begin() as conn, acting_as(conn, user_id):
        again, _, _ = await connections.create(
            conn, user_id, access_of(pipeline, "ada"), pipeline.place.vault, pipeline.now
        )
    assert again == connection_id
    assert await kept(pipeline) == (1, 0)
    assert await later(pipeline, 1) == 0
    assert pipeline.institution.told == []


async def test_the_access_that_another_login_takes_the_place_of_is_ended(pipeline):
    user_id, connection_id = await connected(pipeline)
    async with pipeline.begin() as conn, acting_as(conn, user_id):
        access = access_of(pipeline, "grace")
        await connections.replace_credentials(conn, user_id, connection_id, access, pipeline.place.vault, pipeline.now)
    assert await kept(pipeline) == (1, 1)
    assert await later(pipeline, 1) == 1
    assert [told.login for told in pipeline.institution.told] == ["ada"]
    async with pipeline.begin() as conn, acting_as(conn, user_id):
        await connections.replace_credentials(conn, user_id, connection_id, access, pipeline.place.vault, pipeline.now)
    assert await kept(pipeline) == (1, 0)


async def replace_login(pipeline, user_id, connection_id, login):
    async with pipeline.begin() as conn, acting_as(conn, user_id):
        access = access_of(pipeline, login)
        await connections.replace_credentials(conn, user_id, connection_id, access, pipeline.place.vault, pipeline.now)


async def test_every_access_that_was_replaced_is_ended_however_soon_the_next_took_its_place(pipeline):
    user_id, connection_id = await connected(pipeline)
    await replace_login(pipeline, user_id, connection_id, "grace")
    await replace_login(pipeline, user_id, connection_id, "joan")
    await disconnect(pipeline, user_id, connection_id)
    assert await kept(pipeline) == (0, 3)
    pipeline.institution.failures = [InstitutionDown("down")]
    assert await later(pipeline, 1) == 2
    assert await later(pipeline, PAUSE_SECONDS[0]) == 1
    assert sorted(told.login for told in pipeline.institution.told) == ["ada", "grace", "joan"]
    assert await kept(pipeline) == (0, 0)


async def test_an_access_that_takes_its_place_back_is_not_ended(pipeline):
    user_id, connection_id = await connected(pipeline)
    await replace_login(pipeline, user_id, connection_id, "grace")
    await replace_login(pipeline, user_id, connection_id, "ada")
    assert await kept(pipeline) == (1, 1)
    assert await later(pipeline, 1) == 1
    assert [told.login for told in pipeline.institution.told] == ["grace"]


async def test_an_access_that_is_connected_anew_after_its_history_was_removed_is_not_ended(pipeline):
    user_id, connection_id = await connected(pipeline)
    other_id, other_connection_id = await connected(pipeline)
    await disconnect(pipeline, user_id, connection_id, keep_history=False)
    await disconnect(pipeline, other_id, other_connection_id)
    async with pipeline.begin() as conn, acting_as(conn, user_id):
        access = access_of(pipeline, "ada")
        again, _, _ = await connections.create(conn, user_id, access, pipeline.place.vault, pipeline.now)
    assert again != connection_id
    # The other person's farewell to a login of the same name is said all the same.
    assert await kept(pipeline) == (1, 1)
    assert await later(pipeline, 1) == 1


async def test_nobody_parts_with_the_login_of_another_person(pipeline):
    _, connection_id = await connected(pipeline)
    other_id, _ = await pipeline.person()
    async with pipeline.begin() as conn, acting_as(conn, other_id):
        await conn.execute("SELECT part_with_secret($1, now() + interval '1 hour')", connection_id)
    assert await kept(pipeline) == (1, 0)


async def test_a_login_whose_key_is_gone_is_forgotten_without_a_word_to_anybody(pipeline):
    user_id, connection_id = await connected(pipeline)
    await disconnect(pipeline, user_id, connection_id)
    await pipeline.fetch("UPDATE farewells SET key_version = 99")
    assert await later(pipeline, 1) == 0
    assert await kept(pipeline) == (0, 0)
    assert pipeline.institution.told == []


async def test_the_sweeper_sends_a_farewell_that_no_job_carries(runtime):
    async def carried():
        for name in await runtime.redis.keys("arq:job:*"):
            await runtime.redis.delete(name)
        await runtime.redis.delete(runtime.settings.queue_name)
        await sweep({"runtime": runtime})
        return {job.function for job in await runtime.redis.queued_jobs(queue_name=runtime.settings.queue_name)}

    assert "farewell" not in await carried()
    async with runtime.system() as conn:
        await conn.execute(
            "INSERT INTO farewells (user_id, connection_id, institution_id, key_version, wrapped_key, ciphertext, "
            "expires_at) VALUES (1, 1, 'scripted', 1, '', '', now() + interval '1 hour')"
        )
    assert "farewell" in await carried()
    await farewell({"runtime": runtime})  # Nobody offers this institution: it cannot be told.
    assert "farewell" not in await carried()
