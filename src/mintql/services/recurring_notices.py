"""Notices of recurring charges: one that is new, and one that costs more than was usual."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from mintql.domain.ids import RecurringId, UserId
from mintql.domain.notices import NewNotice, NoticeKind
from mintql.domain.recurring_series import Newest, Series, SeriesState
from mintql.domain.recurring_words import new_words, raised_words
from mintql.services.effects import Effects
from mintql.services.notices import raise_notices
from mintql.services.recurring import EXPECTED_FROM
from mintql.store import recurring as store
from mintql.store import recurring_read
from mintql.store.queries import Conn
from mintql.store.recurring_read import ShownSeries, Wanted

NEWS_DAYS = 45
"""A charge that is older is no news any more."""
NEW_OCCURRENCES_MAX = 4
"""A series with more transactions began long before it was found: an account that was added brought it along."""
LIVE_AFTER = timedelta(days=1)
"""Transactions that came within this time of each other came as a history, not as they happened."""
TRANSACTIONS_SHOWN = 4


async def tell_new(conn: Conn, user_id: UserId, fresh: Sequence[Series], today: date, now: datetime) -> Effects:
    """Tell of charges that were found to recur and that began while the person was here to see it."""
    told = []
    for series in fresh:
        if not _is_news(series, today) or series.occurrences > NEW_OCCURRENCES_MAX or series.confidence < EXPECTED_FROM:
            continue
        arrived = await store.arrived(conn, user_id, series.transaction_ids)
        if arrived is not None and arrived[1] - arrived[0] >= LIVE_AFTER:
            told.append(series)
    shown = await _shown(conn, user_id, told)
    notices = []
    for series in told:
        if (row := shown.get(series.recurring_id)) is not None:
            title, body = new_words(row.merchant, series)
            notices.append(_notice(user_id, NoticeKind.RECURRING_NEW, "new", row, title, body))
    return await raise_notices(conn, notices, now)


async def tell_raised(conn: Conn, user_id: UserId, live: Sequence[Series], today: date, now: datetime) -> Effects:
    """Tell of charges above what was usual, of series that were known before the charge came."""
    told: list[tuple[Series, Newest]] = []
    for series in live:
        newest = series.newest
        if newest is None or newest.rise is None or newest.last.pending or not _is_news(series, today):
            continue
        arrived = await store.arrived(conn, user_id, [newest.last.transaction_id])
        if series.created_at is not None and arrived is not None and arrived[0] > series.created_at:
            told.append((series, newest))
    shown = await _shown(conn, user_id, [series for series, _ in told])
    notices = []
    for series, newest in told:
        row = shown.get(series.recurring_id)
        if row is None or newest.rise is None:
            continue
        title, body = raised_words(row.merchant, series, newest.last.day, newest.rise)
        subject = f"raised {newest.last.day}"
        notices.append(
            _notice(user_id, NoticeKind.RECURRING_RAISED, subject, row, title, body, newest.rise.before_minor)
        )
    return await raise_notices(conn, notices, now)


def _is_news(series: Series, today: date) -> bool:
    trusted = series.state is SeriesState.CONFIRMED or series.confidence >= EXPECTED_FROM
    dismissed = series.state is SeriesState.DISMISSED
    recent = series.last_on >= today - timedelta(days=NEWS_DAYS)
    return series.outgoing and trusted and recent and not series.ended and not dismissed


async def _shown(conn: Conn, user_id: UserId, told: Sequence[Series]) -> dict[RecurringId | None, ShownSeries]:
    ids = [series.recurring_id for series in told if series.recurring_id is not None]
    rows = await recurring_read.shown(conn, user_id, Wanted(ids=ids)) if ids else []
    return {row.recurring_id: row for row in rows}


def _notice(
    user_id: UserId,
    kind: NoticeKind,
    subject: str,
    row: ShownSeries,
    title: str,
    body: str,
    before_minor: int | None = None,
) -> NewNotice:
    return NewNotice(
        user_id=user_id,
        kind=kind,
        subject=f"recurring {row.recurring_id} {subject}",
        title=title,
        body=body,
        category_id=row.category_id,
        account_id=row.account_id,
        recurring_id=row.recurring_id,
        transaction_ids=row.series.transaction_ids[:TRANSACTIONS_SHOWN],
        amount_minor=row.series.last_minor,
        limit_minor=before_minor,
        currency=row.series.currency,
    )
