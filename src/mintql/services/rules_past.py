"""A rule and the past: what applying it would do, applying it, and undoing that as a whole.

Applying changes every transaction that the rule holds for in one statement, but for what the person chose: a category
by hand stays, and so does a name or a word on budgets that is there already. Transfers between own accounts stay, and
what rules that come before this one decided.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from mintql.domain.budget_periods import calendar_month
from mintql.domain.budgets import NOTHING_SPENT, Limit, MonthlySum, Spent, crossed, spent_by_budget
from mintql.domain.categories import CategoryTree
from mintql.domain.errors import InvalidInput, NotFound
from mintql.domain.ids import CategoryId, RuleApplicationId, RuleId, TransactionId, UserId
from mintql.domain.rules import Rule
from mintql.services import alerts, transfers
from mintql.services.budget_spending import measure
from mintql.services.budgets import holder_of
from mintql.services.effects import Effects
from mintql.services.events import append_events, transactions_changed
from mintql.services.personal_categories import tree_of
from mintql.services.rules import RuleWish, checked, find, list_rules
from mintql.store import budgets as budget_rows
from mintql.store import rules_past as store
from mintql.store import transactions_read
from mintql.store.locks import lock_users
from mintql.store.queries import Conn
from mintql.store.rules_past import Application, Reach
from mintql.store.transactions_read import TransactionRow

__all__ = [
    "Application", "BudgetChange", "Preview", "SumChange", "apply", "list_applications", "preview", "undo",
]  # fmt: skip

TRANSACTIONS_SHOWN_MAX: Final = 20
"""Transactions that a preview shows: enough to see whether the rule means the right ones."""
MONTHS_SHOWN_MAX: Final = 24
"""Months whose sums and budgets a preview shows, the latest; earlier ones are changed as well."""
FOLLOWED_MAX: Final = 5_000
"""Transactions, the newest, that transfers are looked for again among: for more a request has no time, and what is
older has found its other side long ago."""
APPLICATIONS_LISTED_MAX: Final = 200
"""More than anybody looks through; earlier ones can still be undone by their ids."""


@dataclass(frozen=True, slots=True)
class SumChange:
    """A monthly sum as it is and as it would be: signed minor units, pending amounts in it; and what budgets count."""

    month: date
    category_id: CategoryId
    currency: str
    before_minor: int
    after_minor: int
    excluded_before_minor: int
    excluded_after_minor: int


@dataclass(frozen=True, slots=True)
class BudgetChange:
    """A budget as it is and would be spent in a month, and which thresholds that would reach, in percent."""

    limit: Limit
    before: Spent
    after: Spent
    thresholds: tuple[int, ...]
    alerts: bool
    """Whether the month is recent enough for alerts to be raised."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What applying a rule to the past would do."""

    reach: Reach
    rows: tuple[TransactionRow, ...]
    sums: tuple[SumChange, ...]
    budgets: tuple[BudgetChange, ...]


async def preview(conn: Conn, user_id: UserId, asked: RuleId | RuleWish, now: datetime) -> Preview:
    """Return what applying a rule that is there, or one that is only thought of, would do. Changes nothing.

    Raises:
        InvalidInput: The rule cannot be; the message says why.
        NotFound: There is no such rule.
    """
    await lock_users(conn, [user_id])
    rules = await list_rules(conn, user_id)
    if isinstance(asked, RuleWish):
        rule = await checked(conn, user_id, asked)
        earlier = _deciding(rules)
    else:
        rule = find(rules, asked)
        earlier = _earlier(rules, rule)
    reach = await store.preview_counts(conn, user_id, rule, earlier, TRANSACTIONS_SHOWN_MAX)
    found = await transactions_read.resolve(conn, user_id, reach.transaction_ids)
    deltas = await store.preview_sums(conn, user_id, rule, earlier)
    months = sorted({item.month for item in deltas}, reverse=True)[:MONTHS_SHOWN_MAX]
    before = await budget_rows.sums(conn, [(user_id, calendar_month(month)) for month in months])
    by_month = {
        month: (before.get((user_id, calendar_month(month)), []), [d for d in deltas if d.month == month])
        for month in months
    }
    return Preview(
        reach,
        tuple(found[transaction_id] for transaction_id in reach.transaction_ids),
        tuple(change for was, delta in by_month.values() for change in _sum_changes(was, delta)),
        tuple(await _budget_changes(conn, user_id, by_month, now)),
    )


async def apply(
    conn: Conn, user_id: UserId, rule_id: RuleId, now: datetime
) -> tuple[Application | None, Reach, Effects]:
    """Apply a rule to all transactions that are there; return the application, None where nothing was to be changed.

    Raises:
        InvalidInput: The person has hidden the category that the rule sets.
        NotFound: There is no such rule.
    """
    await lock_users(conn, [user_id])
    rules = await list_rules(conn, user_id)
    rule = find(rules, rule_id)
    if (
        rule.actions.category_id is not None
        and not (await tree_of(conn, user_id)).by_id[rule.actions.category_id].offered
    ):
        raise InvalidInput("You have hidden the category of this rule; show it first.", field="id")
    application_id, reach = await store.apply(conn, user_id, rule, _earlier(rules, rule), FOLLOWED_MAX, now)
    if application_id is None:
        return None, reach, Effects()
    (application,) = await store.applications(conn, user_id, 1, [application_id])
    return application, reach, await _tell(conn, user_id, reach.transaction_ids, reach.changed, reach.months, now)


async def undo(
    conn: Conn, user_id: UserId, application_id: RuleApplicationId, now: datetime
) -> tuple[Application, Effects]:
    """Undo an application as a whole; one that is undone already stays so.

    Each transaction goes back to what it was, as far as it is still as the application left it.

    Raises:
        NotFound: There is no such application.
    """
    await lock_users(conn, [user_id])
    found = await store.applications(conn, user_id, 1, [application_id])
    if not found:
        raise NotFound("There is no application of a rule with this id; nothing was changed.", field="id")
    if found[0].undone_at is not None:
        return found[0], Effects()
    changed, ids, months = await store.undo(conn, user_id, application_id, FOLLOWED_MAX, now)
    (application,) = await store.applications(conn, user_id, 1, [application_id])
    return application, await _tell(conn, user_id, ids, changed, months, now)


async def list_applications(
    conn: Conn, user_id: UserId, application_ids: Sequence[RuleApplicationId] | None = None
) -> list[Application]:
    """Return a person's applications of rules to the past, the latest first, a bounded number; or some by id."""
    return await store.applications(conn, user_id, APPLICATIONS_LISTED_MAX, application_ids)


async def _check_offered(conn: Conn, user_id: UserId, rule: Rule) -> None:
    if rule.actions.category_id is None:
        return
    category = (await tree_of(conn, user_id)).by_id[rule.actions.category_id]
    if not category.offered:
        raise InvalidInput(f"You have hidden {category.name}; show it first.", field="id")


async def _tell(
    conn: Conn, user_id: UserId, ids: Sequence[TransactionId], count: int, months: frozenset[date], now: datetime
) -> Effects:
    effects = Effects(changed={user_id})
    if count:
        settled = await transfers.follow(conn, user_id, ids, now)
        more = sorted(settled.changed.difference(ids), reverse=True)
        told = transactions_changed(user_id, changed=[*ids, *more], changed_count=count + len(more))
        _, telling = await append_events(conn, [told])
        effects.merge(telling)
        effects.merge(await alerts.evaluate(conn, {user_id: set(months) | settled.months}, now))
    return effects


def _earlier(rules: Sequence[Rule], rule: Rule) -> list[RuleId]:
    """Return the rules that decide a category before this one does."""
    return _deciding(rules[: rules.index(rule)])


def _deciding(rules: Sequence[Rule]) -> list[RuleId]:
    return [rule.rule_id for rule in rules if rule.enabled and rule.actions.category_id is not None]


def _sum_changes(was: Sequence[MonthlySum], deltas: Sequence[MonthlySum]) -> list[SumChange]:
    before = {(item.category_id, item.currency): item for item in was}
    changes = []
    for delta in deltas:
        there = before.get((delta.category_id, delta.currency))
        total = 0 if there is None else there.posted_minor + there.pending_minor
        excluded = 0 if there is None else there.excluded_posted_minor + there.excluded_pending_minor
        change = SumChange(
            delta.month,
            delta.category_id,
            delta.currency,
            total,
            total + delta.posted_minor + delta.pending_minor,
            excluded,
            excluded + delta.excluded_posted_minor + delta.excluded_pending_minor,
        )
        if (change.before_minor, change.excluded_before_minor) != (change.after_minor, change.excluded_after_minor):
            changes.append(change)
    return changes


async def _budget_changes(
    conn: Conn,
    user_id: UserId,
    by_month: Mapping[date, tuple[Sequence[MonthlySum], Sequence[MonthlySum]]],
    now: datetime,
) -> list[BudgetChange]:
    """Return the budgets of calendar months whose spending would change, the latest month first."""
    holder, changes = await holder_of(conn, user_id, now), []
    for month, (was, deltas) in by_month.items():
        period = calendar_month(month)
        limits = holder.timeline.limits_between(period.first, period.last)
        of_month = await measure(conn, [(holder, limit) for limit in limits if limit.period == period])
        for limit in (item.limit for item in of_month):
            before = _spent(holder.tree, was, limit)
            after = _spent(holder.tree, [*was, *deltas], limit)
            if before == after:
                continue
            passed = set(crossed(limit, after.total_minor)) - set(crossed(limit, before.total_minor))
            news = alerts.is_news(period, holder.today)
            changes.append(BudgetChange(limit, before, after, tuple(sorted(passed)), news))
    return changes


def _spent(tree: CategoryTree, sums: Sequence[MonthlySum], limit: Limit) -> Spent:
    return spent_by_budget(tree, sums, limit.currency).get(limit.category_id, NOTHING_SPENT)
