"""Every named query fits the migrated schema, and its types are those of the committed snapshot."""

from __future__ import annotations

import os
from dataclasses import dataclass

import asyncpg

from mintql.store.queries import load, nouns
from support.repository import ROOT

SNAPSHOT = ROOT / "tests" / "tidy" / "queries.snapshot"
UPDATE = "MINTQL_UPDATE_SNAPSHOTS"

# What the API runs itself, under its own role. The others are a worker's.
API_NOUNS = (
    "schema_versions",
    "access_tokens",
    "account_merges",
    "accounts",
    "alerts",
    "alerts_read",
    "audit",
    "annotations",
    "archive_read",
    "balance_limits",
    "budgets",
    "changes",
    "choices",
    "connections",
    "crowd",
    "deletions",
    "digests_read",
    "events",
    "examinations",
    "exports",
    "exports_tables",
    "guesses",
    "household",
    "imports",
    "link_visits",
    "locks",
    "matches",
    "net_worth",
    "notices",
    "oidc",
    "notices_read",
    "notification_settings",
    "outgoing_webhooks",
    "personal_categories",
    "recurring",
    "recurring_read",
    "rates",
    "rules",
    "rules_past",
    "search_index",
    "second_factors",
    "runs_read",
    "sessions",
    "streams",
    "spending",
    "summaries",
    "transactions_read",
    "transactions_search",
    "uncategorized",
    "transfers",
    "users",
)


@dataclass(frozen=True)
class Prepared:
    """A query as PostgreSQL understands it."""

    name: str
    text: str
    parameters: list[str]
    columns: list[tuple[str, str]]
    roles: list[str]

    def block(self) -> str:
        columns = [f"  {name} {kind}" for name, kind in self.columns] or ["  nothing"]
        return "\n".join(
            [f"{self.name}({', '.join(self.parameters)})", *columns, f"  -- for {' and '.join(self.roles)}"]
        )


async def prepare_all(database_url: str) -> list[Prepared]:
    conn = await asyncpg.connect(database_url)
    try:
        return [await prepare(conn, f"{noun}.{name}", text) for noun in nouns() for name, text in sorted(load(noun))]
    finally:
        await conn.close()


async def prepare(conn: asyncpg.Connection, name: str, text: str) -> Prepared:
    try:
        statement = await conn.prepare(text)
    except asyncpg.PostgresError as error:
        raise AssertionError(f"{name} does not fit the schema: {error}") from error
    return Prepared(
        name=name,
        text=text,
        parameters=[kind.name for kind in statement.get_parameters()],
        columns=[(column.name, column.type.name) for column in statement.get_attributes()],
        roles=["owner", *(["mintql_api"] if await api_may_run(conn, text, len(statement.get_parameters())) else [])],
    )


async def api_may_run(conn: asyncpg.Connection, text: str, parameters: int) -> bool:
    """Preparing checks no privileges; beginning to execute does, and EXPLAIN goes no further."""
    transaction = conn.transaction()
    await transaction.start()
    try:
        await conn.execute("SET LOCAL ROLE mintql_api; SET LOCAL plan_cache_mode = force_generic_plan")
        await conn.execute(f"PREPARE asked AS {text}")
        values = f"({', '.join(['NULL'] * parameters)})" if parameters else ""
        await conn.execute(f"EXPLAIN EXECUTE asked{values}")
    except asyncpg.InsufficientPrivilegeError:
        return False
    finally:
        await transaction.rollback()
        await conn.execute("DEALLOCATE asked")
    return True


async def test_each_query_fits_the_schema_with_the_types_of_the_snapshot(database_url):
    found = await prepare_all(database_url)
    text = "\n\n".join(query.block() for query in found) + "\n"
    if os.environ.get(UPDATE):
        SNAPSHOT.write_text(text, encoding="utf-8")
    assert text == SNAPSHOT.read_text(encoding="utf-8"), f"to accept this: {UPDATE}=1 ./dev test {__file__}"


async def test_no_query_returns_a_sum_as_numeric_or_an_amount_as_float(database_url):
    loose = {
        f"{query.name}: {column} {kind}"
        for query in await prepare_all(database_url)
        for column, kind in query.columns
        if kind in ("numeric", "float4", "float8")
    }
    assert loose == set()


async def test_the_api_may_run_every_query_of_its_own_nouns(database_url):
    refused = {
        query.name
        for query in await prepare_all(database_url)
        if query.name.partition(".")[0] in API_NOUNS and "mintql_api" not in query.roles
    }
    assert refused == set()


async def test_the_api_may_not_read_bank_secrets(database_url):
    secret = [query for query in await prepare_all(database_url) if "secret.ciphertext" in query.text]
    assert secret
    assert [query.name for query in secret if "mintql_api" in query.roles] == []


def test_every_query_names_the_person():
    blind = [f"{noun}.{name}" for noun in nouns() for name, text in load(noun) if "user_id" not in text]
    # The crowd is everybody's, as channels, rounds and what waits are; numbers that are taken belong to nobody yet;
    # the functions for members of a household ask themselves who it is; a deletion is found by its token; guesses are
    # counted by keyed hashes, and states of visits kept by theirs; and an operator counts sealed rows. What is said of a transaction of the database or of a
    # server, or stands before another query, names nobody.
    assert set(blind) == {
        "archive.announce",
        "archive.announced_before",
        "archive_read.hold_moves",
        "archive_read.in_use",
        "archive_read.in_place",
        "batch.last_run",
        "crowd.lock_crowd",
        "crowd.of_sellers",
        "deletions.begin",
        "deletions.by_token",
        "deletions.entries_by_token",
        "digests.begin_round",
        "digests.finished",
        "guesses.begin",
        "key_rotation.versions",
        "oidc.use_state",
        "oidc.purge",
        "guesses.lock",
        "guesses.write",
        "guesses.purge",
        "digests.purge_rounds",
        "household.answer",
        "household.fence",
        "household.member",
        "imports.take_id",
        "ingest.take_ids",
        "outbox.channels_due",
        "positions.replayed",
        "positions.written",
        "rates.between",
        "rates_feed.save",
        "vitals.endpoints_due",
        "vitals.outbox",
        "vitals.reconciled",
        "vitals.runs_due",
        "schema_versions.newest_applied",
        "doctor.api_role",
        "doctor.replay_lag",
        "doctor.server",
        "doctor.stuck_deletions",
        "doctor.written",
    }
