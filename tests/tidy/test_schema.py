"""The schema keeps its two promises: rows of one person lie together, and nobody sees another's."""

from __future__ import annotations

import asyncpg
import pytest

from mintql.store.migrate import migrations_directory, read_migrations
from support.repository import ROOT

# Tables that hold nothing of a person; those of the crowd count everybody's votes together, rates are published, and
# the rounds of summaries are of everybody's, as is since when months are archived and how far sums were compared. A
# deletion names its person while it is under way; then it is nobody's, and found by a token. Guesses at passwords are counted by keyed hashes, of addresses that nobody has as of others.
OF_NOBODY = {
    "schema_migrations",
    "crowd_counts",
    "crowd_sellers",
    "exchange_rates",
    "summary_rounds",
    "deletions",
    "deletion_entries",
    "archive_use",
    "guesses",
    "oidc_states",
    "reconcile_progress",
}

# Unique over all persons, because they are looked up before it is known whose they are.
GLOBAL_KEYS = {"users_email_key", "sessions_token_hash_key", "linked_identities_subject_key"}

TABLES = """
SELECT relation.relname AS name, relation.relrowsecurity AS fenced,
    (SELECT array_agg(pg_get_expr(policy.polqual, policy.polrelid)) FROM pg_policy AS policy
     WHERE policy.polrelid = relation.oid AND policy.polpermissive) AS policies
FROM pg_class AS relation
WHERE relation.relnamespace = 'public'::regnamespace AND relation.relkind IN ('r', 'p') AND NOT relation.relispartition
"""
KEYS = """
SELECT relation.relname AS table, key.relname AS name, attribute.attname AS leads
FROM pg_index AS index
JOIN pg_class AS relation ON relation.oid = index.indrelid
JOIN pg_class AS key ON key.oid = index.indexrelid
LEFT JOIN pg_attribute AS attribute ON attribute.attrelid = index.indrelid AND attribute.attnum = index.indkey[0]
WHERE relation.relnamespace = 'public'::regnamespace AND index.indisunique
"""
REFERENCES = """
SELECT conname AS name, conrelid::regclass::text AS table, attribute.attname AS leads
FROM pg_constraint JOIN pg_attribute AS attribute ON attribute.attrelid = conrelid AND attribute.attnum = conkey[1]
WHERE contype = 'f' AND connamespace = 'public'::regnamespace AND conparentid = 0
"""
API_ROLE = """
SELECT rolsuper, rolbypassrls, rolcanlogin,
    (SELECT count(*) FROM pg_class WHERE relowner = pg_roles.oid) AS owned
FROM pg_roles WHERE rolname = 'mintql_api'
"""


@pytest.fixture
async def owner(database_url):
    conn = await asyncpg.connect(database_url)
    yield conn
    await conn.close()


async def test_every_unique_key_and_every_reference_begins_with_the_person(owner):
    keys = [row for row in await owner.fetch(KEYS) if row["table"] not in OF_NOBODY]
    references = [row for row in await owner.fetch(REFERENCES) if row["table"] not in OF_NOBODY]
    assert len(keys) > 20
    assert len(references) > 10
    assert {row["name"] for row in keys if row["leads"] != "user_id"} == GLOBAL_KEYS
    assert [row["name"] for row in references if row["leads"] != "user_id"] == []


async def test_every_table_of_persons_is_fenced_by_row_level_security(owner):
    tables = [row for row in await owner.fetch(TABLES) if row["name"] not in OF_NOBODY]
    assert len(tables) > 15
    assert [row["name"] for row in tables if not row["fenced"]] == []
    open_to_others = [
        row["name"]
        for row in tables
        if not row["policies"] or any("user_id = " not in policy for policy in row["policies"])
    ]
    assert open_to_others == []


async def test_the_api_role_owns_nothing_and_cannot_step_over_the_fence(owner):
    role = await owner.fetchrow(API_ROLE)
    assert (role["rolsuper"], role["rolbypassrls"], role["rolcanlogin"], role["owned"]) == (False, False, False, 0)


async def test_without_a_person_the_api_role_sees_no_rows(owner):
    user_id = await owner.fetchval(
        "INSERT INTO users (email, password_hash, name) VALUES ('ada@example.org', '-', 'Ada') RETURNING user_id"
    )
    async with owner.transaction():
        await owner.execute("SET LOCAL ROLE mintql_api")
        assert await owner.fetchval("SELECT count(*) FROM users") == 0
        await owner.execute("SELECT set_config('mintql.user_id', $1, true)", str(user_id + 1))
        assert await owner.fetchval("SELECT count(*) FROM users") == 0
        await owner.execute("SELECT set_config('mintql.user_id', $1, true)", str(user_id))
        assert await owner.fetchval("SELECT count(*) FROM users") == 1


def test_migrations_are_numbered_without_gaps_and_are_those_that_run():
    migrations = read_migrations(ROOT / "migrations")
    assert {path.name for path in (ROOT / "migrations").iterdir()} == {migration.name for migration in migrations}
    assert migrations_directory() == ROOT / "migrations"
