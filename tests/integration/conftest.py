"""What most tests of services and stores begin with."""

from __future__ import annotations

import asyncpg
import pytest


@pytest.fixture
async def conn(database_url):
    """The owner's connection to the database of the test."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()
