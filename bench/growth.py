"""Whether anything gets slower as persons and the database grow.

    ./dev bench growth [--short] [--rows 1000000 10000000] [--persons 1000 10000 100000 1000000] [--repeat 9]

Persons with so many transactions stand in a database with so many of everybody's, day by day among a thousand others.
Everything is asked as the API asks it, under its role, row-level security and way of planning:

    page       the newest 50
    filtered   the newest 50 of one category
    search     a word that one row in seven has
    rare       a word that one row has
    nowhere    a word that no row has, nor anything like it
    dashboard  accounts, the month's spending and budgets
    refresh    ingestion of a daily refresh of 40 rows as a worker does it: 2 are new, one was pending and is posted
    examine    what follows: looking for what recurs and is unusual

The first columns are to the person with the fewest rows in the same database, the others to the same person in the
smallest database: 1.00 is flat. What it takes to write down where words stand, for searching, is told of each person
before. Counted is processor time, of this process and of its connections' backends, since the
machine is shared; by the clock it is as long where nobody waits. Rounds alternate between persons and the median is
printed. The buffers are warm. The largest person comes with the second database.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import resource
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from _people import MINGLED_MAX, add_people

from mintql.domain.ids import ConnectionId, UserId
from mintql.domain.months import first_day
from mintql.domain.periods import Period
from mintql.embedded.places import remove_home
from mintql.embedded.postgres import running_postgres
from mintql.services.accounts import list_accounts
from mintql.services.budgets import list_budgets
from mintql.services.examination import examine_due
from mintql.services.search import Search, search
from mintql.services.search_index_build import keep_up
from mintql.services.spending import spending
from mintql.services.transactions import PageRequest, TransactionFilter, list_page
from mintql.store.migrate import migrate
from mintql.store.queries import Conn
from support.pipeline import Pipeline
from support.scripted import page, row

PAGE = 50
OTHERS_ROWS = 1_000
REFRESHED_ROWS = 40
NEW_ROWS = 2
WORKER = {"jit": "off", "enable_seqscan": "off", "plan_cache_mode": "force_generic_plan"}
API = WORKER | {"enable_bitmapscan": "off"}
NAMES = ("page", "filtered", "search", "rare", "nowhere", "dashboard", "refresh", "examine")


def processor_seconds(pid: int) -> float:
    """Return the processor time that a process has had, to the nanosecond."""
    return int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[0]) / 1e9


@dataclass
class Growth:
    """The database with its persons: `sizes` are rows by person, `links` the connection that each refreshes."""

    api: asyncpg.Connection
    worker: asyncpg.Pool
    pipeline: Pipeline
    sizes: dict[UserId, int] = field(default_factory=dict)
    links: dict[UserId, ConnectionId] = field(default_factory=dict)
    shown: dict[UserId, list[dict[str, object]]] = field(default_factory=dict)
    serial: int = 0

    async def grow(self, rows: int, persons: list[int]) -> None:
        """Let the database have so many rows, and these persons besides those that are there."""
        conn = await self.worker.acquire()
        try:
            last = await conn.fetchval("SELECT coalesce(max(user_id), 0) FROM users")
            stored = await conn.fetchval("SELECT coalesce(sum(posted_count), 0) FROM monthly_spending")
            sized = {UserId(last + place): size for place, size in enumerate(persons, 1)}
            others_count = max(0, rows - int(stored) - sum(persons)) // OTHERS_ROWS
            others = {last + len(sized) + place: OTHERS_ROWS for place in range(1, others_count + 1)}
            mingled = dict(list(others.items())[:MINGLED_MAX])
            await add_people(conn, sized | mingled, dict(list(others.items())[MINGLED_MAX:]))
            for table, column in (("users", "user_id"), ("connections", "connection_id"), ("accounts", "account_id")):
                sequence = await conn.fetchval("SELECT pg_get_serial_sequence($1, $2)", table, column)
                await conn.execute("SELECT setval($1::regclass, $2)", sequence, last + len(sized) + len(others))
        finally:
            await self.worker.release(conn)
        self.sizes |= sized
        for user_id in sized:
            await self.write_down(user_id)
            self.links[user_id] = await self.pipeline.link(user_id)
            await self.refresh(user_id, self.next_rows(user_id, posts=False))

    async def write_down(self, user_id: UserId) -> None:
        """Write down where the words of a person stand, for the first time, and say what that takes."""
        steps: list[float] = []

        @asynccontextmanager
        async def begin() -> AsyncIterator[Conn]:
            started = time.perf_counter()
            async with self.pipeline.begin() as conn:
                yield conn
            steps.append(time.perf_counter() - started)

        started = await self.spent()
        await keep_up(begin, user_id, self.pipeline.now)
        size, spent = self.sizes[user_id], await self.spent() - started
        memory_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        print(f"{size:,} transactions are written down for searching in {spent:.1f} s of processor time,")
        print(f"    {len(steps)} steps of {max(steps):.1f} s at most; this process has had {memory_mib} MiB at most")

    def next_rows(self, user_id: UserId, *, posts: bool = True) -> bytes:
        """What an institution shows a day later: what was pending is posted under another id, some rows are new."""
        before = self.shown.get(user_id, [])
        fresh = REFRESHED_ROWS if not before else NEW_ROWS
        kept = (
            [item for item in before[-(REFRESHED_ROWS - fresh) :] if not item.get("pending")]
            if fresh < REFRESHED_ROWS
            else []
        )
        today = self.pipeline.now.date()
        waiting = [item for item in before if item.get("pending")] if posts else []
        posted = [
            item
            | {"pending": False, "pending_external_id": item["external_id"], "external_id": f"{item['external_id']}p"}
            for item in waiting
        ]
        new = []
        for place in range(fresh):
            self.serial += 1
            day = today - timedelta(days=0 if before else place % 14)
            words = f"SELLER{random.randrange(2_500):04d} MARKET SEATTLE"
            new.append(row(f"x{self.serial}", -random.randint(100, 20_000), day, description=words, pending=place == 0))
        self.shown[user_id] = kept + posted + new
        return page(*self.shown[user_id], window=(today - timedelta(days=14), today))

    async def refresh(self, user_id: UserId, shown: bytes) -> float:
        """Take a refresh through the whole way; return the seconds of its ingestion."""
        key = await self.pipeline.refresh(user_id, self.links[user_id], shown)
        run = [[key.user_id, key.run_id]]
        await self.pipeline.run_job("extract", run)
        started = await self.spent()
        await self.pipeline.run_job("ingest", run)
        spent = await self.spent() - started
        state = await self.pipeline.value("SELECT state FROM sync_runs WHERE run_id = $1", key.run_id)
        if state != "succeeded":
            raise SystemExit(f"the refresh of person {user_id} is {state}")
        return spent

    async def examine(self) -> float:
        """Look at the persons whose rows have changed; return the seconds."""
        started = await self.spent()
        await examine_due(self.pipeline.begin, self.pipeline.perform, self.pipeline.place.clock)
        return await self.spent() - started

    async def spent(self) -> float:
        """Return the seconds of processor time that this process and all backends of the database have had."""
        backends = await self.api.fetch("SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'")
        return time.process_time() + sum(map(processor_seconds, (row["pid"] for row in backends)))

    async def asked(self, user_id: UserId, act: Callable[[Conn], Awaitable[object]]) -> float:
        """Seconds that a question of a person takes."""
        async with self.api.transaction():
            await self.api.execute("SET LOCAL ROLE mintql_api")
            await self.api.execute("SELECT set_config('mintql.user_id', $1, true)", str(user_id))
            pid = self.api.get_server_pid()
            started = time.process_time() + processor_seconds(pid)
            await act(self.api)
            return time.process_time() + processor_seconds(pid) - started

    async def round(self, user_id: UserId) -> dict[str, float]:
        """Seconds of everything for one person."""
        now = self.pipeline.now
        month = first_day(now.date())

        async def dashboard(conn: Conn) -> None:
            await list_accounts(conn, user_id)
            await spending(conn, user_id, month, month)
            await list_budgets(conn, user_id, Period(month, now.date()), now)

        def words(text: str) -> Callable[[Conn], Awaitable[object]]:
            return lambda conn: search(conn, user_id, Search([text], TransactionFilter()), None, PAGE)

        newest = PageRequest(PAGE)
        questions: dict[str, Callable[[Conn], Awaitable[object]]] = {
            "page": lambda conn: list_page(conn, user_id, TransactionFilter(), newest),
            "filtered": lambda conn: list_page(
                conn,
                user_id,
                TransactionFilter(category_ids=frozenset([601])),
                newest,  # type: ignore[list-item]
            ),
            "search": words("seattle"),
            "rare": words(f"{self.sizes[user_id] // 3:07d}"),
            "nowhere": words("zzzqqq"),
            "dashboard": dashboard,
        }
        spent = {name: await self.asked(user_id, act) for name, act in questions.items()}
        spent["refresh"] = await self.refresh(user_id, self.next_rows(user_id))
        spent["examine"] = await self.examine()
        return spent

    async def measured(self, repeat: int) -> dict[UserId, dict[str, float]]:
        """Median seconds of everything for every person."""
        found: dict[UserId, dict[str, list[float]]] = {user_id: defaultdict(list) for user_id in self.sizes}
        for number in range(repeat + 1):
            for user_id in self.sizes:
                for name, seconds in (await self.round(user_id)).items():
                    if number:
                        found[user_id][name].append(seconds)
        return {user_id: {name: statistics.median(spent[name]) for name in NAMES} for user_id, spent in found.items()}


def show(
    growth: Growth, rows: int, found: dict[UserId, dict[str, float]], least: dict[UserId, dict[str, float]]
) -> None:
    """Print the table of one database."""
    first = next(iter(found.values()))
    print(f"\n{rows:,} rows of everybody; milliseconds of processor time of the smallest person, then ratios to them")
    heads = "".join(f"{growth.sizes[user_id]:>12,}" for user_id in found)
    print(f"{'':12}{'ms':>10}{heads}" + ("    to the smallest database" if least else ""))
    for name in NAMES:
        ratios = "".join(f"{item[name] / first[name]:12.2f}" for item in found.values())
        before = "".join(f"{found[key][name] / least[key][name]:8.2f}" for key in found if key in least)
        print(f"{name:12}{first[name] * 1000:10.1f}{ratios}    {before}".rstrip())


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000], help="rows of each database")
    parser.add_argument(
        "--persons", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000], help="their rows"
    )
    parser.add_argument("--repeat", type=int, default=9, help="rounds")
    parser.add_argument("--short", action="store_true", help="a million rows, persons up to 100,000")
    parser.add_argument("--folder", help="where the database lies while it is needed, the folder for such by default")
    options = parser.parse_args()
    if options.short:
        options.rows, options.persons, options.repeat = [1_000_000], [1_000, 10_000, 100_000], 5
    with ExitStack() as stack:
        home = Path(tempfile.mkdtemp(dir=options.folder))
        stack.callback(remove_home, home)
        server = stack.enter_context(running_postgres(home))
        url = server.url("postgres")
        await migrate(url)
        api = await asyncpg.connect(url, server_settings=API)
        worker = await asyncpg.create_pool(url, min_size=1, max_size=4, command_timeout=3_600, server_settings=WORKER)
        growth = Growth(api, worker, Pipeline(worker, home / "objects", carry=False, now=datetime.now(UTC)))
        least: dict[UserId, dict[str, float]] = {}
        for number, rows in enumerate(options.rows):
            late = [size for size in options.persons if size > options.rows[0] // 2]
            early = [size for size in options.persons if size not in late]
            started = time.perf_counter()
            await growth.grow(rows, early if number == 0 else late if number == 1 else [])
            print(f"filled in {time.perf_counter() - started:.0f} s", file=sys.stderr)
            found = await growth.measured(options.repeat)
            show(growth, rows, found, least)
            least = least or found
        await api.close()
        await worker.close()


if __name__ == "__main__":
    asyncio.run(main())
