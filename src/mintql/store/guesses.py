"""Rows of `guesses`: how often a secret was guessed at, by a keyed hash of what was guessed and from where."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from mintql.domain.backoff import Guesses
from mintql.store.queries import Conn, load

SQL = load("guesses")


async def lock(conn: Conn, subjects: Collection[bytes]) -> dict[bytes, Guesses]:
    """Return the guesses at each of these, none for what was never guessed at; locked until the transaction ends."""
    wanted, found = sorted(subjects), dict[bytes, Guesses]()
    while len(found) < len(wanted):  # Again where one was purged between the two statements, once a day.
        await conn.execute(SQL.begin, wanted)
        found = {
            bytes(row["subject"]): Guesses(row["count"], row["guessed_at"], row["blocked_until"])
            for row in await conn.fetch(SQL.lock, wanted)
        }
    return found


async def write(conn: Conn, guesses: Mapping[bytes, Guesses]) -> None:
    """Write the guesses at each of these, which are locked."""
    ordered = sorted(guesses.items())
    await conn.execute(
        SQL.write,
        [subject for subject, _ in ordered],
        [one.count for _, one in ordered],
        [one.guessed_at for _, one in ordered],
        [one.blocked_until for _, one in ordered],
    )


async def purge(conn: Conn, before: datetime, limit: int) -> int:
    """Forget what was guessed at last before `before`, at most `limit`; return how many went."""
    return int(await conn.fetchval(SQL.purge, before, limit))
