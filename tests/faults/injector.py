"""Does the faults of a schedule to a stack, and heals each."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import redis.asyncio as redis

from faults.schedule import Fault
from faults.stack import Stack
from mintql.store.migrate import migrate, migrations_directory

HURT_SHARE = 0.5
"""Of the logins, those that a scenario of the bank is switched on for."""
MIGRATIONS = {
    "9001_add_a_column.sql": "ALTER TABLE transactions ADD COLUMN faults_added text;\n",
    "9002_add_an_index.sql": (
        "-- mintql: no-transaction\n"
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS faults_added ON transactions (user_id, faults_added);\n"
    ),
}
SCENARIO_OPTIONS: dict[str, dict[str, Any]] = {
    "slow": {"seconds": 2},
    "rate_limited": {"retry_after": 2},
    "account_gone": {"account": "savings"},
}


class Injector:
    """Does faults. `logins` are those that the bank has scenarios for; `say` is told of each in words."""

    def __init__(self, stack: Stack, logins: Sequence[str], say: Callable[[str], None]) -> None:
        self._stack = stack
        self._logins = logins
        self._say = say
        self._under_way: set[asyncio.Task[None]] = set()

    async def run(self, faults: Sequence[Fault]) -> None:
        """Do all faults, each at its time, and return when the last is healed."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        for fault in faults:
            await asyncio.sleep(max(0.0, began + fault.at_seconds - loop.time()))
            self._say(str(fault))
            task = asyncio.create_task(self._do(fault))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
        await asyncio.gather(*self._under_way)

    async def _do(self, fault: Fault) -> None:
        name = fault.kind.replace("-", "_")
        await getattr(self, f"_{name}")(fault)

    async def heal(self) -> None:
        """Make everything well again, whatever is under way."""
        for link in self._stack.links.values():
            link.set("open")
        for name in self._stack.members:
            self._wake(name)
        for name in self._stack.volumes:
            self._free(name)
        await self._poison_with("")
        for login in self._logins:
            await self._scenario(login, "DELETE", {})

    # Processes

    async def _kill(self, fault: Fault) -> None:
        self._stack.members[fault.target].signal(signal.SIGKILL)

    async def _terminate(self, fault: Fault) -> None:
        self._stack.members[fault.target].signal(signal.SIGTERM)

    async def _freeze(self, fault: Fault) -> None:
        member = self._stack.members[fault.target]
        member.frozen += 1
        member.signal(signal.SIGSTOP, ends=False)
        await asyncio.sleep(fault.seconds)
        member.frozen -= 1
        if member.frozen <= 0:
            self._wake(fault.target)

    def _wake(self, name: str) -> None:
        self._stack.members[name].signal(signal.SIGCONT, ends=False)

    async def _skew(self, fault: Fault) -> None:
        self._stack.skews[fault.target] = float(fault.value)
        self._stack.members[fault.target].signal(signal.SIGTERM)
        await asyncio.sleep(fault.seconds + 3)
        self._stack.skews.pop(fault.target, None)
        self._stack.members[fault.target].signal(signal.SIGTERM)

    async def _rolling_restart(self, _fault: Fault) -> None:
        for name in self._stack.shape.members:
            starts = self._stack.members[name].starts
            self._stack.members[name].signal(signal.SIGTERM)
            with suppress(TimeoutError):
                async with asyncio.timeout(10):
                    while self._stack.members[name].starts == starts:
                        await asyncio.sleep(0.05)

    # Servers

    async def _kill_postgres(self, _fault: Fault) -> None:
        self._stack.members["postgres"].signal(signal.SIGKILL)

    async def _kill_backend(self, fault: Fault) -> None:
        """Kill one session's process: PostgreSQL then ends all of them and recovers as after a crash."""
        with suppress(asyncpg.PostgresError, OSError, TimeoutError):
            conn = await self._stack.connect()
            pids = [
                row[0]
                for row in await conn.fetch(
                    "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
                )
            ]
            if pids:
                os.kill(random.Random(str(fault)).choice(sorted(pids)), signal.SIGKILL)
            await conn.close()

    async def _freeze_postgres(self, fault: Fault) -> None:
        """Freeze all of its processes: connections stay, and nothing answers."""
        pids = _with_children(self._stack.members["postgres"].process.pid)
        for number in (signal.SIGSTOP, signal.SIGCONT):
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
            if number == signal.SIGSTOP:
                await asyncio.sleep(fault.seconds)

    async def _kill_valkey(self, _fault: Fault) -> None:
        self._stack.members["valkey"].signal(signal.SIGKILL)

    async def _freeze_valkey(self, fault: Fault) -> None:
        await self._freeze(Fault(0, "freeze", "valkey", fault.seconds))

    async def _flush_valkey(self, _fault: Fault) -> None:
        client = redis.Redis(unix_socket_path=str(self._stack.valkey.socket_path), socket_timeout=2)
        with suppress(redis.RedisError, OSError):
            await client.flushall()
        await client.aclose()

    async def _full_postgres(self, fault: Fault) -> None:
        await self._full("postgres", fault.seconds)

    async def _full_objects(self, fault: Fault) -> None:
        await self._full("objects", fault.seconds)

    async def _full(self, name: str, seconds: float) -> None:
        self._stack.volumes[name].fill(self._writers(name))
        await asyncio.sleep(seconds)
        self._free(name)

    def _free(self, name: str) -> None:
        self._stack.volumes[name].free(self._writers(name))

    def _writers(self, name: str) -> list[int]:
        if name == "postgres":
            return _with_children(self._stack.members["postgres"].process.pid)
        members = self._stack.members
        return [members[member].process.pid for member in self._stack.shape.members if member.startswith("worker")]

    async def _migrate(self, _fault: Fault) -> None:
        """Change tables that are in use, by the project's own runner."""
        with tempfile.TemporaryDirectory() as folder:
            for path in migrations_directory().glob("*.sql"):
                (Path(folder) / path.name).write_bytes(path.read_bytes())
            for name, text in MIGRATIONS.items():
                (Path(folder) / name).write_text(text)
            for _ in range(20):
                try:
                    await migrate(self._stack.database_url, Path(folder))
                except Exception:  # noqa: BLE001 - the database may be away just now: whoever migrates tries again
                    await asyncio.sleep(0.5)
                else:
                    return

    # Links and the bank

    async def _link(self, fault: Fault) -> None:
        link = self._stack.links[fault.target]
        link.set(str(fault.value))
        await asyncio.sleep(fault.seconds)
        link.set("open")

    async def _bank(self, fault: Fault) -> None:
        name = str(fault.value)
        dice = random.Random(fault.target)
        hurt = [login for login in self._logins if dice.random() < HURT_SHARE]
        body = {"name": name, **SCENARIO_OPTIONS.get(name, {})}
        for login in hurt:
            await self._scenario(login, "PUT", body)
        await asyncio.sleep(fault.seconds)
        for login in hurt:
            await self._scenario(login, "DELETE", {"name": name})

    async def _poison(self, fault: Fault) -> None:
        await self._poison_with(str(fault.value))
        await asyncio.sleep(fault.seconds)
        await self._poison_with("")

    async def _poison_with(self, kind: str) -> None:
        with suppress(httpx.HTTPError):
            await self._stack.http.put(f"{self._stack.bank_url}/poison", json={"kind": kind})

    async def _scenario(self, login: str, method: str, body: dict[str, Any]) -> None:
        url = f"{self._stack.bank_url}/control/{login}/scenario"
        with suppress(httpx.HTTPError):
            if method == "DELETE":
                await self._stack.http.delete(url, params=body)
            else:
                await self._stack.http.request(method, url, json=body)


def _with_children(pid: int) -> list[int]:
    """Return a process and those it started."""
    found = [pid]
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                if int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == pid:
                    found.append(int(folder.name))
    return found
