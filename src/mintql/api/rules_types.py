"""Rules as GraphQL shows and takes them."""

from __future__ import annotations

import strawberry

from mintql.api.categories import Category, category_node, decode_category_id
from mintql.api.money import Money, MoneyInput, money_or_none
from mintql.api.nodes import Node, decode_id, encode_id
from mintql.domain.categories import CategoryTree
from mintql.domain.ids import AccountId
from mintql.domain.rules import Actions, Conditions, Direction
from mintql.domain.rules import Rule as DomainRule
from mintql.services import rules as service

strawberry.enum(
    Direction,
    name="RuleDirection",
    description="Which way money went. IN: into the account, a positive amount. OUT: out of it, a negative one.",
)


@strawberry.type(description="A rule that the viewer wrote: conditions that all have to hold, and what is set then.")
class Rule(Node):
    """A rule as shown; make it with `rule_node`."""

    name: str = strawberry.field(description="Its name, which explanations of categories give.")
    enabled: bool = strawberry.field(description="Whether it is applied to what comes in.")
    place: int = strawberry.field(
        description="Its place in the order, 1 for the first. Of several rules that hold, the first that says "
        "something decides it; the tags of all are added."
    )
    merchant_key: str | None = strawberry.field(description="Condition: this seller, by its key.")
    text: str | None = strawberry.field(
        description="Condition: this is contained in the description, whatever the case of A to Z, or in the seller's "
        "name."
    )
    amount_min: Money | None = strawberry.field(
        description="Condition: the amount without its sign is no less, in this currency."
    )
    amount_max: Money | None = strawberry.field(
        description="Condition: the amount without its sign is no more, in this currency."
    )
    account_ids: list[strawberry.ID] | None = strawberry.field(description="Condition: in one of these accounts.")
    direction: Direction | None = strawberry.field(description="Condition: which way the money went.")
    category: Category | None = strawberry.field(description="Sets the category.")
    display_name: str | None = strawberry.field(description="Sets the name to show instead of the seller's.")
    tags: list[str] = strawberry.field(description="Adds these tags.")
    excluded_from_budgets: bool | None = strawberry.field(
        description="Sets whether budgets leave the transaction out; null says nothing of it."
    )


@strawberry.input(
    description="A rule: at least one condition, all of which have to hold, and at least one thing to set."
)
class RuleInput:
    """A rule as sent."""

    name: str | None = strawberry.field(
        default=None,
        description=f"Its name, up to {service.NAME_LENGTH_MAX} characters; after its condition, unless given.",
    )
    enabled: bool = strawberry.field(default=True, description="Whether it is applied to what comes in.")
    merchant_key: str | None = strawberry.field(
        default=None,
        description="Condition: this seller, by the `merchantKey` of its transactions; a name or a text as on "
        "statements is read as one.",
    )
    text: str | None = strawberry.field(
        default=None,
        description=f"Condition: up to {service.TEXT_LENGTH_MAX} characters that are contained in the description, "
        "whatever the case of A to Z, or in the seller's name.",
    )
    amount_min: MoneyInput | None = strawberry.field(
        default=None, description="Condition: the amount without its sign is no less."
    )
    amount_max: MoneyInput | None = strawberry.field(
        default=None, description="Condition: the amount without its sign is no more; in the same currency."
    )
    account_ids: list[strawberry.ID] | None = strawberry.field(
        default=None, description=f"Condition: in one of these accounts, up to {service.ACCOUNTS_MAX}."
    )
    direction: Direction | None = strawberry.field(default=None, description="Condition: which way the money went.")
    category_id: strawberry.ID | None = strawberry.field(
        default=None, description="The category to set; a group cannot hold transactions."
    )
    display_name: str | None = strawberry.field(
        default=None,
        description=f"The name to show instead of the seller's, up to {service.DISPLAY_NAME_LENGTH_MAX} characters.",
    )
    tags: list[str] | None = strawberry.field(default=None, description="Tags to add, up to 20.")
    excluded_from_budgets: bool | None = strawberry.field(
        default=None, description="Whether budgets leave the transaction out; null says nothing of it."
    )

    def wish(self) -> service.RuleWish:
        """Return the rule for the service; raise `InvalidInput` when an id or amount is none."""
        currency = (
            self.amount_min.currency if self.amount_min else self.amount_max.currency if self.amount_max else None
        )
        conditions = Conditions(
            merchant_key=self.merchant_key,
            text=self.text,
            amount_min_minor=_minor(self.amount_min, currency, "amountMin"),
            amount_max_minor=_minor(self.amount_max, currency, "amountMax"),
            currency=currency,
            account_ids=None if self.account_ids is None else frozenset(map(_account_id, self.account_ids)),
            direction=self.direction,
        )
        actions = Actions(
            category_id=None if self.category_id is None else decode_category_id(self.category_id),
            display_name=self.display_name,
            tags=tuple(self.tags or ()),
            excluded_from_budgets=self.excluded_from_budgets,
        )
        return service.RuleWish(conditions, actions, self.name or "", self.enabled)


def rule_node(rule: DomainRule, place: int, tree: CategoryTree) -> Rule:
    """Return a rule as shown, at its place among all of the viewer's."""
    conditions, actions = rule.conditions, rule.actions
    return Rule(
        id=encode_id("Rule", rule.rule_id),
        name=rule.name,
        enabled=rule.enabled,
        place=place,
        merchant_key=conditions.merchant_key,
        text=conditions.text,
        amount_min=money_or_none(conditions.amount_min_minor, conditions.currency),
        amount_max=money_or_none(conditions.amount_max_minor, conditions.currency),
        account_ids=None
        if conditions.account_ids is None
        else [encode_id("Account", account_id) for account_id in sorted(conditions.account_ids)],
        direction=conditions.direction,
        category=None if actions.category_id is None else category_node(tree, actions.category_id),
        display_name=actions.display_name,
        tags=list(actions.tags),
        excluded_from_budgets=actions.excluded_from_budgets,
    )


def _minor(said: MoneyInput | None, currency: str | None, field: str) -> int | None:
    return None if said is None or currency is None else said.minor_in(currency, field=field)


def _account_id(text: str) -> AccountId:
    return AccountId(decode_id("Account", text, field="accountIds"))
