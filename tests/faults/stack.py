"""A whole mintql of a run's own: servers, bank, processes and the links between them, started again when they die."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import asyncpg
import httpx

from faults.proxy import Link, Place
from faults.schedule import Shape, links
from faults.volumes import Volume
from mintql.embedded import processes
from mintql.embedded.postgres import SUPERUSER, PostgresServer, running_postgres
from mintql.embedded.processes import EmbeddedError
from mintql.embedded.valkey import ValkeyServer, running_valkey
from mintql.store.migrate import migrate
from support.ports import free_port

DATABASE = "faults"
RESTART_SECONDS = 0.3
"""Until what died is started again, as an orchestrator would."""
READY_SECONDS = 60
STOP_SECONDS = 20
LANES = ("both", "persons", "background", "persons")
"""What the workers are for, the first ones first."""
TESTS = Path(__file__).parents[1]


@dataclass(eq=False)
class Member:
    """A process that is kept running. `exits` are those that nobody asked for."""

    name: str
    launch: Callable[[], subprocess.Popen[bytes]]
    log_path: Path
    wait_until_ready: Callable[[], None] | None = None
    process: subprocess.Popen[bytes] = field(init=False)
    expected: bool = False
    held_down: bool = False
    starts: int = 0
    frozen: int = 0
    exits: list[str] = field(default_factory=list)

    def start(self) -> None:
        """Start it."""
        self.process = self.launch()
        self.starts += 1
        self.expected = False

    def signal(self, number: signal.Signals, *, ends: bool = True) -> None:
        """Send a signal; `ends` says that its end is ours."""
        if self.process.poll() is None:
            self.expected = self.expected or ends
            self.process.send_signal(number)

    @property
    def disturbed(self) -> bool:
        """Whether it cannot answer just now: it is frozen, or has ended."""
        return self.frozen > 0 or self.process.poll() is not None

    async def keep(self) -> None:
        """Start it again whenever it has ended."""
        while True:
            await asyncio.sleep(0.05)
            status = self.process.poll()
            if status is None or self.held_down:
                continue
            if not self.expected:
                self.exits.append(f"{self.name} ended by itself with status {status}")
            await asyncio.sleep(RESTART_SECONDS)
            if not self.held_down:
                with suppress(EmbeddedError, OSError):
                    self.start()


@dataclass(eq=False)
class Stack:
    """What runs, by name."""

    home: Path
    shape: Shape
    bank_port: int
    bank_store: Path
    objects: Path
    volumes: dict[str, Volume]
    postgres: PostgresServer
    valkey: ValkeyServer
    settings: dict[str, str]
    members: dict[str, Member] = field(default_factory=dict)
    links: dict[str, Link] = field(default_factory=dict)
    api_ports: list[int] = field(default_factory=list)
    skews: dict[str, float] = field(default_factory=dict)
    http: httpx.AsyncClient = field(default_factory=lambda: httpx.AsyncClient(trust_env=False, timeout=30))

    @property
    def database_url(self) -> str:
        """Where the database is, past all links."""
        return self.postgres.url(DATABASE)

    @property
    def bank_url(self) -> str:
        """Where the bank is, past all links."""
        return f"http://127.0.0.1:{self.bank_port}"

    def api_url(self, number: int) -> str:
        """Where clients find an API: behind a link."""
        return f"http://127.0.0.1:{self.links[f'clients>api-{number}'].place.port}"

    async def connect(self) -> asyncpg.Connection[asyncpg.Record]:
        """Connect to the database as its owner, past all links."""
        return await asyncpg.connect(self.database_url, timeout=10)

    def environment(self, member: str) -> dict[str, str]:
        """Return what a process of mintql is told: it sees everything through its own links."""
        folder = quote(str(self.links[f"{member}>postgres"].place.path.parent), safe="")
        return {
            **os.environ,
            **self.settings,
            "PYTHONPATH": os.pathsep.join([str(TESTS), *filter(None, sys.path)]),
            "DATABASE_URL": f"postgresql://{SUPERUSER}@/{DATABASE}?host={folder}",
            "REDIS_URL": f"unix://{quote(str(self.links[f'{member}>valkey'].place.path))}?db=0",
            "MINTQL_OBJECT_STORE": f"file:{self.objects}",
            "MINTQL_SANDBOX_URL": f"http://127.0.0.1:{self.links[f'{member}>bank'].place.port}",
        }

    async def ready(self) -> None:
        """Wait until every API answers and says that all is well."""
        deadline = time.monotonic() + READY_SECONDS
        for number, port in enumerate(self.api_ports):
            while True:
                with suppress(httpx.HTTPError):
                    answer = await self.http.get(f"http://127.0.0.1:{port}/readyz", timeout=3)
                    if answer.json().get("status") == "ready":
                        break
                if time.monotonic() > deadline:
                    log = processes.tail(self.members[f"api-{number}"].log_path)
                    raise RuntimeError(f"api-{number} was not ready after {READY_SECONDS} s:\n{log}")
                await asyncio.sleep(0.05)


@asynccontextmanager
async def running(home: Path, shape: Shape, seed: int, settings: dict[str, str]) -> AsyncIterator[Stack]:
    """Run a stack in the folder `home` for the length of the block. To be entered on the main thread."""
    home.chmod(0o711)
    (home / "logs").mkdir()
    async with AsyncExitStack() as stack:
        volumes = {name: stack.enter_context(Volume(home / name).mounted()) for name in ("postgres", "objects")}
        postgres = stack.enter_context(running_postgres(volumes["postgres"].path))
        valkey = stack.enter_context(running_valkey(home / "valkey"))
        conn = await asyncpg.connect(postgres.url("postgres"))
        await conn.execute(f"CREATE DATABASE {DATABASE}")
        await conn.close()
        await migrate(postgres.url(DATABASE))
        made = Stack(
            home, shape, free_port(), home / "bank.sqlite", volumes["objects"].path / "raw-store", volumes, postgres,
            valkey, settings,
        )  # fmt: skip
        made.objects.mkdir(mode=0o700)
        await _lay_links(made)
        for link in made.links.values():
            await link.start()
            stack.push_async_callback(link.stop)
        _add_members(made, seed)
        keepers = [asyncio.create_task(member.keep()) for member in made.members.values()]
        try:
            yield made
        finally:
            for keeper in keepers:
                keeper.cancel()
            await asyncio.gather(*keepers, return_exceptions=True)
            await _stop(made)
            await made.http.aclose()


async def _lay_links(stack: Stack) -> None:
    stack.api_ports = [free_port() for _ in range(stack.shape.apis)]
    for number, name in enumerate(links(stack.shape)):
        _, _, end = name.partition(">")
        folder = stack.home / "l" / str(number)
        if end == "postgres":
            here = Place(path=folder / ".s.PGSQL.5432")
            there = Place(path=stack.postgres.socket_dir / ".s.PGSQL.5432")
        elif end == "valkey":
            here, there = Place(path=folder / "v.sock"), Place(path=stack.valkey.socket_path)
        elif end == "bank":
            here, there = Place(port=free_port()), Place(port=stack.bank_port)
        else:
            here, there = Place(port=free_port()), Place(port=stack.api_ports[int(end.removeprefix("api-"))])
        stack.links[name] = Link(name, here, there)


def _add_members(stack: Stack, seed: int) -> None:
    postgres, valkey = stack.postgres, stack.valkey
    for name, server in (("postgres", postgres), ("valkey", valkey)):
        member = Member(name, server.launch, server.log_path, server.wait_until_ready, starts=1)
        member.process = server.process
        stack.members[name] = member

    def program(name: str, *words: str) -> Callable[[], subprocess.Popen[bytes]]:
        def launch() -> subprocess.Popen[bytes]:
            skew = stack.skews.get(name, 0)
            head = ["-m", "faults.skewed", str(skew), *words] if skew else ["-m", "mintql", *words]
            command = [sys.executable, *(words if words[0] == "-m" else head)]
            env = {**os.environ, "PYTHONPATH": str(TESTS)} if name == "bank" else stack.environment(name)
            return processes.spawn(command, log_path=stack.home / "logs" / f"{name}.log", env=env, cwd=stack.home)

        return launch

    programs = {"bank": ("-m", "faults.bank", str(stack.bank_port), str(stack.bank_store), str(seed))}
    programs |= {f"api-{n}": ("api", "--port", str(port)) for n, port in enumerate(stack.api_ports)}
    programs |= {f"worker-{n}": ("worker", "--only", LANES[n % len(LANES)]) for n in range(stack.shape.workers)}
    for name, words in programs.items():
        stack.members[name] = Member(name, program(name, *words), stack.home / "logs" / f"{name}.log")
        stack.members[name].start()


async def _stop(stack: Stack) -> None:
    ours = [member for name, member in stack.members.items() if name not in ("postgres", "valkey")]
    for member in ours:
        member.signal(signal.SIGCONT, ends=False)
        member.signal(signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    for member in ours:
        while member.process.poll() is None and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        if member.process.poll() is None:
            member.process.kill()
            member.process.wait()
