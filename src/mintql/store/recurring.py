"""Series of `recurring_series`, and the transactions that they are found in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

import asyncpg

from mintql.domain.ids import AccountId, CategoryId, ChangeSeq, RecurringId, TransactionId, UserId
from mintql.domain.recurring_amounts import AmountsKind
from mintql.domain.recurring_cycles import Cycle, Frequency, Weekend
from mintql.domain.recurring_detection import Occurrence
from mintql.domain.recurring_series import Counted, Series, SeriesState
from mintql.store.queries import Conn, load

SQL = load("recurring")


class SellerRows(NamedTuple):
    """Transactions of one seller in one currency and direction, by day."""

    merchant_key: str
    currency: str
    outgoing: bool
    rows: tuple[Occurrence, ...]


class Income(NamedTuple):
    """What paychecks come to in a year, in minor units, and in which words that was found."""

    annual_minor: int
    currency: str
    basis: str


class Followed(NamedTuple):
    """Keys of sellers with series: `known` are read whole unless they have too many rows, `whole` in any case."""

    known: Collection[str]
    whole: Collection[str]


class LastLook(NamedTuple):
    """Up to where in the log of changes a person's transactions were looked at, and when all of them were."""

    seq: ChangeSeq
    whole_at: datetime


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much of a history is read: `rows_max` of a seller or of one of its amounts, `sellers_max` sellers.

    `whole_rows_max` rows in all of sellers that are read whole. Between looks at everything, sellers without series who
    have more than `seldom_max` rows are left alone.
    """

    rows_max: int
    seldom_max: int
    whole_rows_max: int
    sellers_max: int


async def history(
    conn: Conn,
    user_id: UserId,
    days: tuple[date, date],
    left_out: Collection[CategoryId],
    followed: Followed,
    bounds: Bounds,
    only: Collection[str] | None = None,
) -> list[SellerRows]:
    """Return a person's transactions from one day to another by seller; see the query."""
    rows = await conn.fetch(
        SQL.history,
        user_id,
        *days,
        sorted(left_out),
        bounds.rows_max,
        sorted(followed.whole),
        bounds.sellers_max,
        bounds.whole_rows_max,
        sorted(followed.known),
        None if only is None else sorted(only),
    )
    return [SellerRows(row["merchant_key"], row["currency"], row["outgoing"], _occurrences(row)) for row in rows]


async def history_of(
    conn: Conn,
    user_id: UserId,
    days: tuple[date, date],
    left_out: Collection[CategoryId],
    followed: Followed,
    bounds: Bounds,
    only: Collection[str],
) -> list[SellerRows]:
    """Return what `history` does of the sellers `only`, but nothing of those who have many rows and no series."""
    keys = sorted(only)
    most = [2 * bounds.rows_max if key in followed.known else bounds.seldom_max for key in keys]
    # One more tells whether that is all.
    rows = await conn.fetch(SQL.history_of, user_id, *days, sorted(left_out), [limit + 1 for limit in most], keys)
    counts = Counter[str]()
    for row in rows:
        counts[row["merchant_key"]] += len(row["days"])
    too_many = {key for key, limit in zip(keys, most, strict=True) if counts[key] > limit}
    too_many |= {row["merchant_key"] for row in rows if len(row["days"]) > bounds.rows_max}
    found = [
        SellerRows(row["merchant_key"], row["currency"], row["outgoing"], _occurrences(row))
        for row in rows
        if row["merchant_key"] not in too_many and (len(row["days"]) > 1 or row["merchant_key"] in followed.whole)
    ]
    if sum(len(seller.rows) for seller in found) > bounds.whole_rows_max:
        return await history(conn, user_id, days, left_out, followed, bounds, only)
    found.sort(key=lambda seller: (len(seller.rows), seller.merchant_key))
    if large := too_many & {*followed.known}:
        found += await history(conn, user_id, days, left_out, followed, bounds, large)
    return found[: bounds.sellers_max]


async def of_seller(
    conn: Conn, user_id: UserId, seller: tuple[str, str, bool], since: date, limit: int
) -> tuple[Occurrence, ...]:
    """Return a person's newest transactions with a seller (key, currency, outgoing) since a day, by day."""
    row = await conn.fetchrow(SQL.of_seller, user_id, *seller, since, limit)
    return () if row is None else _occurrences(row)


def _occurrences(row: asyncpg.Record) -> tuple[Occurrence, ...]:
    return tuple(
        Occurrence(TransactionId(one), day, amount_minor, AccountId(account_id), CategoryId(category_id), pending)
        for one, day, amount_minor, account_id, category_id, pending in zip(
            row["transaction_ids"],
            row["days"],
            row["amounts_minor"],
            row["account_ids"],
            row["category_ids"],
            row["pending"],
            strict=True,
        )
    )


async def accounts_known(conn: Conn, user_id: UserId) -> dict[AccountId, datetime | None]:
    """Return until when each account of a person is known; None where nothing has come, or nothing more comes."""
    return {AccountId(row["account_id"]): row["known_at"] for row in await conn.fetch(SQL.accounts_known, user_id)}


async def stored(conn: Conn, user_id: UserId) -> list[Series]:
    """Return all series of a person."""
    return [series_from(row) for row in await conn.fetch(SQL.stored, user_id)]


def series_from(row: asyncpg.Record) -> Series:
    """Read a series from columns named as the table names them."""
    return Series(
        recurring_id=RecurringId(row["recurring_id"]),
        merchant_key=row["merchant_key"],
        currency=row["currency"],
        outgoing=row["outgoing"],
        state=SeriesState(row["state"]),
        transaction_ids=tuple(map(TransactionId, row["transaction_ids"])),
        cycle=Cycle(
            Frequency(row["frequency"]),
            row["anchor_on"],
            row["anchor_day"],
            row["second_day"],
            row["step_days"],
            Weekend(row["weekend"]),
        ),
        first_on=row["first_on"],
        last_on=row["last_on"],
        next_on=row["next_on"],
        ended=row["ended"],
        amounts_kind=AmountsKind(row["amounts_kind"]),
        mean_minor=row["mean_minor"],
        last_minor=row["last_minor"],
        expected_minor=row["expected_minor"],
        spread_minor=row["spread_minor"],
        occurrences=row["occurrences"],
        missed=row["missed"],
        off_tenths=row["off_tenths"],
        confidence=row["confidence"],
        said_frequency=None if row["said_frequency"] is None else Frequency(row["said_frequency"]),
        said_amount_minor=row["said_amount_minor"],
        said_subscription=row["said_subscription"],
        created_at=row["created_at"],
    )


def _columns(series: Series) -> tuple[object, ...]:
    cycle = series.cycle
    return (
        series.merchant_key,
        series.currency,
        series.outgoing,
        series.state,
        list(series.transaction_ids),
        cycle.frequency,
        cycle.anchor_on,
        cycle.anchor_day,
        cycle.second_day,
        cycle.step_days,
        cycle.weekend,
        series.first_on,
        series.last_on,
        series.next_on,
        series.ended,
        series.amounts_kind,
        series.mean_minor,
        series.last_minor,
        series.expected_minor,
        series.spread_minor,
        series.occurrences,
        series.missed,
        series.off_tenths,
        series.confidence,
        series.said_frequency,
        series.said_amount_minor,
        series.said_subscription,
    )


async def there(conn: Conn, user_id: UserId, ids: Iterable[TransactionId]) -> dict[TransactionId, Counted]:
    """Return which of these transactions still count, with their accounts, days and sellers."""
    rows = await conn.fetch(SQL.there, user_id, list(ids))
    return {TransactionId(one): Counted(AccountId(account_id), day, key) for one, account_id, day, key in rows}


async def insert(conn: Conn, user_id: UserId, series: Series, now: datetime) -> RecurringId:
    """Add a series; return its id."""
    return RecurringId(await conn.fetchval(SQL.insert, user_id, *_columns(series), now))


async def update(conn: Conn, user_id: UserId, changed: Sequence[Series], now: datetime) -> None:
    """Write series anew by their ids."""
    await conn.executemany(SQL.update, [(user_id, series.recurring_id, *_columns(series), now) for series in changed])


async def remove(conn: Conn, user_id: UserId, ids: Sequence[RecurringId]) -> None:
    """Remove series."""
    await conn.execute(SQL.remove, user_id, list(ids))


async def note_look(conn: Conn, user_id: UserId, now: datetime, seq: ChangeSeq, *, whole: bool) -> bool:
    """Note that transactions were looked at up to a seq, all where `whole`; return whether any were before."""
    return bool(await conn.fetchval(SQL.note_look, user_id, now, seq, whole))


async def last_look(conn: Conn, user_id: UserId) -> LastLook | None:
    """Return the last look at a person's transactions, None where they never were looked at whole."""
    row = await conn.fetchrow(SQL.last_look, user_id)
    if row is None or row["looked_seq"] is None or row["whole_at"] is None:
        return None
    return LastLook(ChangeSeq(row["looked_seq"]), row["whole_at"])


async def note_income(conn: Conn, user_id: UserId, found: Income | None) -> None:
    """Write the income that paychecks come to; None for none. `note_look` comes before it."""
    columns = (None, None, "") if found is None else found
    await conn.execute(SQL.note_income, user_id, *columns)


async def income(conn: Conn, user_id: UserId) -> Income | None:
    """Return the income that paychecks come to, None where there are none."""
    row = await conn.fetchrow(SQL.income, user_id)
    return None if row is None else Income(row["annual_income_minor"], row["currency"], row["income_basis"])


async def arrived(conn: Conn, user_id: UserId, ids: Iterable[TransactionId]) -> tuple[datetime, datetime] | None:
    """Return when the first and the last of these transactions were first seen, None where none is there."""
    row = await conn.fetchrow(SQL.arrived, user_id, list(ids))
    return None if row is None or row["first_at"] is None else (row["first_at"], row["last_at"])
