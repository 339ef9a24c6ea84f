"""What recurs: series, bills of coming days, subscriptions, and the viewer's word on them."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated, TypeAlias

import strawberry

from mintql.api.context import Context, Info
from mintql.api.errors import InvalidInputError, NotFoundError, NotSignedInError
from mintql.api.money import Money, MoneyInput, money
from mintql.api.nodes import decode_id
from mintql.api.paging import (
    AfterArgument,
    Connection,
    FirstArgument,
    build_connection,
    decode_number,
    encode_number,
    page_request,
)
from mintql.api.recurring_types import Direction, RecurringSeries, load_recurring, recurring_nodes, subscribed
from mintql.domain import money as domain
from mintql.domain.ids import RecurringId, TransactionId
from mintql.domain.money import parse_minor
from mintql.domain.recurring_cycles import Frequency
from mintql.domain.recurring_series import SeriesState
from mintql.services import recurring_calendar, recurring_said
from mintql.services.recurring_calendar import CALENDAR_DAYS_MAX
from mintql.services.recurring_said import SeriesWish
from mintql.store import recurring_read
from mintql.store.recurring_read import FIRST, Wanted

CURSOR_KIND = "recurring"


class Shown(StrEnum):
    """Which series are asked for."""

    ACTIVE = "active"
    ENDED = "ended"
    SUGGESTED = "suggested"
    CONFIRMED = "confirmed"
    DISMISSED = "dismissed"


strawberry.enum(
    Shown,
    name="RecurringFilter",
    description="Which series are wanted. ACTIVE: those that go on. ENDED: those that have ended. SUGGESTED: active "
    "ones that the viewer has said nothing of. CONFIRMED: those they confirmed or marked. DISMISSED: those they said "
    "are none.",
)

_OPEN = (SeriesState.SUGGESTED, SeriesState.CONFIRMED)
_WANTED: dict[Shown | None, Wanted] = {
    None: Wanted(states=_OPEN),
    Shown.ACTIVE: Wanted(states=_OPEN, ended=False),
    Shown.ENDED: Wanted(states=_OPEN, ended=True),
    Shown.SUGGESTED: Wanted(states=(SeriesState.SUGGESTED,), ended=False),
    Shown.CONFIRMED: Wanted(states=(SeriesState.CONFIRMED,)),
    Shown.DISMISSED: Wanted(states=(SeriesState.DISMISSED,)),
}


@strawberry.type(description="What falls due on a day.")
class UpcomingDay:
    """A day of the calendar as shown."""

    day: date = strawberry.field(description="The day.")
    series: list[RecurringSeries] = strawberry.field(description="What falls due, each of its expected amount.")
    totals: list[Money] = strawberry.field(description="What that comes to, for each currency.")


@strawberry.type(description="What falls due on coming days and was not booked yet.")
class UpcomingBills:
    """The calendar as shown."""

    days: list[UpcomingDay] = strawberry.field(description="Days on which something falls due, in order.")
    totals: list[Money] = strawberry.field(description="What all of it comes to, for each currency.")


@strawberry.type(description="What the viewer is subscribed to.")
class Subscriptions:
    """Subscriptions as shown."""

    series: list[RecurringSeries] = strawberry.field(description="The subscriptions that go on, the dearest first.")
    yearly_totals: list[Money] = strawberry.field(description="What they come to in a year, for each currency.")


@strawberry.type(description="The viewer's word was kept.")
class RecurringSuccess:
    """What confirming, dismissing and marking give when they worked."""

    series: RecurringSeries = strawberry.field(description="The series as it is now.")


RecurringPayload: TypeAlias = Annotated[
    RecurringSuccess | InvalidInputError | NotFoundError | NotSignedInError,
    strawberry.union(
        "RecurringPayload",
        description="What became of `confirmRecurring`, `dismissRecurring` or `markRecurring`.",
    ),
]
FrequencyArgument = Annotated[
    Frequency | None, strawberry.argument(description="How often it recurs; left out, as the machine finds it.")
]
AmountArgument = Annotated[
    MoneyInput | None,
    strawberry.argument(description="What each is about, without sign; left out, as the machine finds it."),
]
SubscriptionArgument = Annotated[
    bool | None, strawberry.argument(description="Whether it is a subscription; left out, as the category says.")
]


def _wish(frequency: Frequency | None, amount: MoneyInput | None, subscription: bool | None) -> SeriesWish:
    if amount is None:
        return SeriesWish(frequency, None, subscription)
    minor = parse_minor(amount.amount, amount.currency, field="amount")
    return SeriesWish(frequency, domain.Money(minor, amount.currency), subscription)


@strawberry.type
class RecurringQuery:
    """Reads of what recurs."""

    @strawberry.field(
        description="What recurs among the viewer's transactions, in the order it was found. Those they dismissed are "
        "left out unless asked for."
    )
    async def recurring(
        self,
        info: Info,
        filter: Annotated[Shown | None, strawberry.argument(description="Which series; left out, all.")] = None,
        direction: Annotated[
            Direction | None, strawberry.argument(description="Which way the money goes; left out, both.")
        ] = None,
        first: FirstArgument = None,
        after: AfterArgument = None,
    ) -> Connection[RecurringSeries]:
        request = page_request(lambda text, field: decode_number(CURSOR_KIND, text, field), first=first, after=after)
        found = _WANTED[filter]
        wanted = Wanted(
            states=found.states,
            ended=found.ended,
            outgoing=None if direction is None else direction is Direction.OUT,
        )
        begin = FIRST if request.after is None else RecurringId(request.after)
        context = info.context
        async with context.person() as conn:
            rows = await recurring_read.shown(conn, context.user_id, wanted, begin, request.limit)
            nodes = await recurring_nodes(context, conn, rows)
        return build_connection(
            nodes, request, lambda node: node, lambda node: encode_number(CURSOR_KIND, node.row.recurring_id)
        )

    @strawberry.field(
        description="A calendar of what falls due and was not booked yet: series that the viewer confirmed or marked, "
        "and those that are sure enough."
    )
    async def upcoming_bills(
        self,
        info: Info,
        from_: Annotated[date, strawberry.argument(name="from", description="The first day, such as today.")],
        to: Annotated[
            date, strawberry.argument(description=f"The last day; {CALENDAR_DAYS_MAX} days at once at most.")
        ],
        direction: Annotated[
            Direction, strawberry.argument(description="OUT for bills, IN for income that is expected.")
        ] = Direction.OUT,
    ) -> UpcomingBills:
        context = info.context
        async with context.person() as conn:
            days = await recurring_calendar.due_between(
                conn, context.user_id, from_, to, outgoing=direction is Direction.OUT
            )
            rows = list({row.recurring_id: row for day in days for row in day.due}.values())
            nodes = await recurring_nodes(context, conn, rows)
        by_id = {row.recurring_id: node for row, node in zip(rows, nodes, strict=True)}
        return UpcomingBills(
            days=[
                UpcomingDay(day=day.day, series=[by_id[row.recurring_id] for row in day.due], totals=_shown(day.totals))
                for day in days
            ],
            totals=_shown(recurring_calendar.expected_totals(row for day in days for row in day.due)),
        )

    @strawberry.field(
        description="What the viewer is subscribed to, with what each costs in a year: streaming, software, "
        "memberships and the like, and what they said is one."
    )
    async def subscriptions(self, info: Info) -> Subscriptions:
        context = info.context
        async with context.person() as conn:
            found = await recurring_calendar.running(conn, context.user_id)
            tree = await context.category_tree(conn, {row.category_id for row in found})
            rows = sorted(
                (row for row in found if subscribed(row, tree)),
                key=lambda row: (row.series.currency, -row.series.yearly_minor, row.recurring_id),
            )
            nodes = await recurring_nodes(context, conn, rows)
        return Subscriptions(series=nodes, yearly_totals=_shown(recurring_calendar.yearly_totals(rows)))


@strawberry.type
class RecurringMutation:
    """The viewer's word on what recurs."""

    @strawberry.mutation(
        description="Says that a series is one, and corrects what the machine has wrong about it. No machine changes "
        "that again. One that was dismissed comes back."
    )
    async def confirm_recurring(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The series.")],
        frequency: FrequencyArgument = None,
        amount: AmountArgument = None,
        subscription: SubscriptionArgument = None,
    ) -> RecurringPayload:
        context, recurring_id = info.context, _decode(id)
        wish = _wish(frequency, amount, subscription)
        async with context.person() as conn:
            effects = await recurring_said.confirm(conn, context.user_id, recurring_id, wish, context.now())
        await context.runtime.perform(effects)
        return await _success(context, recurring_id)

    @strawberry.mutation(description="Says that a series is none: it lets expect nothing and is not suggested again.")
    async def dismiss_recurring(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The series.")]
    ) -> RecurringPayload:
        recurring_id = _decode(id)
        await info.context.carry_out(recurring_said.dismiss, recurring_id)
        return await _success(info.context, recurring_id)

    @strawberry.mutation(
        description="Says that a transaction recurs: makes a series of it and of what came from the same seller at "
        "that rhythm, or confirms the series it belongs to."
    )
    async def mark_recurring(
        self,
        info: Info,
        transaction_id: Annotated[strawberry.ID, strawberry.argument(description="The transaction.")],
        frequency: Annotated[
            Frequency | None,
            strawberry.argument(description="How often it recurs; left out, monthly, or as its series does already."),
        ] = None,
        amount: AmountArgument = None,
        subscription: SubscriptionArgument = None,
    ) -> RecurringPayload:
        context = info.context
        wanted = TransactionId(decode_id("Transaction", transaction_id, field="transactionId"))
        wish = _wish(frequency, amount, subscription)
        await context.bring_back_of([wanted])
        async with context.person() as conn:
            recurring_id, effects = await recurring_said.mark(conn, context.user_id, wanted, wish, context.now())
        await context.runtime.perform(effects)
        return await _success(context, recurring_id)


def _shown(totals: list[domain.Money]) -> list[Money]:
    return [money(total.amount_minor, total.currency) for total in totals]


def _decode(text: str) -> RecurringId:
    return RecurringId(decode_id("RecurringSeries", text))


async def _success(context: Context, recurring_id: RecurringId) -> RecurringSuccess:
    context.forget()
    series = (await load_recurring(context, [recurring_id]))[0]
    if series is None:
        raise LookupError(f"series {recurring_id} is gone")
    return RecurringSuccess(series=series)
