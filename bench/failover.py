"""What persons notice when the database server that takes writes dies, and whether anything is lost.

    ./dev bench failover [--short] [--people 12] [--seconds 8]

A primary with a synchronous standby that also answers reads, two processes of the API, a worker, Valkey and the sandbox
bank, each a process of its own. Persons change their names one number after the other, refresh their bank, where they
buy something each time, and read, until the primary is killed, and after that. The standby is promoted half a second
later, as a tool like Patroni would. What is printed is when things happened, what was answered and what is there.

Exits with 1 when a change that was acknowledged is gone, a sum is wrong, or the ledger is not what the raw pages say.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from _processes import free_port, running

from mintql.embedded.places import remove_home
from mintql.embedded.valkey import running_valkey
from mintql.store.migrate import migrate
from support.replication import Pair, psql, running_pair

BEFORE_PROMOTION_SECONDS = 0.5
PAUSE_SECONDS = 0.02
REFRESH_EVERY = 5
SETTLE_SECONDS_MAX = 60
REQUEST_SECONDS_MAX = 15

SIGN_UP = """mutation($email: String!) { signUp(email: $email, password: "correct horse battery", name: "0") {
  ... on SignInSuccess { token viewer { id } } ... on Error { message } } }"""
CONNECT = """mutation($login: String!) { connectInstitution(institutionId: "sandbox", login: $login,
  password: "sandbox") { ... on ConnectionRunSuccess { connection { id } } ... on Error { message } } }"""
REFRESH = "mutation($id: ID!) { refreshConnection(id: $id) { __typename ... on Error { message } } }"
READ = "query Q { viewer { name } transactions(first: 5) { nodes { id } } }"
RENAME = "mutation($name: String!) { updateProfile(input: { name: $name }) { __typename } }"


@dataclass
class Told:
    """What was answered: when each change was acknowledged, and what failed."""

    began_at: float
    acknowledged: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    reads: int = 0
    reads_failed: int = 0
    old: int = 0
    slowest_seconds: float = 0.0

    def say(self, words: str) -> None:
        """Print what just happened."""
        print(f"{time.monotonic() - self.began_at:7.2f} s  {words}", flush=True)


class Person:
    """One who changes, refreshes, buys and reads; `name` is the last number that was acknowledged."""

    def __init__(self, urls: list[str], bank_url: str, number: int, told: Told) -> None:
        self.email = f"person{number}@example.org"
        self.name = 0
        self._urls, self._bank_url, self._told = urls, bank_url, told
        self._login = f"bench-{number}"
        self._http = httpx.AsyncClient(timeout=REQUEST_SECONDS_MAX)
        self._asked = number
        self._connection = ""

    async def begin(self) -> None:
        """Sign up and connect a bank."""
        answer = await self._ask(SIGN_UP, email=self.email)
        self._http.headers["authorization"] = f"Bearer {answer['data']['signUp']['token']}"
        answer = await self._ask(CONNECT, login=self._login)
        self._connection = answer["data"]["connectInstitution"]["connection"]["id"]

    async def change(self, done: asyncio.Event) -> None:
        """Write one number after the other, and refresh now and then."""
        wanted = 0
        while not done.is_set():
            wanted += 1
            began = time.monotonic()
            answer = await self._ask(RENAME, name=str(wanted))
            ended = time.monotonic()
            self._told.slowest_seconds = max(self._told.slowest_seconds, ended - began)
            if answer.get("data") and not answer.get("errors"):
                self.name = wanted
                self._told.acknowledged.append(ended)
            else:
                self._told.refused.append(ended)
            if wanted % REFRESH_EVERY == 0:
                await self._buy()
                await self._ask(REFRESH, id=self._connection)
            await asyncio.sleep(PAUSE_SECONDS)

    async def read(self, done: asyncio.Event) -> None:
        """Read in words that nobody has kept the answer to."""
        while not done.is_set():
            known = self.name
            answer = await self._ask(READ.replace("Q", f"Q{self._asked}", 1))
            self._told.reads += 1
            if answer.get("errors"):
                self._told.reads_failed += 1
            elif int(answer["data"]["viewer"]["name"]) < known:
                self._told.old += 1
            await asyncio.sleep(PAUSE_SECONDS)

    async def close(self) -> None:
        """Give the connections back."""
        await self._http.aclose()

    async def _buy(self) -> None:
        values = {"amount": "4.20", "description": "CORNER SHOP 0042"}
        with contextlib.suppress(httpx.HTTPError):
            await self._http.post(f"{self._bank_url}/control/{self._login}/purchases", json=values)

    async def _ask(self, query: str, **variables: Any) -> dict[str, Any]:
        self._asked += 1
        url = self._urls[self._asked % len(self._urls)] + "/graphql"
        try:
            response = await self._http.post(url, json={"query": query, "variables": variables})
            found: dict[str, Any] = response.json()
        except (httpx.HTTPError, ValueError) as error:
            return {"errors": [{"message": repr(error)}]}
        return found


@contextmanager
def programs(home: Path, pair: Pair) -> Iterator[tuple[list[str], str, dict[str, str]]]:
    """Run everything but the database; give the addresses of the API, of the bank, and the environment."""
    mintql = Path(sys.executable).with_name("mintql")
    with ExitStack() as stack:
        valkey = stack.enter_context(running_valkey(home, durable=False))
        bank_port = free_port()
        bank_url = f"http://127.0.0.1:{bank_port}"
        env = {
            "DATABASE_URL": pair.url("mintql"),
            "DATABASE_REPLICA_URL": pair.url("mintql"),
            "REDIS_URL": valkey.url,
            "MINTQL_OBJECT_STORE": f"file:{home / 'objects'}",
            "MINTQL_SANDBOX_URL": bank_url,
            "MINTQL_HISTORY_DAYS": "60",
            "MINTQL_REFRESH_PAUSE_SECONDS": "0",
            "MINTQL_SWEEP_SECONDS": "1",
        }
        command = [mintql, "sandbox", "--port", str(bank_port)]
        stack.enter_context(running(command, env, home / "bank.log", f"{bank_url}/health"))
        urls = []
        for number in range(2):
            port = free_port()
            urls.append(f"http://127.0.0.1:{port}")
            command = [mintql, "api", "--port", str(port)]
            stack.enter_context(running(command, env, home / f"api{number}.log", f"{urls[-1]}/readyz"))
        log = stack.enter_context((home / "worker.log").open("wb"))
        worker = subprocess.Popen([mintql, "worker"], env={**os.environ, **env}, stdout=log, stderr=log)
        stack.callback(worker.wait)
        stack.callback(worker.terminate)
        yield urls, bank_url, env


async def load(pair: Pair, urls: list[str], bank_url: str, people: int, seconds: float) -> tuple[Told, list[Person]]:
    """Let persons act while the primary dies and the standby takes over."""
    told = Told(time.monotonic())
    persons = [Person(urls, bank_url, number, told) for number in range(people)]
    for person in persons:
        await person.begin()
    told.began_at = time.monotonic()
    told.say(f"{people} persons change, refresh and read")
    done = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for person in persons:
            group.create_task(person.change(done))
            group.create_task(person.read(done))
        await asyncio.sleep(seconds / 2)
        told.say(f"{len(told.acknowledged)} changes acknowledged, {told.reads} reads; the primary is killed")
        pair.kill_primary()
        await asyncio.sleep(BEFORE_PROMOTION_SECONDS)
        told.say("the standby is promoted")
        await asyncio.to_thread(psql, pair.standby, "mintql", "ALTER SYSTEM RESET synchronous_standby_names")
        await asyncio.to_thread(psql, pair.standby, "mintql", "SELECT pg_promote()")
        promoted = time.monotonic()
        told.say("it takes writes")
        while not any(at > promoted for at in told.acknowledged):  # noqa: ASYNC110 - many tell of it
            await asyncio.sleep(0.01)
        first = min(at for at in told.acknowledged if at > promoted)
        told.say(f"the first change is acknowledged, {first - promoted:.2f} s after that")
        await asyncio.sleep(seconds / 2)
        done.set()
    told.say(f"{len(told.acknowledged)} changes acknowledged, {told.reads} reads; everybody stops")
    for person in persons:
        await person.close()
    return told, persons


async def settled(url: str) -> None:
    """Wait until the worker has nothing left to do."""
    conn = await asyncpg.connect(url)
    open_runs = "SELECT count(*) FROM sync_runs WHERE state NOT IN ('succeeded', 'failed')"
    try:
        async with asyncio.timeout(SETTLE_SECONDS_MAX):
            while await conn.fetchval(open_runs):  # noqa: ASYNC110 - the database tells of it
                await asyncio.sleep(0.1)
    finally:
        await conn.close()


async def look(url: str, persons: list[Person]) -> tuple[int, int]:
    """Return of how many persons the last acknowledged change is gone, and how many transactions there are."""
    conn = await asyncpg.connect(url)
    try:
        names = dict(await conn.fetch("SELECT email, name FROM users"))
        lost = sum(int(names[person.email]) < person.name for person in persons)
        return lost, await conn.fetchval("SELECT count(*) FROM transactions")
    finally:
        await conn.close()


def prepare(primary: Any) -> None:
    """Make the database, whose commits wait for the standby once there is one."""
    psql(primary, "postgres", "CREATE DATABASE mintql")
    asyncio.run(migrate(primary.url("mintql")))


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=8.0, help="how long persons act, half before and half after")
    parser.add_argument("--short", action="store_true", help="four persons, four seconds")
    wanted = parser.parse_args()
    people, seconds = (4, 4.0) if wanted.short else (wanted.people, wanted.seconds)
    home = Path(tempfile.mkdtemp(prefix="mintql-failover-"))
    home.chmod(0o711)
    try:
        with running_pair(home, prepare=prepare) as pair:
            psql(pair.primary, "postgres", "ALTER DATABASE mintql SET synchronous_commit = on")
            psql(pair.primary, "postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'")
            psql(pair.primary, "postgres", "SELECT pg_reload_conf()")
            sys.exit(run(home, pair, people, seconds))
    finally:
        remove_home(home)


def run(home: Path, pair: Pair, people: int, seconds: float) -> int:
    """Run and judge; return the status to end with."""
    with programs(home, pair) as (urls, bank_url, env):
        told, persons = asyncio.run(load(pair, urls, bank_url, people, seconds))
        standby = pair.standby.url("mintql")
        asyncio.run(settled(standby))
        lost, rows = asyncio.run(look(standby, persons))
        print(
            f"\nchanges: {len(told.acknowledged)} acknowledged, {lost} lost, {len(told.refused)} ended in an error;"
            f" the slowest took {told.slowest_seconds:.2f} s"
            f"\nreads: {told.reads}, {told.reads_failed} failed, {told.old} showed less than was acknowledged"
            f"\ntransactions: {rows}"
        )
        wrong = lost + told.old
        for command in (["reconcile"], *(["replay", person.email] for person in persons)):
            wrong += not well(command, env, aloud=command == ["reconcile"])
        if not wrong:
            print(f"mintql replay: the raw pages of all {people} persons say the same")
        return 1 if wrong else 0


def well(command: list[str], env: dict[str, str], *, aloud: bool) -> bool:
    """Run a command of mintql; show what it says if it ends with an error, or if that is wanted."""
    ended = subprocess.run(
        [Path(sys.executable).with_name("mintql"), *command],
        env={**os.environ, **env}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if aloud or ended.returncode:
        print(f"mintql {' '.join(command)}: {ended.stdout.strip() or ended.stderr.strip()[-500:]}")
    return ended.returncode == 0


if __name__ == "__main__":
    main()
