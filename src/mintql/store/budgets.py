"""Rows of `budget_overrides`, and what a person told that the template rests on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import asyncpg

from mintql.domain.budgets import Override, Plan
from mintql.domain.ids import CategoryId, UserId
from mintql.store.queries import Conn, load

SQL = load("budgets")


@dataclass(frozen=True, slots=True)
class PlanRow:
    """The plan of a person and the time zone that says which month it is for them."""

    plan: Plan
    time_zone: str


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


async def overrides_until(conn: Conn, user_id: UserId, month: date) -> list[Override]:
    """Return overrides that can hold in a month: its own, and the latest recurring one of each category."""
    return [_override(row) for row in await conn.fetch(SQL.overrides_until, user_id, month)]


async def take_revision(conn: Conn, user_id: UserId) -> int:
    """Return a revision no limit of this person had before. The caller holds the person's lock."""
    return int(await conn.fetchval(SQL.take_revision, user_id))


async def overrides_of(conn: Conn, user_id: UserId, category_id: CategoryId) -> list[Override]:
    """Return all overrides of one category, oldest month first."""
    return [_override(row) for row in await conn.fetch(SQL.overrides_of, user_id, category_id)]


async def put(conn: Conn, user_id: UserId, override: Override, now: datetime) -> None:
    """Write an override in place of the one of the same category, month and recurrence."""
    await conn.execute(
        SQL.put,
        user_id,
        override.category_id,
        override.month,
        override.recurring,
        override.limit_minor,
        override.currency,
        override.thresholds,
        override.revision,
        now,
    )


async def remove(conn: Conn, user_id: UserId, overrides: Sequence[Override]) -> None:
    """Remove these overrides."""
    if overrides:
        await conn.execute(
            SQL.remove,
            user_id,
            [override.category_id for override in overrides],
            [override.month for override in overrides],
            [override.recurring for override in overrides],
        )


def _override(row: asyncpg.Record) -> Override:
    return Override(
        category_id=row["category_id"],
        month=row["month"],
        recurring=row["recurring"],
        limit_minor=row["limit_minor"],
        currency=row["currency"],
        thresholds=tuple(row["thresholds"]),
        revision=row["revision"],
    )
