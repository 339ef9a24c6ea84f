"""A new connection that shows the accounts of an ended one, and goes on with their history.

Somebody who has ended a connection and kept its history may connect the same accounts with another login: a new token
that was claimed, a new visit to the bank's own pages. Neither login nor ids need be the same then, but the accounts
are. So before the first accounts of a new connection are written, those of an ended one that agree become its own,
with their transactions and whatever the person set on them, and with the runs and raw pages that tell of them, so that
the history can still be rebuilt. What the new run says is then compared with what is there, as that of any run is.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime

from mintql.domain.accounts import count_same
from mintql.domain.ids import ConnectionId, UserId
from mintql.domain.institutions import ProviderAccount
from mintql.observing.context import pseudonym
from mintql.services.connections import close_runs
from mintql.services.effects import Effects
from mintql.services.extract import Workplace
from mintql.services.pages import Work
from mintql.store import taking_up as store
from mintql.store.locks import lock_users
from mintql.store.queries import Conn

log = logging.getLogger(__name__)

LONG_AGO = datetime.min.replace(tzinfo=UTC)


async def take_up(place: Workplace, works: Sequence[Work]) -> None:
    """Let new connections go on with ended ones, before what they show is written. May be called twice."""
    new = {
        (work.run.key.user_id, work.run.connection_id): list(work.folded.accounts.values())
        for work in works
        if work.run.import_id is None and work.run.synced_through is None and work.folded.accounts
    }
    if not new:
        return
    async with place.begin() as conn:
        newcomers = await store.newcomers(conn, list(new))
    for user_id, connection_id in newcomers:
        async with place.begin() as conn:
            effects = await _take_up(conn, user_id, connection_id, new[user_id, connection_id], place.clock())
        await place.perform(effects)


async def _take_up(
    conn: Conn, user_id: UserId, connection_id: ConnectionId, shown: Sequence[ProviderAccount], now: datetime
) -> Effects:
    await lock_users(conn, [user_id])
    links = await store.lock(conn, user_id, connection_id)
    known = await store.accounts(conn, user_id, [link.connection_id for link in links])
    by_id = {link.connection_id: link for link in links}
    mine = by_id.pop(connection_id, None)
    if mine is None or mine.status == "disconnected" or connection_id in known:
        return Effects()  # It was ended meanwhile, or has accounts by now.
    agreeing = {
        link.connection_id: (same, link.disconnected_at or LONG_AGO)
        for link in by_id.values()
        if (same := count_same(shown, known.get(link.connection_id, ())))
    }
    if not agreeing:
        return Effects()
    ended_id = max(agreeing, key=agreeing.__getitem__)
    log.info(
        "connection %s of person %s goes on with what was connection %s", connection_id, pseudonym(user_id), ended_id
    )
    effects = await close_runs(conn, user_id, ended_id, now)
    await store.take_up(conn, user_id, connection_id, ended_id)
    effects.merge(Effects(changed={user_id}, told={user_id}))
    return effects
