"""What most tests of services and stores begin with."""

from __future__ import annotations

import asyncpg
import pytest

from support.s3 import serving_s3


@pytest.fixture
async def conn(database_url):
    """The owner's connection to the database of the test."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture(scope="module")
def s3_endpoint():
    """The URL of an S3 server with the bucket of the tests."""
    with serving_s3() as endpoint:
        yield endpoint
