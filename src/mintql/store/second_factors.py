"""Rows of `second_factors` and `recovery_codes`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mintql.domain.ids import UserId
from mintql.store.queries import Conn, load

SQL = load("second_factors")


@dataclass(frozen=True, slots=True)
class SecondFactorRow:
    """What a person's codes are made from. `confirmed_at` is None until a first code was right."""

    key_version: int
    wrapped_key: bytes
    ciphertext: bytes
    confirmed_at: datetime | None
    last_step: int


@dataclass(frozen=True, slots=True)
class SecondFactorState:
    """Since when a person is asked for codes, and how many recovery codes are left."""

    confirmed_at: datetime
    recovery_codes: int


async def is_on(conn: Conn, user_id: UserId) -> bool:
    """Tell whether a person is asked for a code when they sign in."""
    return bool(await conn.fetchval(SQL.is_on, user_id))


async def state(conn: Conn, user_id: UserId) -> SecondFactorState | None:
    """Return the state of a person's second factor; None without one."""
    row = await conn.fetchrow(SQL.state, user_id)
    return None if row is None else SecondFactorState(row["confirmed_at"], row["recovery_codes"])


async def lock(conn: Conn, user_id: UserId) -> SecondFactorRow | None:
    """Return what a person's codes are made from, locked: two checks of one code take turns."""
    row = await conn.fetchrow(SQL.lock, user_id)
    return None if row is None else SecondFactorRow(**dict(row))


async def put(
    conn: Conn, user_id: UserId, key_version: int, wrapped_key: bytes, ciphertext: bytes, now: datetime
) -> bool:
    """Write a sealed secret that is to be confirmed; False when there is a confirmed one, which stays."""
    return await conn.fetchval(SQL.put, user_id, key_version, wrapped_key, ciphertext, now) is not None


async def use_step(conn: Conn, user_id: UserId, step: int, now: datetime) -> None:
    """Write that the code of a step was used."""
    await conn.execute(SQL.use_step, user_id, step, now)


async def delete(conn: Conn, user_id: UserId) -> None:
    """Take the second factor away, with its recovery codes."""
    await conn.execute(SQL.delete, user_id)


async def replace_recovery_codes(conn: Conn, user_id: UserId, hashes: Sequence[bytes]) -> None:
    """Put these recovery codes in the place of those that are left."""
    await conn.execute(SQL.delete_recovery_codes, user_id)
    await conn.execute(SQL.put_recovery_codes, user_id, hashes)


async def use_recovery_code(conn: Conn, user_id: UserId, code_hash: bytes) -> bool:
    """Take one recovery code away; False when it is none, or was used."""
    return await conn.fetchval(SQL.use_recovery_code, user_id, code_hash) is not None
