"""How fast reads are answered, against statements written by hand and against PostGraphile 5, over the same rows.

    ./dev bench read [--short] [--persons 200] [--rows 2000] [--rounds 5] [--seconds 2.5] [--peer-folder FOLDER]

Three operations: a page of 50 transactions with the names of their categories, groups and accounts; a dashboard of
accounts, the month's spending by category and budgets; a page of one category since a day. 32 connections send
requests as fast as they are answered, from a process of its own, each request for another person with their own token.

    floor         a starlette handler, a statement a list, no session, no transaction, the person believed
    guarded       the same with the session looked up and row-level security: what mintql promises
    mintql        the server as it runs, but for the cache of answers, which is off
    new bodies    the server as it runs, each request with a variable of its own, so that no cache knows any of it
    graphql-core  as mintql, without compiled plans (MINTQL_PLANS=off)
    PostGraphile  5 from npm in its production settings, sessions and row-level security as mintql's; where node is
    cached        mintql, asked for what its cache has
    empty         starlette answering nothing

Contestants take turns within a round; ratios are of the same round, and the median of the rounds is printed, because
the machine is shared. A ratio stands by requests a second and, after the slash, by CPU of the server's process. CPU is
in microseconds a request, of that process and of PostgreSQL. Answers are compared before anything is measured: the
floor's to mintql's as parsed JSON, PostGraphile's by names, days and amounts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import pickle
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
from _load import FRESH
from _peers import installed
from _processes import AS_MUCH_AS_WANTED, cpu_seconds, free_port, running
from _reads_compare import answer, in_words_of_peer, of_peer, same
from _reads_data import Dataset, fill
from _reads_operations import Operation, operations

from mintql.embedded.postgres import PostgresServer, running_postgres
from mintql.embedded.valkey import running_valkey
from mintql.store.migrate import migrate

BENCH = Path(__file__).parent
PEER_PACKAGES = ("postgraphile@5.1.5", "pg@8.23.1")
POOL_SIZE = 10
CONNECTIONS = 32
WARM_SECONDS = 0.3
HITS_SHARE_MIN = 0.8
COST_PER_MINUTE = 10**9
"""The limit is on, and far away: a person here asks for more than any does."""
HITS_KEPT_SECONDS = 3600
MISSED_KEPT_SECONDS = 5
"""Answers that nobody asks for twice are kept for so long, or they would fill the memory."""
PEER_WARM_PASSES = 10
"""Node compiles what it has run for some thousand times; 2,000 requests an operation are past that."""


@dataclass(frozen=True)
class Contestant:
    """A server to measure: how it is called, its process, and the requests for an operation, one a person."""

    name: str
    port: int
    pid: int
    requests: dict[str, list[bytes]]


@dataclass(frozen=True)
class Figure:
    """What one contestant did in one round."""

    per_second: float
    p50_ms: float
    p99_ms: float
    server_us: float
    database_us: float
    load_share: float


def post(path: str, token: str, text: str, variables: dict[str, Any]) -> bytes:
    body = json.dumps({"query": text, "variables": variables}).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\naccept: application/json\r\n"
        f"authorization: Bearer {token}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def get(path: str, token: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {token}\r\n\r\n".encode()


class Stage:
    """Database, cache and servers of one run."""

    def __init__(self, stack: ExitStack, folder: Path, options: argparse.Namespace) -> None:
        self.stack = stack
        self.folder = folder
        self.postgres: PostgresServer = stack.enter_context(running_postgres(folder, durable=False))
        self.valkey = stack.enter_context(running_valkey(folder, durable=False))
        self.data: Dataset = asyncio.run(self._fill(options))
        self.asked = operations(datetime.now(UTC).date())
        self.people = list(zip(self.data.user_ids, self.data.tokens, strict=True))

    async def _fill(self, options: argparse.Namespace) -> Dataset:
        conn = await asyncpg.connect(self.postgres.url("postgres"))
        await conn.execute("CREATE DATABASE bench")
        await conn.close()
        await migrate(self.postgres.url("bench"))
        conn = await asyncpg.connect(self.postgres.url("bench"))
        try:
            return await fill(conn, options.persons, options.rows)
        finally:
            await conn.close()

    def mintql(self, name: str, *, plans: bool = True, kept_seconds: int = 0, new: bool = False) -> Contestant:
        """Return mintql as `mintql api` starts it; with `new`, each request has a variable of its own."""
        port = free_port()
        env = {
            "DATABASE_URL": self.postgres.url("bench"),
            "REDIS_URL": self.valkey.url,
            "MINTQL_CACHE_TTL_SECONDS": str(kept_seconds),
            "MINTQL_COST_PER_MINUTE": str(COST_PER_MINUTE),
            "MINTQL_DATABASE_POOL_SIZE": str(POOL_SIZE),
            "MINTQL_PLANS": "on" if plans else "off",
            "MINTQL_OBJECT_STORE": f"file:{self.folder / 'objects'}",
            **AS_MUCH_AS_WANTED,
        }
        command = [sys.executable, "-m", "mintql", "api", "--port", str(port)]
        process = self._run(command, env, name, f"http://127.0.0.1:{port}/readyz")
        mark: dict[str, Any] = {"unused": FRESH.decode()} if new else {}
        requests = {
            item.name: [post("/graphql", token, item.text, item.variables | mark) for _, token in self.people]
            for item in self.asked
        }
        return Contestant(name, port, process.pid, requests)

    def floors(self) -> list[Contestant]:
        """Return the floor, the floor with the same guarantees, and the empty answer: one server."""
        port = free_port()
        env = {
            "DATABASE_URL": self.postgres.url("bench"),
            "BENCH_POOL_SIZE": str(POOL_SIZE),
            "PYTHONPATH": str(BENCH),
        }
        command = [sys.executable, "-m", "uvicorn", "--factory", "_reads_floor:create_app", "--port", str(port),
                   "--log-level", "warning"]  # fmt: skip
        process = self._run(command, env, "floor", f"http://127.0.0.1:{port}/empty")
        names = [item.name for item in self.asked]
        plain = {name: [get(f"/plain/{name}?user={user}", token) for user, token in self.people] for name in names}
        guarded = {name: [get(f"/guarded/{name}", token) for _, token in self.people] for name in names}
        empty = {name: [get("/empty", token) for _, token in self.people] for name in names}
        return [
            Contestant("floor", port, process.pid, plain),
            Contestant("guarded", port, process.pid, guarded),
            Contestant("empty", port, process.pid, empty),
        ]

    def peer(self, folder: Path) -> Contestant:
        """Return PostGraphile, started in the folder it is installed in."""
        shutil.copy(BENCH / "_reads_peer.mjs", folder / "peer.mjs")
        port = free_port()
        env = {
            "PEER_PG_HOST": str(self.postgres.socket_dir),
            "PEER_PG_DATABASE": "bench",
            "PEER_PG_USER": "mintql",
            "BENCH_POOL_SIZE": str(POOL_SIZE),
            "PORT": str(port),
            "NODE_ENV": "production",
            "GRAPHILE_ENV": "production",
        }
        process = self._run(["node", folder / "peer.mjs"], env, "postgraphile", f"http://127.0.0.1:{port}/")
        requests = {
            item.name: [post("/graphql", token, item.peer_text, item.peer_variables) for _, token in self.people]
            for item in self.asked
        }
        return Contestant("PostGraphile", port, process.pid, requests)

    def warm(self, contestant: Contestant, operation: str) -> None:
        """Ask for everybody, which fills caches, and more often where code is compiled while it runs."""
        with loading(self.folder, contestant, operation) as load:
            load.ask({"passes": PEER_WARM_PASSES if contestant.name == "PostGraphile" else 1})

    def _run(self, command: list[Any], env: dict[str, str], name: str, url: str) -> subprocess.Popen[bytes]:
        return self.stack.enter_context(running(command, env, self.folder / f"{name}.log", url))

    def measure(self, contestant: Contestant, operation: str, seconds: float) -> Figure:
        """Warm up, then measure."""
        with loading(self.folder, contestant, operation) as load:
            load.ask({"seconds": WARM_SECONDS})
            before = cpu_seconds(contestant.pid), cpu_seconds(self.postgres.process.pid)
            found = load.ask({"seconds": seconds})
            after = cpu_seconds(contestant.pid), cpu_seconds(self.postgres.process.pid)
        # Every quarter of an hour answers are made anew; misses of more than that are a fault.
        if contestant.name == "cached" and found["hits"] < HITS_SHARE_MIN * found["count"]:
            raise SystemExit(f"{found['count'] - found['hits']} of {found['count']} cached answers were no hits")
        if contestant.name in ("mintql", "new bodies", "graphql-core") and found["hits"]:
            raise SystemExit(f"{contestant.name} has answered {found['hits']} of {found['count']} from its cache")
        server, database = ((last - first) / found["count"] * 1e6 for first, last in zip(before, after, strict=True))
        share = found["cpu_seconds"] / found["seconds"]
        return Figure(found["count"] / found["seconds"], found["p50_ms"], found["p99_ms"], server, database, share)


class Load:
    """The process that sends requests."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def ask(self, command: dict[str, Any]) -> dict[str, Any]:
        """Send what a command says; return the figures."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("the load ended by itself")
        found = dict(json.loads(line))
        if found["failed"]:
            raise SystemExit(f"{found['failed']} of {found['count']} answers failed, the first:\n{found['example']}")
        return found


@contextmanager
def loading(folder: Path, contestant: Contestant, operation: str) -> Iterator[Load]:
    file = folder / f"{contestant.name}-{operation}.requests"
    if not file.exists():
        file.write_bytes(pickle.dumps(contestant.requests[operation]))
    command = [sys.executable, BENCH / "_load.py", file, str(contestant.port), str(CONNECTIONS)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Load(process)
        assert process.stdin is not None
        process.stdin.close()


def check(contestants: dict[str, Contestant], asked: list[Operation]) -> None:
    """Compare the answers for the first and the last person."""
    for operation, place in ((operation, place) for operation in asked for place in (0, -1)):
        answers = {
            name: answer(item.port, item.requests[operation.name][place])
            for name, item in contestants.items()
            if name != "empty"
        }
        expected = answers["mintql"]
        if "errors" in expected or (operation.name != "dashboard" and not expected["data"]["transactions"]["nodes"]):
            raise SystemExit(f"mintql does not answer {operation.name}: {str(expected)[:1500]}")
        peer = answers.pop("PostGraphile", None)
        for name, found in answers.items():
            same(f"{operation.name}: {name}", expected, found)
        if peer is not None:
            if "errors" in peer:
                raise SystemExit(f"PostGraphile does not answer {operation.name}: {str(peer)[:1500]}")
            wanted, found = in_words_of_peer(operation.name, expected["data"]), of_peer(operation.name, peer["data"])
            same(f"{operation.name}: PostGraphile", wanted, found)


def report(operation: str, rounds: list[dict[str, Figure]]) -> None:
    """Print an operation's table. Ratios stand twice: by requests a second, and by CPU of the server's process."""

    def ratio(one: str, other: str) -> str:
        if one not in rounds[0] or other not in rounds[0]:
            return "-"
        rate = statistics.median(item[one].per_second / item[other].per_second for item in rounds)
        cpu = statistics.median(item[other].server_us / item[one].server_us for item in rounds)
        return f"{rate:.2f} / {cpu:.2f}"

    print(f"\n{operation:13}{'req/s':>8}{'p50 ms':>8}{'p99 ms':>8}{'p99/p50':>9}{'CPU us':>8}{'+ PG us':>9}"
          f"{'to floor':>14}{'to guarded':>14}{'to PostGraphile':>17}{'to empty':>14}")  # fmt: skip
    for name in rounds[0]:
        figures = [item[name] for item in rounds]
        middle = {
            field: statistics.median(getattr(figure, field) for figure in figures)
            for field in ("per_second", "p50_ms", "p99_ms", "server_us", "database_us")
        }
        tail = statistics.median(figure.p99_ms / figure.p50_ms for figure in figures)
        print(
            f"{name:13}{middle['per_second']:8,.0f}{middle['p50_ms']:8.1f}{middle['p99_ms']:8.1f}{tail:9.1f}"
            f"{middle['server_us']:8,.0f}{middle['database_us']:9,.0f}{ratio(name, 'floor'):>14}"
            f"{ratio(name, 'guarded'):>14}{ratio(name, 'PostGraphile'):>17}{ratio(name, 'empty'):>14}"
        )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--persons", type=int, default=200, help="persons that requests are spread over")
    parser.add_argument("--rows", type=int, default=2000, help="transactions of each")
    parser.add_argument("--rounds", type=int, default=5, help="rounds, of which the median is taken")
    parser.add_argument("--seconds", type=float, default=2.5, help="length of each measurement")
    parser.add_argument("--only", nargs="*", default=[], help="operations to measure, all unless given")
    parser.add_argument("--without", nargs="*", default=[], help="contestants to leave out")
    parser.add_argument("--short", action="store_true", help="about a minute: 100 persons, two rounds of 0.5 s")
    parser.add_argument("--peer-folder", type=Path, default=Path(".mintql/bench/postgraphile"),
                        help="where PostGraphile is installed, or is to be")  # fmt: skip
    options = parser.parse_args()
    if options.short:
        options.persons, options.rounds, options.seconds = 100, 2, 0.5
    return options


def main() -> None:
    options = arguments()
    with ExitStack() as stack:
        # Reached by the database's own user, who cannot enter every home folder.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o711)
        stage = Stage(stack, folder, options)
        servers = [
            *stage.floors(),
            stage.mintql("mintql"),
            stage.mintql("new bodies", kept_seconds=MISSED_KEPT_SECONDS, new=True),
            stage.mintql("graphql-core", plans=False),
            stage.mintql("cached", kept_seconds=HITS_KEPT_SECONDS),
        ]
        if "PostGraphile" not in options.without:
            home = installed("PostGraphile", options.peer_folder.resolve(), PEER_PACKAGES)
            servers += [] if home is None else [stage.peer(home)]
        contestants = {item.name: item for item in servers if item.name not in options.without}
        check(contestants, stage.asked)
        asked = [item.name for item in stage.asked if not options.only or item.name in options.only]
        for item in contestants.values():
            for name in asked:
                stage.warm(item, name)
        rounds: dict[str, list[dict[str, Figure]]] = {name: [] for name in asked}
        for number in range(options.rounds):
            for name in asked:
                turn = list(contestants.values())[:: 1 if number % 2 == 0 else -1]
                found = {item.name: stage.measure(item, name, options.seconds) for item in turn}
                rounds[name].append({key: found[key] for key in contestants})
        print(
            f"{options.persons} persons with {options.rows} transactions each, {CONNECTIONS} connections, one process a"
            f" server, {POOL_SIZE} database connections; {options.rounds} rounds of {options.seconds} s,"
            f" {os.cpu_count()} CPUs"
        )
        for name in asked:
            report(name, rounds[name])
        shares = [figure.load_share for found in rounds.values() for item in found for figure in item.values()]
        print(f"\nThe load itself took {statistics.median(shares):.0%} of a CPU, at most {max(shares):.0%}.")


if __name__ == "__main__":
    main()
