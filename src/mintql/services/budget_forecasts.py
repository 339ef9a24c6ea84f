"""How the running periods of budgets are likely to end, what may be spent today, and telling who is about to exceed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from mintql.domain.budget_periods import period_words
from mintql.domain.budgets import EVERYTHING_ID, ThresholdState, leaves_of
from mintql.domain.forecasts import HABIT_DAYS, Course, Forecast, available_today, forecast, has_begun_enough
from mintql.domain.ids import CategoryId, UserId
from mintql.domain.money import Money
from mintql.domain.notices import NewNotice, NoticeKind
from mintql.domain.periods import DAY
from mintql.domain.recurring import Expected
from mintql.services.budgets import Budget, holder_of, measured_budgets
from mintql.services.effects import Effects
from mintql.services.notices import raise_notices
from mintql.services.recurring import EXPECTED_FROM, expected_between
from mintql.store import budgets as store
from mintql.store.notable import told_subjects
from mintql.store.queries import Conn

TOLD_PERCENT_MIN = 5
"""A forecast is told when it exceeds what is available by more than this: nearer, it is as likely to be wrong."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is to be expected of a budget whose period runs: minor units of its currency."""

    available_today_minor: int
    forecast: Forecast


async def outlooks(conn: Conn, user_id: UserId, budgets: Sequence[Budget]) -> list[Outlook | None]:
    """Return the outlook of each of a person's budgets, in their order; None where the period does not run today."""
    running = [budget for budget in budgets if _runs(budget)]
    if not running:
        return [None for _ in budgets]
    today = running[0].today
    since = min(budget.limit.period.first for budget in running) - HABIT_DAYS * DAY
    until = max(budget.limit.period.last for budget in running)
    leaves = {leaf for budget in running for leaf in leaves_of(budget.tree, budget.limit.category_id)}
    rows = await store.daily_spending(conn, user_id, since, today, EXPECTED_FROM, leaves)
    expected = await expected_between(conn, user_id, today, until)
    known_since = await store.spends_since(conn, user_id, today, EXPECTED_FROM) or today
    return [_outlook(_course(budget, rows, expected, known_since)) if _runs(budget) else None for budget in budgets]


def _runs(budget: Budget) -> bool:
    return budget.limit.period.first <= budget.today <= budget.limit.period.last


def _outlook(course: Course) -> Outlook:
    return Outlook(available_today(course), forecast(course))


def _course(
    budget: Budget, rows: Sequence[store.DaySpending], expected: Sequence[Expected], known_since: date
) -> Course:
    limit, leaves = budget.limit, set(leaves_of(budget.tree, budget.limit.category_id))
    first = limit.period.first - HABIT_DAYS * DAY
    daily: dict[date, int] = defaultdict(int)
    for row in rows:
        # Rows are those of all budgets: one whose period is longer looks back for longer.
        if row.posted_on >= first and row.currency == limit.currency and row.category_id in leaves:
            daily[row.posted_on] += row.spent_minor
    return Course(
        period=limit.period,
        today=budget.today,
        currency=limit.currency,
        available_minor=limit.available_minor,
        spent_minor=budget.spent.total_minor,
        daily=daily,
        known_since=known_since,
        bills=[
            -item.amount_minor
            for item in expected
            if item.amount_minor < 0 and _counts(item, limit.currency, leaves) and item.due_on <= limit.period.last
        ],
    )


def _counts(item: Expected, currency: str, leaves: set[CategoryId]) -> bool:
    return item.currency == currency and item.category_id in leaves


async def forecast_notices(conn: Conn, user_id: UserId, now: datetime) -> Effects:
    """Tell a person which budgets are on pace to exceed what is available, once for each period and limit.

    To be called under the person's lock, after what recurs was found.
    """
    holder = await holder_of(conn, user_id, now)
    today = holder.today
    limits = [limit for limit in holder.timeline.limits_between(today, today) if has_begun_enough(limit.period, today)]
    budgets = [
        budget
        for budget in await measured_budgets(conn, holder, limits)
        if budget.state is not ThresholdState.EXCEEDED and budget.limit.available_minor > 0 and not budget.is_noise
    ]
    # What was told is not told again, and need not be worked out: days of many budgets are many transactions.
    told = await told_subjects(conn, user_id, [NoticeKind.BUDGET_FORECAST], map(_subject, budgets))
    budgets = [budget for budget in budgets if _subject(budget) not in told]
    found = zip(budgets, await outlooks(conn, user_id, budgets), strict=True)
    notices = [
        _notice(user_id, budget, outlook.forecast)
        for budget, outlook in found
        if outlook is not None and _is_news(outlook.forecast)
    ]
    return await raise_notices(conn, notices, now)


def _is_news(item: Forecast) -> bool:
    return item.over_minor * 100 > item.available_minor * TOLD_PERCENT_MIN


def _subject(budget: Budget) -> str:
    limit = budget.limit
    return f"budget {limit.category_id} {limit.currency} {limit.period.first} {limit.revision}"


def _notice(user_id: UserId, budget: Budget, item: Forecast) -> NewNotice:
    limit = budget.limit
    spent, available, over, left = (
        Money(minor, limit.currency)
        for minor in (item.spent_minor, item.available_minor, item.over_minor, max(0, budget.remaining_minor))
    )
    return NewNotice(
        user_id=user_id,
        kind=NoticeKind.BUDGET_FORECAST,
        subject=_subject(budget),
        title=f"{budget.name}: on pace to exceed the budget",
        body=f"Your {budget.name} budget for {period_words(limit.period)} is on pace to reach {spent} of {available} "
        f"by {limit.period.last.day} {limit.period.last:%B}, {over} too much. {left} is left until then. {item.basis}",
        category_id=None if limit.category_id == EVERYTHING_ID else limit.category_id,
        amount_minor=item.spent_minor,
        limit_minor=item.available_minor,
        currency=limit.currency,
        period_first=limit.period.first,
        period_last=limit.period.last,
    )
