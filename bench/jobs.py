"""How fast the queue carries: the daily refresh into it, jobs through it, and a person's refresh past it.

    ./dev bench jobs [--short] [--connections 100000] [--background 20000] [--clicks 100]

Four tables, on a PostgreSQL, a Valkey and a sandbox bank of its own:

    enqueue   a round of the daily refresh of so many connections, all due: finding them in the database and enqueueing
              ranges of 100; beside it the least that finds them, one statement that counts them, and the peer, one
              `enqueue_job` of arq for each, timed on a part of them
    carry     empty jobs a second, and how soon one that comes alone is started: bare LPUSH and BRPOP are the floor,
              arq's defaults the peer
    click     from the commit of a person's refresh to its start by a worker (`sync_runs.started_at`), quiet and while
              the daily refresh of `--background` connections is under way; by one `mintql worker`, and by one of each
              queue
    idle      the share of a core that a worker takes which has nothing to do, its sweeps included
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import redis
from _jobs_carriers import arq_as_it_comes, arq_as_mintql_runs_it, bare
from _processes import cpu_seconds, free_port, running
from arq.connections import ArqRedis
from pydantic import SecretStr

from mintql.domain.credentials import Credentials
from mintql.domain.ids import ConnectionId, UserId
from mintql.embedded.postgres import running_postgres
from mintql.embedded.processes import spawn, stop
from mintql.embedded.valkey import running_valkey
from mintql.runtime import Runtime, open_runtime
from mintql.services import daily, sync
from mintql.settings import Settings
from mintql.store.migrate import migrate

LOGINS = 20
"""Histories at the bank; many connections show the same one."""
PEER_JOBS = 2_000
PATIENCE_SECONDS = 120.0
CLICK_GAP_SECONDS = 0.2
STATEMENT_TIMEOUT_MS = 300_000
"""For adding persons, which takes longer than any statement of the server."""
SETTLE_SECONDS = 2.0
"""For what a worker does first."""
PEOPLE = """WITH people AS (
    INSERT INTO users (email, password_hash, name, last_active_on)
    SELECT $1 || n, '', '', current_date - $3::int FROM generate_series(1, $2::int) AS n RETURNING user_id
), counters AS (
    INSERT INTO user_counters (user_id) SELECT user_id FROM people
) INSERT INTO connections (user_id, institution_id, status, synced_through)
SELECT user_id, 'sandbox', 'active', current_date - 1 FROM people RETURNING user_id, connection_id"""


@dataclass(frozen=True)
class Click:
    """Milliseconds until a refresh was started, and how many connections the background did a second meanwhile."""

    starts: list[float]
    background_rate: float


def quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


async def plan(runtime: Runtime, now: datetime) -> int:
    """One round of the daily refresh, as the job does it; return how many jobs were enqueued."""
    after: daily.Key | None = daily.FIRST_KEY
    count = 0
    while after is not None:
        async with runtime.system() as conn:
            after, effects = await daily.plan_page(conn, now, after, 0)
        count += len(effects.jobs)
        await runtime.perform(effects)
    return count


async def enqueue(runtime: Runtime, connections: int, postgres_pid: int) -> None:
    """Print the first table."""
    async with runtime.system() as conn:
        floor = await timed(conn.fetchval("SELECT count(*) FROM connections JOIN users USING (user_id)"))
    seconds, processor, peaks, used = [], [], [], 0
    for _ in range(3):
        await flush(runtime)
        before = await memory(runtime)
        tracemalloc.start()
        await plan(runtime, datetime.now(UTC))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        used = await memory(runtime) - before
        await flush(runtime)
        busy = cpu_seconds(postgres_pid) + time.process_time()
        seconds.append(await timed(plan(runtime, datetime.now(UTC))))
        processor.append(cpu_seconds(postgres_pid) + time.process_time() - busy)
    await flush(runtime)
    before = await memory(runtime)
    client = ArqRedis(runtime.redis.connection_pool)
    began = time.perf_counter()
    for number in range(PEER_JOBS):
        await client.enqueue_job("extract", [[number, number]])
    peer = (time.perf_counter() - began) * connections / PEER_JOBS
    peer_used = (await memory(runtime) - before) / PEER_JOBS
    await flush(runtime)
    mine = statistics.median(seconds)
    print(f"\nenqueue: {connections} connections, median of {len(seconds)}")
    print(f"{'':34}{'seconds':>10}{'times mintql':>14}{'Redis bytes each':>18}{'peak MiB':>10}{'CPU s':>8}")
    print(f"{'count them (floor)':34}{floor:10.2f}{floor / mine:14.2f}")
    told = f"{used / connections:18.1f}{max(peaks) / 2**20:10.1f}{statistics.median(processor):8.2f}"
    print(f"{'mintql, ranges of 100':34}{mine:10.2f}{1:14.2f}{told}")
    print(f"{'arq, one by one':34}{peer:10.2f}{peer / mine:14.2f}{peer_used:18.1f}")


async def timed(work: object) -> float:
    began = time.perf_counter()
    await work  # type: ignore[misc]
    return time.perf_counter() - began


async def flush(runtime: Runtime) -> None:
    """Forget all jobs, and give their memory back before it is measured."""
    await runtime.redis.execute_command("FLUSHALL", "SYNC")


async def memory(runtime: Runtime) -> int:
    return int((await runtime.redis.info("memory"))["used_memory"])


async def carry(url: str, settings: Settings, *, short: bool) -> None:
    """Print the second table."""
    timed_jobs = 40 if short else 200
    found = {
        "LPUSH and BRPOP (floor)": await bare(url, 5_000, timed_jobs),
        "arq's defaults": await arq_as_it_comes(url, 200 if short else 500, timed_jobs),
        "mintql": await arq_as_mintql_runs_it(url, settings, 1_000 if short else 5_000, timed_jobs),
    }
    floor, peer = found["LPUSH and BRPOP (floor)"].rate, found["arq's defaults"].rate
    print("\ncarry: empty jobs")
    print(f"{'':34}{'jobs/s':>10}{'of floor':>10}{'of arq':>10}{'start p50 ms':>14}{'p99 ms':>10}")
    for name, item in found.items():
        p50, p99 = (quantile(item.starts, share) * 1000 for share in (0.5, 0.99))
        print(f"{name:34}{item.rate:10.0f}{item.rate / floor:10.2f}{item.rate / peer:10.1f}{p50:14.1f}{p99:10.1f}")


async def people(runtime: Runtime, name: str, count: int, away_days: int) -> list[tuple[UserId, ConnectionId]]:
    """Add so many persons with a sealed login at the bank each."""
    async with runtime.system() as conn:
        keys = [tuple(row) for row in await conn.fetch(PEOPLE, name, count, away_days)]
        secrets = []
        for place, (user_id, connection_id) in enumerate(keys):
            login = Credentials("", f"bench-{place % LOGINS}", "sandbox")
            sealed = runtime.vault.seal(user_id, connection_id, login)
            secrets.append((user_id, connection_id, sealed.key_version, sealed.wrapped_key, sealed.ciphertext))
        await conn.copy_records_to_table("connection_secrets", records=secrets)
    return keys


@contextmanager
def workers(environment: dict[str, str], *lanes: str) -> Iterator[list[int]]:
    """Run a `mintql worker` for each of these, until the block ends."""
    with ExitStack() as stack:
        processes = []
        for number, lane in enumerate(lanes):
            command = [sys.executable, "-m", "mintql", "worker", "--only", lane]
            log_path = Path(environment["BENCH_LOGS"]) / f"worker-{lane}-{number}.log"
            process = spawn(command, log_path=log_path, env=os.environ | environment)
            stack.callback(stop, process, 15, 15)
            processes.append(process.pid)
        names = {"both": ["", ":background"], "persons": [""], "background": [":background"]}
        marks = [f"mintql:queue{name}:health-check" for lane in lanes for name in names[lane]]
        with redis.from_url(environment["REDIS_URL"]) as client:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while client.exists(*marks) < len(marks):
                if time.monotonic() > deadline:
                    raise SystemExit("a worker did not start")
                time.sleep(0.1)
        time.sleep(SETTLE_SECONDS)
        yield processes


async def click(runtime: Runtime, persons: list[tuple[UserId, ConnectionId]], *, background: int) -> Click:
    """Ask for the refresh of each of these, one after the other, and see when it was started."""
    if background:
        await plan(runtime, datetime.now(UTC))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await done(runtime) == 0:  # noqa: ASYNC110 - it becomes true in another process.
                await asyncio.sleep(0.2)
    before, began = await done(runtime), time.perf_counter()
    dice, clicked = random.Random(1), {}  # Of each run the moment it was asked for.
    for user_id, connection_id in persons:
        await asyncio.sleep(dice.uniform(0, 2 * CLICK_GAP_SECONDS))
        async with runtime.system() as conn:
            run_id, effects = await sync.open_or_join_run(conn, user_id, connection_id, "request", datetime.now(UTC))
        clicked[run_id] = datetime.now(UTC)
        await runtime.perform(effects)
        await ended(runtime, run_id)  # The next person clicks when this one is served: starts are timed, not a crowd.
    rate = (await done(runtime) - before) / (time.perf_counter() - began)
    waiting = await runtime.redis.zcard(f"{runtime.settings.queue_name}:background")
    if background and not waiting:
        raise SystemExit("the background was done before the clicks were: ask for more with --background")
    found: dict[int, datetime] = {}
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(found) < len(clicked):
            async with runtime.system() as conn:
                rows = await conn.fetch(
                    "SELECT run_id, started_at FROM sync_runs WHERE run_id = ANY ($1) AND started_at IS NOT NULL",
                    list(clicked),
                )
            found = dict(rows)
            await asyncio.sleep(0.2)
    return Click([(found[run_id] - at).total_seconds() * 1000 for run_id, at in clicked.items()], rate)


async def ended(runtime: Runtime, run_id: int) -> None:
    """Wait until a run has come to its end."""
    query = "SELECT state IN ('succeeded', 'failed') FROM sync_runs WHERE run_id = $1"
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            async with runtime.system() as conn:
                if await conn.fetchval(query, run_id):
                    return
            await asyncio.sleep(0.1)


async def done(runtime: Runtime) -> int:
    """How many connections the daily refresh has done."""
    async with runtime.system() as conn:
        return int(await conn.fetchval("SELECT count(*) FROM sync_runs WHERE reason = 'daily' AND state = 'succeeded'"))


async def clear(runtime: Runtime) -> None:
    """Forget all runs and jobs."""
    await flush(runtime)
    async with runtime.system() as conn:
        await conn.execute("DELETE FROM sync_runs")


async def clicks(runtime: Runtime, environment: dict[str, str], options: argparse.Namespace) -> None:
    """Print the third and the fourth table."""
    await people(runtime, "daily", options.background, 0)
    persons = await people(runtime, "click", options.clicks, 60)
    with workers(environment, "both"):
        await click(runtime, persons, background=0)  # Their first refresh, which is another one than those to come.
    print(f"\nclick: {options.clicks} refreshes, one after the other")
    print(f"{'':34}{'p50 ms':>10}{'p99 ms':>10}{'max ms':>10}{'in the background':>22}")
    idle = {}
    for name, lanes in (("one worker", ["both"]), ("one of each queue", ["persons", "background"])):
        for background in (0, options.background):
            await clear(runtime)
            with workers(environment, *lanes) as processes:
                if not background:
                    used = [cpu_seconds(pid) for pid in processes]
                    await asyncio.sleep(options.idle_seconds)
                    idle[name] = [cpu_seconds(pid) - was for pid, was in zip(processes, used, strict=True)]
                item = await click(runtime, persons, background=background)
            told = f"{item.background_rate:.0f} connections/s" if background else "nothing"
            p50, p99 = (quantile(item.starts, share) for share in (0.5, 0.99))
            what = f"{name}, {'full' if background else 'quiet'}"
            print(f"{what:34}{p50:10.1f}{p99:10.1f}{max(item.starts):10.1f}{told:>22}", flush=True)
    print("\nidle: share of a core")
    for name, seconds in idle.items():
        print(f"{name:34}{', '.join(f'{item / options.idle_seconds:.1%}' for item in seconds):>20}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=100_000, help="connections to enqueue")
    parser.add_argument("--background", type=int, default=20_000, help="connections refreshed while persons click")
    parser.add_argument("--clicks", type=int, default=100, help="refreshes that persons ask for")
    parser.add_argument("--idle-seconds", type=float, default=10, help="for how long a worker has nothing to do")
    parser.add_argument("--short", action="store_true", help="about a minute: fewer clicks and jobs")
    options = parser.parse_args()
    if options.short:
        options.background, options.clicks, options.idle_seconds = 8_000, 12, 5
    return options


async def measure(runtime: Runtime, environment: dict[str, str], options: argparse.Namespace) -> None:
    async with runtime.system() as conn:
        await conn.execute(PEOPLE, "enqueue", options.connections, 0)
    analyzing = await asyncpg.connect(environment["DATABASE_URL"])
    await analyzing.execute("VACUUM ANALYZE")
    await analyzing.close()
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f} at the start")
    await enqueue(runtime, options.connections, int(environment["BENCH_POSTGRES_PID"]))
    await carry(environment["REDIS_URL"], runtime.settings, short=options.short)
    async with runtime.system() as conn:
        await conn.execute("UPDATE connections SET status = 'disconnected'")
    await clicks(runtime, environment, options)


async def main(folder: Path) -> None:
    options = arguments()
    with ExitStack() as stack:
        postgres = stack.enter_context(running_postgres(folder))
        valkey = stack.enter_context(running_valkey(folder))
        conn = await asyncpg.connect(postgres.url("postgres"))
        await conn.execute("CREATE DATABASE bench")
        await conn.close()
        await migrate(postgres.url("bench"))
        bank_url = f"http://127.0.0.1:{(port := free_port())}"
        command = [sys.executable, "-m", "mintql", "sandbox", "--port", str(port)]
        stack.enter_context(running(command, {}, folder / "bank.log", f"{bank_url}/health"))
        environment = {
            "DATABASE_URL": postgres.url("bench"),
            "REDIS_URL": valkey.url,
            "MINTQL_OBJECT_STORE": f"file:{folder / 'objects'}",
            "MINTQL_SANDBOX_URL": bank_url,
            # What a refresh reads, so that the first one of a connection is none of two years.
            "MINTQL_HISTORY_DAYS": "30",
            "BENCH_LOGS": str(folder),
            "BENCH_POSTGRES_PID": str(postgres.process.pid),
        }
        settings = Settings(
            DATABASE_URL=SecretStr(environment["DATABASE_URL"]),
            REDIS_URL=SecretStr(environment["REDIS_URL"]),
            object_store=environment["MINTQL_OBJECT_STORE"],
            statement_timeout_ms=STATEMENT_TIMEOUT_MS,
        )
        async with open_runtime(settings, role="worker") as runtime:
            await measure(runtime, environment, options)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        # Reached by the database's own user, who cannot enter every home folder.
        Path(place).chmod(0o711)
        asyncio.run(main(Path(place)))
