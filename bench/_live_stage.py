"""What `bench/live.py` plays on: a database with persons, servers to connect to, and somebody who raises alerts."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket as sockets
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import asyncpg
from _processes import AS_MUCH_AS_WANTED

from mintql.domain.ids import UserId
from mintql.embedded.postgres import running_postgres
from mintql.embedded.valkey import running_valkey
from mintql.runtime import Runtime, open_runtime
from mintql.services.events import NewEvent, append_events
from mintql.services.identity import hash_token
from mintql.settings import Settings
from mintql.store.locks import lock_users
from mintql.store.migrate import migrate

START_SECONDS = 120
STOP_SECONDS = 15
HERE = Path(__file__).parent

PEOPLE = """
WITH people AS (
    INSERT INTO users (email, password_hash, name, last_active_on)
    SELECT 'p' || n || '-' || $2, '', 'Bench', current_date FROM generate_series(1, $1) AS n RETURNING user_id
), counters AS (
    INSERT INTO user_counters (user_id) SELECT user_id FROM people
)
SELECT user_id FROM people ORDER BY user_id
"""
SESSIONS = """
INSERT INTO sessions (user_id, token_hash, created_at, expires_at, user_agent)
SELECT user_id, token_hash, $3, $4, '' FROM unnest($1::bigint[], $2::bytea[]) AS given (user_id, token_hash)
"""
ALERTS = """
INSERT INTO alerts (user_id, category_id, period_first, period_last, threshold_percent, revision, limit_minor,
    spent_minor, pending_minor, currency)
SELECT user_id, 1, $3, $4, 80, $2, 10000, 8000, 500, 'USD' FROM unnest($1::bigint[]) AS given (user_id)
RETURNING user_id, alert_id
"""


@dataclass(frozen=True)
class Person:
    """A person with a session."""

    user_id: UserId
    token: str


@dataclass
class Stage:
    """The database, and the environment of servers on it."""

    runtime: Runtime
    environment: dict[str, str]
    revision: int = 0

    async def people(self, count: int) -> list[Person]:
        """Sign up so many persons."""
        async with self.runtime.system() as conn:
            ids = [row["user_id"] for row in await conn.fetch(PEOPLE, count, secrets.token_hex(4))]
            found = [Person(UserId(user_id), secrets.token_urlsafe(32)) for user_id in ids]
            now = datetime.now(UTC)
            hashes = [hash_token(person.token) for person in found]
            await conn.execute(SESSIONS, ids, hashes, now, now + timedelta(days=1))
        return found

    async def raise_alerts(self, people: Sequence[Person], *, wake: bool = True) -> float:
        """Raise an alert for each of them in one transaction; return when it was committed."""
        self.revision += 1
        ids = [person.user_id for person in people]
        async with self.runtime.system() as conn:
            await lock_users(conn, ids)
            rows = await conn.fetch(ALERTS, ids, self.revision, date(2026, 11, 1), date(2026, 11, 30))
            events = [NewEvent(row["user_id"], "budget_alert", {"alert_id": row["alert_id"]}) for row in rows]
            _, effects = await append_events(conn, events)
        committed = time.perf_counter()
        while wake and not await self.runtime.channel.publish(effects.told):
            pass  # The floor has no poll that would make up for a wake-up that is lost.
        return committed


@dataclass
class Server:
    """A server process that takes WebSockets."""

    port: int
    process: subprocess.Popen[bytes]

    def rss_bytes(self) -> int:
        """Memory of the process that is its own and in use."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def cpu_seconds(self) -> float:
        """Processor time the process has taken."""
        words = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def running_server(stage: Stage, *, floor: bool = False, port: int | None = None) -> Iterator[Server]:
    """Run a server in a process of its own for the length of the block."""
    chosen = port or free_port()
    command = [HERE / "_live_floor.py", str(chosen)] if floor else ["-m", "mintql", "api", "--port", str(chosen)]
    process = subprocess.Popen([sys.executable, *map(str, command)], env=os.environ | stage.environment)
    try:
        _wait_until_open(chosen, process)
        yield Server(chosen, process)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@asynccontextmanager
async def running_ingestion(stage: Stage) -> AsyncIterator[None]:
    """Let another process ingest for the length of the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(HERE / "_live_load.py"), env=os.environ | stage.environment, stdout=subprocess.PIPE
    )
    try:
        if process.stdout is None or await process.stdout.readline() != b"ready\n":
            raise SystemExit("the ingestion did not begin; its words stand above")
        yield
    finally:
        process.kill()
        await process.wait()


def _wait_until_open(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with sockets.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit("a server did not start; its words stand above")


def free_port() -> int:
    with sockets.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def open_stage() -> AsyncIterator[Stage]:
    """A durable PostgreSQL and a Valkey of their own for this run."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running_postgres(Path(folder)) as postgres,
        running_valkey(Path(folder)) as valkey,
    ):
        conn = await asyncpg.connect(postgres.url("postgres"))
        await conn.execute("CREATE DATABASE bench")
        await conn.close()
        await migrate(postgres.url("bench"))
        environment = {
            "DATABASE_URL": postgres.url("bench"),
            "REDIS_URL": valkey.url,
            "MINTQL_OBJECT_STORE": f"file:{folder}/objects",
            **AS_MUCH_AS_WANTED,
        }
        os.environ.update(environment)
        async with open_runtime(Settings(), role="worker") as runtime:
            yield Stage(runtime, environment)


async def settle(seconds: float = 0.5) -> None:
    """Let the servers finish what they are at: a stream says nothing when it has begun."""
    await asyncio.sleep(seconds)
