"""Rows of `users` and the counters beside them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from mintql.domain.ids import UserId
from mintql.store.queries import Conn, load

SQL = load("users")


@dataclass(frozen=True, slots=True)
class UserRow:
    """A person, without their password."""

    user_id: UserId
    email: str
    name: str
    time_zone: str
    currency: str
    annual_income_minor: int | None
    template_revision: int
    created_at: datetime


async def new_id(conn: Conn) -> UserId:
    """Take an id for a person who is about to sign up; one that is not used then is lost, which is no harm."""
    return UserId(await conn.fetchval(SQL.new_id))


async def insert(
    conn: Conn,
    user_id: UserId,
    *,
    email: str,
    password_hash: str,
    name: str,
    time_zone: str,
    currency: str,
    annual_income_minor: int | None,
    now: datetime,
    today: date,
) -> bool:
    """Insert a person and their counters; False when the e-mail address is taken."""
    inserted = await conn.fetchval(
        SQL.insert, user_id, email, password_hash, name, time_zone, currency, annual_income_minor, now, today
    )
    if inserted is None:
        return False
    await conn.execute(SQL.insert_counters, user_id)
    return True


@dataclass(frozen=True, slots=True)
class CredentialsFound:
    """Whose an e-mail address is; `is_known` says that they are signed in on the network that was asked for.

    `password_hash` is empty where no password is set, and for nobody.
    """

    user_id: UserId | None
    password_hash: str
    is_known: bool


async def credentials_of(conn: Conn, email: str, network: str | None = None) -> CredentialsFound:
    """Return whose e-mail address this is, in any case of letters, and the hash of their password."""
    row = await conn.fetchrow(SQL.credentials_of, email, network)
    if row is None:
        return CredentialsFound(None, "", is_known=False)
    return CredentialsFound(UserId(row["user_id"]), row["password_hash"], row["is_known"])


async def get(conn: Conn, user_id: UserId) -> UserRow | None:
    """Return one person."""
    row = await conn.fetchrow(SQL.get, user_id)
    return None if row is None else UserRow(**dict(row))


async def get_time_zone(conn: Conn, user_id: UserId) -> str | None:
    """Return the time zone of one person: all that members of a household need of whoever shares with them."""
    zone: str | None = await conn.fetchval(SQL.time_zone, user_id)
    return zone


async def update_profile(conn: Conn, user: UserRow) -> None:
    """Write name, time zone, currency, income and template revision."""
    await conn.execute(
        SQL.update_profile,
        user.user_id,
        user.name,
        user.time_zone,
        user.currency,
        user.annual_income_minor,
        user.template_revision,
    )


async def get_password_hash(conn: Conn, user_id: UserId) -> str:
    """Return the hash of a person's password; empty where none is set, and for nobody."""
    found: str | None = await conn.fetchval(SQL.password_hash, user_id)
    return found or ""


async def update_password_hash(conn: Conn, user_id: UserId, password_hash: str) -> None:
    """Replace the hash of a person's password."""
    await conn.execute(SQL.update_password_hash, user_id, password_hash)


async def mark_active(conn: Conn, user_id: UserId, today: date) -> None:
    """Note that a person was here today."""
    await conn.execute(SQL.mark_active, user_id, today)
