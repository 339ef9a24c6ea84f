"""What live connections cost and how soon an alert is there, against a handler written by hand.

    ./dev bench live [--connections 2000] [--processes 5] [--rounds 200] [--short]

The floor (`bench/_live_floor.py`) is a starlette WebSocket handler without GraphQL that speaks the same protocol for
the same subscription, `budgetAlerts`, and reads the same rows from the same database. Each connection is a person of
their own. Printed of both, in the same run:

    memory     what a process grows by for a connection that waits for alerts (slope of its resident memory), and for
               one whose client offers to deflate
    idle       share of a core that all connections together take while nothing happens
    alert      from the commit of one alert to the bytes at its client, alone and while another process ingests
    burst      an alert for everybody at once, until the last client has it
    deaf       the same alert while some clients ask for much and read nothing, and how many of those are closed
    reconnects everybody comes back with their cursor, so many a second and then all at once, and is told what they
               missed: once each, none lost

Then the number of Redis subscriptions, and the same connections over several processes.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import random
import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import uvloop
from _live_stage import Person, Server, Stage, open_stage, running_ingestion, running_server, settle
from _sockets import Socket, open_socket

from mintql.api.socket_protocol import SLOW_SECONDS_MAX, TRY_AGAIN_LATER
from mintql.gateways.channel import CHANNEL

QUERY = """subscription Alerts($after: Cursor) {
  budgetAlerts(after: $after) { cursor thresholdPercent message spent { amount currency } }
}"""
STEPS = 6
"""Points of the line whose slope is the memory of a connection."""
CONNECTING_AT_ONCE = 50
WARM_UP_ROUNDS = 20
DEAF = 5
FLOOD_OPERATIONS = 49
FLOOD = "{" + " ".join(f"{'a' * 1_900}{number}: __typename" for number in range(50)) + "}"
"""Costs next to nothing to answer, with 100 KB: with all operations of all floods more than two sockets hold."""
FLOODS = 3
GOODBYE_SECONDS = 4.0
SLOW_SECONDS = SLOW_SECONDS_MAX + 2
WAIT_SECONDS = 60.0


@dataclass(eq=False)
class Follower:
    """A person's client: the alerts it has been told, and when."""

    person: Person
    cursor: str | None = None
    told: list[tuple[str, float]] = field(default_factory=list)
    socket: Socket | None = None
    came: asyncio.Event = field(default_factory=asyncio.Event)
    errors: list[Any] = field(default_factory=list)

    async def connect(self, port: int, *, deflate: bool = False) -> None:
        """Connect, and follow what comes after the last alert it has."""
        self.socket = await open_socket(port, self.person.token, deflate=deflate)
        self.socket.on_next = self._note
        self.socket.send(
            {"type": "subscribe", "id": "1", "payload": {"query": QUERY, "variables": {"after": self.cursor}}}
        )

    def _note(self, payload: dict[str, Any], now: float) -> None:
        if "errors" in payload:
            self.errors.append(payload["errors"])
            return
        self.cursor = payload["data"]["budgetAlerts"]["cursor"]
        self.told.append((self.cursor, now))
        self.came.set()

    def cut(self) -> None:
        """Go away without a word."""
        if self.socket is not None:
            self.socket.transport.abort()


async def connect_all(followers: Sequence[Follower], ports: Sequence[int], *, deflate: bool = False) -> None:
    """Connect them, evenly over the ports, a few at a time."""
    gate = asyncio.Semaphore(CONNECTING_AT_ONCE)

    async def one(place: int, follower: Follower) -> None:
        async with gate:
            await follower.connect(ports[place % len(ports)], deflate=deflate)

    await asyncio.gather(*(one(place, follower) for place, follower in enumerate(followers)))
    await settle()


async def told(followers: Sequence[Follower]) -> None:
    """Wait until each has been told something since it was last cleared."""
    async with asyncio.timeout(WAIT_SECONDS):
        for follower in followers:
            await follower.came.wait()


def clear(followers: Sequence[Follower]) -> None:
    for follower in followers:
        follower.came.clear()


async def memory_kib(
    server: Server, people: Sequence[Person], *, deflate: bool = False
) -> tuple[float, list[Follower]]:
    """Return the slope of the server's memory over connections, and the followers, who stay connected."""
    followers = [Follower(person) for person in people]
    first = len(followers) // 4
    await connect_all(followers[:first], [server.port], deflate=deflate)
    points = []
    for step in range(STEPS):
        begin, end = (first + (len(followers) - first) * place // STEPS for place in (step, step + 1))
        await connect_all(followers[begin:end], [server.port], deflate=deflate)
        await settle()
        points.append((end, server.rss_bytes()))
    slope = statistics.linear_regression([count for count, _ in points], [rss for _, rss in points]).slope
    return slope / 1024, followers


async def idle_share(server: Server, seconds: float) -> float:
    """Return the share of a core the server takes while nothing happens."""
    before = server.cpu_seconds()
    await asyncio.sleep(seconds)
    return (server.cpu_seconds() - before) / seconds


async def alert_ms(stage: Stage, followers: Sequence[Follower], rounds: int) -> list[float]:
    """Return for single alerts how long they took from the commit to the client, sorted."""
    dice, taken = random.Random(1), []
    for follower in dice.choices(followers, k=rounds):
        follower.came.clear()
        committed = await stage.raise_alerts([follower.person])
        await told([follower])
        taken.append((follower.told[-1][1] - committed) * 1000)
        await asyncio.sleep(0.005)
    return sorted(taken)


async def burst_ms(stage: Stage, followers: Sequence[Follower], repeat: int = 3) -> float:
    """Return how long an alert for everybody took from the commit to the last client: the median of some."""
    taken = []
    for _ in range(repeat):
        clear(followers)
        committed = await stage.raise_alerts([follower.person for follower in followers])
        await told(followers)
        taken.append((max(follower.told[-1][1] for follower in followers) - committed) * 1000)
        await settle()
    return statistics.median(taken)


def percentile(values: Sequence[float], share: float) -> float:
    return values[min(len(values) - 1, int(len(values) * share))]


async def reconnects(
    stage: Stage, server: Server, followers: Sequence[Follower], per_second: float | None
) -> tuple[list[float], int]:
    """Cut everybody off, raise an alert, and let them come back with their cursors, so many a second or at once.

    Return from when on each wanted to be back to the missed alert, in sorted milliseconds, and how many went wrong.
    """
    for follower in followers:
        follower.cut()
    await settle(2)
    clear(followers)
    counts = [len(follower.told) for follower in followers]
    await stage.raise_alerts([follower.person for follower in followers], wake=False)
    start = time.perf_counter()
    due = [start + (place / per_second if per_second else 0) for place in range(len(followers))]

    async def back(follower: Follower, at: float) -> float | None:
        await asyncio.sleep(max(0, at - time.perf_counter()))
        try:
            await follower.connect(server.port)
            await asyncio.wait_for(follower.came.wait(), WAIT_SECONDS)
        except OSError:
            return None
        return (follower.told[-1][1] - at) * 1000

    taken = await asyncio.gather(*(back(follower, at) for follower, at in zip(followers, due, strict=True)))
    await settle()
    wrong = sum(len(follower.told) != count + 1 for follower, count in zip(followers, counts, strict=True))
    return sorted(value for value in taken if value is not None), wrong


async def deaf_ones(server: Server, followers: Sequence[Follower]) -> list[Follower]:
    """Let some ask for much and read none of it, until the server waits for them to read."""
    for place in range(FLOODS):
        for follower in followers:
            if follower.socket is not None:
                follower.socket.transport.pause_reading()
                for number in range(FLOOD_OPERATIONS):
                    ask = {"type": "subscribe", "id": f"flood {place} {number}", "payload": {"query": FLOOD}}
                    follower.socket.send(ask)
        before = -1.0
        while server.cpu_seconds() - before > 0.05:
            before = server.cpu_seconds()
            await settle(0.5)
    return list(followers)


async def closed_with(followers: Sequence[Follower]) -> list[int | None]:
    """Let them read on, and return the codes they were closed with."""
    codes = []
    for follower in followers:
        if follower.socket is not None:
            follower.socket.transport.resume_reading()
            await asyncio.wait([follower.socket.ended], timeout=GOODBYE_SECONDS)
            codes.append(follower.socket.close_code)
    return codes


async def try_out(
    stage: Stage, people: Sequence[Person], options: argparse.Namespace, *, floor: bool
) -> dict[str, float]:
    """Run everything of one process; return the figures by their names."""
    found: dict[str, float] = {}
    with running_server(stage, floor=floor) as server:
        found["memory, KiB a connection"], followers = await memory_kib(server, people)
        await settle(2)
        found["idle, % of a core"] = 100 * await idle_share(server, options.idle_seconds)
        await alert_ms(stage, followers, WARM_UP_ROUNDS)
        note_alerts(found, "alert", await alert_ms(stage, followers, options.rounds))
        async with running_ingestion(stage):
            note_alerts(found, "alert while ingesting", await alert_ms(stage, followers, options.rounds))
        found["burst to all, ms"] = await burst_ms(stage, followers, options.bursts)
        if not floor:
            await note_deaf(found, stage, server, followers, options.rounds)
        taken, wrong = await reconnects(stage, server, followers, options.reconnects)
        found["reconnect, p50 ms"], found["reconnect, p99 ms"] = percentile(taken, 0.5), percentile(taken, 0.99)
        taken, wrong_at_once = await reconnects(stage, server, followers, None)
        found["all back at once, ms"] = taken[-1]
        found["lost or repeated"] = wrong + wrong_at_once
        cut_all(followers)
    with running_server(stage, floor=floor) as server:
        share = people[: len(people) // 2]
        found["memory with deflate offered"], followers = await memory_kib(server, share, deflate=True)
        cut_all(followers)
    return found


def note_alerts(found: dict[str, float], name: str, taken: Sequence[float]) -> None:
    found[f"{name}, p50 ms"], found[f"{name}, p99 ms"] = percentile(taken, 0.5), percentile(taken, 0.99)


async def note_deaf(
    found: dict[str, float], stage: Stage, server: Server, followers: list[Follower], rounds: int
) -> None:
    """Note what others notice of some clients that read nothing; these leave the list."""
    deaf, followers[:] = followers[:DEAF], followers[DEAF:]
    await deaf_ones(server, deaf)
    note_alerts(found, "alert beside deaf clients", await alert_ms(stage, followers, rounds))
    await settle(SLOW_SECONDS)
    codes = await closed_with(deaf)
    found["deaf clients closed, %"] = 100 * codes.count(TRY_AGAIN_LATER) / len(codes)


def cut_all(followers: Sequence[Follower]) -> None:
    for follower in followers:
        follower.cut()


async def over_processes(stage: Stage, people: Sequence[Person], options: argparse.Namespace) -> None:
    """Connect everybody to several processes, and print what they take and how long a burst to all does."""
    with ExitStack() as stack:
        servers = [stack.enter_context(running_server(stage)) for _ in range(options.processes)]
        before = sum(server.rss_bytes() for server in servers)
        followers = [Follower(person) for person in people]
        await connect_all(followers, [server.port for server in servers])
        await settle(2)
        grown = (sum(server.rss_bytes() for server in servers) - before) / len(followers) / 1024
        (_, subscribed), *_ = await stage.runtime.redis.pubsub_numsub(CHANNEL)
        burst = await burst_ms(stage, followers, options.bursts)
        print(
            f"{len(followers)} connections on {len(servers)} processes: {grown:.1f} KiB a connection with what a "
            f"process loads at first, {subscribed} Redis subscriptions, burst to all {burst:.0f} ms"
        )
        cut_all(followers)


def print_table(floor: dict[str, float], own: dict[str, float]) -> None:
    print(f"{'':34}{'mintql':>10}{'floor':>10}{'ratio':>10}")
    for name, value in own.items():
        least = floor.get(name)
        ratio = f"{value / least:.2f}" if least else ""
        print(f"{name:34}{value:10.1f}{'' if least is None else f'{least:.1f}':>10}{ratio:>10}")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=2000)
    parser.add_argument("--processes", type=int, default=5, help="for the last figure; 0 leaves it out")
    parser.add_argument("--connections-in-all", type=int, default=10_000, help="over these processes")
    parser.add_argument("--reconnects", type=float, default=1000, help="reconnects a second")
    parser.add_argument("--rounds", type=int, default=200, help="alerts that are timed")
    parser.add_argument("--bursts", type=int, default=3)
    parser.add_argument("--idle-seconds", type=float, default=10)
    parser.add_argument("--short", action="store_true", help="about a minute: fewer of everything")
    options = parser.parse_args()
    if options.short:
        options.connections, options.processes = 400, 0
        options.rounds, options.bursts, options.idle_seconds = 40, 1, 5
    return options


async def main() -> None:
    options = parse_options()
    async with open_stage() as stage:
        people = await stage.people(options.connections)
        print(
            f"{options.connections} connections on one process, {options.rounds} alerts, {options.reconnects:.0f} "
            f"reconnects a second; {os.cpu_count()} cores, Python {platform.python_version()}"
        )
        floor = await try_out(stage, people, options, floor=True)
        own = await try_out(stage, people, options, floor=False)
        print_table(floor, own)
        if options.processes:
            missing = max(0, options.connections_in_all - len(people))
            people += await stage.people(missing)
            await over_processes(stage, people, options)


if __name__ == "__main__":
    uvloop.run(main())
