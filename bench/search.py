"""How fast words are found among 100,000 transactions of one person, in a table with a million of others.

    ./dev bench search [--rows 100000] [--others 1000] [--others-rows 1000] [--repeat 7] [--walked]

Everything is asked under the API's role, bound by row-level security, with its way of planning. R is the newest page of
50 without a filter, in the same rounds; each search is a page of 50 as well, with its ratio to R:

    common    a word that one row in seven has
    seller    the name of one seller
    rare      a word that stands in few rows, so that nearly all are walked
    nowhere   a word that no row has, nor anything like it: all three readings
    typo      a seller's name with two letters swapped
    alike     a misspelt word that is in no seller's name
    amount    the common word, sorted by amount
    total     counting the common word's rows, up to 1,001

`like` is a person with as many rows as each of the others. With `--walked`, nothing is written down of where texts
stand, as before the first look at a person's transactions. Rounds alternate and the median is printed, because the
machine is shared. The buffers are warm.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

import asyncpg

from mintql.domain.ids import UserId
from mintql.embedded.places import remove_home
from mintql.embedded.postgres import running_postgres
from mintql.services.search import COUNTED_MAX, Search, Sort, count, search
from mintql.services.search_index_build import keep_up
from mintql.services.transactions import PageRequest, TransactionFilter, list_page
from mintql.store.migrate import migrate
from mintql.store.queries import Conn

PAGE = 50
DAYS = 730
TOWNS = ("SEATTLE WA", "NEW YORK NY", "AUSTIN TX", "CHICAGO IL", "PORTLAND OR", "DENVER CO", "BOSTON MA")
COLUMNS = (
    "user_id", "transaction_id", "account_id", "external_id", "posted_on", "amount_minor", "currency", "pending",
    "category_id", "category_source", "description", "merchant", "merchant_key",
)  # fmt: skip
SEARCHES: dict[str, tuple[str, Sort]] = {
    "common": ("seattle", Sort.DATE),
    "seller": ("seller0017", Sort.DATE),
    "rare": ("000007", Sort.DATE),
    "nowhere": ("zzzqqq", Sort.DATE),
    "typo": ("sellre0017", Sort.DATE),
    "alike": ("seatle", Sort.DATE),
    "amount": ("seattle", Sort.AMOUNT),
}


def records(counts: dict[int, int], dice: random.Random) -> list[tuple[object, ...]]:
    """Rows of everybody, day by day, as ingestion brings them: those of one person lie far apart."""
    first = date(2024, 11, 1)
    rows = []
    order = sorted((place / size, user_id, place) for user_id, size in counts.items() for place in range(size))
    for number, (share, user_id, place) in enumerate(order, 1):
        # Some sellers are met every day, most now and then.
        seller = f"seller{int(2_500 * dice.random() ** 3):04d} {dice.choice(('market', 'cafe', 'oil', 'store'))}"
        words = f"{seller.upper()} {dice.randrange(10_000)} {TOWNS[number % len(TOWNS)]} {place:06d}"
        minor = -int(100_000 * dice.random() ** 3) - 100
        day = first + timedelta(days=int(share * DAYS))
        rows.append((user_id, number, user_id, str(number), day, minor, "USD", False, 601, "dictionary", words,
                     seller.title(), seller))  # fmt: skip
    return rows


@asynccontextmanager
async def database(options: argparse.Namespace) -> AsyncIterator[asyncpg.Connection]:
    """A PostgreSQL of its own with everybody's rows."""
    home = Path(tempfile.mkdtemp())
    with ExitStack() as stack:
        stack.callback(remove_home, home)
        server = stack.enter_context(running_postgres(home))
        await migrate(server.url("postgres"))
        settings = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off", "enable_bitmapscan": "off",
                    "jit": "off", "synchronous_commit": "off"}  # fmt: skip
        conn = await asyncpg.connect(server.url("postgres"), server_settings=settings, command_timeout=600)
        counts = {1: options.rows} | dict.fromkeys(range(2, options.others + 2), options.others_rows)
        await conn.execute("ALTER TABLE transactions DISABLE TRIGGER ALL")
        for statement in (
            "INSERT INTO users (user_id, email, password_hash, name) SELECT n, 'p' || n, '', '' FROM n",
            "INSERT INTO user_counters (user_id) SELECT n FROM n",
            "INSERT INTO connections (user_id, connection_id, institution_id) SELECT n, n, 'bench' FROM n",
            (
                "INSERT INTO accounts (user_id, account_id, connection_id, external_id, name, kind, currency)"
                " SELECT n, n, n, 'a', 'a', 'checking', 'USD' FROM n"
            ),
        ):
            await conn.execute(f"WITH n AS (SELECT generate_series(1, {options.others + 1}) AS n) {statement}")
        await conn.copy_records_to_table("transactions", records=records(counts, random.Random(1)), columns=COLUMNS)
        await conn.execute("ALTER TABLE transactions ENABLE TRIGGER ALL")
        for user_id in () if options.walked else (1, 2):
            await keep_up(partial(transaction, conn), UserId(user_id), datetime.now(UTC))
        await conn.execute("VACUUM ANALYZE")
        try:
            yield conn
        finally:
            await conn.close()


@asynccontextmanager
async def transaction(conn: asyncpg.Connection) -> AsyncIterator[Conn]:
    """A transaction, as a worker begins one."""
    async with conn.transaction():
        yield conn


async def timed(conn: asyncpg.Connection, user_id: UserId, act: Callable[[Conn], Awaitable[object]]) -> float:
    """Milliseconds that one question of a person takes, as the API asks it."""
    async with conn.transaction():
        await conn.execute("SET LOCAL ROLE mintql_api")
        await conn.execute("SELECT set_config('mintql.user_id', $1, true)", str(user_id))
        started = time.perf_counter()
        await act(conn)
        return (time.perf_counter() - started) * 1000


def questions(user_id: UserId) -> dict[str, Callable[[Conn], Awaitable[object]]]:
    """What is asked of one person's transactions."""

    def look(text: str, sort: Sort) -> Callable[[Conn], Awaitable[object]]:
        asked = Search([text], TransactionFilter(), sort)
        return lambda conn: search(conn, user_id, asked, None, PAGE)

    async def total(conn: Conn) -> None:
        asked = Search(["seattle"], TransactionFilter())
        found = await search(conn, user_id, asked, None, 1)
        assert await count(conn, user_id, asked, found.words) <= COUNTED_MAX + 1

    page = PageRequest(PAGE)
    plain: dict[str, Callable[[Conn], Awaitable[object]]] = {
        "page (R)": lambda conn: list_page(conn, user_id, TransactionFilter(), page)
    }
    return plain | {name: look(text, sort) for name, (text, sort) in SEARCHES.items()} | {"total": total}


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000, help="rows of the person who searches")
    parser.add_argument("--others", type=int, default=1_000, help="other persons")
    parser.add_argument("--others-rows", type=int, default=1_000, help="rows of each of them")
    parser.add_argument("--repeat", type=int, default=7, help="rounds")
    parser.add_argument("--walked", action="store_true", help="look at every transaction")
    options = parser.parse_args()
    async with database(options) as conn:
        print(f"{options.rows} rows of one person, {options.others} others with {options.others_rows} each; "
              f"pages of {PAGE}, median of {options.repeat} rounds")  # fmt: skip
        print(f"{'':12}{'ms':>10}{'to R':>10}{'like: ms':>12}{'to R':>10}")
        figures = []
        for user_id in (UserId(1), UserId(2)):
            asked = questions(user_id)
            rounds = [{name: await timed(conn, user_id, act) for name, act in asked.items()}
                      for _ in range(options.repeat + 1)][1:]  # fmt: skip
            figures.append({name: statistics.median(item[name] for item in rounds) for name in asked})
        for name, spent in figures[0].items():
            like = figures[1][name]
            print(f"{name:12}{spent:10.1f}{spent / figures[0]['page (R)']:10.1f}"
                  f"{like:12.1f}{like / figures[1]['page (R)']:10.1f}")  # fmt: skip


if __name__ == "__main__":
    asyncio.run(main())
