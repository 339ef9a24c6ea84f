"""Budgets of calendar months, as most tests mean them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

from mintql.domain.budget_periods import calendar_month
from mintql.domain.budget_timeline import Timeline
from mintql.domain.budgets import Limit, Override, Plan
from mintql.domain.ids import CategoryId, UserId
from mintql.domain.money import Money
from mintql.domain.templates import Template
from mintql.services.budget_overrides import Scope, Wish, set_override
from mintql.services.budgets import Budget, list_budgets
from mintql.services.effects import Effects


async def set_limit(
    conn: Any,
    user_id: UserId,
    category_id: CategoryId,
    on: date,
    limit: Money | None,
    scope: Scope,
    now: datetime,
    *,
    thresholds: Sequence[int] | None = None,
    **more: Any,
) -> tuple[Budget, Effects]:
    return await set_override(conn, user_id, Wish(category_id, on, scope, limit, thresholds=thresholds, **more), now)


async def budgets_of_month(conn: Any, user_id: UserId, month: date, now: datetime) -> list[Budget]:
    return await list_budgets(conn, user_id, calendar_month(month), now)


def limits_of_month(
    template: Template, plan: Plan, overrides: Iterable[Override], month: date
) -> dict[CategoryId, Limit]:
    """The limits of a month by category; of one currency each."""
    timeline, period = Timeline(template, plan, overrides), calendar_month(month)
    return {limit.category_id: limit for limit in timeline.limits_between(period.first, period.last)}
