"""The worker as it runs: arq, Valkey, PostgreSQL, the sandbox bank over HTTP; and every way arq loses work."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from mintql.domain.credentials import Credentials
from mintql.domain.ids import ConnectionId, UserId
from mintql.jobs import workplace
from mintql.nightly import reconcile_all
from mintql.runtime import Runtime
from mintql.services import sync
from mintql.services.effects import Effects
from mintql.services.extract import LEASE, utc_now
from mintql.services.replay import replay
from mintql.settings import Settings
from mintql.store.sync import RunKey
from support.clients import eventually
from support.factories import create_connection, create_user
from support.local import local_client

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 40
LOGIN = "grace"


async def customer(runtime: Runtime) -> tuple[UserId, ConnectionId]:
    """A person with a sealed login at the sandbox bank."""
    async with runtime.system() as conn:
        user_id = await create_user(conn)
        connection_id = await create_connection(conn, user_id)
        sealed = runtime.vault.seal(user_id, connection_id, Credentials("", LOGIN, "sandbox"))
        await conn.execute(
            "INSERT INTO connection_secrets VALUES ($1, $2, $3, $4, $5)",
            user_id, connection_id, sealed.key_version, sealed.wrapped_key, sealed.ciphertext,
        )  # fmt: skip
    return user_id, connection_id


async def refresh(runtime: Runtime, user_id: UserId, connection_id: ConnectionId, *, send: bool = True) -> RunKey:
    async with runtime.system() as conn:
        run_id, effects = await sync.open_or_join_run(conn, user_id, connection_id, "link", utc_now())
    if send:
        await runtime.perform(effects)
    return RunKey(user_id, run_id)


async def state_of(runtime: Runtime, key: RunKey) -> str:
    async with runtime.system() as conn:
        return await conn.fetchval("SELECT state FROM sync_runs WHERE user_id = $1 AND run_id = $2", *key)


async def until(runtime: Runtime, key: RunKey, *states: str) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await state_of(runtime, key) not in states:  # noqa: ASYNC110 - it becomes true in another process.
            await asyncio.sleep(0.05)


async def let_leases_run_out(runtime: Runtime) -> None:
    """Let the time go by that a job has before its runs count as given up."""
    async with runtime.system() as conn:
        await conn.execute(
            "UPDATE sync_runs SET lease_until = lease_until - $1::interval, carried_until = carried_until - $1::interval",
            LEASE,
        )


async def assert_ledger_is_what_the_bank_says(
    runtime: Runtime, bank: Any, user_id: UserId, *, more_than: int = 200
) -> None:
    """Each transaction of the bank once, amounts to the cent, and a replay that finds nothing."""
    async with runtime.system() as conn:
        rows = await conn.fetch(
            "SELECT row.external_id, (amount_minor / 100.0)::numeric(12, 2)::text AS amount FROM transactions AS row"
            " WHERE user_id = $1 AND successor_id IS NULL AND removed_at IS NULL",
            user_id,
        )
        windows = await conn.fetchrow("SELECT window_first, window_last FROM sync_runs WHERE state = 'succeeded'")
        report = await replay(workplace(runtime), conn, user_id)
    stored = {row["external_id"]: row["amount"] for row in rows}
    assert stored == await said_by_the_bank(bank, windows["window_first"], windows["window_last"])
    assert len(stored) > more_than
    assert report.differences == []
    assert await reconcile_all(runtime) == 0


async def said_by_the_bank(bank: Any, first: object, last: object) -> dict[str, str]:
    async with local_client(base_url=bank.url) as client:
        token = (await client.post("/v1/login", json={"login": LOGIN, "password": "sandbox"})).json()["token"]
        client.headers["authorization"] = f"Bearer {token}"
        said = {}
        for account in (await client.get("/v1/accounts")).json()["accounts"]:
            page = ""
            while page is not None:
                params = {"from": str(first), "to": str(last), "limit": 500} | ({"page": page} if page else {})
                answer = (await client.get(f"/v1/accounts/{account['id']}/transactions", params=params)).json()
                said |= {row["id"]: row["amount"] for row in answer["transactions"]}
                page = answer["next_page"]
        return said


@pytest.mark.two_years
async def test_a_job_takes_two_years_of_three_accounts_from_the_bank_to_the_ledger(
    runtime: Runtime, bank: Any, worker: object
) -> None:
    user_id, connection_id = await customer(runtime)
    key = await refresh(runtime, user_id, connection_id)
    await until(runtime, key, "succeeded", "failed")
    assert await state_of(runtime, key) == "succeeded"
    await assert_ledger_is_what_the_bank_says(runtime, bank, user_id, more_than=1_000)


async def test_a_run_whose_job_was_never_sent_is_found_by_the_sweeper(
    runtime: Runtime, bank: Any, worker: object
) -> None:
    key = await refresh(runtime, *(await customer(runtime)), send=False)
    await let_leases_run_out(runtime)
    await until(runtime, key, "succeeded")


async def test_a_flushed_queue_loses_nothing(runtime: Runtime, bank: Any, redis_url: str, worker: object) -> None:
    keys = []
    for _ in range(5):
        keys.append(await refresh(runtime, *(await customer(runtime))))
        await runtime.redis.flushall()
    await let_leases_run_out(runtime)
    for key in keys:
        await until(runtime, key, "succeeded")


async def test_a_job_that_comes_twice_or_for_nobody_does_no_harm(runtime: Runtime, bank: Any, worker: object) -> None:
    user_id, connection_id = await customer(runtime)
    key = await refresh(runtime, user_id, connection_id)
    for name in ("extract", "ingest", "ingest", "extract"):
        await runtime.queue.enqueue(name, [list(key), [10**9, 1]])
    await until(runtime, key, "succeeded", "failed")
    await runtime.queue.enqueue("ingest", [list(key)])
    await runtime.queue.enqueue("notify")
    await asyncio.sleep(0.3)
    await assert_ledger_is_what_the_bank_says(runtime, bank, user_id)


async def test_a_failing_job_is_logged_and_does_not_end_the_worker(
    runtime: Runtime, bank: Any, worker: object, caplog: pytest.LogCaptureFixture
) -> None:
    await runtime.queue.enqueue("extract", "nonsense")
    key = await refresh(runtime, *(await customer(runtime)))
    await until(runtime, key, "succeeded")
    await eventually(lambda: "job extract failed" in caplog.text)


def environment_of(settings: Settings) -> dict[str, str]:
    return os.environ | {
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "REDIS_URL": settings.redis_url.get_secret_value(),
        "MINTQL_OBJECT_STORE": settings.object_store,
        "MINTQL_SANDBOX_URL": str(settings.sandbox_url),
        "MINTQL_SWEEP_SECONDS": "1",
    }


@asynccontextmanager
async def worker_process(settings: Settings) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker as an operator starts it: `arq worker.WorkerSettings`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "arq",
        "worker.WorkerSettings",
        cwd=ROOT,
        env=environment_of(settings),
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            async with asyncio.timeout(PATIENCE_SECONDS):
                await process.wait()


STALL = """
CREATE FUNCTION stall() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock(7); RETURN NULL; END';
CREATE TRIGGER stall AFTER INSERT ON transactions EXECUTE FUNCTION stall();
SELECT pg_advisory_lock(7);
"""
STALLS = """
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@pytest.mark.parametrize("moment", ["extracting", "ingesting"])
async def test_the_work_of_a_killed_worker_is_taken_up_by_another(
    runtime: Runtime, bank: Any, settings: Settings, conn: Any, moment: str
) -> None:
    user_id, connection_id = await customer(runtime)
    if moment == "extracting":
        await bank.control.put(f"/control/{LOGIN}/scenario", json={"name": "slow", "seconds": 5})
    else:
        await conn.execute(STALL)
    key = await refresh(runtime, user_id, connection_id)
    async with worker_process(settings) as process:
        await until(runtime, key, moment)
        if moment == "ingesting":
            await eventually(lambda: conn.fetchval(STALLS))
        process.send_signal(signal.SIGKILL)
        await process.wait()
    assert await state_of(runtime, key) == moment
    await bank.control.delete(f"/control/{LOGIN}/scenario")
    await conn.execute("SELECT pg_advisory_unlock_all()")
    await conn.execute("DROP TRIGGER IF EXISTS stall ON transactions")
    await let_leases_run_out(runtime)
    async with worker_process(settings):
        await until(runtime, key, "succeeded")
    await assert_ledger_is_what_the_bank_says(runtime, bank, user_id)


async def test_a_worker_that_is_stopped_hands_its_job_back_without_a_word_of_failure(
    runtime: Runtime, bank: Any, settings: Settings, tmp_path: Path
) -> None:
    await bank.control.put(f"/control/{LOGIN}/scenario", json={"name": "slow", "seconds": 20})
    key = await refresh(runtime, *(await customer(runtime)))
    log_path = tmp_path / "worker.log"
    with log_path.open("wb") as log:
        impatient = "from mintql import cli, workers; workers.SHUTDOWN_SECONDS = 0.2; cli.main()"
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", impatient, "worker", "--only", "persons",
            cwd=tmp_path, env=environment_of(settings), stderr=log,
        )  # fmt: skip
    await until(runtime, key, "extracting")
    process.terminate()
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await process.wait() == 0
    async with runtime.system() as conn:
        run = await conn.fetchrow("SELECT state, lease_until FROM sync_runs WHERE user_id = $1 AND run_id = $2", *key)
    assert tuple(run) == ("queued", None)
    assert await runtime.redis.zcard(settings.queue_name) >= 1
    held = await runtime.redis.keys("arq:in-progress:*")
    assert [name for name in held if b":cron:" not in name] == []  # arq keeps those of the clock for a minute
    assert "Traceback" not in log_path.read_text()
    assert "ERROR" not in log_path.read_text()


async def test_effects_survive_a_redis_that_is_gone(settings: Settings, bank: Any) -> None:
    from mintql.runtime import open_runtime  # noqa: PLC0415

    gone = settings.model_copy(update={"redis_url": type(settings.redis_url)("redis://127.0.0.1:1/0")})
    async with open_runtime(gone, role="worker") as runtime, asyncio.timeout(PATIENCE_SECONDS):
        key = await refresh(runtime, *(await customer(runtime)))
        await runtime.perform(Effects(changed={key.user_id}, told={key.user_id}))
        assert await state_of(runtime, key) == "queued"
