"""Applications of rules to the past: what they would do, what they did, and how it was before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from mintql.domain.budgets import MonthlySum
from mintql.domain.ids import RuleApplicationId, RuleId, TransactionId, UserId
from mintql.domain.rules import Rule
from mintql.store.queries import Conn, load
from mintql.store.rules import as_json
from mintql.store.transactions_read import SUCCESSION_STEPS_MAX

SQL = load("rules_past")

STATEMENT_SECONDS_MAX = 60
"""For one statement over all of a person's transactions: a hundred thousand take nearly all the time that other
statements are given, where the machine is busy."""


@dataclass(frozen=True, slots=True)
class Reach:
    """How many transactions a rule holds for, changes, and leaves where the person put them; some that it changes."""

    matched: int
    changed: int
    manual: int
    transaction_ids: tuple[TransactionId, ...]
    months: frozenset[date] = frozenset()


NOTHING_REACHED = Reach(0, 0, 0, ())


@dataclass(frozen=True, slots=True)
class Application:
    """An application of a rule to the past; `undone_count` is how many transactions its undoing changed."""

    application_id: RuleApplicationId
    rule_id: RuleId
    rule_name: str
    matched_count: int
    changed_count: int
    manual_count: int
    applied_at: datetime
    undone_at: datetime | None
    undone_count: int | None


async def preview_counts(conn: Conn, user_id: UserId, rule: Rule, earlier: Sequence[RuleId], ids_max: int) -> Reach:
    """Return how far a rule would reach into the past; `earlier` rules come before it."""
    row = await conn.fetchrow(SQL.preview_counts, user_id, as_json(user_id, rule), _texts(earlier), ids_max)
    return (
        Reach(0, 0, 0, ()) if row is None else Reach(**{**dict(row), "transaction_ids": tuple(row["transaction_ids"])})
    )


async def preview_sums(conn: Conn, user_id: UserId, rule: Rule, earlier: Sequence[RuleId]) -> list[MonthlySum]:
    """Return by how much a rule would change the sums, the latest month first."""
    rows = await conn.fetch(SQL.preview_sums, user_id, as_json(user_id, rule), _texts(earlier))
    return [MonthlySum(**dict(row)) for row in rows]


async def apply(
    conn: Conn, user_id: UserId, rule: Rule, earlier: Sequence[RuleId], ids_max: int, now: datetime
) -> tuple[RuleApplicationId | None, Reach]:
    """Apply a rule to the past in one statement; return the application, None where there was nothing to change."""
    await _give_time(conn, user_id)
    opened = await conn.fetchval(SQL.open_application, user_id, rule.rule_id, rule.name, now)
    row = await conn.fetchrow(
        SQL.apply,
        user_id,
        as_json(user_id, rule),
        _texts(earlier),
        opened,
        rule.detail,
        now,
        ids_max,
        timeout=STATEMENT_SECONDS_MAX + 1,
    )
    reach = NOTHING_REACHED
    if row is not None:
        ids, months = tuple(row["transaction_ids"]), frozenset(row["months"])
        reach = Reach(row["matched"], row["changed"], row["manual"], ids, months)
    if not reach.changed:
        await conn.execute(SQL.drop_application, user_id, opened)
        return None, reach
    await conn.execute(SQL.close_application, user_id, opened, reach.matched, reach.changed, reach.manual)
    return RuleApplicationId(opened), reach


async def undo(
    conn: Conn, user_id: UserId, application_id: RuleApplicationId, ids_max: int, now: datetime
) -> tuple[int, tuple[TransactionId, ...], frozenset[date]]:
    """Give transactions back what they were before an application; return how many, some ids and the months."""
    await _give_time(conn, user_id)
    patience = STATEMENT_SECONDS_MAX + 1
    row = await conn.fetchrow(SQL.undo, user_id, application_id, now, SUCCESSION_STEPS_MAX, ids_max, timeout=patience)
    changed = 0 if row is None else row["changed"]
    await conn.execute(SQL.undo_behind, user_id, application_id, timeout=patience)
    await conn.execute(SQL.close_undoing, user_id, application_id, now, changed)
    if row is None:
        return 0, (), frozenset()
    return changed, tuple(row["transaction_ids"]), frozenset(row["months"])


async def applications(
    conn: Conn, user_id: UserId, limit: int, application_ids: Sequence[RuleApplicationId] | None = None
) -> list[Application]:
    """Return a person's applications, the latest first; or those asked for."""
    rows = await conn.fetch(SQL.applications, user_id, application_ids, limit)
    return [Application(**dict(row)) for row in rows]


async def _give_time(conn: Conn, user_id: UserId) -> None:
    await conn.execute(SQL.give_time, user_id, f"{STATEMENT_SECONDS_MAX}s")


def _texts(rule_ids: Sequence[RuleId]) -> list[str]:
    return [str(rule_id) for rule_id in rule_ids]
