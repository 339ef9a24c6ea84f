"""Persons with so many transactions each, made by statements, for programs that look at how things grow."""

from __future__ import annotations

from collections.abc import Mapping

import asyncpg

DAYS = 730
"""So far back rows go."""
MINGLED_MAX = 1_000
"""So many others have rows between those of the persons that are looked at; more of them come in blocks."""

_INDEXES = """
SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS made_by FROM pg_index
WHERE indrelid = 'transactions'::regclass AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
"""
_PEOPLE = (
    """
    INSERT INTO users (user_id, email, password_hash, name) OVERRIDING SYSTEM VALUE
    SELECT n, 'p' || n, '', '' FROM unnest($1::bigint[]) AS n
    """,
    "INSERT INTO user_counters (user_id) SELECT unnest($1::bigint[])",
    """
    INSERT INTO connections (user_id, connection_id, institution_id) OVERRIDING SYSTEM VALUE
    SELECT n, n, 'bench' FROM unnest($1::bigint[]) AS n
    """,
    """
    INSERT INTO accounts (user_id, account_id, connection_id, external_id, name, kind, currency, balance_minor)
    OVERRIDING SYSTEM VALUE SELECT n, n, n, 'a', 'Everyday', 'checking', 'USD', 100 FROM unnest($1::bigint[]) AS n
    """,
)
_ROWS = """
INSERT INTO transactions (user_id, transaction_id, account_id, external_id, posted_on, amount_minor, currency, pending,
    category_id, category_source, description, merchant, merchant_key)
SELECT user_id, nextval('transaction_ids'), user_id, place, current_date - {days} + 1 + day,
    -100 - (dice ^ 3 * 100000)::bigint, 'USD', false,
    (ARRAY[601, 602, 603, 701, 801, 901, 1001, 1101])[1 + place * 7 % 8], 'dictionary',
    upper(seller) || ' ' || place * 7919 % 10000 || ' ' ||
        (ARRAY['SEATTLE WA', 'AUSTIN TX', 'BOSTON MA', 'DENVER CO', 'RENO NV', 'MIAMI FL', 'OMAHA NE'])[1 + place % 7]
        || ' ' || lpad(place::text, 7, '0'),
    initcap(seller), seller
FROM {source},
    LATERAL (SELECT random() + 0 * place AS dice, random() + 0 * place AS other OFFSET 0) AS thrown,
    LATERAL (SELECT format('seller%s %s', lpad((other ^ 3 * 2500)::int::text, 4, '0'),
        (ARRAY['market', 'cafe', 'oil', 'store'])[1 + place % 4]) AS seller) AS named
"""
_BY_DAY = f"""
generate_series(0, {DAYS - 1}) AS day, unnest($1::bigint[], $2::int[]) AS person (user_id, rows),
LATERAL generate_series(day * rows::bigint / {DAYS}, (day + 1) * rows::bigint / {DAYS} - 1) AS place
"""
_BY_PERSON = f"""
unnest($1::bigint[], $2::int[]) AS person (user_id, rows), LATERAL generate_series(0, rows - 1::bigint) AS place,
LATERAL (SELECT (place * {DAYS} / rows)::int AS day OFFSET 0) AS placed
"""
_SUMS = """
INSERT INTO monthly_spending (user_id, month, category_id, currency, posted_minor, posted_count)
SELECT user_id, date_trunc('month', posted_on)::date, category_id, currency, sum(amount_minor), count(*)
FROM transactions WHERE user_id = ANY ($1::bigint[]) GROUP BY 1, 2, 3, 4
"""


async def add_people(conn: asyncpg.Connection, mingled: Mapping[int, int], others: Mapping[int, int]) -> None:
    """Add persons with so many rows each, and their sums: `mingled` day by day, as rows come in, `others` in blocks."""
    everybody = [*mingled, *others]
    for statement in _PEOPLE:
        await conn.execute(statement, everybody)
    indexes = await conn.fetch(_INDEXES)
    await conn.execute(f"DROP INDEX {', '.join(row['name'] for row in indexes)}")
    await conn.execute("ALTER TABLE transactions DISABLE TRIGGER ALL")
    for source, people in ((_BY_DAY, mingled), (_BY_PERSON, others)):
        statement = _ROWS.format(days=DAYS, source=source)
        await conn.execute(statement, list(people), list(people.values()), timeout=None)
    await conn.execute(_SUMS, everybody)
    await conn.execute("ALTER TABLE transactions ENABLE TRIGGER ALL")
    await conn.execute("SET maintenance_work_mem = '512MB'")
    for row in indexes:
        await conn.execute(row["made_by"])
    await conn.execute("VACUUM ANALYZE")
