"""What a person owned and owed at the end of days, from the balances that institutions told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from mintql.domain.errors import InvalidInput
from mintql.domain.ids import AccountId, UserId
from mintql.domain.institutions import AccountKind
from mintql.domain.intervals import Interval, check_span, periods_of
from mintql.domain.months import local_date
from mintql.domain.rates import Conversion, RateBook, convert
from mintql.services.rates import rate_book
from mintql.store import net_worth as store
from mintql.store import users
from mintql.store.net_worth import BalanceHistory
from mintql.store.queries import Conn

CASH_LIKE = frozenset({AccountKind.CHECKING, AccountKind.SAVINGS, AccountKind.CREDIT_CARD})
"""Accounts whose balance moves by what is booked and nothing else: investments gain and lose, loans bear interest."""


@dataclass(slots=True)
class Worth:
    """What was owned and owed in one currency; both positive. `derived` tells of a balance that was worked out."""

    currency: str
    assets_minor: int = 0
    liabilities_minor: int = 0
    derived: bool = False
    accounts: int = 0

    @property
    def net_minor(self) -> int:
        """What is owned without what is owed."""
        return self.assets_minor - self.liabilities_minor

    def add(self, balance_minor: int, *, derived: bool) -> None:
        """Take in the balance of an account: what is below zero is owed, whatever the account is."""
        self.assets_minor += max(balance_minor, 0)
        self.liabilities_minor += max(-balance_minor, 0)
        self.derived = self.derived or derived
        self.accounts += 1


@dataclass(slots=True)
class ConvertedWorth:
    """The worth of all currencies in one, at the rate of the day; each rounded once by itself."""

    assets: Conversion
    liabilities: Conversion
    net: Conversion


@dataclass(slots=True)
class WorthPoint:
    """What there was at the end of a day, in order of currency; nothing where no balance is known."""

    on: date
    worths: list[Worth] = field(default_factory=list)
    converted: ConvertedWorth | None = None


async def net_worth(
    conn: Conn,
    user_id: UserId,
    first: date,
    last: date,
    interval: Interval,
    now: datetime,
    in_currency: str | None = None,
) -> list[WorthPoint]:
    """Return a point for the end of each period up to today, by the person's calendar.

    A balance holds until the next one is told. Before the first one known of an account that is cash or a card, the
    balance is worked out backwards from what was booked, as far as its transactions go; other accounts begin with
    their first balance. One that the institution no longer tells of, or whose connection was ended, counts until then.

    Raises:
        InvalidInput: The range cannot be used, or lies in the future.
    """
    today = local_date(now, await users.get_time_zone(conn, user_id) or "UTC")
    span = check_span(first, last)
    if first > today:
        raise InvalidInput(f"What there will be on {first} is not known; today is {today}.", field="from")
    days = sorted({min(period.last, today) for period in periods_of(span, interval)})
    histories = {one.account_id: one for one in await store.histories(conn, user_id)}
    worths: list[dict[str, Worth]] = [{} for _ in days]
    for told in await store.balances(conn, user_id, days):
        if _counts(histories.get(told.account_id), days[told.place - 1]):
            worth = worths[told.place - 1].setdefault(told.currency, Worth(told.currency))
            worth.add(told.balance_minor, derived=False)
    back = [one for one in histories.values() if _reaches_back(one, days[0])]
    booked = await store.booked_after(conn, user_id, days, back) if back else {}
    for one in back:
        _derive(one, days, booked, worths)
    points = [
        WorthPoint(on, [by_currency[currency] for currency in sorted(by_currency)])
        for on, by_currency in zip(days, worths, strict=True)
    ]
    if in_currency:
        currencies = {in_currency, *(worth.currency for point in points for worth in point.worths)}
        book = await rate_book(conn, user_id, currencies, days[0], days[-1])
        for point in points:
            point.converted = _converted(point, in_currency, book)
    return points


def _counts(history: BalanceHistory | None, on: date) -> bool:
    return history is None or history.ended_on is None or on < history.ended_on


def _reaches_back(history: BalanceHistory, first: date) -> bool:
    return history.kind in CASH_LIKE and history.begun_on is not None and first < history.known_on


def _derive(
    history: BalanceHistory,
    days: Sequence[date],
    booked: dict[tuple[AccountId, int], int],
    worths: Sequence[dict[str, Worth]],
) -> None:
    """Add the balances before the first known one: that one without what was booked after each day."""
    balance_minor = history.balance_minor
    for place in range(len(days), 0, -1):
        balance_minor -= booked.get((history.account_id, place), 0)
        on = days[place - 1]
        begun = history.begun_on is not None and history.begun_on <= on
        if begun and on < history.known_on and _counts(history, on):
            worth = worths[place - 1].setdefault(history.currency, Worth(history.currency))
            worth.add(balance_minor, derived=True)


def _converted(point: WorthPoint, to: str, book: RateBook) -> ConvertedWorth:
    def sum_of(amounts: Iterable[tuple[str, int]]) -> Conversion:
        return convert([(point.on, currency, amount) for currency, amount in amounts], to, book)

    return ConvertedWorth(
        sum_of((one.currency, one.assets_minor) for one in point.worths),
        sum_of((one.currency, one.liabilities_minor) for one in point.worths),
        sum_of((one.currency, one.net_minor) for one in point.worths),
    )
