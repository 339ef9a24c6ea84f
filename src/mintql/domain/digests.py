"""The summary of a finished week or month: what it is made of, when it is due, and what it says in a line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from mintql.domain.budgets import ThresholdState
from mintql.domain.categories import Category
from mintql.domain.ids import TransactionId
from mintql.domain.intervals import Interval, earlier, end_of, start_of
from mintql.domain.money_words import amount_words, change_words
from mintql.domain.months import local_date
from mintql.domain.notices import NoticeKind
from mintql.domain.periods import Period
from mintql.domain.recurring import Expected

DUE_AT = time(8)
"""On the morning after the period, by the person's clock."""
LATE_MAX = timedelta(days=3)
"""A summary that could not be made for longer than this is left out: it would be read as the next one."""
EARLIER_PERIODS = {"week": 8, "month": 6}
"""How many periods before it a mean is of, at most."""


class DigestPeriod(StrEnum):
    """What a summary is of. A week begins on Monday (ISO 8601)."""

    WEEK = "week"
    MONTH = "month"

    @property
    def interval(self) -> Interval:
        """The interval of the calendar."""
        return Interval(self.value)

    @property
    def kind(self) -> NoticeKind:
        """The notification that brings it."""
        return NoticeKind.WEEKLY_SUMMARY if self is DigestPeriod.WEEK else NoticeKind.MONTHLY_SUMMARY

    @property
    def active_days(self) -> int:
        """Who was not here for longer than this gets none."""
        return 30 if self is DigestPeriod.WEEK else 60

    def around(self, day: date) -> Period:
        """Return the period that a day lies in."""
        return Period(start_of(day, self.interval), end_of(day, self.interval))

    def last_over(self, now: datetime, time_zone: str) -> Period:
        """Return the last period that is over where the person is."""
        return earlier(self.around(local_date(now, time_zone)), 1, self.interval)

    def earlier(self, span: Period) -> list[Period]:
        """Return the periods before one, the nearest first."""
        return [earlier(span, steps, self.interval) for steps in range(1, EARLIER_PERIODS[self.value] + 1)]

    def due(self, now: datetime, time_zone: str) -> Period | None:
        """Return the period whose summary is due where the person is; None before the morning, or long after it."""
        span = self.last_over(now, time_zone)
        due_at = datetime.combine(span.last + timedelta(days=1), DUE_AT, ZoneInfo(time_zone)).astimezone(UTC)
        return span if due_at <= now < due_at + LATE_MAX else None

    def named(self, span: Period) -> str:
        """Name a period: "November 2026", "16 to 22 November 2026"."""
        if self is DigestPeriod.MONTH:
            return f"{span.first:%B %Y}"
        start = f"{span.first.day}"
        if span.first.month != span.last.month:
            start += f" {span.first:%B}"
        if span.first.year != span.last.year:
            start += f" {span.first.year}"
        return f"{start} to {span.last.day} {span.last:%B %Y}"


@dataclass(frozen=True, slots=True)
class Compared:
    """An amount of a period beside that of the period before and the mean of those before.

    Minor units. `mean_minor` is of the periods that the person's transactions reach back to, to the nearest minor unit;
    None where there is none: then the period before is not to be compared with either.
    """

    amount_minor: int
    previous_minor: int
    mean_minor: int | None

    @property
    def change_minor(self) -> int:
        """How much more it is than in the period before."""
        return self.amount_minor - self.previous_minor


@dataclass(frozen=True, slots=True)
class DigestCategory:
    """What was spent in a category, positive, refunds netted."""

    category: Category
    spent: Compared
    count: int


@dataclass(frozen=True, slots=True)
class DigestMerchant:
    """What one seller took, positive."""

    merchant_key: str
    name: str
    spent_minor: int
    count: int


@dataclass(frozen=True, slots=True)
class DigestPurchase:
    """One of the largest purchases. `amount_minor` is positive."""

    transaction_id: TransactionId
    merchant: str
    posted_on: date
    amount_minor: int
    pending: bool


@dataclass(frozen=True, slots=True)
class DigestBudget:
    """A budget as it stands, pending spending included: positive minor units of its currency.

    `category` is None for a budget on everything, `percent` None where nothing is available, `last` the last day of
    its period.
    """

    category: Category | None
    name: str
    currency: str
    available_minor: int
    spent_minor: int
    percent: int | None
    state: ThresholdState
    last: date

    @property
    def left_minor(self) -> int:
        """What is left; negative when it is exceeded."""
        return self.available_minor - self.spent_minor


@dataclass(frozen=True, slots=True)
class DigestNews:
    """Something that was found in the period and told: a new recurring charge, or one that was raised."""

    kind: NoticeKind
    title: str
    body: str


@dataclass(slots=True)
class CurrencyDigest:
    """A period in one currency. Amounts of others are never added to it. Largest first."""

    currency: str
    spent: Compared
    received: Compared
    pending_minor: int
    categories: list[DigestCategory] = field(default_factory=list)
    merchants: list[DigestMerchant] = field(default_factory=list)
    purchases: list[DigestPurchase] = field(default_factory=list)

    @property
    def net_minor(self) -> int:
        """What came in less what was spent."""
        return self.received.amount_minor - self.spent.amount_minor


@dataclass(frozen=True, slots=True)
class DigestWorth:
    """What there was at the end of the period in one currency, owned less owed, and how much more than before it.

    `change_minor` is None where nothing was known before.
    """

    currency: str
    net_minor: int
    change_minor: int | None


@dataclass(frozen=True, slots=True)
class Digest:
    """A summary: the person's own currency first, then others in their order. `next` is the period that follows."""

    period: DigestPeriod
    span: Period
    previous: Period
    next: Period
    currencies: list[CurrencyDigest]
    worths: list[DigestWorth]
    budgets: list[DigestBudget]
    bills: list[Expected]
    news: list[DigestNews]

    @property
    def is_empty(self) -> bool:
        """Whether nothing happened and nothing is to come."""
        return not self.currencies and not self.bills and not self.news


def mean_minor(amounts: Sequence[int]) -> int | None:
    """Return the mean to the nearest minor unit, halves up; None of nothing."""
    return (2 * sum(amounts) + len(amounts)) // (2 * len(amounts)) if amounts else None


def digest_title(digest: Digest) -> str:
    """Say in a line what was spent: "November 2026: you spent $1,234.50, $20.00 less than the month before"."""
    name = digest.period.named(digest.span)
    if not digest.currencies:
        return f"{name}: nothing spent, {_count(len(digest.bills), 'bill')} to come"
    parts = [amount_words(one.spent.amount_minor, one.currency) for one in digest.currencies]
    if len(parts) > 1:
        return f"{name}: you spent {', '.join(parts[:-1])} and {parts[-1]}"
    (one,) = digest.currencies
    if one.spent.mean_minor is None:
        return f"{name}: you spent {parts[0]}"
    change = change_words(one.spent.change_minor, one.currency)
    return f"{name}: you spent {parts[0]}, {change} {_than(one.spent.change_minor)} the {digest.period} before"


def digest_body(digest: Digest) -> str:
    """Say the summary in a few sentences, each a line."""
    lines = [_currency_words(one, digest.period) for one in digest.currencies]
    over = [budget for budget in digest.budgets if budget.left_minor < 0]
    kept = len(digest.budgets) - len(over)
    if digest.budgets:
        told = [f"{one.name} by {amount_words(-one.left_minor, one.currency)}" for one in over]
        lines.append(
            f"Budgets kept: {kept} of {len(digest.budgets)}." + (f" Exceeded: {', '.join(told)}." * bool(told))
        )
    if digest.bills:
        lines.append(f"{_count(len(digest.bills), 'bill')} expected {digest.period.named(digest.next)}.")
    return "\n".join(lines + [news.title for news in digest.news])


def _currency_words(one: CurrencyDigest, period: DigestPeriod) -> str:
    words = f"You spent {amount_words(one.spent.amount_minor, one.currency)}"
    words += f" and received {amount_words(one.received.amount_minor, one.currency)}"
    if one.spent.mean_minor is not None:
        change = one.spent.change_minor
        words += f": {change_words(change, one.currency)} spent {_than(change)} the {period} before"
        words += f", where the mean is {amount_words(one.spent.mean_minor, one.currency)}"
    if one.categories:
        top = one.categories[0]
        words += f". Most went to {top.category.name}, {amount_words(top.spent.amount_minor, one.currency)}"
    return words + "."


def _than(change_minor: int) -> str:
    return "than" if change_minor else "as"


def _count(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
