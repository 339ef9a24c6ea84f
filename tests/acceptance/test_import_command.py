"""`mintql import`, from the command line to the sums."""

from __future__ import annotations

import asyncio
import os
import sys

import pytest

from support.factories import create_account, create_user
from support.uploads import CSV, ofx

TIMEOUT_SECONDS = 60


@pytest.fixture
async def person(owner):
    return await create_user(owner, email="grace@example.org")


async def run(settings, folder, *arguments, answer=b""):
    """Run the command as a person would; return its status and what it printed."""
    env = os.environ | {
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "REDIS_URL": settings.redis_url.get_secret_value(),
        "MINTQL_OBJECT_STORE": settings.object_store,
        "COLUMNS": "200",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "mintql", "import", *map(str, arguments), env=env, cwd=folder,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    async with asyncio.timeout(TIMEOUT_SECONDS):
        printed, _ = await process.communicate(answer)
    return process.returncode, printed.decode()


async def amounts(owner):
    return [row["amount_minor"] for row in await owner.fetch("SELECT amount_minor FROM transactions ORDER BY 1")]


async def test_a_file_is_shown_and_taken_in(worker, settings, tmp_path, owner, person):
    (tmp_path / "may.csv").write_bytes(CSV)

    status, printed = await run(settings, tmp_path, "may.csv", "--user", "grace@example.org", "--yes")

    assert status == 0, printed
    assert "Into 'may', a new account: 4 new transactions from 2026-11-02 to 2026-11-15, 0 that are there" in printed
    assert "-82.10 USD" in printed
    assert "4 transactions are new, 0 are there already by another way, 0 rows could not be read." in printed
    assert await amounts(owner) == [-8210, -450, -450, 250000]


async def test_a_person_who_says_no_gets_nothing(worker, settings, tmp_path, owner, person):
    (tmp_path / "a.ofx").write_bytes(ofx([("1", "20261101", "-10.00", "[BAKERY]")]))

    status, printed = await run(settings, tmp_path, "a.ofx", "--user", person, answer=b"n\n")

    assert (status, "Nothing was taken in." in printed) == (0, True), printed
    assert "[BAKERY]" in printed
    status, printed = await run(settings, tmp_path, "a.ofx", "--user", person)
    assert (status, "Nothing was taken in." in printed) == (0, True), printed
    assert await amounts(owner) == []
    assert await owner.fetchval("SELECT array_agg(DISTINCT state) FROM file_imports") == ["discarded"]


async def test_columns_and_the_account_can_be_named(worker, settings, tmp_path, owner, person):
    account_id = await create_account(owner, person, name="Everyday")
    await owner.execute("INSERT INTO account_sync (user_id, account_id) VALUES ($1, $2)", person, account_id)
    (tmp_path / "odd.csv").write_text("When,What,Out,In\n11/02/2026,BAKERY,3.00,\n11/03/2026,SALARY,,10.00\n")

    status, printed = await run(
        settings, tmp_path, "odd.csv", "--user", person, "--account", "everyday", "--yes", "--dates", "dmy",
        "--debit-column", 2, "--credit-column", 3, "--date-column", 0, "--text-column", 1,
    )  # fmt: skip

    assert status == 0, printed
    rows = await owner.fetch("SELECT posted_on::text AS day, amount_minor, account_id FROM transactions ORDER BY 1")
    assert [tuple(row) for row in rows] == [("2026-02-11", -300, account_id), ("2026-03-11", 1000, account_id)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing.csv"], "there is no file 'nothing.csv'"),
        (["page.html"], "seems to be a web page"),
        (["may.csv", "--account", "Savings"], "there is no account 'Savings'; there are: none"),
        (["may.csv", "--currency", "dollars"], "'dollars' is no currency"),
    ],
)
async def test_what_cannot_be_is_said_in_words(settings, tmp_path, owner, person, arguments, words):
    (tmp_path / "may.csv").write_bytes(CSV)
    (tmp_path / "page.html").write_text("<html><body>Sign in</body></html>")

    status, printed = await run(settings, tmp_path, *arguments, "--user", person)

    assert status == 1
    assert printed.startswith("mintql: ")
    assert words in printed
    assert await owner.fetchval("SELECT count(*) FROM file_imports") == 0
