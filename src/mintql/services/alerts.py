"""Budget alerts: raised in the transaction that moved the sum or the limit, exactly once each.

Once for each (person, budget, month, threshold, revision of the limit): the unique key of `alerts` holds
that under any number of writers, refunds back and forth, and batches that land together.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta

from mintql.data import load_template
from mintql.domain.budgets import NOTHING_SPENT, crossed, limits_for_month, spent_by_budget
from mintql.domain.categories import CategoryTree
from mintql.domain.ids import UserId
from mintql.domain.months import add_months, first_day, last_day, local_date
from mintql.services.budget_notices import budget_notices
from mintql.services.effects import Effects
from mintql.services.events import NewEvent, append_events
from mintql.services.notices import raise_notices
from mintql.services.personal_categories import trees_of
from mintql.store import alerts as store
from mintql.store.alerts import Crossing
from mintql.store.queries import Conn

GRACE_DAYS = 7
"""A month that ended longer ago raises no alert: history that is linked or recategorized is no news, while
purchases of a month's last days are often booked in the next one's first."""
CAUSES_MAX = 5


async def evaluate(conn: Conn, touched: Mapping[UserId, set[date]], now: datetime) -> Effects:
    """Raise the alerts that these persons' spending in these months calls for.

    To be called under the persons' locks, after whatever changed sums, limits or thresholds.
    """
    user_ids = sorted(user_id for user_id, months in touched.items() if months)
    if not user_ids:
        return Effects()
    plans = await store.plans(conn, user_ids)
    recent = [
        (user_id, month)
        for user_id in user_ids
        for month in sorted(touched[user_id])
        if is_news(month, now, plans[user_id][1])
    ]
    if not recent:
        return Effects()
    overrides = await store.overrides(conn, sorted({user_id for user_id, _ in recent}))
    sums = await store.sums(conn, recent)
    trees, template = await trees_of(conn, sorted({user_id for user_id, _ in recent})), load_template()
    crossings: list[Crossing] = []
    for user_id, month in recent:
        limits = limits_for_month(template, plans[user_id][0], overrides.get(user_id, ()), month)
        by_currency = {
            currency: spent_by_budget(trees[user_id], sums.get((user_id, month), ()), currency)
            for currency in {limit.currency for limit in limits.values()}
        }
        for category_id, limit in limits.items():
            spent = by_currency[limit.currency].get(category_id, NOTHING_SPENT)
            crossings += [Crossing(user_id, limit, threshold, spent) for threshold in crossed(limit, spent.total_minor)]
    return await _raise(conn, crossings, trees, now)


def recent_months(now: datetime) -> set[date]:
    """Return the months that may be news to anybody anywhere: the last, the current and the next one."""
    month = first_day(now.date())
    return {add_months(month, -1), month, add_months(month, 1)}


def is_news(month: date, now: datetime, time_zone: str) -> bool:
    """Tell whether a month is one to raise alerts for: on the person's calendar not long past, nor far ahead."""
    today = local_date(now, time_zone)
    return today <= last_day(month) + timedelta(days=GRACE_DAYS) and month <= add_months(first_day(today), 1)


async def _raise(conn: Conn, crossings: list[Crossing], trees: Mapping[UserId, CategoryTree], now: datetime) -> Effects:
    raised = await store.raise_alerts(conn, crossings, now)
    if not raised:
        return Effects()
    leaves = [
        [leaf.category_id for leaf in trees[item.user_id].children(item.category_id)] or [item.category_id]
        for item in raised
    ]
    await store.note_causes(conn, raised, leaves, CAUSES_MAX)
    events = [
        NewEvent(item.user_id, "budget_alert", {"alert_id": item.alert_id})
        for item in sorted(raised, key=lambda item: item.alert_id)
    ]
    _, effects = await append_events(conn, events)
    effects.changed |= effects.told
    effects.merge(await raise_notices(conn, budget_notices(raised, crossings, trees), now))
    return effects
