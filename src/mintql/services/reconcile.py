"""Recomputing what is kept up to date by deltas, comparing, and mending aloud."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import date, datetime

from mintql.domain.ids import UserId
from mintql.observing import metrics
from mintql.observing.context import pseudonym
from mintql.services import alerts
from mintql.services.effects import Effects
from mintql.store import reconcile as store
from mintql.store.locks import lock_users
from mintql.store.queries import Conn
from mintql.store.reconcile import Difference

log = logging.getLogger(__name__)

USERS_PER_PAGE = 200


async def reconcile_page(conn: Conn, after: UserId) -> tuple[UserId | None, list[Difference]]:
    """Compare the sums of the next persons without holding anybody up.

    Returns:
        The id to continue after (None when these were the last), and suspected differences: a writer may
        have been between two of our looks, so `mend` looks again under the lock.
    """
    user_ids = await store.users_after(conn, after, USERS_PER_PAGE)
    found = await store.differences(conn, user_ids) if user_ids else []
    metrics.RECONCILE_PERSONS.of().add(len(user_ids))
    return (user_ids[-1] if len(user_ids) == USERS_PER_PAGE else None), found


async def mend(conn: Conn, user_ids: Sequence[UserId], now: datetime) -> tuple[list[Difference], Effects]:
    """Look again at these persons under their locks; mend and record what is really wrong, and judge it anew."""
    await lock_users(conn, user_ids)
    found = await store.differences(conn, sorted(set(user_ids)))
    for item in found:
        log.error(
            "a sum of person %s was wrong: %s, category %s", pseudonym(item.user_id), item.month, item.category_id
        )
    if found:
        await store.mend(conn, found)
    effects = Effects(changed={item.user_id for item in found})
    touched: dict[UserId, set[date]] = {}
    for item in found:
        touched.setdefault(item.user_id, set()).add(item.month)
    effects.merge(await alerts.evaluate(conn, touched, now))
    return found, effects
