"""Rows of `rules`: what persons wrote down about their transactions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

import asyncpg

from mintql.domain.categories import UNCATEGORIZED_ID
from mintql.domain.ids import AccountId, CategoryId, RuleId, UserId
from mintql.domain.rules import Actions, Conditions, Direction, Rule
from mintql.store.queries import Conn, load

SQL = load("rules")


async def of_users(conn: Conn, user_ids: Sequence[UserId]) -> dict[UserId, list[Rule]]:
    """Return these persons' rules in their order; a person without rules is not in the result."""
    rules: dict[UserId, list[Rule]] = {}
    for row in await conn.fetch(SQL.of_users, user_ids):
        rules.setdefault(row["user_id"], []).append(_rule(row))
    return rules


async def add(conn: Conn, user_id: UserId, rule: Rule, now: datetime) -> RuleId:
    """Write a new rule; return the id it has then, whatever id it was given."""
    added = await conn.fetchval(SQL.add, user_id, rule.position, *_values(rule), now)
    return RuleId(added)


async def change(conn: Conn, user_id: UserId, rule: Rule, now: datetime) -> None:
    """Write a rule anew under its id. Its place stays."""
    await conn.execute(SQL.change, user_id, rule.rule_id, *_values(rule), now)


async def remove(conn: Conn, user_id: UserId, rule_id: RuleId) -> None:
    """Delete a rule."""
    await conn.execute(SQL.remove, user_id, rule_id)


async def place(conn: Conn, user_id: UserId, rule_ids: Sequence[RuleId]) -> None:
    """Put rules in the order of this list."""
    await conn.execute(SQL.place, user_id, rule_ids)


async def accounts_of(conn: Conn, user_id: UserId, account_ids: Sequence[AccountId]) -> set[AccountId]:
    """Return which of these accounts are the person's."""
    return {row["account_id"] for row in await conn.fetch(SQL.accounts_of, user_id, account_ids)}


async def move_category(conn: Conn, user_id: UserId, from_id: CategoryId, into_id: CategoryId) -> None:
    """Let rules, and what their applications remember, name another category in place of one that goes.

    In place of Uncategorized a rule sets none; one that sets nothing else rests.
    """
    await conn.execute(SQL.move_category, user_id, from_id, into_id, UNCATEGORIZED_ID)


def as_json(user_id: UserId, rule: Rule) -> str:
    """Return a rule as JSON with the columns of the table, for queries about one that may not be written yet."""
    conditions, actions = rule.conditions, rule.actions
    return json.dumps(
        {
            "user_id": user_id,
            "rule_id": rule.rule_id,
            "position": rule.position,
            "name": rule.name,
            "merchant_key": conditions.merchant_key,
            "text_contains": conditions.text,
            "text_key": conditions.text_key,
            "amount_min_minor": conditions.amount_min_minor,
            "amount_max_minor": conditions.amount_max_minor,
            "currency": conditions.currency,
            "account_ids": None if conditions.account_ids is None else sorted(conditions.account_ids),
            "direction": None if conditions.direction is None else conditions.direction.value,
            "category_id": actions.category_id,
            "display_name": actions.display_name,
            "tags": list(actions.tags) or None,
            "excluded_from_budgets": actions.excluded_from_budgets,
        }
    )


def _values(rule: Rule) -> tuple[object, ...]:
    """Return what a rule says, in the order of the columns from the name on."""
    conditions, actions = rule.conditions, rule.actions
    return (
        rule.name, rule.enabled, conditions.merchant_key, conditions.text, conditions.text_key,
        conditions.amount_min_minor, conditions.amount_max_minor, conditions.currency,
        None if conditions.account_ids is None else sorted(conditions.account_ids),
        None if conditions.direction is None else conditions.direction.value,
        actions.category_id, actions.display_name, list(actions.tags) or None, actions.excluded_from_budgets,
    )  # fmt: skip


def _rule(row: asyncpg.Record) -> Rule:
    accounts, direction = row["account_ids"], row["direction"]
    conditions = Conditions(
        merchant_key=row["merchant_key"],
        text=row["text_contains"],
        text_key=row["text_key"],
        amount_min_minor=row["amount_min_minor"],
        amount_max_minor=row["amount_max_minor"],
        currency=row["currency"],
        account_ids=None if accounts is None else frozenset(accounts),
        direction=None if direction is None else Direction(direction),
    )
    actions = Actions(row["category_id"], row["display_name"], tuple(row["tags"] or ()), row["excluded_from_budgets"])
    return Rule(row["rule_id"], row["position"], row["name"], row["enabled"], conditions, actions)
