"""Ingestion for as long as it runs, beside `bench/live.py`: the database transactions of a worker that has all rows.

python bench/_live_load.py, with DATABASE_URL; says "ready" when it has begun
"""

from __future__ import annotations

import asyncio
import os
import random
import secrets

import asyncpg
from _ingest_people import Batch, first_rows
from _ingest_ways import folded, transact

PEOPLE = 300
ACCOUNTS = 60
ROWS = 40
CONNECTIONS = """
WITH people AS (
    INSERT INTO users (email, password_hash, name)
    SELECT 'load' || n || '-' || $2, '', '' FROM generate_series(1, $1) AS n RETURNING user_id
), counters AS (
    INSERT INTO user_counters (user_id) SELECT user_id FROM people
)
INSERT INTO connections (user_id, institution_id) SELECT user_id, 'bench' FROM people RETURNING user_id, connection_id
"""


async def main() -> None:
    settings = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off", "jit": "off"}
    conn = await asyncpg.connect(os.environ["DATABASE_URL"], server_settings=settings)
    found = await conn.fetch(CONNECTIONS, PEOPLE, secrets.token_hex(4))
    accounts = [(row["user_id"], row["connection_id"], f"a{row['connection_id']}") for row in found]
    dice, day = random.Random(1), 0
    while True:
        chosen = sorted(dice.sample(accounts, ACCOUNTS))
        batch = Batch({account: first_rows(dice, account, ROWS, day) for account in chosen})
        day += 1
        await transact(conn, await folded(conn, batch))
        await conn.execute("UPDATE sync_runs SET state = 'succeeded' WHERE state NOT IN ('succeeded', 'failed')")
        if day == 1:
            print("ready", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
