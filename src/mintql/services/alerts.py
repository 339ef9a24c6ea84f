"""Budget alerts: raised in the transaction that moved the sum or the limit, exactly once each.

Once for each (person, budget, period, threshold, revision of the limit): the unique key of `alerts` holds
that under any number of writers, refunds back and forth, and batches that land together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache

from mintql.data import load_template
from mintql.domain.budget_periods import calendar_month
from mintql.domain.budget_timeline import Timeline
from mintql.domain.budgets import BudgetKey, Limit, Plan, crossed, leaves_of, spent_by_budget
from mintql.domain.categories import CategoryTree
from mintql.domain.ids import UserId
from mintql.domain.months import add_months, first_day, last_day, local_date
from mintql.domain.periods import Period
from mintql.observing import metrics
from mintql.services.budget_notices import budget_notices
from mintql.services.budget_spending import Holder, measure
from mintql.services.effects import Effects
from mintql.services.events import NewEvent, append_events
from mintql.services.notices import raise_notices
from mintql.services.personal_categories import trees_of
from mintql.store import alerts as store
from mintql.store import budgets
from mintql.store.alerts import Crossing
from mintql.store.queries import Conn

GRACE_DAYS = 7
"""A period that ended longer ago raises no alert: history that is linked or recategorized is no news, while
purchases of a period's last days are often booked in the next one's first."""
CAUSES_MAX = 5
PLANS_KEPT_MAX = 1_024
"""Template limits that a process remembers, some 3 KB for each income and currency."""


async def evaluate(conn: Conn, touched: Mapping[UserId, set[date]], now: datetime) -> Effects:
    """Raise the alerts that these persons' spending calls for, when rows or limits of these months have changed.

    All periods that share a day with one of the months are looked at, and those that earlier periods, which do, carry
    into. To be called under the persons' locks, after whatever changed sums, limits or thresholds.
    """
    user_ids = sorted(user_id for user_id, months in touched.items() if months)
    if not user_ids:
        return Effects()
    plans = await store.plans(conn, user_ids)
    overrides = await budgets.overrides_by_users(conn, user_ids)
    limits: list[tuple[UserId, Timeline, date, Limit]] = []
    months: list[tuple[UserId, Plan, Period]] = []
    for user_id in user_ids:
        plan, time_zone = plans[user_id]
        today = local_date(now, time_zone)
        if user_id in overrides:
            timeline = Timeline(load_template(), plan, overrides[user_id])
            limits += [(user_id, timeline, today, limit) for limit in _touched(timeline, touched[user_id], today)]
        else:
            periods = (calendar_month(month) for month in sorted(touched[user_id]))
            months += [(user_id, plan, period) for period in periods if is_news(period, today)]
    if not limits and not months:
        return Effects()
    trees = await trees_of(conn, list(dict.fromkeys([item[0] for item in limits] + [item[0] for item in months])))
    crossings = await _by_template(conn, months, trees) if months else []
    if limits:
        holders = [
            (Holder(user_id, timeline, trees[user_id], today), limit) for user_id, timeline, today, limit in limits
        ]
        crossings += [
            Crossing(item.holder.user_id, item.limit, threshold, item.spent)
            for item in await measure(conn, holders)
            for threshold in crossed(item.limit, item.spent.total_minor)
        ]
    return await _raise(conn, crossings, trees, now)


async def _by_template(
    conn: Conn, months: Sequence[tuple[UserId, Plan, Period]], trees: Mapping[UserId, CategoryTree]
) -> list[Crossing]:
    """Return what persons who have changed no budget have reached in these months.

    Most persons are such. Nothing is carried into their months, and only what they spent on is compared.
    """
    sums = await budgets.sums(conn, [(user_id, period) for user_id, _, period in months])
    crossings: list[Crossing] = []
    for user_id, plan, period in months:
        timeline = _template_timeline(plan)
        spent = spent_by_budget(trees[user_id], sums.get((user_id, period), ()), plan.currency)
        for category_id, of_one in sorted(spent.items()):
            limit = timeline.limit_on(BudgetKey(category_id, plan.currency), period.first)
            if limit is not None:
                thresholds = crossed(limit, of_one.total_minor)
                crossings += [Crossing(user_id, limit, threshold, of_one) for threshold in thresholds]
    return crossings


@lru_cache(maxsize=PLANS_KEPT_MAX)
def _template_timeline(plan: Plan) -> Timeline:
    return Timeline(load_template(), plan, ())


def recent_months(now: datetime) -> set[date]:
    """Return the months that may be news to anybody anywhere: the last, the current and the next one."""
    month = first_day(now.date())
    return {add_months(month, -1), month, add_months(month, 1)}


def is_news(period: Period, today: date) -> bool:
    """Tell whether a period is one to raise alerts for: on the person's calendar not long past, nor far ahead."""
    return today <= period.last + timedelta(days=GRACE_DAYS) and period.first <= add_months(first_day(today), 1)


def _touched(timeline: Timeline, months: set[date], today: date) -> list[Limit]:
    """Return the limits that are news and that rows of these months count in, or carry into."""
    window = timeline.limits_between(today - timedelta(days=GRACE_DAYS), last_day(add_months(first_day(today), 1)))
    return [limit for limit in window if is_news(limit.period, today) and _depends_on(timeline, limit, months, today)]


def _depends_on(timeline: Timeline, limit: Limit, months: set[date], today: date) -> bool:
    first = next((item.period.first for item in timeline.carrying(limit, today)), limit.period.first)
    return any(month <= limit.period.last and first <= last_day(month) for month in months)


async def _raise(conn: Conn, crossings: list[Crossing], trees: Mapping[UserId, CategoryTree], now: datetime) -> Effects:
    raised = await store.raise_alerts(conn, crossings, now)
    if not raised:
        return Effects()
    leaves = [leaves_of(trees[item.user_id], item.category_id) for item in raised]
    await store.note_causes(conn, raised, leaves, CAUSES_MAX)
    events = [
        NewEvent(item.user_id, "budget_alert", {"alert_id": item.alert_id})
        for item in sorted(raised, key=lambda item: item.alert_id)
    ]
    _, effects = await append_events(conn, events)
    effects.changed |= effects.told
    effects.counts.append((metrics.ALERTS.of(), len(raised)))
    effects.merge(await raise_notices(conn, await budget_notices(conn, raised, crossings, trees, now), now))
    return effects
