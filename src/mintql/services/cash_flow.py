"""What came in, what went out, and what was left, period by period."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date

from mintql.domain.categories import CategoryKind
from mintql.domain.ids import UserId
from mintql.domain.intervals import Interval, check_span, periods_of
from mintql.domain.periods import Period
from mintql.domain.rates import Conversion, RateBook, convert
from mintql.services.personal_categories import tree_of
from mintql.services.rates import rate_book
from mintql.services.summaries import foreign_lines, of_kind, sum_spans, summed_days
from mintql.store.queries import Conn
from mintql.store.summaries import Line


@dataclass(slots=True)
class Flow:
    """Income and spending of one currency, booked, positive, refunds netted; pending amounts apart."""

    currency: str
    received_minor: int = 0
    spent_minor: int = 0
    pending_received_minor: int = 0
    pending_spent_minor: int = 0

    @property
    def net_minor(self) -> int:
        """What was left; negative when more was spent than received."""
        return self.received_minor - self.spent_minor


@dataclass(slots=True)
class ConvertedFlow:
    """The booked flow of all currencies in one; net is converted by itself, so that it is rounded once."""

    received: Conversion
    spent: Conversion
    net: Conversion


@dataclass(slots=True)
class FlowPeriod:
    """The flows of one period, in order of currency."""

    span: Period
    flows: list[Flow] = field(default_factory=list)
    converted: ConvertedFlow | None = None


def days_read(first: date, last: date, interval: Interval, in_currency: str | None) -> list[Period]:
    """Return the days of which `cash_flow` reads transactions; raise `InvalidInput` when the range cannot be used."""
    span = check_span(first, last)
    return [span] if in_currency else summed_days(periods_of(span, interval), "category")


async def cash_flow(
    conn: Conn, user_id: UserId, first: date, last: date, interval: Interval, in_currency: str | None = None
) -> tuple[FlowPeriod, list[FlowPeriod]]:
    """Return the flow of a whole range and of each of its periods, also those in which nothing happened.

    Transfers between own accounts are neither; currencies are never added, but into the one asked for.

    Raises:
        InvalidInput: The range cannot be used.
    """
    span = check_span(first, last)
    spans = periods_of(span, interval)
    lines = await sum_spans(conn, user_id, spans, "category")
    foreign = await foreign_lines(conn, user_id, spans, in_currency) if in_currency else []
    tree = await tree_of(conn, user_id)
    received, spent = of_kind(lines, tree, CategoryKind.INCOME), of_kind(lines, tree, CategoryKind.EXPENSE)
    periods = [FlowPeriod(one) for one in spans]
    for place, period in enumerate(periods):
        period.flows = _flows(_at(place, received), _at(place, spent))
    overall = FlowPeriod(span, _flows(received, spent))
    if in_currency:
        book = await rate_book(conn, user_id, {in_currency, *(one.currency for one in foreign)}, span.first, span.last)
        came, went = of_kind(foreign, tree, CategoryKind.INCOME), of_kind(foreign, tree, CategoryKind.EXPENSE)
        for place, period in enumerate(periods):
            period.converted = _converted(period, _at(place, came), _at(place, went), in_currency, book)
        overall.converted = _converted(overall, came, went, in_currency, book)
    return overall, periods


def _at(place: int, lines: Iterable[Line]) -> list[Line]:
    return [line for line in lines if line.place == place]


def _flows(received: Iterable[Line], spent: Iterable[Line]) -> list[Flow]:
    flows: dict[str, Flow] = {}
    for line in received:
        flow = flows.setdefault(line.currency, Flow(line.currency))
        flow.received_minor += line.posted_minor
        flow.pending_received_minor += line.pending_minor
    for line in spent:
        flow = flows.setdefault(line.currency, Flow(line.currency))
        flow.spent_minor += line.posted_minor
        flow.pending_spent_minor += line.pending_minor
    return [flows[currency] for currency in sorted(flows)]


def _converted(
    period: FlowPeriod, received: Sequence[Line], spent: Sequence[Line], to: str, book: RateBook
) -> ConvertedFlow:
    own = next((flow for flow in period.flows if flow.currency == to), Flow(to))
    day = period.span.last
    came = [(day, to, own.received_minor), *_amounts(received, 1)]
    went = [(day, to, own.spent_minor), *_amounts(spent, 1)]
    net = [*came, (day, to, -own.spent_minor), *_amounts(spent, -1)]
    return ConvertedFlow(convert(came, to, book), convert(went, to, book), convert(net, to, book))


def _amounts(lines: Iterable[Line], sign: int) -> list[tuple[date, str, int]]:
    by_day: dict[tuple[str, str], int] = defaultdict(int)
    for line in lines:
        by_day[line.key or "", line.currency] += sign * line.posted_minor
    return [(date.fromisoformat(day), currency, amount) for (day, currency), amount in by_day.items()]
