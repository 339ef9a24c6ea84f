"""A person's rules: listing, writing, changing, ordering and deleting them."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import strawberry

from mintql.api.context import Context, Info
from mintql.api.errors import InvalidInputError, NotFoundError, NotSignedInError
from mintql.api.nodes import decode_id, register_node
from mintql.api.rules_types import Rule, RuleInput, rule_node
from mintql.domain import rules as domain
from mintql.domain.categories import UNCATEGORIZED_ID
from mintql.domain.ids import RuleId
from mintql.services import rules as service
from mintql.store.queries import Conn

OneRule = Annotated[strawberry.ID, strawberry.argument(description="The rule.")]
TheRule = Annotated[RuleInput, strawberry.argument(description="What the rule is to be.")]


@strawberry.type(description="The rule is there.")
class CreateRuleSuccess:
    """What `createRule` gives when it worked."""

    rule: Rule = strawberry.field(description="The new rule.")
    categorized_count: int = strawberry.field(
        description="How many transactions that were uncategorized have a category now."
    )


@strawberry.type(description="The rule is changed.")
class ChangeRuleSuccess:
    """What `changeRule` gives when it worked."""

    rule: Rule = strawberry.field(description="The rule as it is now.")
    categorized_count: int = strawberry.field(
        description="How many transactions that were uncategorized have a category now."
    )


@strawberry.type(description="The rule is deleted; what it did stays.")
class DeleteRuleSuccess:
    """What `deleteRule` gives when it worked."""

    deleted_id: strawberry.ID = strawberry.field(description="The rule that is gone.")


@strawberry.type(description="The rules are in the new order.")
class MoveRuleSuccess:
    """What `moveRule` gives when it worked."""

    rules: list[Rule] = strawberry.field(description="All rules in their order.")


CreateRulePayload: TypeAlias = Annotated[
    CreateRuleSuccess | InvalidInputError | NotSignedInError,
    strawberry.union("CreateRulePayload", description="What became of `createRule`."),
]
ChangeRulePayload: TypeAlias = Annotated[
    ChangeRuleSuccess | InvalidInputError | NotFoundError | NotSignedInError,
    strawberry.union("ChangeRulePayload", description="What became of `changeRule`."),
]
DeleteRulePayload: TypeAlias = Annotated[
    DeleteRuleSuccess | InvalidInputError | NotFoundError | NotSignedInError,
    strawberry.union("DeleteRulePayload", description="What became of `deleteRule`."),
]
MoveRulePayload: TypeAlias = Annotated[
    MoveRuleSuccess | InvalidInputError | NotFoundError | NotSignedInError,
    strawberry.union("MoveRulePayload", description="What became of `moveRule`."),
]


async def rule_nodes(context: Context, conn: Conn) -> list[Rule]:
    """Return the viewer's rules in their order, as shown."""
    return await as_nodes(context, conn, await service.list_rules(conn, context.user_id))


async def as_nodes(context: Context, conn: Conn, rules: list[domain.Rule]) -> list[Rule]:
    """Return all of a person's rules, which are given in their order, as shown."""
    named = {rule.actions.category_id for rule in rules if rule.actions.category_id is not None}
    tree = await context.category_tree(conn, named)
    return [rule_node(rule, place, tree) for place, rule in enumerate(rules, start=1)]


async def load_rules(context: Context, rule_ids: list[int]) -> list[Rule | None]:
    """Return the viewer's rules in the order of the ids, None for ids that are not theirs."""
    async with context.person() as conn:
        rules = await service.list_rules(conn, context.user_id)
        nodes = await as_nodes(context, conn, rules)
    by_id = {rule.rule_id: node for rule, node in zip(rules, nodes, strict=True)}
    return [by_id.get(RuleId(number)) for number in rule_ids]


register_node("Rule", load_rules)


def decode_rule_id(text: str) -> RuleId:
    """Read the global id of a rule; raise `InvalidInput` when it is none."""
    return RuleId(decode_id("Rule", text))


async def _node(context: Context, conn: Conn, rule: domain.Rule) -> Rule:
    nodes = await rule_nodes(context, conn)
    rules = await service.list_rules(conn, context.user_id)
    return next(node for one, node in zip(rules, nodes, strict=True) if one.rule_id == rule.rule_id)


@strawberry.type
class RulesQuery:
    """Reads of rules."""

    @strawberry.field(description=f"The viewer's rules in their order, {service.RULES_MAX} at most.")
    async def rules(self, info: Info) -> list[Rule]:
        async with info.context.person() as conn:
            return await rule_nodes(info.context, conn)


@strawberry.type
class RulesMutation:
    """Changes of rules."""

    @strawberry.mutation(
        description="Writes a new rule, after all others in the order. It is for transactions that come later and at "
        "once for those that are uncategorized; others are only changed with `applyRule`."
    )
    async def create_rule(self, info: Info, rule: TheRule) -> CreateRulePayload:
        context = info.context
        user_id = context.user_id
        wish = rule.wish()
        await context.bring_back(category_ids=[UNCATEGORIZED_ID])
        async with context.person() as conn:
            made, count, effects = await service.create(conn, user_id, wish, context.now())
            node = await _node(context, conn, made)
        await context.runtime.perform(effects)
        return CreateRuleSuccess(rule=node, categorized_count=count)

    @strawberry.mutation(
        description="Writes a rule anew, all of it; its place stays, and what it did before. As it is then, it is for "
        "transactions that come later and at once for those that are uncategorized."
    )
    async def change_rule(self, info: Info, id: OneRule, rule: TheRule) -> ChangeRulePayload:
        context = info.context
        user_id = context.user_id
        rule_id, wish = decode_rule_id(id), rule.wish()
        await context.bring_back(category_ids=[UNCATEGORIZED_ID])
        async with context.person() as conn:
            changed, count, effects = await service.change(conn, user_id, rule_id, wish, context.now())
            node = await _node(context, conn, changed)
        await context.runtime.perform(effects)
        return ChangeRuleSuccess(rule=node, categorized_count=count)

    @strawberry.mutation(
        description="Deletes a rule. What it did stays, and what was applied to the past can still be undone."
    )
    async def delete_rule(self, info: Info, id: OneRule) -> DeleteRulePayload:
        context = info.context
        user_id = context.user_id
        rule_id = decode_rule_id(id)
        async with context.person() as conn:
            effects = await service.delete(conn, user_id, rule_id)
        await context.runtime.perform(effects)
        return DeleteRuleSuccess(deleted_id=id)

    @strawberry.mutation(description="Puts a rule at another place in the order. What was decided before stays.")
    async def move_rule(
        self,
        info: Info,
        id: OneRule,
        place: Annotated[int, strawberry.argument(description="Its new place, 1 for the first.")],
    ) -> MoveRulePayload:
        context = info.context
        user_id = context.user_id
        rule_id = decode_rule_id(id)
        async with context.person() as conn:
            rules, effects = await service.move(conn, user_id, rule_id, place)
            nodes = await as_nodes(context, conn, rules)
        await context.runtime.perform(effects)
        return MoveRuleSuccess(rules=nodes)
