"""What `bench/ingest.py` writes: persons of three accounts, the rows their bank shows, and a database full of both."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import asyncpg

from mintql.domain.ids import UserId
from mintql.domain.institutions import ProviderTransaction
from mintql.domain.months import add_months, first_day
from mintql.services import alerts
from mintql.store import ingest as store
from mintql.store.migrate import migrate

TODAY = date(2026, 11, 20)
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
WINDOW_FIRST = TODAY
"""Days the bank tells of completely: rows of earlier rounds, which it does not show again, are not taken for gone."""
ACCOUNTS_EACH = 3
"""Thirty million accounts of ten million persons."""
ROWS_EACH = 300
"""Rows an account has when the database is filled: about three a day of the last hundred days."""
FILL_ROWS = 1_000_000
PERSONS_AT_ONCE = 200
SELLERS = (
    ("WHOLEFDS MDF 10380", 601, 2_000), ("SHELL OIL 57444212", 701, 1_250), ("NETFLIX.COM", 1101, 400),
    ("SQ *BLUE BOTTLE 0042", 604, 225), ("AMZN MKTP US*2K4LZ0", 815, 1_500), ("UBER *TRIP", 705, 625),
    ("SPOTIFY USA", 1101, 275), ("TRADER JOE S #552", 601, 1_750), ("CVS/PHARMACY #01", 904, 500),
    ("CHIPOTLE 1123", 602, 375), ("TARGET 00012345", 815, 1_250), ("COSTCO WHSE #0455", 601, 2_250),
    ("STARBUCKS STORE 00421", 604, 175), ("LYFT *RIDE SUN 8PM", 705, 550), ("THE HOME DEPOT #6512", 402, 2_000),
    ("WALGREENS #4456", 904, 475), ("MCDONALD'S F1234", 603, 250), ("CHEVRON 0093321", 701, 1_200),
    ("SAFEWAY #1711", 601, 1_500), ("DOORDASH*THAI PLACE", 602, 750),
)  # fmt: skip
"""Descriptor, the category that the filled rows say, and the most such a purchase costs, in minor units: a person has
some 300 of them a month."""

Account = tuple[int, int, str]
"""Person, connection, and the account's external id at the bank."""


@dataclass(frozen=True)
class Batch:
    """The accounts of one transaction and the rows each of them shows."""

    rows: dict[Account, list[ProviderTransaction]]

    def count(self) -> int:
        """Return how many rows it holds."""
        return sum(len(rows) for rows in self.rows.values())


def row(dice: random.Random, account: Account, name: str, day: date, *, pending: bool) -> ProviderTransaction:
    """A purchase: of twenty sellers, the number of the shop or the order different each time."""
    seller, _, most_minor = dice.choice(SELLERS)
    text = f"{seller} {dice.randint(0, 99)}"
    return ProviderTransaction(account[2], name, day, -dice.randint(100, most_minor), "USD", text, pending)


def first_rows(dice: random.Random, account: Account, count: int, day: int) -> list[ProviderTransaction]:
    """Rows an account has never shown: of the last 14 days, one in a hundred pending, at least one."""
    return [
        row(
            dice, account, f"{account[2]}-{day}-{number}", TODAY - timedelta(days=number % 14),
            pending=number < count // 100 + 1,
        )
        for number in range(count)
    ]  # fmt: skip


def next_day(
    dice: random.Random, account: Account, before: list[ProviderTransaction], day: int
) -> list[ProviderTransaction]:
    """The same account a day later: most rows as before, 6 % new ones, its pending rows posted."""
    posted = [item for item in before if not item.pending]
    kept = [item for item in before if item.pending] + posted[max(1, len(before) * 6 // 100) :]
    rows = [
        item._replace(external_id=f"{item.external_id}p", pending=False, pending_external_id=item.external_id)
        if item.pending
        else item
        for item in kept
    ]
    new = range(len(before) - len(kept))
    return rows + [row(dice, account, f"{account[2]}-{day}n{number}", TODAY, pending=number == 0) for number in new]


def home_of(cache: Path, rows: int) -> Path:
    """Return where a filled database is kept: by its size, and by the migrations and the rows it was made with."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for migration in sorted(Path("migrations").iterdir()):
        digest.update(migration.read_bytes())
    return cache / f"ingest-{rows}-{digest.hexdigest()[:12]}"


async def fill(url: str, rows: int) -> None:
    """Migrate, and fill with so many rows, set by set; does nothing where that was done."""
    await migrate(url)
    conn = await asyncpg.connect(url, server_settings={"session_replication_role": "replica"})
    try:
        if await conn.fetchval("SELECT to_regclass('filled')") is not None:
            return
        persons = max(1, rows // ROWS_EACH // ACCOUNTS_EACH)
        await _fill_people(conn, persons)
        step = max(1, FILL_ROWS // ROWS_EACH // ACCOUNTS_EACH)
        for first in range(1, persons + 1, step):
            await _fill_rows(conn, first, min(first + step - 1, persons))
        await conn.execute("CREATE TABLE floor (LIKE transactions INCLUDING DEFAULTS)")
        await conn.execute("INSERT INTO floor SELECT * FROM transactions")
        await conn.execute("ALTER TABLE floor ADD PRIMARY KEY (user_id, transaction_id)")
        await conn.execute(SUMS)
        await conn.execute("SET session_replication_role = DEFAULT")
        await _raise_alerts(conn, persons)
        await conn.execute("CREATE TABLE filled ()")
        await conn.execute("VACUUM (ANALYZE, FREEZE)")
        await conn.execute("CHECKPOINT")
    finally:
        await conn.close()


async def _fill_people(conn: asyncpg.Connection, persons: int) -> None:
    await conn.execute(
        "INSERT INTO users (user_id, email, password_hash, name) OVERRIDING SYSTEM VALUE"
        " SELECT n, 'p' || n, '', '' FROM generate_series(1, $1) AS n",
        persons,
    )
    await conn.execute("INSERT INTO user_counters (user_id) SELECT user_id FROM users")
    await conn.execute(
        "INSERT INTO connections (user_id, connection_id, institution_id, synced_through) OVERRIDING SYSTEM VALUE"
        " SELECT n, n * $2 + place, 'bench', $3 FROM generate_series(1, $1) AS n, generate_series(0, $2 - 1) AS place",
        persons, ACCOUNTS_EACH, TODAY - timedelta(days=1),
    )  # fmt: skip
    await conn.execute(
        "INSERT INTO accounts (user_id, account_id, connection_id, external_id, name, kind, currency, balance_minor,"
        " created_at) OVERRIDING SYSTEM VALUE SELECT user_id, connection_id, connection_id, 'a' || connection_id,"
        " 'Card', 'credit_card', 'USD', 1, now() - interval '100 days' FROM connections"
    )
    await conn.execute("SELECT setval('transaction_ids', ($1 + 1) * 1000)", persons)
    await conn.execute("INSERT INTO account_sync (user_id, account_id) SELECT user_id, account_id FROM accounts")


async def _fill_rows(conn: asyncpg.Connection, first: int, last: int) -> None:
    """Rows of some persons, one after the other by time: ids go up with the day, as they do in life."""
    await conn.execute(
        "WITH sellers AS (SELECT * FROM unnest($4::text[], $5::int[], $6::bigint[]) WITH ORDINALITY"
        " AS seller (description, category_id, most_minor, place))"
        " INSERT INTO transactions (user_id, transaction_id, account_id, external_id, posted_on, amount_minor,"
        " currency, pending, category_id, category_source, description, merchant, merchant_key)"
        " SELECT account.user_id, account.user_id * 1000 + number * $7 + account.account_id % $7, account_id,"
        " account.external_id || '-' || number, $3::date - ($8 - number) / 3, -(1 + number * 7919 % most_minor), 'USD',"
        " false, category_id, 'dictionary', description, description, lower(description)"
        " FROM accounts AS account CROSS JOIN generate_series(1, $8) AS number"
        " JOIN sellers ON sellers.place = 1 + (number + account.account_id) % cardinality($4::text[])"
        " WHERE account.user_id BETWEEN $1 AND $2 ORDER BY account.user_id, number",
        first, last, TODAY - timedelta(days=1), *map(list, zip(*SELLERS, strict=True)), ACCOUNTS_EACH, ROWS_EACH,
    )  # fmt: skip


async def _raise_alerts(conn: asyncpg.Connection, persons: int) -> None:
    """Raise what the filled rows call for, as would have been done when they came."""
    months = {add_months(first_day(TODAY), -1), first_day(TODAY)}
    for first in range(1, persons + 1, PERSONS_AT_ONCE):
        async with conn.transaction():
            touched = {UserId(user_id): months for user_id in range(first, min(first + PERSONS_AT_ONCE, persons + 1))}
            await alerts.evaluate(conn, touched, NOW)


SUMS = """
INSERT INTO monthly_spending (user_id, month, category_id, currency, posted_minor, posted_count)
SELECT user_id, date_trunc('month', posted_on)::date, category_id, currency, sum(amount_minor), count(*)
FROM transactions GROUP BY 1, 2, 3, 4
"""

PLAIN_COLUMNS = store.COPY_COLUMNS[: store.COPY_COLUMNS.index("object_id") + 1]
"""What plain COPY writes: the columns that every row has a value in."""
