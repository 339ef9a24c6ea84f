"""How large what is kept of a person is: in the database, table by table, and in Redis.

    ./dev bench size [--persons 200] [--rows 1000]

So many persons with so many transactions each, two years of them, as institutions tell of them; their sums; and in
Redis the version of each person's data, placed for replicas. What is printed is bytes with indexes and everything else.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path

import asyncpg
from _people import add_people
from redis.asyncio import Redis

from mintql.domain.ids import UserId
from mintql.domain.positions import Position
from mintql.embedded.places import remove_home
from mintql.embedded.postgres import running_postgres
from mintql.embedded.valkey import running_valkey
from mintql.gateways.cache import Cache
from mintql.gateways.placing import Placing
from mintql.store.migrate import migrate

VERSIONS = 20_000
_TABLES = """
SELECT relname, pg_relation_size(oid) AS heap, pg_indexes_size(oid) AS indexes, pg_total_relation_size(oid) AS whole
FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND pg_relation_size(oid) > 0
ORDER BY whole DESC LIMIT 5
"""


async def database(url: str, persons: int, rows: int) -> None:
    """Print the bytes of the largest tables."""
    await migrate(url)
    conn = await asyncpg.connect(url, command_timeout=None)
    await add_people(conn, dict.fromkeys(range(1, persons + 1), rows), {})
    transactions = persons * rows
    for found in await conn.fetch(_TABLES):
        name, heap, indexes, whole = found
        print(
            f"{name:<18} {whole / 2**20:8.1f} MiB {whole / persons:12,.0f} bytes a person"
            f" {whole / transactions:8.1f} a transaction, of which indexes {indexes / transactions:.1f},"
            f" rows {heap / transactions:.1f}"
        )
    await conn.close()


async def memory(url: str) -> None:
    """Print the bytes that the versions of persons take."""

    async def position() -> Position:
        return Position(1, 0x16B374D848)

    redis = Redis.from_url(url)
    cache = Cache(redis, 60, placing := Placing(redis, position))
    before = (await redis.info("memory"))["used_memory"]
    for start in range(1, VERSIONS, 500):
        await asyncio.gather(*(cache.version(UserId(number)) for number in range(start, start + 500)))
        await placing.finish()
    used = (await redis.info("memory"))["used_memory"] - before
    print(f"Redis: {used / VERSIONS:.0f} bytes for the version of a person's data")
    await cache.close()
    await redis.aclose()


def main() -> None:
    """Run both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--persons", type=int, default=200)
    parser.add_argument("--rows", type=int, default=1_000, help="transactions of each")
    options = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="mintql-size-"))
    home.chmod(0o711)
    try:
        with running_postgres(home, durable=False) as server, running_valkey(home, durable=False) as valkey:
            asyncio.run(database(server.url("postgres"), options.persons, options.rows))
            asyncio.run(memory(valkey.url))
    finally:
        remove_home(home)


if __name__ == "__main__":
    main()
