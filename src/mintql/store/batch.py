"""What a batch over the raw log needs of the database: names of accounts, decisions on rows, stored sums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import date
from typing import Any, NamedTuple

from mintql.domain.ids import CategoryId, UserId
from mintql.store.archive_read import ArchivedMonth
from mintql.store.queries import Conn, load

SQL = load("batch")


class RowClues(NamedTuple):
    """What a stored transaction shows of itself, and the category it is in.

    `rewritten` says that it was written again since it came, so that the code may be of an earlier word: the last one
    had none then.
    """

    description: str
    income: bool
    currency: str
    institution_code: str
    category_id: CategoryId
    rewritten: bool


@dataclass(frozen=True, slots=True)
class BatchSum:
    """One row of `monthly_spending`; `month` is its first day."""

    user_id: UserId
    month: date
    category_id: CategoryId
    currency: str
    posted_minor: int = 0
    pending_minor: int = 0
    posted_count: int = 0
    pending_count: int = 0
    excluded_posted_minor: int = 0
    excluded_pending_minor: int = 0

    @property
    def key(self) -> tuple[UserId, date, CategoryId, str]:
        """Whose sum of what it is."""
        return self.user_id, self.month, self.category_id, self.currency

    @property
    def values(self) -> tuple[int, ...]:
        """The six figures."""
        return tuple(astuple(self)[4:])


async def accounts(conn: Conn, user_ids: Sequence[UserId], files_institution: str) -> list[tuple[int, int, str, int]]:
    """Return (person, connection, name, account) for every name that lines may call an account."""
    return [tuple(row) for row in await conn.fetch(SQL.accounts, user_ids, files_institution)]


async def runs_left_out(conn: Conn, user_ids: Sequence[UserId]) -> list[int]:
    """Return runs of persons of whose lines none are in the database."""
    return [row["run_id"] for row in await conn.fetch(SQL.runs_left_out, user_ids)]


async def last_run(conn: Conn) -> int:
    """Return the latest number that a run was given: what comes after this moment has a greater one."""
    run_id: int = await conn.fetchval(SQL.last_run)
    return run_id


async def moving(conn: Conn, user_ids: Sequence[UserId]) -> list[UserId]:
    """Return of which of these persons a run is being taken in, or was in part."""
    return [row["user_id"] for row in await conn.fetch(SQL.moving, user_ids)]


async def clues(conn: Conn, user_ids: Sequence[UserId]) -> list[RowClues]:
    """Return what counted transactions of persons show of themselves, each combination with its category once."""
    return [RowClues(*row) for row in await conn.fetch(SQL.clues, user_ids)]


async def decided(conn: Conn, user_ids: Sequence[UserId], elsewhere: Sequence[RowClues]) -> Sequence[Any]:
    """Return the transactions on which the database has more to say than the log; `elsewhere`: those of such clues."""
    columns = list(zip(*elsewhere, strict=True)) if elsewhere else [()] * len(RowClues._fields)
    return await conn.fetch(SQL.decided, user_ids, *columns)


async def archived(conn: Conn, user_ids: Sequence[UserId]) -> list[tuple[UserId, ArchivedMonth]]:
    """Return which months of persons lie in the object store."""
    found = []
    for row in await conn.fetch(SQL.archived, user_ids):
        values = dict(row)
        found.append((UserId(values.pop("user_id")), ArchivedMonth(**values)))
    return found


async def stored(conn: Conn, user_ids: Sequence[UserId]) -> list[BatchSum]:
    """Return the stored sums of persons that are not nought, by their key."""
    return [BatchSum(**dict(row)) for row in await conn.fetch(SQL.stored, user_ids)]


async def correct(conn: Conn, missing: Sequence[BatchSum]) -> None:
    """Add to stored sums what they lack."""
    await conn.execute(SQL.correct, *zip(*(astuple(item) for item in missing), strict=True))
