"""What came in and went out over time, what there is, and which sellers took most."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import strawberry

from mintql.api.context import Info
from mintql.api.money import Money, money, percent_or_none
from mintql.api.rates import ConvertedTotal, InCurrencyArgument, converted
from mintql.api.scalars import CurrencyCode, DecimalText
from mintql.api.spending_groups import FirstDayArgument, IntervalArgument, LastDayArgument
from mintql.domain.intervals import Interval
from mintql.domain.money import mean_minor
from mintql.domain.periods import Period
from mintql.services import cash_flow as flows
from mintql.services import net_worth as worths
from mintql.services import summaries


@strawberry.type(description="Income and spending of one currency.")
class CashFlowSum:
    """A flow as shown."""

    currency: CurrencyCode = strawberry.field(description="The currency.")
    income: Money = strawberry.field(description="What was received, booked, positive.")
    spending: Money = strawberry.field(description="What was spent, booked, positive, refunds netted.")
    net: Money = strawberry.field(description="Income without spending; negative when more was spent.")
    pending_income: Money = strawberry.field(description="Income that is not booked yet; in none of the above.")
    pending_spending: Money = strawberry.field(description="Spending that is not booked yet; in none of the above.")
    savings_rate_percent: DecimalText | None = strawberry.field(
        description='What of the income was left, in percent, e.g. "12.5"; null without income.'
    )


@strawberry.type(description="The booked flow of all currencies in the one asked for, each total rounded once.")
class CashFlowInCurrency:
    """A converted flow as shown."""

    income: ConvertedTotal = strawberry.field(description="What was received.")
    spending: ConvertedTotal = strawberry.field(description="What was spent.")
    net: ConvertedTotal = strawberry.field(description="Income without spending.")
    savings_rate_percent: DecimalText | None = strawberry.field(
        description="What of the income that could be converted was left, in percent; null without such."
    )


@strawberry.type(description="What came in and went out over some days.")
class CashFlowPeriod:
    """A period as shown."""

    first: date = strawberry.field(description="The first day.")
    last: date = strawberry.field(description="The last day, included.")
    sums: list[CashFlowSum] = strawberry.field(description="One for each currency in which anything happened.")
    in_currency: CashFlowInCurrency | None = strawberry.field(
        description="All of it in the currency asked for; null where none was."
    )


@strawberry.type(description="What came in and went out over a range of days.")
class CashFlow:
    """A range as shown."""

    overall: CashFlowPeriod = strawberry.field(description="The whole range.")
    periods: list[CashFlowPeriod] = strawberry.field(
        description="Each period of the range, also those in which nothing happened."
    )


@strawberry.type(description="What was owned and owed in one currency.")
class NetWorthSum:
    """A worth as shown."""

    currency: CurrencyCode = strawberry.field(description="The currency.")
    assets: Money = strawberry.field(description="The balances above zero.")
    liabilities: Money = strawberry.field(description="The balances below zero, positive: what is owed.")
    net: Money = strawberry.field(description="Assets without liabilities.")
    account_count: int = strawberry.field(description="How many accounts it is of.")
    derived: bool = strawberry.field(
        description="Whether a balance in it was worked out backwards from what was booked, as none was told yet."
    )


@strawberry.type(description="All currencies in the one asked for, at the rate of the day, each total rounded once.")
class NetWorthInCurrency:
    """A converted worth as shown."""

    assets: ConvertedTotal = strawberry.field(description="The balances above zero.")
    liabilities: ConvertedTotal = strawberry.field(description="The balances below zero, positive.")
    net: ConvertedTotal = strawberry.field(description="Assets without liabilities.")


@strawberry.type(description="What there was at the end of a day, by the viewer's calendar.")
class NetWorthPoint:
    """A point as shown."""

    on: date = strawberry.field(description="The day.")
    sums: list[NetWorthSum] = strawberry.field(description="One for each currency that a balance is known in.")
    in_currency: NetWorthInCurrency | None = strawberry.field(
        description="All of it in the currency asked for; null where none was."
    )


@strawberry.type(description="What was spent at a seller in one currency.")
class TopMerchant:
    """A seller as shown."""

    merchant_key: str = strawberry.field(description="What the seller is known by.")
    merchant: str = strawberry.field(description="The name to show.")
    currency: CurrencyCode = strawberry.field(description="The currency.")
    spent: Money = strawberry.field(description="Booked spending, refunds netted.")
    pending: Money = strawberry.field(description="What is not booked yet; not part of `spent`.")
    count: int = strawberry.field(
        description="How many booked transactions, refunds among them; a split one counts once."
    )
    mean: Money | None = strawberry.field(description="Mean of a booked transaction, rounded half to even.")
    share_percent: DecimalText | None = strawberry.field(
        description="What it is of all booked spending in its currency, in percent."
    )
    last_on: date = strawberry.field(description="The day of the latest transaction.")


@strawberry.type
class CashFlowQuery:
    """Reads of flows, worth and sellers."""

    @strawberry.field(
        description="Income, spending, what was left, and the share that was saved, for a range and its periods. "
        "Transfers between own accounts are neither."
    )
    async def cash_flow(
        self,
        info: Info,
        from_: FirstDayArgument,
        to: LastDayArgument,
        interval: IntervalArgument = Interval.MONTH,
        in_currency: InCurrencyArgument = None,
    ) -> CashFlow:
        await info.context.bring_back(flows.days_read(from_, to, interval, in_currency))
        async with info.context.person() as conn:
            overall, periods = await flows.cash_flow(conn, info.context.user_id, from_, to, interval, in_currency)
        return CashFlow(overall=_flow_period(overall), periods=[_flow_period(period) for period in periods])

    @strawberry.field(
        description="What was owned and owed at the end of each period, up to today: the balances that institutions "
        "told, each until the next one. Before the first one of a checking, savings or card account it is worked out "
        "from what was booked. An account that is no longer told of counts until then."
    )
    async def net_worth(
        self,
        info: Info,
        from_: FirstDayArgument,
        to: LastDayArgument,
        interval: IntervalArgument = Interval.MONTH,
        in_currency: InCurrencyArgument = None,
    ) -> list[NetWorthPoint]:
        context = info.context
        await context.bring_back([Period(from_, date.max)])
        async with context.person() as conn:
            found = await worths.net_worth(conn, context.user_id, from_, to, interval, context.now(), in_currency)
        return [_point(point) for point in found]

    @strawberry.field(
        description="The sellers at which most was spent over some days, the largest first, currency by currency. "
        "Those at which refunds outweigh are left out."
    )
    async def top_merchants(
        self,
        info: Info,
        from_: FirstDayArgument,
        to: LastDayArgument,
        first: Annotated[
            int, strawberry.argument(description=f"How many of each currency, up to {summaries.MERCHANTS_MAX}.")
        ] = summaries.FIGURE_MERCHANTS_MAX,
    ) -> list[TopMerchant]:
        await info.context.bring_back([Period(from_, to)])
        async with info.context.person() as conn:
            rows = await summaries.top_merchants(conn, info.context.user_id, from_, to, first)
        return [
            TopMerchant(
                merchant_key=row.merchant_key,
                merchant=row.name,
                currency=CurrencyCode(row.currency),
                spent=money(row.posted_minor, row.currency),
                pending=money(row.pending_minor, row.currency),
                count=row.count,
                mean=money(mean_minor(row.posted_minor, row.count), row.currency) if row.count else None,
                share_percent=percent_or_none(row.posted_minor, row.total_minor),
                last_on=row.last_on,
            )
            for row in rows
        ]


def _flow_period(period: flows.FlowPeriod) -> CashFlowPeriod:
    found = period.converted
    return CashFlowPeriod(
        first=period.span.first,
        last=period.span.last,
        sums=[
            CashFlowSum(
                currency=CurrencyCode(flow.currency),
                income=money(flow.received_minor, flow.currency),
                spending=money(flow.spent_minor, flow.currency),
                net=money(flow.net_minor, flow.currency),
                pending_income=money(flow.pending_received_minor, flow.currency),
                pending_spending=money(flow.pending_spent_minor, flow.currency),
                savings_rate_percent=percent_or_none(flow.net_minor, flow.received_minor),
            )
            for flow in period.flows
        ],
        in_currency=None
        if found is None
        else CashFlowInCurrency(
            income=converted(found.received),
            spending=converted(found.spent),
            net=converted(found.net),
            savings_rate_percent=percent_or_none(found.net.amount_minor, found.received.amount_minor),
        ),
    )


def _point(point: worths.WorthPoint) -> NetWorthPoint:
    found = point.converted
    return NetWorthPoint(
        on=point.on,
        sums=[
            NetWorthSum(
                currency=CurrencyCode(worth.currency),
                assets=money(worth.assets_minor, worth.currency),
                liabilities=money(worth.liabilities_minor, worth.currency),
                net=money(worth.net_minor, worth.currency),
                account_count=worth.accounts,
                derived=worth.derived,
            )
            for worth in point.worths
        ],
        in_currency=None
        if found is None
        else NetWorthInCurrency(
            assets=converted(found.assets), liabilities=converted(found.liabilities), net=converted(found.net)
        ),
    )
