"""Persons with accounts, transactions, sums and sessions to read, and what floor and peer read them through.

The rows are mintql's own, in its own tables. Beside them stands the schema `peer`: categories as a table (they are a
file of mintql's), the limits of budgets as a table (mintql works them out), and views of the same rows with the names
and signs that answers have, for programs that make an API of tables and for statements written by hand. Row-level
security holds through the views.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime

import asyncpg

from mintql.data import load_categories
from mintql.domain.budget_periods import calendar_month
from mintql.domain.ids import UserId
from mintql.domain.months import first_day
from mintql.services.budgets import list_budgets

ACCOUNTS_EACH = 3
DAYS = 400
ANNUAL_INCOME_MINOR = 65_000_00
LEAVES = (101, 301, 501, 504, 505, 601, 601, 602, 602, 603, 604, 701, 702, 801, 805, 1605)
"""Categories of the rows, in turn: some twice, because they happen twice as often."""
SELLERS = (
    "Acme Payroll", "Oak Street Rentals", "City Power", "Fibernet", "Mobile One", "Whole Foods Market", "Trader Joe's",
    "Blue Bottle Coffee", "Noodle House", "Burger Corner", "Corner Bakery", "Shell", "City Parking", "Amazon", "Uniqlo",
    "Lawyers & Sons",
)  # fmt: skip
PENDING_EVERY = 97


@dataclass(frozen=True)
class Dataset:
    """Who there is to read for: ids and tokens of their sessions, in the same order."""

    user_ids: list[int]
    tokens: list[str]
    month: date


async def fill(conn: asyncpg.Connection, persons: int, rows_each: int, now: datetime | None = None) -> Dataset:
    """Write it all by the owner of the tables, into a migrated database."""
    now = now or datetime.now(UTC)
    user_ids = await _people(conn, persons)
    await _rows(conn, rows_each, now.date())
    tokens = [f"bench-token-{user_id}-" + hashlib.sha256(str(user_id).encode()).hexdigest() for user_id in user_ids]
    await conn.executemany(
        "INSERT INTO sessions (user_id, token_hash, expires_at) VALUES ($1, $2, now() + interval '1 day')",
        [(user_id, hashlib.sha256(token.encode()).digest()) for user_id, token in zip(user_ids, tokens, strict=True)],
    )
    month = first_day(now.date())
    await _peer(conn, UserId(user_ids[0]), month, now)
    await conn.execute("VACUUM (ANALYZE)")
    return Dataset(user_ids, tokens, month)


async def _people(conn: asyncpg.Connection, persons: int) -> list[int]:
    rows = await conn.fetch(
        "INSERT INTO users (email, password_hash, name, annual_income_minor)"
        " SELECT 'reader' || n || '@example.org', 'not a hash', 'Reader ' || n, $2"
        " FROM generate_series(1, $1) AS n RETURNING user_id",
        persons,
        ANNUAL_INCOME_MINOR,
    )
    await conn.execute("INSERT INTO user_counters (user_id) SELECT user_id FROM users")
    await conn.execute("INSERT INTO connections (user_id, institution_id) SELECT user_id, 'bench' FROM users")
    await conn.execute(
        "INSERT INTO accounts (user_id, connection_id, external_id, name, kind, mask, currency, balance_minor,"
        " balance_at) SELECT user_id, connection_id, 'a' || n, (ARRAY['Everyday checking', 'Savings', 'Card'])[n],"
        " (ARRAY['checking', 'savings', 'credit_card'])[n], '123' || n, 'USD', 100000 * n + user_id, now()"
        " FROM connections, generate_series(1, $1) AS n ORDER BY user_id, n",
        ACCOUNTS_EACH,
    )
    return [row["user_id"] for row in rows]


async def _rows(conn: asyncpg.Connection, rows_each: int, today: date) -> None:
    """Transactions, newest today, and their sums; the triggers that would keep the sums are off for as long."""
    await conn.execute("ALTER TABLE transactions DISABLE TRIGGER USER")
    await conn.execute(
        "INSERT INTO transactions (user_id, transaction_id, account_id, external_id, posted_on, amount_minor,"
        " currency, pending, category_id, category_source, description, merchant, merchant_key)"
        " SELECT owner.user_id, owner.user_id * 1000000 + n, owner.ids[1 + n % $2], 'row' || n,"
        " $3::date - (n * $4 / $1), CASE WHEN leaf.id = 101 THEN 250000 ELSE -(101 + hashint4(n) & 8191) END, 'USD',"
        " n % $7 = 1, leaf.id, 'dictionary', upper(leaf.seller) || ' ' || n, leaf.seller, lower(leaf.seller)"
        " FROM (SELECT user_id, array_agg(account_id ORDER BY account_id) AS ids FROM accounts GROUP BY user_id)"
        " AS owner, generate_series(1, $1) AS n, LATERAL (SELECT ($5::int[])[1 + n % cardinality($5::int[])] AS id,"
        " ($6::text[])[1 + n % cardinality($6::text[])] AS seller) AS leaf ORDER BY owner.user_id, n",
        rows_each,
        ACCOUNTS_EACH,
        today,
        DAYS,
        list(LEAVES),
        list(SELLERS),
        PENDING_EVERY,
    )
    await conn.execute("ALTER TABLE transactions ENABLE TRIGGER USER")
    await conn.execute(
        "INSERT INTO monthly_spending (user_id, month, category_id, currency, posted_minor, pending_minor,"
        " posted_count, pending_count) SELECT user_id, date_trunc('month', posted_on)::date, category_id, currency,"
        " coalesce(sum(amount_minor) FILTER (WHERE NOT pending), 0),"
        " coalesce(sum(amount_minor) FILTER (WHERE pending), 0),"
        " count(*) FILTER (WHERE NOT pending), count(*) FILTER (WHERE pending) FROM transactions"
        " GROUP BY 1, 2, 3, 4"
    )


PEER = """
CREATE SCHEMA peer;
CREATE TABLE peer.categories (
    category_id int PRIMARY KEY, name text NOT NULL, kind text NOT NULL, group_id int REFERENCES peer.categories
);
CREATE TABLE peer.limits (
    user_id bigint NOT NULL, month date NOT NULL, category_id int NOT NULL REFERENCES peer.categories,
    place int NOT NULL, currency text NOT NULL, limit_minor bigint NOT NULL, PRIMARY KEY (user_id, month, category_id)
);
CREATE VIEW peer.accounts WITH (security_invoker) AS
    SELECT account.user_id, account.account_id, account.name, account.kind, account.balance_minor, account.currency
    FROM public.accounts AS account;
CREATE VIEW peer.transactions WITH (security_invoker) AS
    SELECT user_id, transaction_id, account_id, posted_on, coalesce(display_name, merchant) AS merchant, amount_minor,
        currency, category_id
    FROM public.transactions WHERE successor_id IS NULL AND removed_at IS NULL;
CREATE VIEW peer.spending WITH (security_invoker) AS
    SELECT sums.user_id, sums.month, sums.category_id, sums.currency, category.kind,
        CASE category.kind WHEN 'expense' THEN -posted_minor ELSE 0 END AS spent_minor,
        CASE category.kind WHEN 'expense' THEN 0 ELSE posted_minor END AS received_minor,
        CASE category.kind WHEN 'expense' THEN -pending_minor ELSE pending_minor END AS pending_minor,
        CASE category.kind WHEN 'expense' THEN -posted_minor - pending_minor ELSE posted_minor + pending_minor END
            AS total_minor,
        posted_count + pending_count AS count
    FROM public.monthly_spending AS sums JOIN peer.categories AS category USING (category_id)
    WHERE category.kind <> 'transfer';
CREATE VIEW peer.budgets WITH (security_invoker) AS
    SELECT limits.user_id, limits.month, limits.category_id, limits.place, limits.currency, limits.limit_minor,
        coalesce(-sum(sums.posted_minor), 0)::bigint AS spent_minor,
        limits.limit_minor + coalesce(sum(sums.posted_minor + sums.pending_minor), 0)::bigint AS remaining_minor
    FROM peer.limits
    LEFT JOIN peer.categories AS leaf ON leaf.group_id = limits.category_id
    LEFT JOIN public.monthly_spending AS sums ON sums.user_id = limits.user_id AND sums.month = limits.month
        AND sums.category_id = leaf.category_id AND sums.currency = limits.currency
    GROUP BY limits.user_id, limits.month, limits.category_id;
CREATE FUNCTION peer.transactions_in(of_category int, since date) RETURNS SETOF peer.transactions
    LANGUAGE sql STABLE AS $$
        SELECT * FROM peer.transactions AS row WHERE row.category_id = $1 AND row.posted_on >= $2
        ORDER BY row.posted_on DESC, row.transaction_id DESC
    $$;
ALTER TABLE peer.limits ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON peer.limits USING (user_id = (SELECT current_user_id()));
GRANT USAGE ON SCHEMA peer TO mintql_api;
GRANT SELECT ON ALL TABLES IN SCHEMA peer TO mintql_api;
COMMENT ON VIEW peer.accounts IS E'@primaryKey user_id,account_id';
COMMENT ON VIEW peer.transactions IS E'@primaryKey user_id,transaction_id\n@foreignKey (category_id) references '
    'peer.categories (category_id)|@fieldName category\n@foreignKey (user_id,account_id) references peer.accounts '
    '(user_id,account_id)|@fieldName account';
COMMENT ON VIEW peer.spending IS E'@primaryKey user_id,month,category_id,currency\n@foreignKey (category_id) '
    'references peer.categories (category_id)|@fieldName category';
COMMENT ON VIEW peer.budgets IS E'@primaryKey user_id,month,category_id\n@foreignKey (category_id) references '
    'peer.categories (category_id)|@fieldName category';
COMMENT ON CONSTRAINT categories_group_id_fkey ON peer.categories IS E'@fieldName group';
"""


async def _peer(conn: asyncpg.Connection, user_id: UserId, month: date, now: datetime) -> None:
    await conn.execute(PEER)
    await conn.executemany(
        "INSERT INTO peer.categories VALUES ($1, $2, $3, $4)",
        [(item.category_id, item.name, item.kind, item.parent_id) for item in load_categories().by_id.values()],
    )
    # All persons earn the same, so that the limits of one are those of all.
    limits = [budget.limit for budget in await list_budgets(conn, user_id, calendar_month(month), now)]
    await conn.executemany(
        "INSERT INTO peer.limits SELECT user_id, $1, $2, $3, $4, $5 FROM users",
        [(month, item.category_id, place, item.currency, item.limit_minor) for place, item in enumerate(limits)],
    )
