"""Transactions wherever they are: in the database, or in archived months that are read where they lie.

The same queries read both (`store.archive_read.in_place`), so that filters, order and what a person may see are one. A
month can move while it is looked for; what was brought back by then is read from the database once more, and what was
archived only just is found twice and told once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import date, datetime
from time import monotonic
from typing import Final, TypeAlias, TypeVar

from mintql.domain.archive import kept_from
from mintql.domain.ids import TransactionId, UserId
from mintql.domain.months import last_day
from mintql.gateways.objects import ObjectMissing, ObjectStore
from mintql.services import archive
from mintql.settings import ARCHIVE_MONTHS_MIN
from mintql.store import archive_read, transactions_read
from mintql.store.archive_read import ArchivedMonth
from mintql.store.queries import Conn
from mintql.store.transactions_read import Key, TransactionFilter, TransactionRow

Id = TypeVar("Id", bound=int)
Found = TypeVar("Found")
Reader: TypeAlias = Callable[[Conn, UserId, Sequence[Id]], Awaitable[dict[Id, Found]]]
Finder: TypeAlias = Reader[TransactionId, Found]
Value = TypeVar("Value", int, str)

IN_USE_SECONDS: Final = 30.0
"""How often is asked whether anything was ever archived: well within `archive.ANNOUNCED`."""
KEPT_CHARACTERS_MAX: Final = 32_000_000
"""Rows of archived months that a process holds: whoever turns pages meets the same month ten times."""


def kept_for_sure(today: date) -> date:
    """Return a day from which on nothing is archived, whatever the operator set and whichever clock is ahead."""
    return kept_from(today, ARCHIVE_MONTHS_MIN - 1)


class Archive:
    """Archived months, those read last kept in memory. `objects` is where they lie."""

    def __init__(self, objects: ObjectStore) -> None:
        self.objects = objects
        self._kept: OrderedDict[str, str] = OrderedDict()
        self._kept_characters = 0
        self._used = False
        self._asked_at = -IN_USE_SECONDS

    @property
    def is_unused(self) -> bool:
        """Whether nothing was archived when that was asked a moment ago."""
        return not self._used and monotonic() - self._asked_at < IN_USE_SECONDS

    async def in_use(self, conn: Conn) -> bool:
        """Tell whether anything may be archived; asks the database now and then until something is."""
        if not self._used and not self.is_unused:
            self._used = await archive_read.in_use(conn)
            self._asked_at = monotonic()
        return self._used

    async def page(
        self,
        now: datetime,
        conn: Conn,
        user_id: UserId,
        wanted: TransactionFilter,
        *,
        newest: Key,
        oldest: Key,
        newest_first: bool,
        limit: int,
        columns: frozenset[str] | None = None,
    ) -> list[TransactionRow]:
        """Return at most `limit` matching transactions with keys between two bounds, as `transactions_read.page` does.

        Nothing more is asked where the page is full of rows that are too new to be archived.
        """

        async def read(place: Conn) -> list[TransactionRow]:
            return await transactions_read.page(
                place,
                user_id,
                wanted,
                newest=newest,
                oldest=oldest,
                newest_first=newest_first,
                limit=limit,
                columns=columns,
            )

        rows = await read(conn)
        if not await self.in_use(conn):
            return rows
        if newest_first and len(rows) == limit and rows[-1].posted_on >= kept_for_sure(now.date()):
            return rows
        months = await archive_read.months(
            conn,
            user_id,
            max(oldest, wanted.oldest)[0],
            min(newest, wanted.newest)[0],
            account_ids=_sorted(wanted.account_ids),
            category_ids=_sorted(wanted.category_ids),
            tags=_sorted(wanted.tags),
        )
        if any(month.restored for month in months):
            rows = await read(conn)
        away = [month for month in months if not month.restored]
        for month in away if newest_first else reversed(away):
            if len(rows) >= limit and _is_beyond(month.month, rows[-1].posted_on, newest_first=newest_first):
                break
            rows = _merged(rows, await read(await self._place(conn, month)), newest_first=newest_first)[:limit]
        return rows

    async def resolve(
        self, conn: Conn, user_id: UserId, transaction_ids: Sequence[TransactionId]
    ) -> dict[TransactionId, TransactionRow]:
        """Return transactions by the id asked for, each followed from pending to posted."""
        return await self.find(conn, user_id, transaction_ids, transactions_read.resolve)

    async def by_ids(
        self, conn: Conn, user_id: UserId, transaction_ids: Sequence[TransactionId]
    ) -> dict[TransactionId, TransactionRow]:
        """Return transactions by exactly these ids."""
        return await self.find(conn, user_id, transaction_ids, transactions_read.by_ids)

    async def find(
        self, conn: Conn, user_id: UserId, transaction_ids: Sequence[TransactionId], read: Finder[Found]
    ) -> dict[TransactionId, Found]:
        """Return what `read` finds of some transactions, those first that the database has."""
        found = await read(conn, user_id, transaction_ids)
        missing = [number for number in transaction_ids if number not in found]
        if not missing or not await self.in_use(conn):
            return found
        months = await archive_read.months_of_ids(conn, user_id, missing)
        return await self._find(conn, user_id, months, missing, read, found)

    async def find_anywhere(
        self, conn: Conn, user_id: UserId, ids: Sequence[Id], read: Reader[Id, Found]
    ) -> dict[Id, Found]:
        """Return what `read` finds of some ids, all archived months looked through for those the database has not."""
        found = await read(conn, user_id, ids)
        missing = [number for number in ids if number not in found]
        if not missing or not await self.in_use(conn):
            return found
        months = await archive_read.months(conn, user_id, date.min, date.max)
        return await self._find(conn, user_id, months, missing, read, found)

    async def _find(
        self,
        conn: Conn,
        user_id: UserId,
        months: Sequence[ArchivedMonth],
        missing: Sequence[Id],
        read: Reader[Id, Found],
        found: dict[Id, Found],
    ) -> dict[Id, Found]:
        if any(month.restored for month in months):
            found |= await read(conn, user_id, missing)
        for month in months:
            if not month.restored and not found.keys() >= set(missing):
                found |= await read(await self._place(conn, month), user_id, missing)
        return found

    async def _place(self, conn: Conn, month: ArchivedMonth) -> Conn:
        return archive_read.in_place(conn, await self._rows_json(month))

    async def _rows_json(self, month: ArchivedMonth) -> str:
        found = self._kept.get(month.object_key)
        if found is not None:
            self._kept.move_to_end(month.object_key)
            return found
        try:
            text = archive.rows_json(await archive.load(self.objects, month))
        except ObjectMissing:
            raise archive.ArchiveDamaged(f"{month.object_key} is missing") from None
        if month.object_key not in self._kept:
            self._kept[month.object_key] = text
            self._kept_characters += len(text)
        while self._kept_characters > KEPT_CHARACTERS_MAX:
            self._kept_characters -= len(self._kept.popitem(last=False)[1])
        return text


def _sorted(values: Iterable[Value] | None) -> list[Value] | None:
    return None if values is None else sorted(values)


def _is_beyond(month: date, posted_on: date, *, newest_first: bool) -> bool:
    """Tell whether all of a month comes after a day in the order of the page."""
    return last_day(month) < posted_on if newest_first else month > posted_on


def _merged(
    rows: Sequence[TransactionRow], more: Sequence[TransactionRow], *, newest_first: bool
) -> list[TransactionRow]:
    by_id = {row.transaction_id: row for row in (*more, *rows)}
    return sorted(by_id.values(), key=lambda row: row.key, reverse=newest_first)
