"""Rows of `budget_overrides`, and what a person told that the template rests on."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import asyncpg

from mintql.domain.budget_periods import PeriodUnit, Schedule, calendar_month
from mintql.domain.budgets import MonthlySum, Override, Plan, Rollover
from mintql.domain.ids import CategoryId, UserId
from mintql.domain.periods import Period
from mintql.store.queries import Conn, load
from mintql.store.spending import sums_between

SQL = load("budgets")


@dataclass(frozen=True, slots=True)
class PlanRow:
    """The plan of a person and the time zone that says which month it is for them."""

    plan: Plan
    time_zone: str


@dataclass(frozen=True, slots=True)
class DaySpending:
    """What was spent on a day in a category: minor units, positive, refunds netted."""

    posted_on: date
    category_id: CategoryId
    currency: str
    spent_minor: int


async def get_plan(conn: Conn, user_id: UserId) -> PlanRow | None:
    """Return what the template rests on for a person; None when there is no such person."""
    row = await conn.fetchrow(SQL.plan, user_id)
    if row is None:
        return None
    return PlanRow(plan_of(row), row["time_zone"])


def plan_of(row: asyncpg.Record) -> Plan:
    """Return the plan that a row of a person holds."""
    return Plan(row["annual_income_minor"], row["currency"], row["template_revision"], row["income_detected"])


async def get_detected_income(conn: Conn, user_id: UserId) -> tuple[int | None, int | None] | None:
    """Return the yearly incomes that were detected and stated, in minor units; None when there is no such person."""
    row = await conn.fetchrow(SQL.detected_income, user_id)
    return None if row is None else (row["detected_income_minor"], row["annual_income_minor"])


async def note_detected_income(
    conn: Conn, user_id: UserId, annual_income_minor: int | None, now: datetime, template_revision: int | None
) -> None:
    """Write the income that was detected, and the template's revision if that changes."""
    await conn.execute(SQL.note_detected_income, user_id, annual_income_minor, now, template_revision)


async def overrides_by_users(conn: Conn, user_ids: Sequence[UserId]) -> dict[UserId, list[Override]]:
    """Return what each person has changed about their budgets."""
    found: dict[UserId, list[Override]] = {}
    for row in await conn.fetch(SQL.overrides_by_users, user_ids):
        found.setdefault(row["user_id"], []).append(_override(row))
    return found


async def take_revision(conn: Conn, user_id: UserId) -> int:
    """Return a revision no limit of this person had before. The caller holds the person's lock."""
    return int(await conn.fetchval(SQL.take_revision, user_id))


async def overrides_of(conn: Conn, user_id: UserId, category_id: CategoryId) -> list[Override]:
    """Return all overrides of one category, in all its currencies, oldest first."""
    return [_override(row) for row in await conn.fetch(SQL.overrides_of, user_id, category_id)]


async def put(conn: Conn, user_id: UserId, override: Override, now: datetime) -> None:
    """Write an override in place of the one of the same budget, day and recurrence."""
    await conn.execute(
        SQL.put,
        user_id,
        override.category_id,
        override.since,
        override.recurring,
        override.limit_minor,
        override.currency,
        override.thresholds,
        override.revision,
        override.schedule.unit,
        override.schedule.every,
        override.schedule.anchor,
        override.rollover.surplus,
        override.rollover.overspend,
        now,
    )


async def remove(conn: Conn, user_id: UserId, overrides: Sequence[Override]) -> None:
    """Remove these overrides."""
    if overrides:
        await conn.execute(
            SQL.remove,
            user_id,
            [override.category_id for override in overrides],
            [override.currency for override in overrides],
            [override.since for override in overrides],
            [override.recurring for override in overrides],
        )


async def sums(conn: Conn, periods: Sequence[tuple[UserId, Period]]) -> dict[tuple[UserId, Period], list[MonthlySum]]:
    """Return the sums of these (person, period) by category and currency; `month` of each is its period's first day.

    Periods made of calendar months are added up from the sums by month, others from the transactions. For one month
    of one person they are what `sums_between` asks for, word by word, so that whoever has asked need not ask again.
    """
    found: dict[tuple[UserId, Period], list[MonthlySum]] = {}
    if len(periods) == 1:
        user_id, period = periods[0]
        if period == calendar_month(period.first):
            return {periods[0]: await sums_between(conn, user_id, period.first, period.first)}
    by_months = [item for item in periods if item[1].is_whole_months]
    by_days = [item for item in periods if not item[1].is_whole_months]
    for query, asked in ((SQL.sums_by_months, by_months), (SQL.sums_by_days, by_days)):
        if not asked:
            continue
        rows = await conn.fetch(
            query,
            [user_id for user_id, _ in asked],
            [period.first for _, period in asked],
            [period.last for _, period in asked],
        )
        for row in rows:
            place, *values = row
            item = asked[place - 1]
            found.setdefault(item, []).append(MonthlySum(item[1].first, *values))
    return found


async def daily_spending(
    conn: Conn, user_id: UserId, first: date, last: date, confidence_min: int, categories: Collection[CategoryId]
) -> list[DaySpending]:
    """Return what was spent by day in some categories, beside what recurs.

    That is what does with this confidence, in percent, or by the person's word.
    """
    rows = await conn.fetch(SQL.daily_spending, user_id, first, last, confidence_min, sorted(categories))
    return [DaySpending(**dict(row)) for row in rows]


async def spends_since(conn: Conn, user_id: UserId, last: date, confidence_min: int) -> date | None:
    """Return the first day until a last one on which money moved beside what recurs, None where it did on none."""
    day: date | None = await conn.fetchval(SQL.spends_since, user_id, last, confidence_min)
    return day


def _override(row: asyncpg.Record) -> Override:
    return Override(
        category_id=row["category_id"],
        since=row["since"],
        recurring=row["recurring"],
        limit_minor=row["limit_minor"],
        currency=row["currency"],
        thresholds=tuple(row["thresholds"]),
        revision=row["revision"],
        schedule=Schedule(PeriodUnit(row["period_unit"]), row["period_every"], row["period_anchor"]),
        rollover=Rollover(row["carry_surplus"], row["carry_overspend"]),
    )
