"""After a rotation everything opens by the new key alone, whatever happened on the way."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import asyncpg
import pytest

from mintql import chores
from mintql.domain.credentials import Credentials
from mintql.gateways.vault import Sealed, SecretUnreadable, Vault
from mintql.services import key_rotation
from mintql.services.key_rotation import rewrap_batch
from support.factories import create_connection, create_user

OLD, BOTH, NEW = ({version: bytes([64 + version]) * 32 for version in versions} for versions in ((1,), (1, 2), (2,)))
LOGIN = Credentials("https://bank.example", "ada", "sesame open")


@pytest.fixture
async def owner(database_url):
    conn = await asyncpg.connect(database_url)
    yield conn
    await conn.close()


async def put(owner, vault, persons):
    """Everything there is to seal, for so many persons."""
    for _ in range(persons):
        user_id = await create_user(owner)
        connection_id = await create_connection(owner, user_id)
        endpoint_id = await owner.fetchval(
            "INSERT INTO webhook_endpoints (user_id, url) VALUES ($1, 'https://x.example') RETURNING endpoint_id",
            user_id,
        )
        login = vault.seal(user_id, connection_id, LOGIN)
        secret = vault.seal_webhook(user_id, endpoint_id, 1, b"signing")
        factor = vault.seal_second_factor(user_id, b"JBSWY3DP")
        now = datetime.now(UTC)
        await owner.execute(
            "INSERT INTO connection_secrets (user_id, connection_id, key_version, wrapped_key, ciphertext) "
            "VALUES ($1, $2, $3, $4, $5)", user_id, connection_id, *columns(login),
        )  # fmt: skip
        await owner.execute(
            "INSERT INTO webhook_secrets (user_id, endpoint_id, secret_no, created_at, key_version, wrapped_key, "
            "ciphertext) VALUES ($1, $2, 1, $3, $4, $5, $6)", user_id, endpoint_id, now, *columns(secret),
        )  # fmt: skip
        await owner.execute(
            "INSERT INTO second_factors (user_id, created_at, key_version, wrapped_key, ciphertext) "
            "VALUES ($1, $2, $3, $4, $5)", user_id, now, *columns(factor),
        )  # fmt: skip


def columns(sealed):
    return sealed.key_version, sealed.wrapped_key, sealed.ciphertext


def sealed_in(row):
    return Sealed(row["key_version"], row["wrapped_key"], row["ciphertext"])


async def opened_by(owner, vault):
    """Return what opens, table by table."""
    logins = await owner.fetch("SELECT * FROM connection_secrets")
    webhooks = await owner.fetch("SELECT * FROM webhook_secrets")
    factors = await owner.fetch("SELECT * FROM second_factors")
    return (
        [vault.open(row["user_id"], row["connection_id"], sealed_in(row)) for row in logins],
        [vault.open_webhook(row["user_id"], row["endpoint_id"], row["secret_no"], sealed_in(row)) for row in webhooks],
        [vault.open_second_factor(row["user_id"], sealed_in(row)) for row in factors],
    )


async def test_everything_sealed_is_wrapped_anew_and_opens_without_the_old_key(owner, runtime):
    await put(owner, Vault(OLD), 3)
    before = await owner.fetch("SELECT ciphertext FROM connection_secrets ORDER BY user_id")
    said = []
    assert await chores.rotate(replace(runtime, vault=Vault(BOTH)), said.append)
    assert await opened_by(owner, Vault(NEW)) == ([LOGIN] * 3, [b"signing"] * 3, [b"JBSWY3DP"] * 3)
    with pytest.raises(SecretUnreadable):
        await opened_by(owner, Vault(OLD))
    assert await owner.fetch("SELECT ciphertext FROM connection_secrets ORDER BY user_id") == before
    assert said == [
        "connection_secrets: 3 rewrapped",
        "webhook_secrets: 3 rewrapped",
        "second_factors: 3 rewrapped",
        "connection_secrets: 3 under version 2",
        "second_factors: 3 under version 2",
        "webhook_secrets: 3 under version 2",
    ]
    said.clear()
    assert await chores.rotate(replace(runtime, vault=Vault(BOTH)), said.append)
    assert said[0] == "connection_secrets: 0 rewrapped"


async def test_an_interrupted_rotation_is_taken_up_where_it_was_left(owner, runtime, monkeypatch):
    monkeypatch.setattr(key_rotation, "ROWS_PER_BATCH", 2)
    await put(owner, Vault(OLD), 5)
    await rewrap_batch(owner, Vault(BOTH), "connection_secrets")
    by_version = "SELECT key_version, count(*) FROM connection_secrets GROUP BY 1 ORDER BY 1"
    assert [tuple(row) for row in await owner.fetch(by_version)] == [(1, 3), (2, 2)]
    assert (await opened_by(owner, Vault(BOTH)))[0] == [LOGIN] * 5, "both are good meanwhile"
    said = []
    assert await chores.rotate(replace(runtime, vault=Vault(BOTH)), said.append)
    assert said[0] == "connection_secrets: 3 rewrapped"
    assert await opened_by(owner, Vault(NEW)) == ([LOGIN] * 5, [b"signing"] * 5, [b"JBSWY3DP"] * 5)


async def test_what_cannot_be_read_is_named_and_left_and_holds_up_nothing(owner, runtime, monkeypatch):
    monkeypatch.setattr(key_rotation, "ROWS_PER_BATCH", 1)
    await put(owner, Vault(OLD), 3)
    await owner.execute(
        "UPDATE second_factors SET wrapped_key = '\\x00' WHERE user_id = (SELECT min(user_id) FROM users)"
    )
    await owner.execute("UPDATE webhook_secrets SET key_version = 7 WHERE user_id = (SELECT max(user_id) FROM users)")
    said = []
    assert not await chores.rotate(replace(runtime, vault=Vault(BOTH)), said.append)
    ids = [row[0] for row in await owner.fetch("SELECT user_id FROM users ORDER BY 1")]
    assert f"  the secret of second_factors {ids[0]} is not the one sealed there" in said
    assert any(line.startswith(f"  the secret of webhook_secrets {ids[2]} ") and "version 7" in line for line in said)
    assert "connection_secrets: 3 under version 2" in said
    assert {"second_factors: 1 under version 1", "webhook_secrets: 1 under version 7"} <= set(said)


async def test_a_row_that_was_moved_is_not_wrapped_anew_for_where_it_is(owner):
    await put(owner, Vault(OLD), 2)
    await owner.execute(
        "UPDATE second_factors AS here SET wrapped_key = there.wrapped_key FROM second_factors AS there "
        "WHERE here.user_id <> there.user_id AND here.user_id = (SELECT min(user_id) FROM users)"
    )
    batch = await rewrap_batch(owner, Vault(BOTH), "second_factors")
    assert (batch.rewrapped, len(batch.unreadable)) == (1, 1)
