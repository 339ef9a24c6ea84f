"""Visits that renew a login: who may say what, jobs that run twice or die, and what is forgotten when."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from mintql.domain.credentials import Credentials
from mintql.domain.errors import AuthRequired, InternalFailure, NotFound
from mintql.gateways.queue import deserialize
from mintql.institutions.base import LinkSession
from mintql.jobs import sweep
from mintql.services import connections, link_visits
from mintql.services.connections import Access
from mintql.services.effects import Job
from mintql.store import link_answers
from mintql.store import link_visits as rows
from support.factories import create_connection, create_user
from support.people import acting_as
from support.pipeline import open_pipeline
from support.scripted import ScriptedInstitution

ACCESS = "access-production-1"


@dataclass
class OwnPages(ScriptedInstitution):
    """An institution with pages of its own; it thinks for a while, and fails with each of `failures` first."""

    opened: list[Credentials | None] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    thinks_seconds: float = 0

    async def open_link(self, reference: str, credentials: Credentials | None = None) -> LinkSession:
        assert len(bytes.fromhex(reference)) == 32
        await asyncio.sleep(self.thinks_seconds)
        if self.failures:
            raise self.failures.pop(0)
        self.opened.append(credentials)
        token = f"link-{len(self.opened)}"
        return LinkSession(token, f"https://bank.example/{token}", datetime(2100, 1, 1, tzinfo=UTC))

    async def confirm_link(self, token: str) -> None:
        pass


@pytest.fixture
async def pipeline(database_url, tmp_path):
    async with open_pipeline(database_url, tmp_path, institution=OwnPages(), now=datetime.now(UTC)) as opened:
        yield opened


@pytest.fixture
async def person(pipeline):
    """A person and a connection of theirs whose login is kept, made as the API makes one."""
    user_id, _ = await pipeline.person()
    async with pipeline.begin() as conn, acting_as(conn, user_id):
        access = Access.at(pipeline.institution, Credentials("", "item-1", ACCESS))
        connection_id, _, _ = await connections.create(conn, user_id, access, pipeline.place.vault, pipeline.now)
    return user_id, connection_id


async def ask(pipeline, user_id, connection_id):
    async with pipeline.begin() as conn, acting_as(conn, user_id):
        visit_id, effects = await link_visits.ask(conn, user_id, connection_id, "scripted", pipeline.now)
    assert effects.jobs == [Job("open_link", (user_id, visit_id))]
    return visit_id


async def answer(pipeline, user_id, visit_id):
    async with pipeline.begin() as conn, acting_as(conn, user_id):
        return await link_visits.answer_of(conn, user_id, visit_id)


async def waiting(pipeline):
    async with pipeline.begin() as conn:
        return await link_visits.waiting(conn, pipeline.now)


async def test_a_worker_opens_the_visit_with_the_kept_login_and_wakes_who_waits(pipeline, person):
    user_id, _ = person
    visit_id = await ask(pipeline, *person)
    assert await answer(pipeline, user_id, visit_id) is None
    pipeline.effects.told.clear()
    await link_visits.open_visit(pipeline.place, user_id, visit_id)
    assert pipeline.institution.opened == [Credentials("", "item-1", ACCESS)]
    assert pipeline.effects.told == {user_id}
    session = await answer(pipeline, user_id, visit_id)
    assert (session.token, session.url) == ("link-1", "https://bank.example/link-1")
    assert session.expires_at == datetime(2100, 1, 1, tzinfo=UTC)


async def test_a_job_that_runs_twice_opens_one_visit(pipeline, person):
    user_id, _ = person
    visit_id = await ask(pipeline, *person)
    await link_visits.open_visit(pipeline.place, user_id, visit_id)
    await link_visits.open_visit(pipeline.place, user_id, visit_id)
    assert len(pipeline.institution.opened) == 1
    assert (await answer(pipeline, user_id, visit_id)).token == "link-1"


async def test_a_visit_whose_job_was_lost_is_sent_again_but_not_while_a_worker_is_at_it(pipeline, person):
    user_id, _ = person
    visit_id = await ask(pipeline, *person)
    assert await waiting(pipeline) == [Job("open_link", (user_id, visit_id))]
    async with pipeline.begin() as conn:
        assert await link_answers.take(conn, user_id, visit_id, pipeline.now, pipeline.now + link_visits.LEASE)
    assert await waiting(pipeline) == []
    await link_visits.open_visit(pipeline.place, user_id, visit_id)
    assert pipeline.institution.opened == []
    pipeline.now += link_visits.LEASE
    assert await waiting(pipeline) == [Job("open_link", (user_id, visit_id))]
    await link_visits.open_visit(pipeline.place, user_id, visit_id)
    assert (await answer(pipeline, user_id, visit_id)).token == "link-1"


async def test_a_visit_that_nobody_waits_for_any_more_is_not_opened(pipeline, person):
    user_id, _ = person
    visit_id = await ask(pipeline, *person)
    pipeline.now += timedelta(seconds=link_visits.WAIT_SECONDS)
    assert await waiting(pipeline) == []
    await link_visits.open_visit(pipeline.place, user_id, visit_id)
    assert pipeline.institution.opened == []
    assert await answer(pipeline, user_id, visit_id) is None


async def test_why_there_is_no_visit_is_kept_in_the_words_of_the_failure(pipeline, person):
    user_id, _ = person
    refusal = AuthRequired("The bank knows no such login.", retry_at=pipeline.now)
    refusal.action = "Connect the bank again."
    pipeline.institution.failures = [refusal]
    visit_id = await ask(pipeline, *person)
    await link_visits.open_visit(pipeline.place, user_id, visit_id)
    with pytest.raises(AuthRequired, match="knows no such login") as raised:
        await answer(pipeline, user_id, visit_id)
    assert (raised.value.action, raised.value.retry_at) == ("Connect the bank again.", pipeline.now)


async def test_what_goes_wrong_unexpectedly_is_told_and_logged_without_a_word_of_the_login(pipeline, person, caplog):
    user_id, _ = person
    pipeline.institution.failures = [ValueError(f"cannot use {ACCESS}")]
    visit_id = await ask(pipeline, *person)
    with caplog.at_level(logging.DEBUG):
        await link_visits.open_visit(pipeline.place, user_id, visit_id)
    with pytest.raises(InternalFailure, match="try again in a moment"):
        await answer(pipeline, user_id, visit_id)
    assert "ValueError" in caplog.text
    assert ACCESS not in caplog.text


async def test_an_institution_that_thinks_too_long_is_said_to_be_down(pipeline, person, monkeypatch):
    user_id, _ = person
    monkeypatch.setattr(link_visits, "OPEN_SECONDS", 0.01)
    pipeline.institution.thinks_seconds = 5
    visit_id = await ask(pipeline, *person)
    await link_visits.open_visit(pipeline.place, user_id, visit_id)
    row = (await pipeline.fetch("SELECT state, error_code FROM link_visits"))[0]
    assert tuple(row) == ("refused", "INSTITUTION_DOWN")


async def test_the_api_can_ask_but_neither_answer_nor_see_what_is_anothers(pipeline, person):
    user_id, connection_id = person
    visit_id = await ask(pipeline, *person)
    await link_visits.open_visit(pipeline.place, user_id, visit_id)
    columns = "INSERT INTO link_visits (user_id, connection_id, created_at, wanted_until, kept_until"
    for act in (
        "UPDATE link_visits SET token = 'link-x'",
        f"{columns}, token) VALUES ({user_id}, {connection_id}, now(), now(), now(), 'link-x')",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
            async with pipeline.begin() as conn, acting_as(conn, user_id):
                await conn.execute(act)
    stranger, _ = await pipeline.person()
    async with pipeline.begin() as conn, acting_as(conn, stranger):
        assert await conn.fetchval("SELECT count(*) FROM link_visits") == 0
        assert await rows.opened(conn, user_id, connection_id, pipeline.now) == []
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        async with pipeline.begin() as conn, acting_as(conn, stranger):
            await conn.execute(f"{columns}) VALUES ({user_id}, {connection_id}, now(), now(), now())")


@pytest.mark.parametrize("keep_history", [True, False])
async def test_ending_a_connection_ends_its_visits(pipeline, person, keep_history):
    user_id, connection_id = person
    visit_id = await ask(pipeline, *person)
    async with pipeline.begin() as conn, acting_as(conn, user_id):
        await connections.disconnect(
            conn, user_id, connection_id, keep_history=keep_history, farewells=(), now=pipeline.now
        )
    await link_visits.open_visit(pipeline.place, user_id, visit_id)
    assert pipeline.institution.opened == []
    assert await pipeline.value("SELECT count(*) FROM link_visits") == 0
    with pytest.raises(NotFound):
        await ask(pipeline, *person)


async def test_only_the_latest_visits_of_a_connection_are_remembered(pipeline, person):
    user_id, connection_id = person
    for _ in range(link_visits.VISITS_MAX + 2):
        await link_visits.open_visit(pipeline.place, user_id, await ask(pipeline, *person))
    async with pipeline.begin() as conn, acting_as(conn, user_id):
        tokens = await rows.opened(conn, user_id, connection_id, pipeline.now)
    last = link_visits.VISITS_MAX + 2
    assert tokens == [f"link-{number}" for number in range(last, last - link_visits.VISITS_MAX, -1)]


@pytest.fixture
async def owner(database_url):
    """The owner of the tables, and a connection through Plaid of somebody."""
    conn = await asyncpg.connect(database_url)
    await create_connection(conn, await create_user(conn), institution_id="plaid")
    yield conn
    await conn.close()


INSERT = """
INSERT INTO link_visits (user_id, connection_id, created_at, wanted_until, kept_until)
SELECT user_id, connection_id, now(), now() + make_interval(secs => $1), now() + make_interval(secs => $2)
FROM connections
"""


async def test_the_sweeper_forgets_visits_that_have_had_their_time(runtime, owner):
    for kept_seconds in (-3600, 0, 3600):
        await owner.execute(INSERT, -1, kept_seconds)
    await sweep({"runtime": runtime})
    kept = await owner.fetch("SELECT kept_until > now() AS in_time FROM link_visits")
    assert [row["in_time"] for row in kept] == [True]


async def test_the_sweeper_sends_visits_that_are_waited_for_to_workers_again(runtime, owner):
    await owner.execute(INSERT, -1, 60)
    await owner.execute(INSERT, 60, 60)
    waited_for = await owner.fetchrow("SELECT user_id, visit_id FROM link_visits WHERE wanted_until > now()")
    await sweep({"runtime": runtime})
    jobs = [deserialize(await runtime.redis.get(key)) for key in await runtime.redis.keys("arq:job:*")]
    assert [tuple(job["a"]) for job in jobs if job["f"] == "open_link"] == [tuple(waited_for)]
