"""`mintql api` is put down: nobody is cut off in the middle, and it ends well and in time."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette

from mintql.api.stopping import DRAIN_SECONDS_MAX, Server
from support.clients import client_of, eventually, raw_socket
from support.ports import free_port
from support.servers import HttpServer

ADD = 'mutation { addCategory(name: "Boats", kind: EXPENSE) { __typename } }'
FOLLOW = "subscription { budgetAlerts { cursor } }"
START_SECONDS_MAX = 120
"""A process is four seconds of work, of which a busy machine makes many."""
MARGIN_SECONDS = 4
"""For a machine that is busy with other tests."""


@contextmanager
def api(settings, folder):
    """`mintql api` in a process of its own; its log is `api.log` in the folder."""
    port = free_port()
    environment = os.environ | {
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "REDIS_URL": settings.redis_url.get_secret_value(),
        "MINTQL_OBJECT_STORE": settings.object_store,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    with (folder / "api.log").open("wb") as log:
        command = [sys.executable, "-m", "mintql", "api", "--port", str(port)]
        process = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log)
    try:
        yield process, HttpServer(f"http://127.0.0.1:{port}")
    finally:
        process.kill()
        process.wait()


async def test_at_a_signal_requests_end_streams_are_closed_and_the_status_is_0(client, conn, settings, tmp_path):
    with api(settings, tmp_path) as (process, server):
        async with client_of(server) as other:
            other.token = client.token
            await eventually(lambda: _answers(other, server), START_SECONDS_MAX)
            async with raw_socket(other.ws_url) as live:
                await live.send({"type": "connection_init", "payload": {"authorization": f"Bearer {other.token}"}})
                assert (await live.receive())["type"] == "connection_ack"
                following = asyncio.Event()
                streamed = asyncio.create_task(_stream(other, following))
                await following.wait()
                await conn.execute("BEGIN; LOCK TABLE personal_categories IN EXCLUSIVE MODE")
                changing = asyncio.create_task(other.post(ADD))
                await eventually(lambda: _waits(conn))
                began = time.monotonic()
                process.send_signal(signal.SIGTERM)
                assert await live.closed() in (1001, 1012)
                assert "complete" not in await streamed  # Clients do not open again what is complete.
                await conn.execute("COMMIT")
                assert (await changing).json()["data"]["addCategory"]["__typename"] == "AddCategorySuccess"
            assert await asyncio.to_thread(process.wait, DRAIN_SECONDS_MAX + MARGIN_SECONDS) == 0
            assert time.monotonic() - began < DRAIN_SECONDS_MAX + MARGIN_SECONDS
    assert "Traceback" not in (tmp_path / "api.log").read_text()


async def _answers(client, server):
    try:
        return (await client.http.get(f"{server.url}/livez")).status_code == 200
    except httpx.TransportError:  # It does not listen yet.
        return False


async def _stream(client, following):
    headers = client.headers() | {"accept": "text/event-stream"}
    async with client.http.stream("POST", client.url, json={"query": FOLLOW}, headers=headers) as response:
        following.set()
        return (await response.aread()).decode()


async def _waits(conn):
    return await conn.fetchval(
        "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'personal_categories'::regclass)"
    )


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_at_a_second_signal_nothing_is_waited_for(second):
    server = Server(uvicorn.Config(lambda: None), Starlette())
    server.handle_exit(signal.SIGTERM, None)
    assert (server.should_exit, server.force_exit) == (True, False)
    server.handle_exit(second, None)
    assert server.force_exit
