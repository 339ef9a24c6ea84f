"""Which schema the database has, and which one this code was written for."""

from __future__ import annotations

from mintql.store.migrate import migrations_directory, read_migrations
from mintql.store.queries import Conn, load

SQL = load("schema_versions")


def newest_known() -> int:
    """Return the number of the newest migration that comes with this code."""
    return read_migrations(migrations_directory())[-1].version


async def newest_applied(conn: Conn) -> int:
    """Return the number of the newest migration that the database has had."""
    return int(await conn.fetchval(SQL.newest_applied))
