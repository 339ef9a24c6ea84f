"""The summary of a week or a month, as the mail lays it out, in fields."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated

import strawberry

from mintql.api.categories import Category, category_node
from mintql.api.context import Info
from mintql.api.money import Money, money
from mintql.api.scalars import CurrencyCode
from mintql.api.transactions import Transaction, load_transactions
from mintql.domain.budgets import ThresholdState
from mintql.domain.categories import CategoryTree
from mintql.domain.digests import (
    Compared,
    CurrencyDigest,
    Digest,
    DigestBudget,
    DigestPeriod,
    DigestWorth,
    digest_body,
    digest_title,
)
from mintql.domain.errors import NotSignedIn
from mintql.domain.ids import TransactionId
from mintql.domain.recurring import Expected
from mintql.services import digests as service
from mintql.services.personal_categories import tree_of
from mintql.store import users

strawberry.enum(
    DigestPeriod,
    name="SummaryPeriod",
    description="What a summary is of. WEEK: Monday to Sunday. MONTH: a calendar month.",
)


@strawberry.type(description="An amount of a period beside those of the periods before.")
class ComparedAmount:
    """An amount with what it is compared with."""

    amount: Money = strawberry.field(description="The amount of the period, positive, refunds netted.")
    previous: Money = strawberry.field(description="That of the period before.")
    change: Money = strawberry.field(description="How much more it is than in the period before; negative for less.")
    mean: Money | None = strawberry.field(
        description="The mean of the whole periods before, up to 8 weeks or 6 months, that the transactions reach "
        "back to, to the nearest minor unit. Null where there is none: then `previous` is a part at most."
    )


@strawberry.type(description="What was spent in a category.")
class SummaryCategory:
    """A category's line."""

    category: Category = strawberry.field(description="The category.")
    spent: ComparedAmount = strawberry.field(description="Booked spending.")
    count: int = strawberry.field(description="How many transactions, pending ones among them.")


@strawberry.type(description="What one seller took.")
class SummaryMerchant:
    """A seller's line."""

    name: str = strawberry.field(description="The seller.")
    spent: Money = strawberry.field(description="Booked spending, positive, refunds netted.")
    count: int = strawberry.field(description="How many booked purchases, refunds among them.")


@strawberry.type(description="A period in one currency. Amounts of different currencies are never added.")
class CurrencySummary:
    """A currency's part."""

    currency: CurrencyCode = strawberry.field(description="The currency of all amounts in it.")
    spent: ComparedAmount = strawberry.field(description="Booked spending. Transfers between own accounts are none.")
    received: ComparedAmount = strawberry.field(description="Booked income.")
    net: Money = strawberry.field(description="What was received less what was spent.")
    pending: Money = strawberry.field(description="Spending that is not booked yet, in none of the other figures.")
    categories: list[SummaryCategory] = strawberry.field(
        description=f"Spending by category, the largest first, {service.CATEGORIES_MAX} at most; also those of which "
        "only the periods before had any."
    )
    merchants: list[SummaryMerchant] = strawberry.field(
        description=f"The sellers that took most, {service.MERCHANTS_MAX} at most."
    )
    purchase_ids: strawberry.Private[list[TransactionId]]

    @strawberry.field(
        description=f"The largest purchases, {service.PURCHASES_MAX} at most, pending ones among them; a split one is "
        "whole."
    )
    async def largest_purchases(self, info: Info) -> list[Transaction]:
        found = await info.context.loader(load_transactions).load_many(self.purchase_ids)
        return [transaction for transaction in found if transaction is not None]


@strawberry.type(description="What there was at the end of the period in one currency; today, where that is earlier.")
class SummaryWorth:
    """A currency's line of the net worth."""

    net: Money = strawberry.field(description="What is owned less what is owed.")
    change: Money | None = strawberry.field(
        description="How much more that is than at the end of the period before; null where nothing was known then."
    )


@strawberry.type(
    description="A budget as it stands on the last day of the summary's period, or today if that is earlier."
)
class SummaryBudget:
    """A budget's line."""

    name: str = strawberry.field(description="What it is called: its category, its group, or everything.")
    category: Category | None = strawberry.field(description="Its category or group; null for everything.")
    available: Money = strawberry.field(description="Its limit with what was carried over.")
    spent: Money = strawberry.field(description="Spending in its period, pending amounts among it.")
    remaining: Money = strawberry.field(description="What is left; negative when it is exceeded.")
    percent_used: int | None = strawberry.field(description="Spending as percent of what is available.")
    state: ThresholdState = strawberry.field(description="How near spending is to what is available.")
    last: date = strawberry.field(description="The last day of the budget's own period.")


@strawberry.type(description="A bill that a recurring series lets expect.")
class SummaryBill:
    """A bill's line."""

    merchant: str = strawberry.field(description="Who is paid.")
    day: date = strawberry.field(description="When it is expected.")
    amount: Money = strawberry.field(description="About how much, positive.")
    spread: Money = strawberry.field(description="How far amounts of the series usually lie from it.")


@strawberry.type(description="Something that was found and told in the period: a charge that is new or was raised.")
class SummaryNews:
    """A line of news."""

    title: str = strawberry.field(description="What, in a line.")
    body: str = strawberry.field(description="The same in sentences.")


@strawberry.type(description="The summary of a week or a month, as it is mailed.")
class Summary:
    """A summary."""

    period: DigestPeriod = strawberry.field(description="What it is of.")
    first: date = strawberry.field(description="The first day.")
    last: date = strawberry.field(description="The last day.")
    title: str = strawberry.field(description="The summary in a line.")
    body: str = strawberry.field(description="The summary in sentences, a line for each.")
    currencies: list[CurrencySummary] = strawberry.field(
        description="One for each currency in which anything happened, the person's own first."
    )
    net_worth: list[SummaryWorth] = strawberry.field(
        description="One for each currency in which a balance is known, the person's own first."
    )
    budgets: list[SummaryBudget] = strawberry.field(
        description="The budgets whose period the last day lies in: exceeded ones first, then the furthest gone."
    )
    news: list[SummaryNews] = strawberry.field(
        description=f"Charges that were found to be new or raised, {service.NEWS_MAX} at most."
    )
    bills: list[SummaryBill] = strawberry.field(
        description=f"Bills expected in the period that follows, {service.BILLS_MAX} at most, by day."
    )


@strawberry.type
class DigestsQuery:
    """Reads of summaries."""

    @strawberry.field(
        description="The summary of a week or a month: what was spent and received against the period before and the "
        "mean, categories, budgets, sellers, largest purchases, what is new, and what is coming. One that is not over "
        "is compared with whole ones."
    )
    async def summary(
        self,
        info: Info,
        period: Annotated[DigestPeriod, strawberry.argument(description="A week or a month.")],
        on: Annotated[
            date | None,
            strawberry.argument(description="A day that lies in it. Without it: the last one that is over."),
        ] = None,
    ) -> Summary:
        now = datetime.now(UTC)
        async with info.context.person() as conn:
            user = await users.get(conn, info.context.user_id)
            if user is None:
                raise NotSignedIn("Sign in again: this account is gone.")
        day = on or service.last_finished(period, now, user.time_zone)
        await info.context.bring_back(service.days_read(period, day))
        async with info.context.person() as conn:
            found = await service.digest(conn, user, period, day, now)
            tree = await tree_of(conn, user.user_id)
        return _summary(found, tree)


def _summary(found: Digest, tree: CategoryTree) -> Summary:
    return Summary(
        period=found.period,
        first=found.span.first,
        last=found.span.last,
        title=digest_title(found),
        body=digest_body(found),
        currencies=[_currency(one, tree) for one in found.currencies],
        net_worth=[_worth(one) for one in found.worths],
        budgets=[_budget(one, tree) for one in found.budgets],
        news=[SummaryNews(title=one.title, body=one.body) for one in found.news],
        bills=[_bill(one) for one in found.bills],
    )


def _currency(one: CurrencyDigest, tree: CategoryTree) -> CurrencySummary:
    return CurrencySummary(
        currency=CurrencyCode(one.currency),
        spent=_compared(one.spent, one.currency),
        received=_compared(one.received, one.currency),
        net=money(one.net_minor, one.currency),
        pending=money(one.pending_minor, one.currency),
        categories=[
            SummaryCategory(
                category=category_node(tree, item.category.category_id),
                spent=_compared(item.spent, one.currency),
                count=item.count,
            )
            for item in one.categories
        ],
        merchants=[
            SummaryMerchant(name=item.name, spent=money(item.spent_minor, one.currency), count=item.count)
            for item in one.merchants
        ],
        purchase_ids=[item.transaction_id for item in one.purchases],
    )


def _compared(one: Compared, currency: str) -> ComparedAmount:
    return ComparedAmount(
        amount=money(one.amount_minor, currency),
        previous=money(one.previous_minor, currency),
        change=money(one.change_minor, currency),
        mean=None if one.mean_minor is None else money(one.mean_minor, currency),
    )


def _worth(one: DigestWorth) -> SummaryWorth:
    return SummaryWorth(
        net=money(one.net_minor, one.currency),
        change=None if one.change_minor is None else money(one.change_minor, one.currency),
    )


def _budget(one: DigestBudget, tree: CategoryTree) -> SummaryBudget:
    return SummaryBudget(
        name=one.name,
        category=None if one.category is None else category_node(tree, one.category.category_id),
        available=money(one.available_minor, one.currency),
        spent=money(one.spent_minor, one.currency),
        remaining=money(one.left_minor, one.currency),
        percent_used=one.percent,
        state=one.state,
        last=one.last,
    )


def _bill(one: Expected) -> SummaryBill:
    return SummaryBill(
        merchant=one.merchant,
        day=one.due_on,
        amount=money(-one.amount_minor, one.currency),
        spread=money(one.spread_minor, one.currency),
    )
