"""One seed from its beginning to its end: start, load, break, heal, check."""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from faults.bank import Ledger
from faults.checks import Violation, check
from faults.clients import STREAMS, TIMEOUT_SECONDS, Answers, Person, Subscriber, eventually
from faults.facts import Facts, Heard, Login, read_bank, read_database, read_objects
from faults.injector import Injector
from faults.load import add_people, begin_day, cpu_seconds, read_again, waiting
from faults.prove import prove
from faults.replayed import replay_all
from faults.report import LIMITS_SECONDS, Result
from faults.resume import Meter
from faults.schedule import Shape, draw
from faults.stack import Stack, running
from mintql.settings import DEVELOPMENT_SECRET_KEYS

HISTORY_DAYS = 20
SHAPE = Shape(apis=2, workers=4)
SETTLE_SECONDS = 120
SETTLE_SECONDS_PER_LOGIN = 0.5
CATCH_UP_SECONDS = 15
REPLAYED_MAX = 4


@dataclass(frozen=True, slots=True)
class Options:
    """How large a run is. `people` have a client of their own each, `logins` are read without one."""

    logins: int = 667
    people: int = 8
    seconds: float = 20.0
    shape: Shape = SHAPE
    sweep_seconds: int = 5
    keep: bool = False
    prove: bool = False
    measured: tuple[str, ...] = tuple(LIMITS_SECONDS)


Say = Callable[[str], None]
OPEN = """
SELECT state, reason, attempt, ingest_attempt, carries, error_code, count(*) AS runs,
    (min(next_attempt_at) - now())::text AS due_in, (max(lease_until) - now())::text AS leased_for,
    (max(carried_until) - now())::text AS carried_for
FROM sync_runs WHERE state NOT IN ('succeeded', 'failed') GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 7 DESC LIMIT 20
"""


async def run_seed(seed: int, options: Options, say: Say) -> Result:
    """Run one seed; its folder stays when a promise was not kept."""
    home = Path(tempfile.mkdtemp(prefix="mintql-faults-"))
    result = Result(seed, home / "logs")
    began = time.monotonic()
    settings = {
        "MINTQL_SECRET_KEYS": DEVELOPMENT_SECRET_KEYS,
        "MINTQL_HISTORY_DAYS": str(HISTORY_DAYS),
        "MINTQL_REFRESH_PAUSE_SECONDS": "0",
        "MINTQL_DAILY_SPREAD_SECONDS": "0",
        "MINTQL_SWEEP_SECONDS": str(options.sweep_seconds),
        "MINTQL_EVENT_POLL_SECONDS": "1",
        "MINTQL_DATABASE_POOL_SIZE": "8",
        # A few persons do here what many would otherwise.
        "MINTQL_SIGN_UPS_PER_HOUR": "0",
        "MINTQL_HEAVY_PER_HOUR": "0",
    }
    async with running(home, options.shape, seed, settings) as stack:
        try:
            await Run(stack, seed, options, say, result).go()
        except Exception as error:  # noqa: BLE001 - a run that does not come to its end is a finding as well
            result.violations.append(Violation("the run", f"{type(error).__name__}: {error}"))
    result.seconds = time.monotonic() - began
    if result.violations or options.keep:
        _save_logs(home)
    else:
        shutil.rmtree(home, ignore_errors=True)
    return result


def _save_logs(home: Path) -> None:
    """Keep the logs; PostgreSQL's and Valkey's lie elsewhere."""
    for path in home.glob("*/logs/*.log"):
        shutil.copy(path, home / "logs" / path.name)


class Run:
    """The acts of a run."""

    def __init__(self, stack: Stack, seed: int, options: Options, say: Say, result: Result) -> None:
        self._stack, self._seed, self._options, self._say, self._result = stack, seed, options, say, result
        self._answers = Answers()
        self._ledger = Ledger(stack.bank_store)
        self._month = datetime.now(UTC).date().replace(day=1)
        self._people: list[Person] = []
        self._subscribers: list[Subscriber] = []
        self._logins: list[Login] = []
        self._bank_was_away = False
        self._http = httpx.AsyncClient(trust_env=False, timeout=TIMEOUT_SECONDS)

    async def go(self) -> None:
        """Run all acts."""
        async with self._http:
            self._say("started")
            await self._stack.ready()
            self._say("ready")
            await self._settle_in()
            self._say("persons are in")
            following = [asyncio.create_task(subscriber.follow()) for subscriber in self._subscribers]
            try:
                await self._break()
                self._say("healed")
                await self._heal()
                self._say("all work is done")
                await self._measure()
                await self._catch_up()
            finally:
                for task in following:
                    task.cancel()
                await asyncio.gather(*following, return_exceptions=True)
            self._say("all is heard")
            facts = await self.gather()
            self._result.violations += check(facts)
            people = {person.user_id for person in self._people}
            again = [login for login in self._logins if login.user_id in people][:REPLAYED_MAX]
            self._result.violations += [Violation("replay", text) for text in await replay_all(self._stack, again)]
            self._say("all is judged")
            self._conclude(facts)
            if self._options.prove and not self._result.violations:
                await self._prove(facts)

    async def _settle_in(self) -> None:
        """Let persons come in, while all is well."""
        names = [f"s{self._seed}p{number}" for number in range(self._options.people)]
        self._people = [
            Person(self._stack, name, random.Random(f"{self._seed}/{name}"), self._answers, self._http)
            for name in names
        ]
        await asyncio.gather(*(person.settle_in(self._month) for person in self._people))
        crowd = [f"s{self._seed}c{number}" for number in range(self._options.logins)]
        self._logins = await add_people(self._stack, crowd)
        today = datetime.now(UTC).date()
        for person in self._people:
            await eventually("the first rows", lambda person=person: person.choose_targets(today), 60)
            for action in ("note", "choose", "rule"):
                await person.step(self._month, action)
        self._subscribers = [
            Subscriber(person, random.Random(f"{self._seed}/{person.login}/{number}"))
            for person in self._people
            for number in range(2)
        ]

    async def _break(self) -> None:
        """Let everybody live while faults happen."""
        faults = draw(self._seed, self._options.shape, self._options.seconds)
        self._result.faults = len(faults)
        self._bank_was_away = any(
            fault.kind in ("poison", "bank") or fault.target.endswith(">bank") for fault in faults
        )
        injector = Injector(self._stack, [person.login for person in self._people], self._say)
        await begin_day(self._stack)
        stopped = asyncio.Event()
        living = [asyncio.create_task(person.live(stopped, self._month)) for person in self._people]
        await injector.run(faults)
        await injector.heal()
        stopped.set()
        await asyncio.gather(*living)

    async def _heal(self) -> None:
        """Let all be well again, the persons do what they do then, and all work come to its end."""
        if self._bank_was_away:
            # What is learnt of outages, such as open circuits, is learnt anew, and not within the minutes it may take.
            for name in self._stack.shape.members:
                if name.startswith("worker"):
                    self._stack.members[name].signal(signal.SIGTERM)
        await self._stack.ready()
        self._logins += await self._logins_of_people()
        began = datetime.now(UTC)
        with suppress(OSError):
            await begin_day(self._stack)
        try:
            await eventually("the end of all work", lambda: self._is_done(began), self._patience())
        except TimeoutError:
            await self._tell_open()
            raise

    def _patience(self) -> float:
        """Return how long all work may take: there is more of it the more logins were not read for all the faults."""
        return SETTLE_SECONDS + SETTLE_SECONDS_PER_LOGIN * self._options.logins

    async def _tell_open(self) -> None:
        """Say what there is of runs that have not ended."""
        conn = await self._stack.connect()
        rows = await conn.fetch(OPEN)
        await conn.close()
        self._result.notes += [" ".join(f"{name}={value}" for name, value in row.items()) for row in rows]
        self._result.notes += await waiting(self._stack)
        self._result.notes += [
            f"{name}: {cpu_seconds(m.process.pid):.1f} s of CPU" for name, m in self._stack.members.items()
        ]

    async def _measure(self) -> None:
        """Let one thing after the other die, and see how long work stands still."""
        person = self._people[0]
        meter = Meter(self._stack, person)
        ways = {
            "a killed worker": lambda: meter.after_worker(signal.SIGKILL),
            "a stopped worker": lambda: meter.after_worker(signal.SIGTERM),
            "the loss of Redis": meter.after_valkey,
            "a crash of PostgreSQL": meter.after_postgres,
        }
        for what in self._options.measured:
            seconds = await ways[what]()
            self._say(f"work resumed {seconds:.1f} s after {what}")
            self._result.resumed.setdefault(what, []).append(seconds)
            if seconds > LIMITS_SECONDS[what]:
                text = f"{seconds:.1f} s, and {LIMITS_SECONDS[what]:.0f} s are promised"
                self._result.violations.append(Violation(f"resumes after {what}", text))

    async def _logins_of_people(self) -> list[Login]:
        conn = await self._stack.connect()
        rows = await conn.fetch(
            "SELECT user_id, connection_id FROM connections WHERE user_id = ANY ($1)",
            [person.user_id for person in self._people],
        )
        await conn.close()
        names = {person.user_id: person.login for person in self._people}
        return [Login(*row, names[row["user_id"]]) for row in rows]

    async def _is_done(self, began: datetime) -> bool:
        """Tell whether everything was read since all is well; ask for it again where it was not."""
        conn = await self._stack.connect()
        try:
            rows = await conn.fetch(
                """
                SELECT link.user_id, link.connection_id,
                    count(*) FILTER (WHERE state NOT IN ('succeeded', 'failed')) AS open,
                    max(started_at) FILTER (WHERE state = 'succeeded') AS last
                FROM connections AS link LEFT JOIN sync_runs AS run USING (user_id, connection_id) GROUP BY 1, 2
                """
            )
        finally:
            await conn.close()
        people = {person.user_id: person for person in self._people}
        crowd = {login.user_id: login for login in self._logins if login.user_id not in people}
        is_open = any(row["open"] for row in rows)
        again: list[Coroutine[Any, Any, Any]] = []
        for row in rows:
            # The bank's word on the crowd's logins does not change during a run: once read is read.
            needed = row["last"] is None or (row["user_id"] in people and row["last"] < began)
            if needed and row["user_id"] in people:
                again.append(people[row["user_id"]].recover())
        lacking = [crowd[row["user_id"]] for row in rows if row["last"] is None and row["user_id"] in crowd]
        if again or lacking:
            await asyncio.gather(*again)
            await read_again(self._stack, lacking)
            await asyncio.sleep(0.5)
            return False
        return not is_open

    async def _catch_up(self) -> None:
        """Give the subscribers time to hear the last of it."""
        for subscriber in self._subscribers:
            subscriber.restless = False
        conn = await self._stack.connect()
        try:
            told = {person.user_id: await self._told(conn, person.user_id) for person in self._people}
        finally:
            await conn.close()

        def all_heard() -> bool:
            return all(
                set(told[subscriber.person.user_id][name]) <= set(subscriber.heard[name])
                for subscriber in self._subscribers
                for name in STREAMS
            )

        with suppress(TimeoutError):
            await eventually("all is heard", all_heard, CATCH_UP_SECONDS)

    async def _told(self, conn: Any, user_id: int) -> dict[str, list[int]]:
        """Return what there was to hear for a person."""
        alerts = "SELECT alert_id FROM alerts WHERE user_id = $1 ORDER BY 1"
        events = "SELECT seq FROM events WHERE user_id = $1 AND kind = $2 ORDER BY 1"
        return {
            "budgetAlerts": [row[0] for row in await conn.fetch(alerts, user_id)],
            "syncProgress": [row[0] for row in await conn.fetch(events, user_id, "sync_progress")],
            "transactionsChanged": [row[0] for row in await conn.fetch(events, user_id, "transactions_changed")],
        }

    async def gather(self, known: Facts | None = None) -> Facts:
        """Read everything there is to judge by; what bank and object store say is not read again if it is `known`."""
        facts = Facts(self._month)
        conn = await self._stack.connect()
        try:
            async with conn.transaction(isolation="repeatable_read"):
                await read_database(conn, facts)
                for subscriber in self._subscribers:
                    told = await self._told(conn, subscriber.person.user_id)
                    facts.heard += [
                        Heard(subscriber.person.login, name, list(subscriber.heard[name]), told[name])
                        for name in STREAMS
                    ]
                await self._find_made(conn, facts)
        finally:
            await conn.close()
        if known is not None:
            facts.bank, facts.files = known.bank, known.files
            bad_rows = {item.object_id: item.bad_rows for item in known.objects}
            facts.objects = [item._replace(bad_rows=bad_rows.get(item.object_id)) for item in facts.objects]
            return facts
        await asyncio.to_thread(read_objects, self._stack.objects, facts)
        await asyncio.to_thread(read_bank, self._ledger, self._logins, facts)
        return facts

    async def _find_made(self, conn: Any, facts: Facts) -> None:
        """Find what became of what the persons did."""
        from faults.made import find_made  # noqa: PLC0415

        await find_made(conn, self._people, facts)

    async def _prove(self, facts: Facts) -> None:
        """Spoil what was found to be right, and see whether the checks notice."""
        conn = await self._stack.connect()
        try:
            lines = await prove(conn, lambda: self.gather(facts), facts, self._people[0].user_id)
        finally:
            await conn.close()
        self._result.notes += lines
        self._result.violations += [
            Violation("a check that cannot fail", line) for line in lines if line.startswith("BAD")
        ]

    def _conclude(self, facts: Facts) -> None:
        found, answers = self._result, self._answers
        for text in answers.hung + answers.odd:
            found.violations.append(Violation("answers", text))
        found.counted["accounts"] = 3 * len(facts.bank)
        found.counted["transactions"] = len(facts.rows)
        found.counted["runs"] = len(facts.runs)
        found.counted["requests"] = sum(answers.outcomes.values())
        found.counted["alerts"] = len(facts.alerts)
        found.counted["sockets"] = sum(subscriber.sockets for subscriber in self._subscribers)
        found.notes += [text for member in self._stack.members.values() for text in member.exits]
        found.notes.append(f"answers: {dict(answers.outcomes)}, the slowest after {answers.slowest_seconds:.1f} s")
