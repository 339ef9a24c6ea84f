"""Limits that fit a person, from their own months and what is known of the coming one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from mintql.data import load_template
from mintql.domain.categories import CategoryTree
from mintql.domain.ids import UserId
from mintql.domain.months import add_months, first_day, local_date
from mintql.domain.recommendations import COMPLETE_MONTHS_MAX, Recommendation, recommend
from mintql.services.budgets import plan_of
from mintql.services.personal_categories import tree_of
from mintql.services.recurring import expected_between
from mintql.store import spending as spending_store
from mintql.store.queries import Conn

BILLS_MONTHS = 12
"""How far ahead bills are looked at, to tell those that come every month from those that do not."""


@dataclass(frozen=True, slots=True)
class Recommended:
    """Recommendations for a month (its first day), of groups of the person's own tree."""

    month: date
    tree: CategoryTree
    items: list[Recommendation]


async def recommendations(conn: Conn, user_id: UserId, now: datetime) -> Recommended:
    """Return a limit for the coming month for each group, from the person's complete months, bills and the template.

    Raises:
        NotFound: The person is gone.
    """
    plan = await plan_of(conn, user_id)
    month = first_day(local_date(now, plan.time_zone))
    # One month more than are looked at: the first one seen is taken for cut off.
    first = add_months(month, -COMPLETE_MONTHS_MAX - 1)
    sums = await spending_store.sums_between(conn, user_id, first, add_months(month, -1))
    coming = add_months(month, 1)
    bills = await expected_between(conn, user_id, coming, add_months(coming, BILLS_MONTHS) - timedelta(days=1))
    tree = await tree_of(conn, user_id)
    found = recommend(tree, sums, load_template(), plan.plan, month, bills)
    return Recommended(coming, tree, [found[category_id] for category_id in sorted(found)])
