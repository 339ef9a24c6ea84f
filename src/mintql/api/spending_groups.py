"""Spending over any days, told apart and compared."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import strawberry

from mintql.api.accounts import Account, load_accounts
from mintql.api.categories import Category, category_node, decode_category_id
from mintql.api.context import Context, Info
from mintql.api.money import Money, money, money_or_none, percent_or_none
from mintql.api.nodes import decode_id
from mintql.api.rates import ConvertedTotal, InCurrencyArgument, converted_or_none
from mintql.api.scalars import CurrencyCode, DecimalText
from mintql.domain.categories import CategoryTree
from mintql.domain.ids import AccountId, CategoryId
from mintql.domain.intervals import PERIODS_MAX, RANGE_DAYS_MAX, Interval
from mintql.domain.money import percent_text
from mintql.services import spending_groups as service
from mintql.services import transactions
from mintql.services.spending_groups import GroupBy
from mintql.store.queries import Conn
from mintql.store.summaries import LineFilter

strawberry.enum(
    Interval,
    description="Periods of the calendar. WEEK begins on Monday. The first and last of a range can be parts of one.",
)
strawberry.enum(
    GroupBy,
    name="SpendingGroupBy",
    description="What spending is told apart by. TAG: a transaction with two tags counts under both, so that groups "
    "can add up to more than the totals; those are right.",
)

FirstDayArgument = Annotated[date, strawberry.argument(name="from", description="The first day.")]
LastDayArgument = Annotated[
    date,
    strawberry.argument(
        description=f"The last day, included; {RANGE_DAYS_MAX:,} days and {PERIODS_MAX} periods at most."
    ),
]
IntervalArgument = Annotated[Interval, strawberry.argument(description="What the range is cut into.")]


@strawberry.type(description="What was spent in the span before, and on average before.")
class SpendingComparison:
    """A comparison as shown."""

    previous: Money = strawberry.field(description="What was spent in the span before, booked; 0 for nothing.")
    change: Money = strawberry.field(description="How much more it is now; negative when it is less.")
    change_percent: DecimalText | None = strawberry.field(
        description='The change in percent of the span before, e.g. "-12.5"; null where nothing was spent then.'
    )
    mean: Money | None = strawberry.field(
        description="The mean of the earlier spans that begin no earlier than the viewer's first transaction, rounded "
        "half to even; null where there is none."
    )
    mean_of: int = strawberry.field(description="How many earlier spans the mean is of.")


@strawberry.interface(description="What was spent in one currency.")
class SpendingAmounts:
    """What groups and totals have in common."""

    currency: CurrencyCode = strawberry.field(description="The currency; another one has a sum of its own.")
    spent: Money = strawberry.field(
        description="Booked spending, positive, refunds netted; negative when they outweigh."
    )
    pending: Money = strawberry.field(description="What is not booked yet, counted likewise and not part of `spent`.")
    excluded: Money = strawberry.field(description="What of both amounts budgets leave out.")
    count: int = strawberry.field(
        description="How many transactions, pending ones and refunds among them; each part of a split counts."
    )
    comparison: SpendingComparison | None = strawberry.field(
        description="What earlier spans held; null in single periods, and where `compare` was not asked for."
    )


@strawberry.type(description="The total of one currency.")
class SpendingTotal(SpendingAmounts):
    """A total as shown."""


@strawberry.type(description="What was spent in one group and currency. Which field names it depends on `groupBy`.")
class SpendingGroup(SpendingAmounts):
    """A group as shown."""

    account_id: strawberry.Private[AccountId | None]
    share_percent: DecimalText | None = strawberry.field(
        description='What it is of all that was spent in its currency, in percent, e.g. "12.5"; null where that is '
        "not more than 0."
    )
    category: Category | None = strawberry.field(description="By CATEGORY and GROUP: the category or the group.")
    merchant_key: str | None = strawberry.field(description="By MERCHANT: what the seller is known by.")
    merchant: str | None = strawberry.field(description="By MERCHANT: the name to show.")
    tag: str | None = strawberry.field(description="By TAG: the tag; null for what carries none.")

    @strawberry.field(description="By ACCOUNT: the account.")
    async def account(self, info: Info) -> Account | None:
        return None if self.account_id is None else await info.context.loader(load_accounts).load(self.account_id)


@strawberry.type(description="What was spent over some days.")
class SpendingPeriod:
    """A period as shown."""

    first: date = strawberry.field(description="The first day.")
    last: date = strawberry.field(description="The last day, included.")
    whole: bool = strawberry.field(description="Whether it is all of its period of the calendar, or periods.")
    totals: list[SpendingTotal] = strawberry.field(description="One for each currency in which anything was spent.")
    groups: list[SpendingGroup] = strawberry.field(description="Currency by currency, the largest first.")
    spent_in_currency: ConvertedTotal | None = strawberry.field(
        description="All booked spending in the currency asked for; null where none was."
    )
    pending_in_currency: ConvertedTotal | None = strawberry.field(
        description="All spending that is not booked yet in the currency asked for; null where none was."
    )


@strawberry.type(description="Days that spending is compared with.")
class ComparedSpan:
    """An earlier span as shown."""

    first: date = strawberry.field(description="The first day.")
    last: date = strawberry.field(description="The last day, included.")


@strawberry.type(description="Spending of a range of days.")
class SpendingSummary:
    """A summary as shown."""

    overall: SpendingPeriod = strawberry.field(description="The whole range, compared if that was asked for.")
    periods: list[SpendingPeriod] = strawberry.field(
        description="Each period of the range, also those in which nothing was spent."
    )
    compared: list[ComparedSpan] = strawberry.field(
        description="The earlier spans of the comparison, the latest first: `previous` is the first of them."
    )


@strawberry.input(description="What spending is narrowed to; all that is given has to hold.")
class SpendingFilter:
    """The filter as sent."""

    account_ids: list[strawberry.ID] | None = strawberry.field(
        default=None, description=f"On one of these accounts, up to {transactions.FILTER_IDS_MAX}."
    )
    category_ids: list[strawberry.ID] | None = strawberry.field(
        default=None,
        description=f"In one of these categories, up to {transactions.FILTER_IDS_MAX}; a group stands for all in it. "
        "Of a split only the parts in them count.",
    )
    merchant_keys: list[str] | None = strawberry.field(
        default=None, description=f"At one of these sellers, up to {transactions.FILTER_IDS_MAX}."
    )
    tags: list[str] | None = strawberry.field(
        default=None, description=f"With one of these tags, up to {transactions.FILTER_IDS_MAX}."
    )
    excluded_from_budgets: bool | None = strawberry.field(
        default=None, description="True: only what budgets leave out. False: only the rest."
    )

    async def check(self, context: Context, conn: Conn) -> tuple[LineFilter, frozenset[CategoryId] | None]:
        """Return the filter for the service, and leaves of categories; raise `InvalidInput` in words."""
        checked = transactions.check_filter(
            await context.category_tree(conn),
            account_ids=None
            if self.account_ids is None
            else [AccountId(decode_id("Account", text, field="accountIds")) for text in self.account_ids],
            category_ids=None
            if self.category_ids is None
            else [decode_category_id(text, field="categoryIds") for text in self.category_ids],
            tags=self.tags,
        )
        keys = transactions.check_merchant_keys(self.merchant_keys)
        wanted = LineFilter(checked.account_ids, checked.tags, keys, self.excluded_from_budgets)
        return wanted, checked.category_ids


@strawberry.type
class SpendingGroupsQuery:
    """Reads of spending."""

    @strawberry.field(
        description="What was spent over some days, in periods and as a whole, told apart as asked. Income, transfers "
        "between own accounts and payments of cards are left out; refunds are netted. Currencies are never added, but "
        "for totals in a currency that is asked for."
    )
    async def spending(
        self,
        info: Info,
        from_: FirstDayArgument,
        to: LastDayArgument,
        group_by: Annotated[
            GroupBy, strawberry.argument(description="What spending is told apart by.")
        ] = GroupBy.CATEGORY,
        interval: IntervalArgument = Interval.MONTH,
        filter: Annotated[SpendingFilter | None, strawberry.argument(description="What to narrow it to.")] = None,
        compare: Annotated[
            int,
            strawberry.argument(
                description="With how many earlier spans to compare the whole range, up to "
                f"{service.COMPARED_MAX}; 0 for none. A range that begins with a period of the interval is compared "
                "with as many days from the beginning of earlier ones: November 1 to 17 with October 1 to 17, a whole "
                "month with whole months. Any other range is compared with as many days right before it."
            ),
        ] = 0,
        in_currency: InCurrencyArgument = None,
    ) -> SpendingSummary:
        async with info.context.person() as conn:
            wanted, category_ids = await (filter or SpendingFilter()).check(info.context, conn)
        asked = service.Asked(from_, to, group_by, interval, wanted, category_ids, in_currency, compare)
        await info.context.bring_back(service.days_read(asked))
        async with info.context.person() as conn:
            found = await service.summarize(conn, info.context.user_id, asked)
        return SpendingSummary(
            overall=_period(found.tree, found.overall, group_by),
            periods=[_period(found.tree, period, group_by) for period in found.periods],
            compared=[ComparedSpan(first=span.first, last=span.last) for span in found.compared],
        )


def _period(tree: CategoryTree, period: service.PeriodSpending, group_by: GroupBy) -> SpendingPeriod:
    totals = {total.currency: total.spent_minor for total in period.totals}
    return SpendingPeriod(
        first=period.span.first,
        last=period.span.last,
        whole=period.whole,
        totals=[_total(total) for total in period.totals],
        groups=[_group(tree, group, group_by, totals.get(group.currency, 0)) for group in period.groups],
        spent_in_currency=converted_or_none(period.spent_in),
        pending_in_currency=converted_or_none(period.pending_in),
    )


def _total(total: service.Sum) -> SpendingTotal:
    return SpendingTotal(
        currency=CurrencyCode(total.currency),
        spent=money(total.spent_minor, total.currency),
        pending=money(total.pending_minor, total.currency),
        excluded=money(total.excluded_minor, total.currency),
        count=total.count,
        comparison=_comparison(total),
    )


def _group(tree: CategoryTree, group: service.Group, group_by: GroupBy, total_minor: int) -> SpendingGroup:
    is_account = group_by is GroupBy.ACCOUNT and group.key is not None
    return SpendingGroup(
        account_id=AccountId(int(group.key or 0)) if is_account else None,
        currency=CurrencyCode(group.currency),
        spent=money(group.spent_minor, group.currency),
        pending=money(group.pending_minor, group.currency),
        excluded=money(group.excluded_minor, group.currency),
        count=group.count,
        comparison=_comparison(group),
        share_percent=percent_or_none(group.spent_minor, total_minor),
        category=None if group.category_id is None else category_node(tree, group.category_id),
        merchant_key=group.key if group_by is GroupBy.MERCHANT else None,
        merchant=group.name,
        tag=group.key if group_by is GroupBy.TAG else None,
    )


def _comparison(found: service.Sum) -> SpendingComparison | None:
    said = found.comparison
    if said is None:
        return None
    change_minor = found.spent_minor - said.previous_minor
    percent = percent_text(change_minor, said.previous_minor)
    return SpendingComparison(
        previous=money(said.previous_minor, found.currency),
        change=money(change_minor, found.currency),
        change_percent=None if percent is None else DecimalText(percent),
        mean=money_or_none(said.mean_minor, found.currency),
        mean_of=said.mean_of,
    )
