"""Looking at a person's rows after they have changed: what recurs, what is large or unusual, what runs low.

Writers only mark the person, so that ingestion stays as fast as its rows. A worker takes the mark off in the
transaction in which it has looked; what it finds is raised once for each subject, so looking twice does no harm.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta

from mintql.domain.ids import UserId
from mintql.services import (
    budget_forecasts,
    notices_balances,
    notices_connections,
    notices_transactions,
    recurring_detection,
)
from mintql.services.effects import Effects, Job
from mintql.services.extract import Begin, Clock
from mintql.store import examinations as store
from mintql.store.locks import lock_users
from mintql.store.queries import Conn

log = logging.getLogger(__name__)

PERSONS_PER_JOB_MAX = 200
ATTEMPTS_MAX = 5
RETRY_AFTER = timedelta(seconds=30)

Step = Callable[[Conn, UserId, datetime], Awaitable[Effects]]
"""Looks at one person, whose lock is held, and raises what it finds; may be repeated at any time."""

Perform = Callable[[Effects], Awaitable[None]]

STEPS: tuple[Step, ...] = (
    recurring_detection.look,
    notices_transactions.look,
    notices_balances.look,
    notices_connections.look,
    budget_forecasts.forecast_notices,
)
"""In this order: what recurs is known before what is unusual, and both before forecasts."""


async def mark(conn: Conn, user_ids: Iterable[UserId], now: datetime) -> Effects:
    """Have these persons looked at after the commit. The caller holds their locks."""
    wanted = set(user_ids)
    if not wanted:
        return Effects()
    await store.mark(conn, wanted, now)
    return Effects(jobs=[Job("examine")])


async def examine_due(begin: Begin, perform: Perform, clock: Clock, steps: tuple[Step, ...] | None = None) -> int:
    """Look at the persons who are due, a bounded number of them, each in a transaction of their own.

    Returns:
        How many were looked at.
    """
    async with begin() as conn:
        user_ids = await store.due(conn, clock(), PERSONS_PER_JOB_MAX)
    count = 0
    for user_id in user_ids:
        try:
            async with begin() as conn:
                effects = await _examine(conn, user_id, clock(), STEPS if steps is None else steps)
        except Exception:
            log.exception("examination of person %s failed", user_id)
            async with begin() as conn:
                await store.put_off(conn, user_id, clock() + RETRY_AFTER, ATTEMPTS_MAX)
            continue
        if effects is not None:
            count += 1
            await perform(effects)
    return count


async def _examine(conn: Conn, user_id: UserId, now: datetime, steps: tuple[Step, ...]) -> Effects | None:
    await lock_users(conn, [user_id])
    if not await store.take(conn, user_id):
        return None
    effects = Effects()
    for step in steps:
        effects.merge(await step(conn, user_id, now))
    return effects
