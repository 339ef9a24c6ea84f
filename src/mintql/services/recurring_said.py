"""A person's word on what recurs: that a series is one or is none, how often and how much, and one of their own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from mintql.domain.errors import InvalidInput, NotFound
from mintql.domain.ids import RecurringId, TransactionId, UserId
from mintql.domain.money import AMOUNT_MINOR_MAX, Money
from mintql.domain.months import local_date
from mintql.domain.recurring_amounts import AmountsKind
from mintql.domain.recurring_categories import left_out
from mintql.domain.recurring_cycles import Frequency, cycle_from
from mintql.domain.recurring_detection import Occurrence
from mintql.domain.recurring_series import CERTAIN, Series, SeriesState, follow
from mintql.services import examination
from mintql.services.effects import Effects
from mintql.services.personal_categories import tree_of
from mintql.services.recurring_detection import BOUNDS, HISTORY_DAYS, SERIES_MAX, known_until, look_at
from mintql.store import recurring as store
from mintql.store import transactions_read, users
from mintql.store.locks import lock_users
from mintql.store.queries import Conn
from mintql.store.transactions_read import TransactionRow


@dataclass(frozen=True, slots=True)
class SeriesWish:
    """What a person says of a series; None for what they leave to the machine. `amount` is without sign."""

    frequency: Frequency | None = None
    amount: Money | None = None
    subscription: bool | None = None


NOTHING_SAID = SeriesWish()


async def confirm(conn: Conn, user_id: UserId, recurring_id: RecurringId, wish: SeriesWish, now: datetime) -> Effects:
    """Say that a series is one, and what the machine has wrong about it. A dismissed one comes back.

    Raises:
        NotFound: There is no such series of this person.
        InvalidInput: The amount is in another currency, or not more than zero.
    """
    series = await _lock(conn, user_id, recurring_id)
    return await _write(conn, user_id, await _said(conn, user_id, series, wish, now), now)


async def dismiss(conn: Conn, user_id: UserId, recurring_id: RecurringId, now: datetime) -> Effects:
    """Say that a series is none: it lets expect nothing, and is not suggested again.

    Raises:
        NotFound: There is no such series of this person.
    """
    series = await _lock(conn, user_id, recurring_id)
    return await _write(conn, user_id, replace(series, state=SeriesState.DISMISSED), now)


async def mark(
    conn: Conn, user_id: UserId, transaction_id: TransactionId, wish: SeriesWish, now: datetime
) -> tuple[RecurringId, Effects]:
    """Say that a transaction recurs, monthly unless `wish` says otherwise; its series if it belongs to one already.

    Raises:
        NotFound: The transaction is unknown, somebody else's, or was taken back.
        InvalidInput: It names no seller, is of a category of own transfers, or of nothing; the amount is in another
            currency or not more than zero; or there are `SERIES_MAX` series already.
    """
    await lock_users(conn, [user_id])
    row = (await transactions_read.resolve(conn, user_id, [transaction_id])).get(transaction_id)
    if row is None:
        raise NotFound("There is no transaction with this id; nothing was marked.", field="transactionId")
    await _check(conn, user_id, row)
    stored = await store.stored(conn, user_id)
    there = next((series for series in stored if row.transaction_id in series.transaction_ids), None)
    if there is not None and there.recurring_id is not None:
        return there.recurring_id, await _write(conn, user_id, await _said(conn, user_id, there, wish, now), now)
    if len(stored) >= SERIES_MAX:
        raise InvalidInput(
            f"There are {SERIES_MAX} series already, which is as many as are kept.", field="transactionId"
        )
    wish = replace(wish, frequency=wish.frequency or Frequency.MONTHLY)
    series = await _said(conn, user_id, _series(row, wish.frequency or Frequency.MONTHLY), wish, now)
    recurring_id = await store.insert(conn, user_id, series, now)
    return recurring_id, await _told(conn, user_id, series.merchant_key, now)


def _series(row: TransactionRow, frequency: Frequency) -> Series:
    cycle = cycle_from(frequency, row.posted_on)
    amount_minor = abs(row.amount_minor)
    return Series(
        recurring_id=None,
        merchant_key=row.merchant_key,
        currency=row.currency,
        outgoing=row.amount_minor < 0,
        state=SeriesState.CONFIRMED,
        transaction_ids=(row.transaction_id,),
        cycle=cycle,
        first_on=row.posted_on,
        last_on=row.posted_on,
        next_on=cycle.next_after(row.posted_on),
        ended=False,
        amounts_kind=AmountsKind.SAME,
        mean_minor=amount_minor,
        last_minor=amount_minor,
        expected_minor=amount_minor,
        spread_minor=0,
        occurrences=1,
        missed=0,
        off_tenths=0,
        confidence=CERTAIN,
    )


async def _said(conn: Conn, user_id: UserId, series: Series, wish: SeriesWish, now: datetime) -> Series:
    """Return a series with a person's word on it, followed through the rows of its seller."""
    said = replace(series, state=SeriesState.CONFIRMED)
    if wish.subscription is not None:
        said = replace(said, said_subscription=wish.subscription)
    if wish.amount is not None:
        amount_minor = _checked(wish.amount, series.currency)
        said = replace(said, said_amount_minor=amount_minor, expected_minor=amount_minor)
    if wish.frequency is None:
        return said
    said = replace(said, said_frequency=wish.frequency, cycle=cycle_from(wish.frequency, said.last_on))
    time_zone = await users.get_time_zone(conn, user_id)
    if time_zone is None:
        raise NotFound("This person is gone.")
    today = local_date(now, time_zone)
    since = today - timedelta(days=HISTORY_DAYS)
    rows = await store.of_seller(conn, user_id, series.seller, since, BOUNDS.rows_max)
    known = await known_until(conn, user_id, time_zone, today)
    taken = await _taken(conn, user_id, series, rows)
    return follow(said, rows, known, taken) or replace(said, next_on=said.cycle.next_after(said.last_on))


async def _taken(conn: Conn, user_id: UserId, series: Series, rows: tuple[Occurrence, ...]) -> set[TransactionId]:
    """Return which of these rows belong to other series by the person's word."""
    others = [
        other
        for other in await store.stored(conn, user_id)
        if other.recurring_id != series.recurring_id and other.state is not SeriesState.SUGGESTED
    ]
    return {row.transaction_id for row in rows} & {one for other in others for one in other.transaction_ids}


def _checked(amount: Money, currency: str) -> int:
    if amount.currency != currency:
        raise InvalidInput(f"The amount is in {amount.currency}, but the series is in {currency}.", field="amount")
    if not 0 < amount.amount_minor <= AMOUNT_MINOR_MAX:
        raise InvalidInput("Give the amount without a sign, and as more than zero.", field="amount")
    return amount.amount_minor


async def _check(conn: Conn, user_id: UserId, row: TransactionRow) -> None:
    if row.amount_minor == 0:
        raise InvalidInput("This transaction is of nothing, so nothing of it can recur.", field="transactionId")
    if not row.merchant_key:
        raise InvalidInput(
            "This transaction names nobody, so that others of the same could not be told.", field="transactionId"
        )
    tree = await tree_of(conn, user_id)
    if row.category_id in left_out(tree):
        raise InvalidInput(
            f"This transaction is in {tree.by_id[row.category_id].name}, money that stays yours; choose another "
            "category for it first if it is a bill or an income.",
            field="transactionId",
        )


async def _lock(conn: Conn, user_id: UserId, recurring_id: RecurringId) -> Series:
    await lock_users(conn, [user_id])
    found = next((one for one in await store.stored(conn, user_id) if one.recurring_id == recurring_id), None)
    if found is None:
        raise NotFound("There is no such series.", field="id")
    return found


async def _write(conn: Conn, user_id: UserId, series: Series, now: datetime) -> Effects:
    await store.update(conn, user_id, [series], now)
    return await _told(conn, user_id, series.merchant_key, now)


async def _told(conn: Conn, user_id: UserId, merchant_key: str, now: datetime) -> Effects:
    """Let other series of the seller follow, and have the person looked at again: forecasts rest on what recurs."""
    await look_at(conn, user_id, merchant_key, now)
    effects = await examination.mark(conn, [user_id], now)
    effects.changed.add(user_id)
    return effects
