"""Looking through a person's rows for what recurs, writing what is new or has changed, and telling of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta

from mintql.domain.ids import AccountId, UserId
from mintql.domain.months import local_date
from mintql.domain.recurring_categories import leaning, left_out
from mintql.domain.recurring_series import Seller, Series, Settled, settle
from mintql.services.effects import Effects
from mintql.services.paychecks import note_income
from mintql.services.personal_categories import tree_of
from mintql.services.recurring_notices import tell_new, tell_raised
from mintql.store import recurring as store
from mintql.store import users
from mintql.store.locks import lock_users
from mintql.store.queries import Conn

HISTORY_DAYS = 800
"""What is looked through: 26 months, so that a yearly charge is seen three times at best and twice mostly."""
AHEAD_DAYS = 31
"""Rows that an institution books ahead belong to what is known."""
BOUNDS = store.Bounds(rows_max=125, whole_rows_max=5_000, sellers_max=2_000)
"""A weekly charge comes 114 times in these days. So many rows in all are a second or two of work; of sellers beyond
them, and of those with more rows, only amounts that repeat are read."""
SERIES_MAX = 500
"""Series of one person; what is found beyond them is not kept."""


async def look(conn: Conn, user_id: UserId, now: datetime) -> Effects:
    """Look through a person's rows for what recurs: write what is new or has changed, and tell of it.

    With it goes the income that their paychecks come to.
    """
    await lock_users(conn, [user_id])
    user = await users.get(conn, user_id)
    if user is None:
        return Effects()
    today = local_date(now, user.time_zone)
    since = today - timedelta(days=HISTORY_DAYS)
    tree = await tree_of(conn, user_id)
    before = await store.stored(conn, user_id)
    whole = {series.merchant_key for series in before if series.is_marked}
    until = today + timedelta(days=AHEAD_DAYS)
    found = await store.history(conn, user_id, since, until, left_out(tree), whole, BOUNDS)
    sellers = [Seller(*item, leaning=leaning(tree, (row.category_id for row in item.rows))) for item in found]
    known = await known_until(conn, user_id, user.time_zone, today)
    there = await store.there(conn, user_id, {one for series in before for one in series.transaction_ids})
    settled = settle(before, sellers, known, there, since)
    fresh = await _write(conn, user_id, settled, len(before), now)
    effects = Effects(changed={user_id} if settled.written or settled.gone else set())
    looked_before = await store.note_look(conn, user_id, now)
    live = [*fresh, *settled.same, *(series for series in settled.written if series.recurring_id is not None)]
    effects.merge(await note_income(conn, user, tree, live, now))
    if looked_before:
        effects.merge(await tell_new(conn, user_id, fresh, today, now))
        effects.merge(await tell_raised(conn, user_id, live, today, now))
    return effects


async def _write(conn: Conn, user_id: UserId, settled: Settled, stored: int, now: datetime) -> list[Series]:
    """Write what changed; return the series that are new, with their ids."""
    if settled.gone:
        await store.remove(conn, user_id, settled.gone)
    await store.update(conn, user_id, [one for one in settled.written if one.recurring_id is not None], now)
    found = sorted((one for one in settled.written if one.recurring_id is None), key=lambda one: -one.confidence)
    room = max(0, SERIES_MAX - stored + len(settled.gone))
    return [replace(one, recurring_id=await store.insert(conn, user_id, one, now)) for one in found[:room]]


async def known_until(conn: Conn, user_id: UserId, time_zone: str, today: date) -> dict[AccountId, date]:
    """Return until which day each account of a person is known; today where nothing more comes."""
    return {
        account_id: today if at is None else min(today, local_date(at, time_zone))
        for account_id, at in (await store.accounts_known(conn, user_id)).items()
    }
