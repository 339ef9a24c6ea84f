"""A migration can be applied beside the running version before it: no lock that lasts, nothing gone that it still uses."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
from pathlib import Path

import asyncpg

from mintql.store.migrate import migrations_directory
from support.repository import ROOT
from support.virtualenv import program

RELEASED = ROOT / "tests" / "data" / "released_queries.json.gz"
REFRESH = "./dev released"

NOT_ASKED = {
    "require-lock-timeout": "the runner sets it, and begins again (`store/migrate.py`)",
    "require-statement-timeout": "a statement that has its locks may take what it takes; nobody waits behind it longer",
    "prefer-bigint-over-int": "numbers of days, counts and versions stay small; ids of what persons have are bigint",
    "prefer-bigint-over-smallint": "as above",
    "prefer-text-field": "codes of fixed length are char(n) on purpose",
    "ban-char-field": "codes of currencies have three letters",
}
"""Rules of squawk that do not hold here, and why."""

FIRST_INSTALLED = 31
"""Migrations before this one were made while nobody had data that they could have kept waiting."""

UNRELEASED = "made before the first release, when no installation had rows that would keep it for long"
EXCEPTIONS: dict[str, dict[str, str]] = {
    "0032_transfer_sides.sql": {"require-concurrent-index-creation": UNRELEASED},
    "0034_background_runs.sql": {
        "require-concurrent-index-creation": UNRELEASED,
        "require-concurrent-index-deletion": UNRELEASED,
    },
    "0036_raw_page_keys.sql": {"ban-drop-constraint": "a looser one takes its place, which all that is written fits"},
}
"""For a migration from then on, by its name: the rules it breaks, each with the reason why that harms nobody."""


def found_by_squawk(paths: list[Path]) -> list[tuple[str, str]]:
    """Return the rules that files break, in the way the runner applies them."""
    if not paths:
        return []
    excluded = [f"--exclude={rule}" for rule in NOT_ASKED]
    told = subprocess.run(
        [program("squawk"), "--assume-in-transaction", "--pg-version=15.0", "--reporter=json", *excluded, *paths],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return sorted({(Path(item["file"]).name, item["rule_name"]) for item in json.loads(told.stdout or "[]")})


def test_a_migration_blocks_nobody_and_takes_nothing_away():
    new = [path for path in sorted(migrations_directory().glob("*.sql")) if int(path.name[:4]) >= FIRST_INSTALLED]
    excused = sorted((name, rule) for name, rules in EXCEPTIONS.items() for rule in rules)
    assert found_by_squawk(new) == excused
    assert all(re.search(r"\w+ \w+", reason) for rules in EXCEPTIONS.values() for reason in rules.values())


def test_squawk_finds_what_would_block_others(tmp_path):
    bad = tmp_path / "0001_bad.sql"
    bad.write_text(
        "CREATE INDEX by_seller ON transactions (merchant);\nALTER TABLE users RENAME COLUMN name TO called;\n"
    )
    rules = {rule for _, rule in found_by_squawk([bad])}
    assert rules == {"require-concurrent-index-creation", "renaming-column"}


async def test_the_queries_of_the_release_before_fit_the_newest_schema(database_url):
    """They run while the new version starts; what they say is kept at each release by `./dev released`."""
    released = json.loads(gzip.decompress(RELEASED.read_bytes()))
    assert len(released["queries"]) > 100
    conn = await asyncpg.connect(database_url)
    refused = {}
    try:
        for name, text in released["queries"].items():
            try:
                await conn.prepare(text)
            except asyncpg.PostgresError as error:
                refused[name] = str(error)
    finally:
        await conn.close()
    assert refused == {}, f"version {released['version']} still runs these; keep what they use for one more release"
