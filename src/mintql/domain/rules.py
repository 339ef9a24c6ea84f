"""Rules that a person wrote: conditions that all have to hold, and what is set on a transaction then.

Rules are in an order. The first whose conditions hold and that says something of the category decides the category;
likewise the name to show and whether budgets leave the transaction out. Tags of all rules that hold are added. The
database decides the same for what is there already, with the function `rule_matches` of the migrations.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from mintql.domain.categories import Categorization, CategorySource
from mintql.domain.ids import AccountId, CategoryId, RuleId
from mintql.domain.ingest import Personal
from mintql.domain.reasons import reason

TAGS_MAX = 20
"""Tags of one transaction; rules add none beyond. The table holds to it as well."""
_LOWER: Final = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


class Direction(StrEnum):
    """Which way money went: `in` is a positive amount, `out` a negative one; 0 is neither."""

    IN = "in"
    OUT = "out"


def folded(text: str) -> str:
    """Return a text as rules compare it, ASCII letters in lower case: what `lower` in the collation "C" gives."""
    return text.translate(_LOWER)


@dataclass(frozen=True, slots=True)
class Conditions:
    """What has to hold, all that is not None.

    `text` is contained in the description, or as `text_key`, its form in merchant keys, in the merchant key. Bounds of
    amounts are in minor units of `currency`, without the sign, both included.
    """

    merchant_key: str | None = None
    text: str | None = None
    text_key: str | None = None
    amount_min_minor: int | None = None
    amount_max_minor: int | None = None
    currency: str | None = None
    account_ids: frozenset[AccountId] | None = None
    direction: Direction | None = None


@dataclass(frozen=True, slots=True)
class Actions:
    """What is set, all that is not None; no tags are ()."""

    category_id: CategoryId | None = None
    display_name: str | None = None
    tags: tuple[str, ...] = ()
    excluded_from_budgets: bool | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of one person. `position` orders the rules, the lowest first."""

    rule_id: RuleId
    position: int
    name: str
    enabled: bool
    conditions: Conditions
    actions: Actions

    @property
    def detail(self) -> str:
        """How a transaction keeps which rule decided its category."""
        return f"{self.rule_id} {self.name}"


@dataclass(frozen=True, slots=True)
class RuleClues:
    """What of a transaction rules look at; the amount is signed, negative for money out."""

    account_id: AccountId
    merchant_key: str
    description: str
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a person's rules come to for one transaction: a category with its reason, and what they write onto it."""

    category: Categorization | None = None
    personal: Personal = field(default_factory=Personal)


NO_OUTCOME: Final = Outcome()


def matches(conditions: Conditions, clues: RuleClues) -> bool:
    """Tell whether all conditions hold for a transaction."""
    said = conditions
    amount = abs(clues.amount_minor)
    return (
        (said.merchant_key is None or clues.merchant_key == said.merchant_key)
        and (said.currency is None or clues.currency == said.currency)
        and (said.amount_min_minor is None or amount >= said.amount_min_minor)
        and (said.amount_max_minor is None or amount <= said.amount_max_minor)
        and (said.account_ids is None or clues.account_id in said.account_ids)
        and (said.direction is None or said.direction is _direction(clues.amount_minor))
        and (said.text is None or _contains(said.text, said.text_key, clues))
    )


class RuleBook:
    """A person's rules as they apply to what comes in: those that are enabled, in their order."""

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        enabled = (rule for rule in rules if rule.enabled)
        self._rules = tuple(sorted(enabled, key=lambda rule: (rule.position, rule.rule_id)))

    def __bool__(self) -> bool:
        """Whether there is any rule to apply."""
        return bool(self._rules)

    @property
    def rules(self) -> Sequence[Rule]:
        """The rules in their order."""
        return self._rules

    def outcome(self, clues: RuleClues) -> Outcome:
        """Return what the rules come to for a transaction."""
        held = [rule for rule in self._rules if matches(rule.conditions, clues)]
        if not held:
            return NO_OUTCOME
        category: Categorization | None = None
        personal = Personal()
        tags: dict[str, str] = {}
        for rule in held:
            actions = rule.actions
            if category is None and actions.category_id is not None:
                category = reason(actions.category_id, CategorySource.RULE, rule.detail)
            personal = personal.over(
                Personal(display_name=actions.display_name, excluded_from_budgets=actions.excluded_from_budgets)
            )
            for tag in actions.tags:
                tags.setdefault(tag.casefold(), tag)
        return Outcome(category, replace(personal, tags=tuple(tags.values())[:TAGS_MAX] or None))


def _direction(amount_minor: int) -> Direction | None:
    if amount_minor == 0:
        return None
    return Direction.IN if amount_minor > 0 else Direction.OUT


def _contains(text: str, text_key: str | None, clues: RuleClues) -> bool:
    in_description = folded(text) in folded(clues.description)
    return in_description or (text_key is not None and text_key in clues.merchant_key)
