"""`mintql spending --from raw`, from the command line."""

from __future__ import annotations

import asyncio
import os
import sys

import asyncpg
import pytest

from support.factories import create_user

pytest.importorskip("daft", reason="the extra `batch` is not installed: ./dev test installs it where it can be had")

TIMEOUT_SECONDS = 60


async def run(settings, folder, *arguments):
    env = os.environ | {
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "REDIS_URL": settings.redis_url.get_secret_value(),
        "MINTQL_OBJECT_STORE": settings.object_store,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "mintql", "spending", "--from", "raw", *arguments, env=env, cwd=folder,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(TIMEOUT_SECONDS):
        printed, told = await process.communicate()
    return process.returncode, printed.decode(), told.decode()


async def test_what_differs_is_printed_and_ends_with_status_1_until_it_is_rebuilt(settings, tmp_path):
    conn = await asyncpg.connect(settings.database_url.get_secret_value())
    try:
        user_id = await create_user(conn, email="grace@example.org")
        await conn.execute(
            "INSERT INTO monthly_spending (user_id, month, category_id, currency, posted_minor, posted_count) "
            "VALUES ($1, '2026-11-01', 601, 'USD', -5, 1)",
            user_id,
        )
    finally:
        await conn.close()

    status, printed, told = await run(settings, tmp_path, "--compare", "--user", "grace@example.org")

    assert status == 1, told
    assert "category 601, USD: stored -5 in 1, pending 0 in 0, by the raw log 0 in 0" in printed
    assert "1 sums differ" in printed
    status, printed, told = await run(settings, tmp_path, "--rebuild")
    assert (status, printed.splitlines()[-1]) == (0, "1 sums are what the raw log says now"), told
    status, printed, told = await run(settings, tmp_path)
    assert (status, printed.splitlines()) == (0, printed.splitlines()[:1]), told
