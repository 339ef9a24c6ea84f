"""Real servers for tests: a PostgreSQL per run, a database per test, ASGI apps over real HTTP."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import uvicorn

from mintql.api.server import SERVER_OPTIONS
from mintql.embedded.places import remove_home
from mintql.embedded.postgres import running_postgres
from mintql.store.migrate import migrate

TEMPLATE = "mintql_template"
APP_START_TIMEOUT_SECONDS = 20
GRACE_SECONDS = 2
POLL_SECONDS = 0.002
TICK_SECONDS = 1
"""How often the Date of answers is set."""
KEEP_ALIVE_SECONDS = 600
"""Longer than any test: a server that gives a connection up just when it is used again fails the test."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running PostgreSQL with the migrated template in it. `home` is the folder of this test run."""

    home: Path
    url_of_postgres: str

    def url(self, database: str) -> str:
        return re.sub(r"@/\w+", f"@/{database}", self.url_of_postgres)


@dataclass(frozen=True, slots=True)
class HttpServer:
    """An ASGI app that answers on loopback; `app` is there where it runs in the loop of the test."""

    url: str
    app: Any = None

    @property
    def ws_url(self) -> str:
        return self.url.replace("http://", "ws://", 1)


@dataclass(frozen=True, slots=True)
class BankServer:
    """The sandbox bank; `control` is a client whose paths begin at the bank's address."""

    url: str
    control: httpx.AsyncClient


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    home = _run_folder()
    try:
        with running_postgres(home, durable=False) as postgres:
            cluster = Cluster(home, postgres.url("postgres"))
            asyncio.run(_make_template(cluster))
            yield cluster
    finally:
        remove_home(home)


def _run_folder() -> Path:
    """Make this run's folder, and remove those of earlier runs that were killed before they could."""
    root = Path(tempfile.gettempdir())
    prefix = f"mintql-test-{os.geteuid()}-"
    for left in root.glob(f"{prefix}*"):
        pid = left.name.removeprefix(prefix)
        if pid.isdigit() and not Path(f"/proc/{pid}").exists() and left.lstat().st_uid == os.geteuid():
            remove_home(left)
    home = root / f"{prefix}{os.getpid()}"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(mode=0o711)
    return home


async def _make_template(cluster: Cluster) -> None:
    conn = await asyncpg.connect(cluster.url_of_postgres)
    try:
        await conn.execute(f"CREATE DATABASE {TEMPLATE}")
    finally:
        await conn.close()
    await migrate(cluster.url(TEMPLATE))


@asynccontextmanager
async def fresh_database(cluster: Cluster, name: str, *, template: str = TEMPLATE) -> AsyncIterator[str]:
    """A database of its own, copied from the migrated template and dropped afterwards."""
    conn = await asyncpg.connect(cluster.url_of_postgres)
    try:
        await conn.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        try:
            yield cluster.url(name)
        finally:
            await conn.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await conn.close()


class _PromptServer(uvicorn.Server):
    """Stops at once when it is told to.

    uvicorn itself looks ten times a second whether to stop, and waits a tenth more: hundreds of times in a run.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.told_to_stop = asyncio.Event()

    async def main_loop(self) -> None:
        while not self.told_to_stop.is_set():
            await self.on_tick(0)
            with suppress(TimeoutError):
                await asyncio.wait_for(self.told_to_stop.wait(), TICK_SECONDS)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for listener in [*self.servers, *(sockets or [])]:
            listener.close()
        state = self.server_state
        for connection in list(state.connections):
            connection.shutdown()
        with suppress(TimeoutError):
            async with asyncio.timeout(GRACE_SECONDS):
                while state.connections or state.tasks:  # noqa: ASYNC110 - uvicorn has no event for it
                    await asyncio.sleep(POLL_SECONDS)
        for task in state.tasks:
            task.cancel()
        await self.lifespan.shutdown()


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[HttpServer]:
    """Serve an ASGI app on a free loopback port, in this event loop, for the length of the block."""
    # The protocol has to be named: asyncio sends small answers at once on such sockets only, and a client would wait
    # 40 ms for each.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    server = _PromptServer(
        uvicorn.Config(
            app,
            log_level="warning",
            lifespan="on",
            **SERVER_OPTIONS,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
        )
    )
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        async with asyncio.timeout(APP_START_TIMEOUT_SECONDS):
            while not server.started:
                if task.done():
                    await task
                    raise RuntimeError("the app ended before it answered")
                await asyncio.sleep(POLL_SECONDS)
        yield HttpServer(f"http://127.0.0.1:{listener.getsockname()[1]}", app)
    finally:
        server.told_to_stop.set()
        await asyncio.wait([task], timeout=APP_START_TIMEOUT_SECONDS)
        listener.close()
