"""Looking through a person's rows for what recurs, writing what is new or has changed, and telling of it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from mintql.domain.categories import CategoryTree
from mintql.domain.ids import AccountId, ChangeSeq, TransactionId, UserId
from mintql.domain.months import local_date
from mintql.domain.recurring_categories import leaning, left_out
from mintql.domain.recurring_series import Counted, Seller, Series, SeriesState, Settled, settle, waited
from mintql.services.effects import Effects
from mintql.services.paychecks import note_income
from mintql.services.personal_categories import tree_of
from mintql.services.recurring_notices import tell_new, tell_raised
from mintql.store import archive_read, changes, users
from mintql.store import recurring as store
from mintql.store.examinations import changed_sellers
from mintql.store.locks import lock_users
from mintql.store.queries import Conn

HISTORY_DAYS = 800
"""What is looked through: 26 months, so that a yearly charge is seen three times at best and twice mostly."""
AHEAD_DAYS = 31
"""Rows that an institution books ahead belong to what is known."""
BOUNDS = store.Bounds(rows_max=125, seldom_max=26, whole_rows_max=5_000, sellers_max=2_000)
"""A weekly charge comes 114 times in these days, a monthly one 26 times. So many rows in all are a second or two
of work; of sellers beyond them, and of those with more rows, only amounts that repeat are read."""
CHANGES_MAX = 5_000
"""Of more changed transactions, all sellers are looked at and not those of the changed ones."""
SERIES_MAX = 500
"""Series of one person; what is found beyond them is not kept."""


@dataclass(frozen=True, slots=True)
class Ahead:
    """What a person's sellers were, and what recurs there, at a place in their log of changes."""

    seq: ChangeSeq
    sellers: Sequence[Seller]


async def read_ahead(conn: Conn, user_id: UserId, now: datetime) -> Ahead | None:
    """Read all that `look` looks at, and look for what recurs in it, before anybody's lock is taken."""
    user = await users.get(conn, user_id)
    if user is None:
        return None
    seq = await changes.latest_seq(conn, user_id)
    before, tree = await store.stored(conn, user_id), await tree_of(conn, user_id)
    sellers = await _sellers(conn, user_id, before, tree, local_date(now, user.time_zone))
    return Ahead(seq, await asyncio.to_thread(lambda: [seller.looked_through() for seller in sellers]))


async def look(
    conn: Conn, user_id: UserId, now: datetime, only: Collection[str] | None = None, ahead: Ahead | None = None
) -> Effects:
    """Look through a person's rows for what recurs: write what is new or has changed, and tell of it.

    With it goes the income that their paychecks come to. `only` are the keys of sellers with changes since the last
    look, where others need not be looked at; `ahead` is what was read before the lock was taken.
    """
    await lock_users(conn, [user_id])
    user = await users.get(conn, user_id)
    if user is None:
        return Effects()
    today = local_date(now, user.time_zone)
    tree = await tree_of(conn, user_id)
    stored = await store.stored(conn, user_id)
    known = await known_until(conn, user_id, user.time_zone, today)
    before, waiting = (stored, []) if only is None else _may_change(stored, only, today)
    keys = {series.merchant_key for series in (*before, *waiting)}
    at_stake = {one for series in stored if series.merchant_key in keys for one in series.transaction_ids}
    there = await store.there(conn, user_id, at_stake)
    waited_for, unknown = _waited(waiting, there, known)
    before = [*before, *(series for series in stored if series.merchant_key in unknown)]
    settled = await _settled(conn, user_id, before, there, known, tree, today, only, ahead)
    settled.written += waited_for
    fresh = await _write(conn, user_id, settled, len(stored), now)
    effects = Effects(changed={user_id} if settled.written or settled.gone else set())
    seq = await changes.latest_seq(conn, user_id)
    looked_before = await store.note_look(conn, user_id, now, seq, whole=only is None)
    live = [*fresh, *settled.same, *(series for series in settled.written if series.recurring_id is not None)]
    effects.merge(await note_income(conn, user, tree, live, now))
    if looked_before:
        effects.merge(await tell_new(conn, user_id, fresh, today, now))
        effects.merge(await tell_raised(conn, user_id, live, today, now))
    return effects


async def look_at(conn: Conn, user_id: UserId, merchant_key: str, now: datetime) -> None:
    """Let all series of a seller follow what the person has just said of one. The caller holds their lock."""
    user = await users.get(conn, user_id)
    if user is None:
        return
    today = local_date(now, user.time_zone)
    tree, stored = await tree_of(conn, user_id), await store.stored(conn, user_id)
    known = await known_until(conn, user_id, user.time_zone, today)
    before = [series for series in stored if series.merchant_key == merchant_key]
    there = await store.there(conn, user_id, {one for series in before for one in series.transaction_ids})
    settled = await _settled(conn, user_id, before, there, known, tree, today, {merchant_key}, None)
    await _write(conn, user_id, settled, len(stored), now)


def _may_change(stored: Sequence[Series], only: Collection[str], today: date) -> tuple[list[Series], list[Series]]:
    """Return which series to look for when the sellers `only` have changes, and which others wait for a payment.

    Money in is looked at in any case: what it came to in a year is the person's income, and is not written.
    """
    keys = {*only, *(one.merchant_key for one in stored if not one.outgoing)}
    read = [one for one in stored if one.merchant_key in keys]
    waiting = [one for one in stored if one.merchant_key not in keys and not one.ended and one.next_on <= today]
    return read, waiting


def _waited(
    waiting: Sequence[Series], there: Mapping[TransactionId, Counted], known: Mapping[AccountId, date]
) -> tuple[list[Series], set[str]]:
    """Return the series that have ended by waiting, and keys of sellers that have to be read to tell."""
    after = [(series, waited(series, there, known)) for series in waiting]
    unknown = {series.merchant_key for series, now_is in after if now_is is None}
    ended = [now_is for series, now_is in after if now_is is not None and now_is.ended]
    return [series for series in ended if series.merchant_key not in unknown], unknown


async def _settled(
    conn: Conn,
    user_id: UserId,
    before: Sequence[Series],
    there: Mapping[TransactionId, Counted],
    known: Mapping[AccountId, date],
    tree: CategoryTree,
    today: date,
    only: Collection[str] | None,
    ahead: Ahead | None,
) -> Settled:
    """Let series follow the transactions of the sellers that are to be looked at."""
    sellers = await _looked_at(conn, user_id, before, there, tree, today, only, ahead)
    counted = {*there, *await _archived(conn, user_id, before, there)}
    return settle(before, sellers, known, counted, today - timedelta(days=HISTORY_DAYS))


async def _archived(
    conn: Conn, user_id: UserId, before: Sequence[Series], there: Collection[TransactionId]
) -> set[TransactionId]:
    """Return what is only away of series that the person gave their word on: that is not forgotten meanwhile."""
    away: set[TransactionId] = set()
    for series in before:
        if series.state is not SeriesState.SUGGESTED and not any(one in there for one in series.transaction_ids):
            months = await archive_read.months_of_ids(conn, user_id, series.transaction_ids)
            if not all(month.restored for month in months):
                away |= set(series.transaction_ids)
    return away


async def _looked_at(
    conn: Conn,
    user_id: UserId,
    before: Sequence[Series],
    there: Mapping[TransactionId, Counted],
    tree: CategoryTree,
    today: date,
    only: Collection[str] | None,
    ahead: Ahead | None,
) -> list[Seller]:
    """Return the sellers to look at: those with changes and those of series, or all, most of them read ahead."""
    if only is not None:
        # Transactions of a series may be another seller's since.
        now_with = {there[one].merchant_key for series in before for one in series.transaction_ids if one in there}
        keys = {*only, *(one.merchant_key for one in before)}
        return await _sellers(conn, user_id, before, tree, today, keys, now_with, seldom=True)
    changed = None if ahead is None else await changed_sellers(conn, user_id, ahead.seq, CHANGES_MAX)
    if ahead is None or changed is None:
        return await _sellers(conn, user_id, before, tree, today)
    same = [seller for seller in ahead.sellers if seller.merchant_key not in changed]
    return same + (await _sellers(conn, user_id, before, tree, today, changed) if changed else [])


async def _sellers(
    conn: Conn,
    user_id: UserId,
    before: Sequence[Series],
    tree: CategoryTree,
    today: date,
    only: Collection[str] | None = None,
    known: Collection[str] = (),
    *,
    seldom: bool = False,
) -> list[Seller]:
    """Return the sellers, or those of `only`, with series, `known` or with few enough transactions where `seldom`."""
    days = today - timedelta(days=HISTORY_DAYS), today + timedelta(days=AHEAD_DAYS)
    followed = store.Followed(
        {*known, *(series.merchant_key for series in before)},
        {series.merchant_key for series in before if series.is_marked},
    )
    if seldom and only is not None:
        found = await store.history_of(conn, user_id, days, left_out(tree), followed, BOUNDS, only)
    else:
        found = await store.history(conn, user_id, days, left_out(tree), followed, BOUNDS, only)
    return [Seller(*item, leaning=leaning(tree, (row.category_id for row in item.rows))) for item in found]


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
