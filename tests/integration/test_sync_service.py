"""Opening runs: one per connection, one a day, none for those who are away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import nullcontext
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from mintql.domain.errors import InstitutionDown, InstitutionRateLimited, NotFound, RateLimited
from mintql.domain.ids import ConnectionId, UserId
from mintql.services import connections, daily, sync
from mintql.services.effects import Job
from mintql.services.pace import Pace
from mintql.services.webhooks import open_wanted
from mintql.store.sync import RunKey
from support.pipeline import NOW, Pipeline, open_pipeline
from support.scripted import page, row

FIRST = (UserId(0), ConnectionId(0))


@pytest.fixture
async def bank(database_url: str, tmp_path: Path) -> AsyncIterator[Pipeline]:
    async with open_pipeline(database_url, tmp_path / "objects", carry=False) as pipeline:
        yield pipeline


async def planned(bank: Pipeline, now: datetime = NOW, spread_seconds: int = 0) -> list[Job]:
    """The jobs of one round of the daily refresh."""
    jobs, after = [], FIRST
    while after is not None:
        async with bank.begin() as conn:
            after, effects = await daily.plan_page(conn, now, after, spread_seconds)
        jobs += effects.jobs
    return jobs


async def opened(bank: Pipeline, jobs: list[Job], now: datetime = NOW) -> list[list[RunKey]]:
    """The runs that each of these jobs opens."""
    found = []
    for job in jobs:
        async with bank.begin() as conn:
            found.append(await daily.open_runs(conn, now, daily.Range.of(job.args)))
    return found


async def refreshed(bank: Pipeline, now: datetime = NOW, spread_seconds: int = 0) -> list[RunKey]:
    """The runs that one round of the daily refresh opens in all."""
    return [key for keys in await opened(bank, await planned(bank, now, spread_seconds), now) for key in keys]


async def crowd(bank: Pipeline, count: int) -> None:
    await bank.fetch(
        "WITH people AS (INSERT INTO users (email, password_hash, name) SELECT 'p' || n, '', '' FROM"
        " generate_series(1, $1::int) AS n RETURNING user_id) INSERT INTO connections (user_id, institution_id)"
        " SELECT user_id, 'scripted' FROM people",
        count,
    )


async def test_a_second_request_joins_the_open_run_and_asks_for_no_second_job(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    first = await bank.refresh(user_id, connection_id)
    assert await bank.refresh(user_id, connection_id) == first
    assert [job.name for job in bank.effects.jobs] == ["extract"]
    assert await bank.value("SELECT count(*) FROM sync_runs") == 1


async def test_a_request_lets_a_run_that_waits_for_its_time_begin_at_once(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    [waiting] = await refreshed(bank)
    await bank.fetch("UPDATE sync_runs SET next_attempt_at = $1", NOW + timedelta(hours=1))
    key = await bank.refresh(user_id, connection_id)
    assert key == waiting
    assert bank.effects.jobs == [Job("extract", ([list(key)],))]
    await bank.run_job("extract", [list(key)])
    assert len(bank.institution.requests) == 1


async def test_a_request_takes_a_run_that_is_due_out_of_the_background(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    [waiting] = await refreshed(bank)
    assert await bank.value("SELECT background FROM sync_runs")
    assert await bank.refresh(user_id, connection_id) == waiting
    assert bank.effects.jobs == [Job("extract", ([list(waiting)],))]
    assert not await bank.value("SELECT background FROM sync_runs")
    assert await bank.refresh(user_id, connection_id) == waiting
    assert len(bank.effects.jobs) == 1, "one job is enough"


async def test_what_follows_from_the_daily_refresh_stays_behind_what_persons_wait_for(bank: Pipeline) -> None:
    user_id, _ = await bank.person()
    await bank.fetch("UPDATE connections SET synced_through = $1", NOW.date() - timedelta(days=1))
    [daily_run] = await refreshed(bank)
    bank.institution.pages = [page(row("t1", -450, NOW.date()))]
    bank.now += timedelta(seconds=1)
    await bank.run_job("extract", [list(daily_run)])
    await bank.run_job("ingest", [list(daily_run)])
    rows = await bank.fetch("SELECT run_id, reason, state, background FROM sync_runs ORDER BY run_id")
    follows = rows[1]["run_id"]
    assert [tuple(found)[1:] for found in rows] == [
        ("daily", "succeeded", True), ("request", "queued", True),
    ], "the account was never seen: its whole history is read"  # fmt: skip
    bank.effects.jobs.clear()
    await bank.sweep(after=timedelta(minutes=1))
    assert bank.effects.jobs == [Job("extract", ([[user_id, follows]],), background=True)]


async def test_a_request_shortens_the_pause_after_an_outage_but_not_one_the_institution_asked_for(
    bank: Pipeline,
) -> None:
    for failure, fetched in ((InstitutionDown("down"), 2), (InstitutionRateLimited("later"), 1)):
        bank.institution.requests.clear()
        bank.institution.fail(failure)
        key = await bank.refresh(*(link := await bank.person()))
        await bank.run_job("extract", [list(key)])
        await bank.refresh(*link)
        await bank.run_job("extract", [list(key)])
        assert len(bank.institution.requests) == fetched


async def test_a_whole_refresh_follows_a_run_of_balances_that_has_begun(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    bank.institution.pages = [page()]
    async with bank.begin() as conn:
        first, _ = await sync.open_or_join_run(conn, user_id, connection_id, "request", bank.now, balances_only=True)
    await bank.run_job("extract", [[user_id, first]])
    assert (await bank.refresh(user_id, connection_id)).run_id == first
    assert await open_wanted(bank.place) == 0
    await bank.run_job("ingest", [[user_id, first]])
    assert await open_wanted(bank.place) == 1
    bank.institution.pages = [page(row("t1", -450, NOW.date()))]
    bank.carry = True
    await bank.sweep(after=timedelta(minutes=1))
    wanted = "SELECT reason, state, balances_only FROM sync_runs ORDER BY run_id"
    assert [tuple(run) for run in await bank.fetch(wanted)] == [
        ("request", "succeeded", True),
        ("request", "succeeded", False),
    ]
    assert await bank.value("SELECT sum(amount_minor)::bigint FROM transactions") == -450
    assert await open_wanted(bank.place) == 0


async def test_a_request_of_balances_wants_no_more_than_the_run_of_balances_that_has_begun(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    for _ in range(2):
        async with bank.begin() as conn:
            run_id, _ = await sync.open_or_join_run(conn, user_id, connection_id, "request", NOW, balances_only=True)
        await bank.run_job("extract", [[user_id, run_id]])
    assert await bank.value("SELECT wanted_at FROM connections") is None


async def test_a_whole_refresh_keeps_its_pause_while_balances_are_being_fetched(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    key = await bank.refresh(user_id, connection_id, page())
    await bank.run_job("extract", [list(key)])
    await bank.run_job("ingest", [list(key)])
    began_at = bank.now
    async with bank.begin() as conn:
        run_id, _ = await sync.open_or_join_run(conn, user_id, connection_id, "request", began_at, balances_only=True)
    await bank.run_job("extract", [[user_id, run_id]])
    for pause_seconds, seconds_later, refused in ((60, 59, True), (60, 60, False)):
        later = began_at + timedelta(seconds=seconds_later)
        with pytest.raises(RateLimited) if refused else nullcontext():
            async with bank.begin() as conn:
                await connections.refresh(conn, user_id, connection_id, Pace(pause_seconds), later)
        assert await bank.value("SELECT wanted_at FROM connections") == (None if refused else later)


async def test_a_foreign_or_disconnected_connection_looks_like_one_that_is_missing(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    stranger_id, _ = await bank.person()
    messages = []
    for user, connection in ((stranger_id, connection_id), (user_id, ConnectionId(10**9))):
        with pytest.raises(NotFound) as caught:
            await bank.refresh(user, connection)
        messages.append(caught.value.message)
    await bank.fetch("UPDATE connections SET status = 'disconnected'")
    with pytest.raises(NotFound):
        await bank.refresh(user_id, connection_id)
    assert messages[0] == messages[1]
    assert await bank.value("SELECT count(*) FROM sync_runs") == 0


async def test_the_daily_refresh_opens_one_run_a_day_for_each_active_connection(bank: Pipeline) -> None:
    active = await bank.person(last_active_on=NOW.date() - timedelta(days=30))
    await bank.person(last_active_on=NOW.date() - timedelta(days=31))
    gone = await bank.person()
    await bank.fetch("UPDATE connections SET status = 'action_required' WHERE user_id = $1", gone[0])
    assert len(await refreshed(bank)) == 1
    assert await bank.fetch("SELECT user_id, connection_id, day FROM sync_runs") == [(*active, date(2026, 11, 12))]
    assert await planned(bank) == []
    await bank.fetch("UPDATE sync_runs SET state = 'succeeded'")
    assert await planned(bank, NOW + timedelta(hours=11)) == []
    await bank.fetch("UPDATE users SET last_active_on = $1 WHERE user_id = $2", NOW.date(), active[0])
    assert len(await refreshed(bank, NOW + timedelta(days=1))) == 1


async def test_a_connection_that_is_being_refreshed_gets_no_daily_run_beside_it(bank: Pipeline) -> None:
    await bank.refresh(*(await bank.person()))
    assert await refreshed(bank) == []


async def test_many_connections_travel_in_few_jobs_in_the_background_spread_over_time_and_none_twice(
    bank: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daily, "CONNECTIONS_PER_PAGE", 20)
    monkeypatch.setattr(daily, "CONNECTIONS_PER_JOB", 5)
    await crowd(bank, 53)
    jobs = await planned(bank, spread_seconds=1000)
    assert {(job.name, job.background) for job in jobs} == {("extract_daily", True)}
    assert all(0 <= job.defer_seconds <= 1000 for job in jobs)
    assert len({job.defer_seconds for job in jobs}) > 5
    batches = await opened(bank, jobs)
    assert [len(batch) for batch in batches] == [5] * 10 + [3]
    assert len({key for batch in batches for key in batch}) == 53
    assert await opened(bank, jobs) == [[]] * 11


async def test_each_round_takes_those_whose_turn_comes_until_the_next_and_those_that_were_lost(bank: Pipeline) -> None:
    await crowd(bank, 400)
    midnight = NOW.replace(hour=0, minute=5)
    spread_seconds = 4 * 3600
    lost = await planned(bank, midnight, spread_seconds)
    assert all(0 <= job.defer_seconds <= 3600 for job in lost)
    counts = [len(await refreshed(bank, midnight + timedelta(hours=hours), spread_seconds)) for hours in range(1, 5)]
    assert counts == [pytest.approx(200, abs=10), pytest.approx(100, abs=10), pytest.approx(100, abs=10), 0]
    assert sum(counts) == 400


async def test_a_job_of_the_day_that_comes_when_its_day_is_over_opens_nothing(bank: Pipeline) -> None:
    await bank.person()
    jobs = await planned(bank)
    assert await opened(bank, jobs, NOW + timedelta(days=1)) == [[]]
    assert await bank.value("SELECT count(*) FROM sync_runs") == 0


async def test_what_persons_wait_for_is_swept_apart_from_the_day_and_never_behind_it(
    bank: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "SWEEP_RUNS_MAX", 10)
    await crowd(bank, 30)
    assert len(await refreshed(bank)) == 30
    key = await bank.refresh(*(await bank.person()))
    async with bank.begin() as conn:
        effects = await sync.sweep_runs(conn, NOW + timedelta(seconds=60))
    own, of_the_day = effects.jobs
    assert own == Job("extract", ([list(key)],))
    assert (of_the_day.name, of_the_day.background, len(of_the_day.args[0])) == ("extract", True, 10)


async def test_the_sweeper_sends_a_job_again_only_when_the_last_one_should_have_come(bank: Pipeline) -> None:
    key = await bank.refresh(*(await bank.person()))
    bank.effects.jobs.clear()
    sent, began_at = [], bank.now
    for second in range(121):
        bank.now = began_at + timedelta(seconds=second)
        async with bank.begin() as conn:
            effects = await sync.sweep_runs(conn, bank.now)
        if effects.jobs:
            assert effects.jobs == [Job("extract", ([list(key)],))]
            sent.append(second)
    assert sent == [5, 15, 35, 75]


async def test_a_job_for_a_run_that_is_not_due_does_nothing(bank: Pipeline) -> None:
    key = await bank.refresh(*(await bank.person()))
    await bank.fetch("UPDATE sync_runs SET next_attempt_at = $1", NOW + timedelta(minutes=1))
    await bank.run_job("extract", [list(key)])
    assert bank.institution.requests == []


def test_the_next_daily_refresh_is_the_coming_midnight_in_utc() -> None:
    assert sync.next_daily(datetime(2026, 12, 31, 23, 59, tzinfo=UTC)) == datetime(2027, 1, 1, tzinfo=UTC)
