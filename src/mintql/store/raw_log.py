"""Rows of `raw_log_files`: which files of the raw log hold lines of whom."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from mintql.domain.ids import UserId
from mintql.store.queries import Conn, load

SQL = load("raw_log")


async def note_files(conn: Conn, pairs: Collection[tuple[UserId, str]]) -> None:
    """Note that files hold lines of persons; those of persons who are gone are left out."""
    ordered = sorted(pairs)
    await conn.execute(SQL.note_files, [user_id for user_id, _ in ordered], [key for _, key in ordered])


async def files_of_person(conn: Conn, user_id: UserId, limit: int) -> list[str]:
    """Return keys of files with lines of a person."""
    return [row["object_key"] for row in await conn.fetch(SQL.files_of_person, user_id, limit)]


async def forget_file(conn: Conn, user_ids: Iterable[UserId], object_key: str) -> None:
    """Forget, for these persons, a file that is there no more; of others it stays noted until they are deleted."""
    await conn.execute(SQL.forget_file, sorted(user_ids), object_key)
