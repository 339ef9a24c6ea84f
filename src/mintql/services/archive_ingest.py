"""What a run says of archived months: they are brought back before its rows are compared with what is there.

Else a row that came before would be taken for a new one. A daily refresh tells of days that are never archived, and
costs nothing here; whole histories and old files do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from mintql.domain.ids import ConnectionId, UserId
from mintql.domain.ingest import Folded
from mintql.services import archive
from mintql.services.archive_reading import kept_for_sure
from mintql.services.extract import Workplace
from mintql.store import archive as store
from mintql.store.locks import lock_users
from mintql.store.sync import Ingestion

MARGIN = timedelta(days=31)
"""A row may have been told of on another day before, or be one with, or a transfer from, one of days around it."""


async def bring_back(place: Workplace, runs: Sequence[tuple[Ingestion, Folded]]) -> None:
    """Bring back the months that these runs tell of, each person's in a transaction of its own.

    The person is locked first, which waits for a month that is being moved; none is moved while a run of theirs is
    open, and what comes back stays for days, which is longer than any run takes.
    """
    kept = kept_for_sure(place.clock().date())
    spans: dict[UserId, tuple[date, date]] = {}
    for run, folded in runs:
        days = [row.posted_on for account in folded.by_account.values() for row in account.rows.values()]
        old = [day for day in days if day < kept]
        if old:
            first, last = spans.get(run.key.user_id, (date.max, date.min))
            spans[run.key.user_id] = (min(first, *old), max(last, *old))
    for user_id, (first, last) in spans.items():
        async with place.begin() as conn:
            await lock_users(conn, [user_id])
            await archive.bring_back(
                conn, place.objects, user_id, place.clock(), first=_earlier(first), last=last + MARGIN
            )
    removed = list(_removed(runs))
    if not removed:
        return
    async with place.begin() as conn:
        unknown = await store.unknown_removed(conn, removed)
    for user_id, account_id in unknown:
        async with place.begin() as conn:
            await lock_users(conn, [user_id])
            await archive.bring_back(conn, place.objects, user_id, place.clock(), account_ids=[account_id])


def _earlier(day: date) -> date:
    return day - MARGIN if day - date.min > MARGIN else date.min


def _removed(runs: Sequence[tuple[Ingestion, Folded]]) -> Iterator[tuple[UserId, ConnectionId, str, str]]:
    for run, folded in runs:
        for account_external_id, account in folded.by_account.items():
            for external_id in account.removed:
                yield run.key.user_id, run.connection_id, account_external_id, external_id
