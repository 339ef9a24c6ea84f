"""Looking at a person's rows after they have changed: what recurs, what is large or unusual, what runs low.

Writers only mark the person, so that ingestion stays as fast as its rows. A worker takes the mark off in the
transaction in which it has looked; what it finds is raised once for each subject, so looking twice does no harm.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial

from mintql.domain.ids import UserId
from mintql.observing.context import pseudonym
from mintql.services import (
    budget_forecasts,
    notices_balances,
    notices_connections,
    notices_transactions,
    recurring_detection,
    search_index_build,
)
from mintql.services.effects import Effects, Job
from mintql.services.extract import Begin, Clock
from mintql.services.recurring_detection import CHANGES_MAX, Ahead
from mintql.store import examinations as store
from mintql.store.locks import lock_users
from mintql.store.queries import Conn
from mintql.store.recurring import last_look

log = logging.getLogger(__name__)

PERSONS_PER_JOB_MAX = 200
ATTEMPTS_MAX = 5
RETRY_AFTER = timedelta(seconds=30)

Step = Callable[[Conn, UserId, datetime], Awaitable[Effects]]
"""Looks at one person, whose lock is held, and raises what it finds; may be repeated at any time."""

Perform = Callable[[Effects], Awaitable[None]]

WHOLE_EVERY = timedelta(days=7)
"""In between, sellers are looked at whose transactions changed; days that pass change little at the others."""


def every_step(only: frozenset[str] | None, ahead: Ahead | None) -> tuple[Step, ...]:
    """Return the steps, of sellers `only` where they are given, in order.

    What recurs is known before what is unusual, and both before forecasts.
    """
    return (
        partial(recurring_detection.look, only=only, ahead=ahead),
        partial(notices_transactions.look, only=only),
        notices_balances.look,
        notices_connections.look,
        budget_forecasts.forecast_notices,
    )


async def mark(conn: Conn, user_ids: Iterable[UserId], now: datetime) -> Effects:
    """Have these persons looked at after the commit. The caller holds their locks.

    The job names them, so that whoever waits for the look at a few is not made to wait for everybody who is due.
    """
    wanted = sorted(set(user_ids))
    if not wanted:
        return Effects()
    await store.mark(conn, wanted, now)
    return Effects(jobs=[job_for(wanted)])


def job_for(user_ids: Iterable[UserId]) -> Job:
    """Return the job that looks at these persons, where they are due."""
    return Job("examine", ([[user_id] for user_id in user_ids],))


async def examine_due(
    begin: Begin,
    perform: Perform,
    clock: Clock,
    steps: tuple[Step, ...] | None = None,
    only: Sequence[UserId] | None = None,
) -> int:
    """Look at the persons who are due, a bounded number of them, each in a transaction of their own.

    Args:
        begin: Opens a transaction.
        perform: Does what has to wait for a commit.
        clock: Gives the time.
        steps: What looks; everything there is unless given.
        only: Whom to look at, where they are due; None for whoever waits longest.

    Returns:
        How many were looked at.
    """
    async with begin() as conn:
        if only is None:
            user_ids = await store.due(conn, clock(), PERSONS_PER_JOB_MAX)
        else:
            user_ids = await store.due_of(conn, clock(), only)
    count = 0
    for user_id in user_ids:
        try:
            ahead = None if steps else await _read_ahead(begin, user_id, clock())
            async with begin() as conn:
                effects = await _examine(conn, user_id, clock(), steps, ahead)
        except Exception:
            log.exception("examination of person %s failed", pseudonym(user_id))
            async with begin() as conn:
                await store.put_off(conn, user_id, clock() + RETRY_AFTER, ATTEMPTS_MAX)
            continue
        if effects is not None:
            count += 1
            await perform(effects)
    return count


async def _read_ahead(begin: Begin, user_id: UserId, now: datetime) -> Ahead | None:
    """Read, before the person's lock is taken, what a look at all of their sellers needs; None where some will do."""
    async with begin() as conn:
        if await _changed(conn, user_id, now) is not None:
            return None
    await search_index_build.keep_up(begin, user_id, now)
    async with begin() as conn:
        return await recurring_detection.read_ahead(conn, user_id, now)


async def _examine(
    conn: Conn, user_id: UserId, now: datetime, steps: tuple[Step, ...] | None, ahead: Ahead | None
) -> Effects | None:
    await lock_users(conn, [user_id])
    if not await store.take(conn, user_id):
        return None
    effects = Effects()
    for step in steps or every_step(None if ahead else await _changed(conn, user_id, now), ahead):
        effects.merge(await step(conn, user_id, now))
    return effects


async def _changed(conn: Conn, user_id: UserId, now: datetime) -> frozenset[str] | None:
    """Return keys of the sellers with changes since the last look; None where all have to be looked at."""
    last = await last_look(conn, user_id)
    if last is None or now - last.whole_at >= WHOLE_EVERY:
        return None
    return await store.changed_sellers(conn, user_id, last.seq, CHANGES_MAX)
