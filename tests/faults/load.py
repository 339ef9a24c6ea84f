"""Many persons at once, by SQL: so many signing up over HTTP would cost more than all the rest of a run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import redis.asyncio as redis
from arq.connections import ArqRedis

from faults.facts import Login
from faults.stack import Stack
from mintql.domain.credentials import Credentials
from mintql.domain.ids import ConnectionId, UserId
from mintql.gateways.queue import Queue, deserialize, serialize
from mintql.gateways.vault import Vault
from mintql.services.extract import utc_now
from mintql.services.sync import open_or_join_run
from mintql.settings import Settings

PEOPLE = """
WITH people AS (
    INSERT INTO users (email, password_hash, name)
    SELECT login || '@example.org', '', login FROM unnest($1::text[]) AS given (login)
    RETURNING user_id, name
), counters AS (
    INSERT INTO user_counters (user_id) SELECT user_id FROM people
), links AS (
    INSERT INTO connections (user_id, institution_id, login_hint) SELECT user_id, 'sandbox', 'p' FROM people
    RETURNING user_id, connection_id
)
SELECT user_id, connection_id, name AS login FROM people JOIN links USING (user_id) ORDER BY user_id
"""
SECRETS = """
INSERT INTO connection_secrets (user_id, connection_id, key_version, wrapped_key, ciphertext)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::int[], $4::bytea[], $5::bytea[])
"""


async def add_people(stack: Stack, logins: list[str]) -> list[Login]:
    """Let these logins be persons with a connection each, none of them read yet."""
    vault = Vault(Settings(**_overrides(stack)).keyring())
    conn = await stack.connect()
    try:
        async with conn.transaction():
            found = [Login(*row) for row in await conn.fetch(PEOPLE, logins)]
            sealed = [
                vault.seal(
                    UserId(item.user_id), ConnectionId(item.connection_id), Credentials("", item.login, "sandbox")
                )
                for item in found
            ]
            await conn.execute(
                SECRETS,
                [item.user_id for item in found],
                [item.connection_id for item in found],
                [item.key_version for item in sealed],
                [item.wrapped_key for item in sealed],
                [item.ciphertext for item in sealed],
            )
    finally:
        await conn.close()
    return found


def _overrides(stack: Stack) -> dict[str, Any]:
    return {"_env_file": None, "secret_keys": stack.settings["MINTQL_SECRET_KEYS"]}


async def begin_day(stack: Stack) -> bool:
    """Enqueue the daily refresh of everybody, as the clock does; False when Redis did not take it."""
    connection = redis.ConnectionPool.from_url(stack.valkey.url, socket_timeout=2)
    client = ArqRedis(connection, job_serializer=serialize, job_deserializer=deserialize)
    try:
        return await Queue(client, "mintql:queue").enqueue("daily_refresh", background=True)
    finally:
        await client.aclose(close_connection_pool=True)


async def read_again(stack: Stack, logins: list[Login]) -> None:
    """Open a run for each of these connections, or join the one that is open; the sweeper finds them."""
    conn = await stack.connect()
    try:
        for login in logins:
            async with conn.transaction():
                await open_or_join_run(
                    conn, UserId(login.user_id), ConnectionId(login.connection_id), "request", utc_now()
                )
    finally:
        await conn.close()


async def waiting(stack: Stack) -> list[str]:
    """Say how many jobs wait in each queue, and how many are marked as under way."""
    client = redis.Redis(unix_socket_path=str(stack.valkey.socket_path), socket_timeout=2)
    try:
        marks = [key async for key in client.scan_iter(match="arq:in-progress:*")]
        names = ("mintql:queue", "mintql:queue:background")
        return [f"{name}: {await client.zcard(name)} jobs wait" for name in names] + [f"{len(marks)} jobs are marked"]
    finally:
        await client.aclose()


def cpu_seconds(pid: int) -> float:
    """Return what a process has used so far."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
