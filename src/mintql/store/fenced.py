"""Reads of one person's rows, each statement a transaction of its own that says first whose they are.

Row-level security shows rows of the person that `mintql.user_id` names, and the setting has to end with the
transaction that makes it. A transaction around one statement costs two ways to the database beside the statement's
own. Instead the statement is put behind a row that makes the setting: what stands in LATERAL needs a value of that row,
and OFFSET keeps it together, so that no table of it is scanned before. Were one to be, nobody would be named and no row
of it be shown. A test looks at the plan of every query (`tests/integration/test_query_plans.py`).

At READ COMMITTED each statement sees what is committed when it begins, in a transaction with others or not, so that
reads are the same either way. Nothing can be written like this: PostgreSQL takes no change within LATERAL.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any, cast

import asyncpg

from mintql.domain.ids import UserId
from mintql.store.queries import Conn

TEXTS_MAX = 1_024
"""How many statements are kept as they are sent."""

_PERSON = re.compile(r"\$1(?!\d)")
_READS = re.compile(r"(\s|--.*\n)*(SELECT|WITH)\b", re.IGNORECASE)
_ONE = ("$1::bigint", "person.user_id")
_MANY = ("($1::bigint[])[1]", "(CASE WHEN person.user_id IS NOT NULL THEN $1::bigint[] END)")
"""How the first parameter says the person, a number or an array that holds nothing else, and what stands for it."""


@lru_cache(maxsize=TEXTS_MAX)
def fenced(text: str, *, many: bool = False) -> str:
    """Return a read as one that sees one person's rows only, in their order.

    The person is $1, or with `many` all that is in the array $1.

    Raises:
        ValueError: It does not name the person, or it is no read.
    """
    if not _READS.match(text) or not _PERSON.search(text):
        raise ValueError(f"$1 of a read has to be the person: {text[:100]}")
    said, stands_for = _MANY if many else _ONE
    person = f"SELECT set_config('mintql.user_id', ({said})::text, true)::bigint AS user_id OFFSET 0"
    asked = f"SELECT * FROM (\n{_PERSON.sub(stands_for, text)}\n) AS asked OFFSET 0"
    return f"SELECT found.* FROM ({person}) AS person CROSS JOIN LATERAL ({asked}) AS found"


def fence(conn: Conn, user_id: UserId) -> Conn:
    """Return a connection, which must not be in a transaction, on which the store's functions read one person's rows.

    It fetches, and does nothing else. A statement that begins with the person as its first parameter is one way to the
    database, any other a transaction of its own.
    """
    return cast("Conn", _Fenced(conn, user_id))


class _Fenced:
    """What of a connection reading functions use. `conn` is the connection itself.

    It is lent for the reads of one operation. What two of its parts ask for in the same words is asked for once, and
    so the same in both.
    """

    __slots__ = ("_found", "_user_id", "conn")

    def __init__(self, conn: Conn, user_id: UserId) -> None:
        self.conn = conn
        self._user_id = user_id
        self._found: dict[tuple[Any, ...], list[asyncpg.Record]] = {}

    async def fetch(self, text: str, *arguments: Any, **options: Any) -> list[asyncpg.Record]:
        asked = None if options or list in map(type, arguments) else (text, *arguments)
        found = None if asked is None else self._found.get(asked)
        if found is None:
            found = cast("list[asyncpg.Record]", await self._ask(self.conn.fetch, text, arguments, options))
            if asked is not None:
                self._found[asked] = found
        return found

    def fetchrow(self, text: str, *arguments: Any, **options: Any) -> Awaitable[asyncpg.Record | None]:
        return self._ask(self.conn.fetchrow, text, arguments, options)

    def fetchval(self, text: str, *arguments: Any, **options: Any) -> Awaitable[Any]:
        return self._ask(self.conn.fetchval, text, arguments, options)

    async def _ask(
        self, read: Callable[..., Awaitable[Any]], text: str, arguments: tuple[Any, ...], options: dict[str, Any]
    ) -> Any:
        sent = self._sent(text, arguments)
        if sent is not None:
            return await read(sent, *arguments, **options)
        async with _reading(self.conn, self._user_id):
            return await read(text, *arguments, **options)

    def _sent(self, text: str, arguments: tuple[Any, ...]) -> str | None:
        """Return what is sent for a statement; None where the person is not its first parameter.

        What names the person in another place, or no person, such as exchange rates, is read in a transaction. Without
        any parameter it is nobody's, and sent as it is: of persons' rows it would see none.
        """
        if not arguments:
            return text
        first = arguments[0]
        if first == self._user_id:
            return fenced(text)
        many = isinstance(first, list) and bool(first) and all(item == self._user_id for item in first)
        return fenced(text, many=True) if many else None


def begin_reading(user_id: UserId, *, at_one_moment: bool = False) -> str:
    """Return what begins a transaction that reads one person's rows, in one way to the database and back.

    They are those that each statement finds, or all as they are `at_one_moment`. A savepoint is refused in it, asyncpg
    not knowing of the transaction.
    """
    isolation = "ISOLATION LEVEL REPEATABLE READ " if at_one_moment else ""
    return f"BEGIN {isolation}READ ONLY; SET LOCAL mintql.user_id = '{int(user_id)}'"


@asynccontextmanager
async def _reading(conn: Conn, user_id: UserId) -> AsyncIterator[None]:
    await conn.execute(begin_reading(user_id))
    try:
        yield
    except BaseException:
        await conn.execute("ROLLBACK")
        raise
    await conn.execute("COMMIT")
