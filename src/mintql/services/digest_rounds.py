"""Who gets a summary, and when: on the morning after a week or a month, by the clock of each person.

A cron looks at every time zone in which a morning has come, and marks its active persons page by page; how far it has
come is in `summary_rounds`, so that a round may die anywhere and goes on. Workers make the summaries that are marked,
each in a transaction of its own that takes the mark off. A summary is raised once for each (person, period), however
often either happens.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from mintql.domain.digests import DigestPeriod, digest_body, digest_title
from mintql.domain.months import local_date
from mintql.domain.notices import NewNotice
from mintql.observing.context import pseudonym
from mintql.services.digests import digest
from mintql.services.effects import Effects, Job
from mintql.services.extract import Begin, Clock
from mintql.services.notices import raise_notices
from mintql.store import digests as store
from mintql.store import users
from mintql.store.digests import DueSummary, Round
from mintql.store.locks import lock_users
from mintql.store.queries import Conn

log = logging.getLogger(__name__)

PERSONS_PER_PAGE = 2_000
SUMMARIES_PER_TAKE = 100
TAKES_PER_JOB_MAX = 20
LEASE = timedelta(minutes=10)
"""Longer than as many summaries take, or another worker would make them too (and find them made)."""
ATTEMPTS_MAX = 5
ROUNDS_KEPT = timedelta(days=100)

Perform = Callable[[Effects], Awaitable[None]]
PERIOD_OF = {period.kind: period for period in DigestPeriod}


async def open_rounds(begin: Begin, perform: Perform, clock: Clock) -> int:
    """Mark everybody whose summary is due; return how many persons were looked at. May die anywhere."""
    now = clock()
    async with begin() as conn:
        zones = await store.time_zones(conn)
        due = {
            Round(period.kind, zone, span.first)
            for zone in zones
            for period in DigestPeriod
            if (span := period.due(now, zone)) is not None
        }
        due -= await store.finished(conn, {one.period_first for one in due})
        await store.purge_rounds(conn, (now - ROUNDS_KEPT).date())
    count = 0
    for one in sorted(due, key=lambda one: (one.kind, one.time_zone)):
        count += await _walk(begin, perform, one, now)
    return count


async def _walk(begin: Begin, perform: Perform, one: Round, now: datetime) -> int:
    """Go on with one round to its end, a page in each transaction; return how many persons were looked at."""
    active_since = local_date(now, one.time_zone) - timedelta(days=PERIOD_OF[one.kind].active_days)
    total = 0
    while True:
        async with begin() as conn:
            after = await store.take_round(conn, one)
            if after is None:
                return total
            last, count = await store.mark_page(conn, one, after, PERSONS_PER_PAGE, active_since, now)
            over = count < PERSONS_PER_PAGE
            await store.go_on(conn, one, after if last is None else last, now if over else None)
        total += count
        await perform(Effects(jobs=[Job("summarize")]))
        if over:
            return total


async def summarize_due(begin: Begin, perform: Perform, clock: Clock) -> int:
    """Make summaries that are due, a bounded number of them; return how many were raised."""
    raised = 0
    for _ in range(TAKES_PER_JOB_MAX):
        now = clock()
        async with begin() as conn:
            taken = await store.take_due(conn, now, SUMMARIES_PER_TAKE, now + LEASE)
        for item in taken:
            raised += await _summarize(begin, perform, item, clock())
        if len(taken) < SUMMARIES_PER_TAKE:
            return raised
    await perform(Effects(jobs=[Job("summarize")]))
    return raised


async def _summarize(begin: Begin, perform: Perform, item: DueSummary, now: datetime) -> int:
    try:
        async with begin() as conn:
            effects = await raise_summary(conn, item, now)
    except Exception:
        log.exception("the %s of person %s failed, try %s", item.kind, pseudonym(item.user_id), item.attempts)
        if item.attempts >= ATTEMPTS_MAX:
            async with begin() as conn:
                await store.settle(conn, item)
        return 0
    await perform(effects)
    return int(bool(effects.told))


async def raise_summary(conn: Conn, item: DueSummary, now: datetime) -> Effects:
    """Raise one summary and take its mark off; nothing where somebody else did, or where there is nothing to tell."""
    await lock_users(conn, [item.user_id])
    if not await store.settle(conn, item):
        return Effects()
    user = await users.get(conn, item.user_id)
    if user is None:
        return Effects()
    period = PERIOD_OF[item.kind]
    found = await digest(conn, user, period, item.period_first, now)
    if found.is_empty:
        return Effects()
    own = next((one for one in found.currencies if one.currency == user.currency), None)
    notice = NewNotice(
        user_id=item.user_id,
        kind=item.kind,
        subject=f"{period} {found.span.first}",
        title=digest_title(found),
        body=digest_body(found),
        amount_minor=own.spent.amount_minor if own else None,
        currency=own.currency if own else None,
        period_first=found.span.first,
        period_last=found.span.last,
    )
    return await raise_notices(conn, [notice], now)
