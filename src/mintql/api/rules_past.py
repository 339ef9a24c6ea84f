"""Rules and the past: previewing, applying and undoing, and what was applied."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, TypeAlias

import strawberry

from mintql.api.budgets_types import category_or_none
from mintql.api.categories import Category, category_node
from mintql.api.context import Context, Info
from mintql.api.errors import InvalidInputError, NotFoundError, NotSignedInError
from mintql.api.money import Money, money
from mintql.api.nodes import Node, decode_id, encode_id, register_node
from mintql.api.rules import decode_rule_id
from mintql.api.rules_types import RuleInput
from mintql.api.scalars import Month
from mintql.api.transactions import Transaction, transaction_nodes
from mintql.domain.budgets import EVERYTHING_ID
from mintql.domain.categories import CategoryTree
from mintql.domain.errors import InvalidInput
from mintql.domain.ids import RuleApplicationId
from mintql.services import rules_past as service
from mintql.store.queries import Conn


@strawberry.type(description="A monthly sum that applying a rule would change, pending amounts in it.")
class RuleSumChange:
    """A sum as it is and as it would be."""

    month: Month = strawberry.field(description="The month.")
    category: Category = strawberry.field(description="The category.")
    before: Money = strawberry.field(description="The sum as it is; money out is negative.")
    after: Money = strawberry.field(description="The sum as it would be.")
    excluded_before: Money = strawberry.field(description="What of `before` budgets leave out.")
    excluded_after: Money = strawberry.field(description="What of `after` budgets would leave out.")


@strawberry.type(description="A budget of a calendar month whose spending applying a rule would change.")
class RuleBudgetChange:
    """A budget as it is and as it would be."""

    month: Month = strawberry.field(description="The month.")
    category: Category | None = strawberry.field(
        description="The category or group that the budget is for; null for everything."
    )
    limit: Money = strawberry.field(description="Its limit, with what was carried from earlier months.")
    before: Money = strawberry.field(description="What is spent of it, pending amounts in it; positive.")
    after: Money = strawberry.field(description="What would be spent of it.")
    thresholds: list[int] = strawberry.field(description="Thresholds that would be reached, in percent of the limit.")
    alerts: bool = strawberry.field(
        description="Whether alerts are raised for them; for a month that ended long ago none are."
    )


@strawberry.type(description="What applying a rule to the past would do.")
class RulePreview:
    """A preview as shown."""

    matched_count: int = strawberry.field(description="How many transactions the rule holds for.")
    changed_count: int = strawberry.field(description="How many of them it would change.")
    manual_count: int = strawberry.field(
        description="How many of them are in a category that the viewer chose, and stay there."
    )
    transactions: list[Transaction] = strawberry.field(
        description=f"Those that it would change as they are now, the newest {service.TRANSACTIONS_SHOWN_MAX}."
    )
    sums: list[RuleSumChange] = strawberry.field(
        description=f"Monthly sums that it would change, of the latest {service.MONTHS_SHOWN_MAX} of the months."
    )
    budgets: list[RuleBudgetChange] = strawberry.field(
        description=f"Budgets that it would change, of the latest {service.MONTHS_SHOWN_MAX} of the months."
    )


@strawberry.type(description="An application of a rule to the past.")
class RuleApplication(Node):
    """An application as shown; make it with `application_node`."""

    rule_id: strawberry.ID = strawberry.field(description="The rule, which may be changed or gone by now.")
    rule_name: str = strawberry.field(description="What the rule was called then.")
    matched_count: int = strawberry.field(description="How many transactions the rule held for.")
    changed_count: int = strawberry.field(description="How many of them it changed.")
    manual_count: int = strawberry.field(
        description="How many of them were in a category that the viewer chose, and stayed there."
    )
    applied_at: datetime = strawberry.field(description="When.")
    undone_at: datetime | None = strawberry.field(description="When it was undone; null while it stands.")
    undone_count: int | None = strawberry.field(description="How many transactions the undoing changed.")


@strawberry.type(description="What applying the rule would do.")
class PreviewRuleSuccess:
    """What `previewRule` gives when it worked."""

    preview: RulePreview = strawberry.field(description="What it would do.")


@strawberry.type(description="The rule is applied to the past.")
class ApplyRuleSuccess:
    """What `applyRule` gives when it worked."""

    application: RuleApplication | None = strawberry.field(
        description="The application, to be undone by; null where there was nothing to change."
    )
    changed_count: int = strawberry.field(description="How many transactions it changed.")


@strawberry.type(description="The application is undone.")
class UndoRuleApplicationSuccess:
    """What `undoRuleApplication` gives when it worked."""

    application: RuleApplication = strawberry.field(description="The application as it is now.")


PreviewRulePayload: TypeAlias = Annotated[
    PreviewRuleSuccess | InvalidInputError | NotFoundError | NotSignedInError,
    strawberry.union("PreviewRulePayload", description="What `previewRule` gives."),
]
ApplyRulePayload: TypeAlias = Annotated[
    ApplyRuleSuccess | InvalidInputError | NotFoundError | NotSignedInError,
    strawberry.union("ApplyRulePayload", description="What became of `applyRule`."),
]
UndoRuleApplicationPayload: TypeAlias = Annotated[
    UndoRuleApplicationSuccess | InvalidInputError | NotFoundError | NotSignedInError,
    strawberry.union("UndoRuleApplicationPayload", description="What became of `undoRuleApplication`."),
]


def application_node(row: service.Application) -> RuleApplication:
    """Return an application as shown."""
    return RuleApplication(
        id=encode_id("RuleApplication", row.application_id),
        rule_id=encode_id("Rule", row.rule_id),
        rule_name=row.rule_name,
        matched_count=row.matched_count,
        changed_count=row.changed_count,
        manual_count=row.manual_count,
        applied_at=row.applied_at,
        undone_at=row.undone_at,
        undone_count=row.undone_count,
    )


async def load_applications(context: Context, application_ids: list[int]) -> list[RuleApplication | None]:
    """Return the viewer's applications in the order of the ids, None for ids that are not theirs."""
    wanted = [RuleApplicationId(number) for number in application_ids]
    async with context.person() as conn:
        found = await service.list_applications(conn, context.user_id, wanted)
    by_id = {row.application_id: application_node(row) for row in found}
    return [by_id.get(application_id) for application_id in wanted]


register_node("RuleApplication", load_applications)


async def _preview_node(context: Context, conn: Conn, found: service.Preview) -> RulePreview:
    named = {item.category_id for item in found.sums} | {item.limit.category_id for item in found.budgets} - {
        EVERYTHING_ID
    }
    tree = await context.category_tree(conn, named)
    return RulePreview(
        matched_count=found.reach.matched,
        changed_count=found.reach.changed,
        manual_count=found.reach.manual,
        transactions=await transaction_nodes(context, conn, list(found.rows)),
        sums=[_sum_node(item, tree) for item in found.sums],
        budgets=[_budget_node(item, tree) for item in found.budgets],
    )


def _sum_node(item: service.SumChange, tree: CategoryTree) -> RuleSumChange:
    return RuleSumChange(
        month=Month(item.month),
        category=category_node(tree, item.category_id),
        before=money(item.before_minor, item.currency),
        after=money(item.after_minor, item.currency),
        excluded_before=money(item.excluded_before_minor, item.currency),
        excluded_after=money(item.excluded_after_minor, item.currency),
    )


def _budget_node(item: service.BudgetChange, tree: CategoryTree) -> RuleBudgetChange:
    limit = item.limit
    return RuleBudgetChange(
        month=Month(limit.period.first),
        category=category_or_none(tree, limit.category_id),
        limit=money(limit.available_minor, limit.currency),
        before=money(item.before.total_minor, limit.currency),
        after=money(item.after.total_minor, limit.currency),
        thresholds=list(item.thresholds),
        alerts=item.alerts,
    )


@strawberry.type
class RulesPastQuery:
    """Reads of what rules do and did to the past."""

    @strawberry.field(
        description="What applying a rule to the transactions that are there would do: one that is there, by its id, "
        "or one that is only thought of. Changes nothing."
    )
    async def preview_rule(
        self,
        info: Info,
        id: Annotated[strawberry.ID | None, strawberry.argument(description="A rule that is there.")] = None,
        rule: Annotated[RuleInput | None, strawberry.argument(description="Or one that is only thought of.")] = None,
    ) -> PreviewRulePayload:
        context = info.context
        user_id = context.user_id
        await context.bring_back()
        if id is not None and rule is None:
            asked = decode_rule_id(id)
            async with context.person() as conn:
                found = await service.preview(conn, user_id, asked, context.now())
                return PreviewRuleSuccess(preview=await _preview_node(context, conn, found))
        if rule is None or id is not None:
            raise InvalidInput("Give the id of a rule, or a rule; one of the two.", field="id")
        wish = rule.wish()
        async with context.person() as conn:
            found = await service.preview(conn, user_id, wish, context.now())
            return PreviewRuleSuccess(preview=await _preview_node(context, conn, found))

    @strawberry.field(
        description="The viewer's applications of rules to the past, the latest first, "
        f"{service.APPLICATIONS_LISTED_MAX} at most."
    )
    async def rule_applications(self, info: Info) -> list[RuleApplication]:
        async with info.context.person() as conn:
            found = await service.list_applications(conn, info.context.user_id)
        return [application_node(row) for row in found]


@strawberry.type
class RulesPastMutation:
    """Applying rules to the past, and undoing that."""

    @strawberry.mutation(
        description="Applies a rule to all transactions that are there, but for what the viewer chose on them. Sums, "
        "budgets and alerts follow at once, and all of it can be undone."
    )
    async def apply_rule(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The rule.")]
    ) -> ApplyRulePayload:
        context = info.context
        user_id = context.user_id
        rule_id = decode_rule_id(id)
        await context.bring_back()
        async with context.person() as conn:
            application, reach, effects = await service.apply(conn, user_id, rule_id, context.now())
        await context.runtime.perform(effects)
        node = None if application is None else application_node(application)
        return ApplyRuleSuccess(application=node, changed_count=reach.changed)

    @strawberry.mutation(
        description="Undoes an application of a rule as a whole: each transaction goes back to what it was, but for "
        "what was changed on it since."
    )
    async def undo_rule_application(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The application.")]
    ) -> UndoRuleApplicationPayload:
        context = info.context
        user_id = context.user_id
        application_id = RuleApplicationId(decode_id("RuleApplication", id))
        await context.bring_back()
        async with context.person() as conn:
            application, effects = await service.undo(conn, user_id, application_id, context.now())
        await context.runtime.perform(effects)
        return UndoRuleApplicationSuccess(application=application_node(application))
