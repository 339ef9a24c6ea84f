"""A person's rules: writing them, changing them, putting them in order.

A new or changed rule is for transactions that come later and, at once, for those that are uncategorized. What has a
category already is only changed when the person asks for it: see `services.rules_past`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from mintql.domain.categories import UNCATEGORIZED_ID, check_leaf
from mintql.domain.errors import InvalidInput, NotFound
from mintql.domain.ids import RuleId, UserId
from mintql.domain.merchants import LENGTH_MAX, key_form, normalize
from mintql.domain.rules import TAGS_MAX, Actions, Conditions, Rule
from mintql.domain.wording import fits_a_line, shown
from mintql.services.annotations import check_tags, tag_key
from mintql.services.effects import Effects
from mintql.services.personal_categories import tree_of
from mintql.services.uncategorized import categorize_uncategorized
from mintql.store import annotations as annotation_rows
from mintql.store import rules as store
from mintql.store.locks import lock_users
from mintql.store.queries import Conn

RULES_MAX: Final = 500
"""Rules of a person: all are tried on each transaction that comes in."""
NAME_LENGTH_MAX: Final = 60
"""A line of a list, as for categories; the table holds to it as well."""
TEXT_LENGTH_MAX: Final = 100
"""What is looked for in descriptions, which are seldom longer; the table holds to it as well."""
DISPLAY_NAME_LENGTH_MAX: Final = 100
"""A line to show; the table holds to it as well."""
ACCOUNTS_MAX: Final = 100
"""Accounts that one rule names: more than nearly anybody has."""
NEW_ID: Final = RuleId(0)
"""Stands for a rule that is not written yet; the database gives none so low."""


@dataclass(frozen=True, slots=True)
class RuleWish:
    """A rule as a person asks for it. Without a name it is called after its condition."""

    conditions: Conditions
    actions: Actions
    name: str = ""
    enabled: bool = True


async def list_rules(conn: Conn, user_id: UserId) -> list[Rule]:
    """Return a person's rules in their order."""
    return (await store.of_users(conn, [user_id])).get(user_id, [])


async def create(conn: Conn, user_id: UserId, wish: RuleWish, now: datetime) -> tuple[Rule, int, Effects]:
    """Write a new rule after all others; return it, and how many uncategorized transactions it put somewhere.

    Raises:
        InvalidInput: There are too many, or the rule cannot be; the message says why.
    """
    await lock_users(conn, [user_id])
    rules = await list_rules(conn, user_id)
    if len(rules) >= RULES_MAX:
        raise InvalidInput(f"You have {RULES_MAX} rules, the most there can be; delete one first.")
    rule = await checked(conn, user_id, wish)
    rule = replace(rule, position=max((one.position for one in rules), default=0) + 1)
    rule = replace(rule, rule_id=await store.add(conn, user_id, rule, now))
    return await _in_force(conn, user_id, rule, now)


async def change(
    conn: Conn, user_id: UserId, rule_id: RuleId, wish: RuleWish, now: datetime
) -> tuple[Rule, int, Effects]:
    """Write a rule anew; return it, and how many uncategorized transactions it put somewhere.

    What it did before stays.

    Raises:
        InvalidInput: The rule cannot be; the message says why.
        NotFound: There is no such rule.
    """
    await lock_users(conn, [user_id])
    before = find(await list_rules(conn, user_id), rule_id)
    rule = replace(await checked(conn, user_id, wish), rule_id=rule_id, position=before.position)
    if rule != before:
        await store.change(conn, user_id, rule, now)
    return await _in_force(conn, user_id, rule, now)


async def delete(conn: Conn, user_id: UserId, rule_id: RuleId) -> Effects:
    """Delete a rule. What it did stays, and its applications to the past can still be undone.

    Raises:
        NotFound: There is no such rule.
    """
    await lock_users(conn, [user_id])
    find(await list_rules(conn, user_id), rule_id)
    await store.remove(conn, user_id, rule_id)
    return Effects(changed={user_id})


async def move(conn: Conn, user_id: UserId, rule_id: RuleId, place: int) -> tuple[list[Rule], Effects]:
    """Put a rule at a place among the others, 1 for the first; return all in their order. What was decided stays.

    Raises:
        InvalidInput: There is no such place.
        NotFound: There is no such rule.
    """
    await lock_users(conn, [user_id])
    rules = await list_rules(conn, user_id)
    moved = find(rules, rule_id)
    if not 1 <= place <= len(rules):
        raise InvalidInput(f"There are places 1 to {len(rules)}, but no place {place}.", field="place")
    others = [rule for rule in rules if rule.rule_id != rule_id]
    ordered = [*others[: place - 1], moved, *others[place - 1 :]]
    await store.place(conn, user_id, [rule.rule_id for rule in ordered])
    return await list_rules(conn, user_id), Effects(changed={user_id})


def find(rules: Sequence[Rule], rule_id: RuleId) -> Rule:
    """Return the rule of this id; raise `NotFound` when there is none."""
    rule = next((rule for rule in rules if rule.rule_id == rule_id), None)
    if rule is None:
        raise NotFound("There is no rule with this id; nothing was changed.", field="id")
    return rule


async def checked(conn: Conn, user_id: UserId, wish: RuleWish) -> Rule:
    """Return a rule as it is kept, not written yet; raise `InvalidInput` when it cannot be."""
    conditions = await _check_conditions(conn, user_id, wish.conditions)
    actions = await _check_actions(conn, user_id, wish.actions)
    name = line(wish.name, NAME_LENGTH_MAX, "name", "The name of a rule") or _named_after(conditions)
    return Rule(NEW_ID, 0, name, wish.enabled, conditions, actions)


async def _in_force(conn: Conn, user_id: UserId, rule: Rule, now: datetime) -> tuple[Rule, int, Effects]:
    effects = Effects(changed={user_id})
    count = 0
    if rule.enabled and rule.actions.category_id is not None:
        count, more = await categorize_uncategorized(conn, user_id, now, rule=rule)
        effects.merge(more)
    return rule, count, effects


async def _check_conditions(conn: Conn, user_id: UserId, said: Conditions) -> Conditions:
    merchant_key = None
    if said.merchant_key is not None:
        if not said.merchant_key.strip() or "\0" in said.merchant_key or len(said.merchant_key) > LENGTH_MAX:
            raise InvalidInput(f"{shown(said.merchant_key)} names no seller.", field="merchantKey")
        merchant_key = normalize(said.merchant_key).key
    text = None if said.text is None else line(said.text, TEXT_LENGTH_MAX, "text", "The text to look for")
    if said.text is not None and not text:
        raise InvalidInput("The text to look for is empty; leave it out, or write some.", field="text")
    least, most = said.amount_min_minor, said.amount_max_minor
    if (least is not None and least < 0) or (most is not None and most < 0):
        raise InvalidInput("Amounts of rules have no sign; say with the direction which way.", field="amountMin")
    if least is not None and most is not None and least > most:
        raise InvalidInput("The least amount is more than the greatest.", field="amountMin")
    if said.account_ids is not None:
        await _check_accounts(conn, user_id, said)
    checked = replace(said, merchant_key=merchant_key, text=text, text_key=key_form(text or "") or None)
    if checked == Conditions():
        raise InvalidInput("Give at least one condition: seller, text, amount, accounts or direction.")
    return checked


async def _check_accounts(conn: Conn, user_id: UserId, said: Conditions) -> None:
    wanted = said.account_ids or frozenset()
    if not 1 <= len(wanted) <= ACCOUNTS_MAX:
        raise InvalidInput(f"Name 1 to {ACCOUNTS_MAX} accounts, not {len(wanted)}.", field="accountIds")
    there = await store.accounts_of(conn, user_id, sorted(wanted))
    if there != wanted:
        raise InvalidInput("One of the accounts does not exist; nothing was changed.", field="accountIds")


async def _check_actions(conn: Conn, user_id: UserId, said: Actions) -> Actions:
    if said.category_id is not None:
        tree = await tree_of(conn, user_id)
        check_leaf(tree, said.category_id)
        if said.category_id == UNCATEGORIZED_ID:
            raise InvalidInput("A rule cannot make transactions uncategorized; choose a category.", field="categoryId")
        if not tree.by_id[said.category_id].offered:
            name = tree.by_id[said.category_id].name
            raise InvalidInput(f"You have hidden {name}; show it first.", field="categoryId")
    display_name = line(said.display_name or "", DISPLAY_NAME_LENGTH_MAX, "displayName", "The name to show") or None
    tags = check_tags(said.tags, "tags")
    if len(tags) > TAGS_MAX:
        raise InvalidInput(f"{len(tags)} tags are too many; {TAGS_MAX} is the most.", field="tags")
    spelled: dict[str, str] = {}
    for known in await annotation_rows.tag_counts(conn, user_id) if tags else ():
        spelled.setdefault(tag_key(known), known)
    actions = replace(said, display_name=display_name, tags=tuple(spelled.get(tag_key(tag), tag) for tag in tags))
    if actions == Actions():
        raise InvalidInput("Give at least one thing to set: category, name, tags, or whether budgets leave it out.")
    return actions


def line(text: str, length_max: int, field: str, what: str) -> str:
    """Return a text that shows on one line, as it is kept; empty where there is none."""
    kept = unicodedata.normalize("NFC", text.strip())
    if len(kept) > length_max:
        raise InvalidInput(f"{what} has at most {length_max} characters; this one has {len(kept)}.", field=field)
    if not fits_a_line(kept):
        raise InvalidInput(f"{what} holds a character that cannot be shown on a line.", field=field)
    return kept


def _named_after(conditions: Conditions) -> str:
    return (conditions.merchant_key or conditions.text or "Rule")[:NAME_LENGTH_MAX].strip()
