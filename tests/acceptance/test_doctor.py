"""The doctor says what is wrong with a deployment, one thing at a time, and what to do about it."""

from __future__ import annotations

import json

from mintql.doctor import Level, examine, report
from mintql.gateways.queue import Queue


async def test_what_is_well_is_said_and_what_nobody_runs_is_a_warning(settings):
    findings = await examine(settings)
    levels = {finding.name: finding.level for finding in findings}
    assert [finding for finding in findings if finding.level is Level.BAD and finding.name != "secret keys"] == []
    well = (
        "database",
        "row-level security",
        "migrations",
        "connections",
        "redis",
        "object store",
        "sync runs asked for",
    )
    assert {name: levels[name] for name in well} == dict.fromkeys(well, Level.OK)
    assert levels["workers for persons"] is Level.WARN
    assert levels["secret keys"] is Level.BAD
    assert all(finding.todo for finding in findings if finding.level is not Level.OK)
    told = json.loads(report(findings, as_json=True))
    assert {item["name"]: item["level"] for item in told} == {name: level.value for name, level in levels.items()}
    assert "BAD   secret keys: MINTQL_SECRET_KEYS is not set" in report(findings, as_json=False)


async def test_production_settings_that_persons_cannot_trust_are_named(settings):
    careless = settings.model_copy(
        update={
            "environment": "production",
            "public_url": "http://budget.example.org",
            "allowed_origins": ("http://a.example",),
        }
    )
    words = " ".join(finding.words for finding in await examine(careless) if finding.name == "settings")
    for name in (
        "MINTQL_PUBLIC_URL",
        "MINTQL_ALLOWED_ORIGINS",
        "MINTQL_SMTP_URL",
        "object store",
        "MINTQL_METRICS_PORT",
    ):
        assert name in words


async def test_work_that_is_not_done_is_bad(settings, conn, runtime: object):
    user_id = await conn.fetchval(
        "INSERT INTO users (email, password_hash, name) VALUES ('a@b.example', '-', 'Ada') RETURNING user_id"
    )
    connection_id = await conn.fetchval(
        "INSERT INTO connections (user_id, institution_id, login_hint) VALUES ($1, 'sandbox', 'a') RETURNING connection_id",
        user_id,
    )
    await conn.execute(
        "INSERT INTO sync_runs (user_id, connection_id, reason, day, next_attempt_at)"
        " VALUES ($1, $2, 'request', current_date, now() - interval '1 hour')",
        user_id, connection_id,
    )  # fmt: skip
    await conn.execute(
        "INSERT INTO reconcile_findings (user_id, month, category_id, currency, stored_minor, computed_minor)"
        " VALUES ($1, '2026-10-01', 1, 'USD', 1, 2)",
        user_id,
    )
    await Queue(runtime.redis, settings.queue_name).enqueue("notify")
    levels = {finding.name: finding.level for finding in await examine(settings)}
    for name in ("sync runs asked for", "sums", "workers for persons"):
        assert levels[name] is Level.BAD, name


async def test_a_table_that_lost_its_fence_and_a_migration_that_is_missing_are_bad(settings, conn):
    await conn.execute("ALTER TABLE accounts DISABLE ROW LEVEL SECURITY")
    last = await conn.fetchrow(
        "DELETE FROM schema_migrations WHERE version = (SELECT max(version) FROM schema_migrations) RETURNING *"
    )
    try:
        found = {finding.name: finding for finding in await examine(settings)}
        assert found["row-level security"].level is Level.BAD
        assert "accounts" in found["row-level security"].words
        assert found["migrations"].level is Level.BAD
        assert last["name"] in found["migrations"].words
    finally:
        await conn.execute("INSERT INTO schema_migrations VALUES ($1, $2, $3, $4)", *last)
        await conn.execute("ALTER TABLE accounts ENABLE ROW LEVEL SECURITY")


async def test_servers_that_are_away_are_bad_and_do_not_hide_the_others(settings, tmp_path):
    away = type(settings)(
        DATABASE_URL=f"postgresql:///nowhere?host={tmp_path}",
        REDIS_URL=f"unix://{tmp_path}/nowhere.sock",
        object_store=settings.object_store,
        smtp_url=f"file:{tmp_path}/mail", mail_from="a@b.example", public_url="https://b.example",
    )  # fmt: skip
    levels = {finding.name: finding.level for finding in await examine(away)}
    assert levels["database"] is levels["redis"] is levels["deliveries"] is levels["workers"] is Level.BAD
    assert levels["object store"] is levels["mail"] is Level.OK
