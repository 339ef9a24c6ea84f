"""A person who signed up over HTTP, and the owner's connection to set up what they have."""

from __future__ import annotations

from datetime import UTC, datetime

import asyncpg
import pytest

from mintql.api.context import Context
from mintql.api.nodes import split_id
from support.clients import client_of
from support.factories import Person, create_account, create_connection


@pytest.fixture
async def conn(database_url):
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
def owner(conn):
    """The owner of the tables, whom row-level security does not bind."""
    return conn


@pytest.fixture
def standing_clock(monkeypatch):
    """A clock of the API that stands: what is bounded by seconds is counted however long the machine takes."""
    moment = datetime.now(UTC)
    monkeypatch.setattr(Context, "now", staticmethod(lambda: moment))
    return moment


@pytest.fixture
def today(standing_clock):
    """The day it is for the API, also when midnight goes by."""
    return standing_clock.date()


@pytest.fixture
async def client(server):
    async with client_of(server) as opened:
        opened.viewer = await opened.sign_up()
        yield opened


@pytest.fixture
async def person(conn, client):
    _, user_id = split_id(client.viewer["id"])
    connection_id = await create_connection(conn, user_id)
    return Person(user_id, connection_id, await create_account(conn, user_id, connection_id))
