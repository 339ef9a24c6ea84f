"""What persons said about where transactions belong, and how that is joined with what everybody knows.

A transaction that comes in is categorized by, strongest first: the person's rules, what they chose for the seller
before, and `services.categorize`. What they chose for the transaction itself is never touched by any of it. Nothing
is put into a category that the person has hidden, and what belongs into one they merged goes where they merged it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from mintql.data import load_categories
from mintql.domain.categories import CERTAIN, UNCATEGORIZED, Categorization, CategorySource, CategoryTree
from mintql.domain.ids import CategoryId, UserId
from mintql.domain.ingest import Personal, institution_codes
from mintql.domain.rules import NO_OUTCOME, Outcome, RuleBook, RuleClues
from mintql.services.categorize import Categorizer, Clues
from mintql.services.crowd import CrowdCache
from mintql.services.personal_categories import trees_of
from mintql.store import knowledge as store
from mintql.store import rules as rule_rows
from mintql.store.queries import Conn


class Decision(NamedTuple):
    """Where a transaction that comes in goes, and what the person's rules write onto it."""

    category: Categorization
    personal: Personal


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What one person said.

    `memory` is the category they chose for a seller, by merchant key; `tree` and `rules` are theirs. `crowd` is what
    everybody together chose for sellers.
    """

    memory: Mapping[str, CategoryId] = field(default_factory=dict)
    tree: CategoryTree = field(default_factory=load_categories)
    crowd: Mapping[str, Categorization] = field(default_factory=dict)
    rules: RuleBook = field(default_factory=RuleBook)

    @property
    def says_nothing(self) -> bool:
        """Whether the person themselves said nothing that bears on any transaction."""
        return not (self.rules or self.memory or self.tree.redirects)

    def decide(self, categorizer: Categorizer, rule_clues: RuleClues, clues: Clues) -> Decision:
        """Return where a transaction of this person goes, by their rules, their memory and what everybody knows."""
        outcome = self.by_rules(rule_clues)
        if outcome.category is not None:
            return Decision(outcome.category, outcome.personal)
        return Decision(self.categorize(categorizer, clues), outcome.personal)

    def by_rules(self, clues: RuleClues) -> Outcome:
        """Return what the person's rules come to for a transaction; no category where they have hidden it."""
        if not self.rules:
            return NO_OUTCOME
        outcome = self.rules.outcome(clues)
        if outcome.category is None:
            return outcome
        return replace(outcome, category=self.redirected(outcome.category))

    def categorize(self, categorizer: Categorizer, clues: Clues) -> Categorization:
        """Return the category of a transaction of this person with its reason."""
        remembered = self.memory.get(clues.merchant_key)
        if remembered is not None:
            chosen = self.redirected(Categorization(remembered, CategorySource.MEMORY, clues.merchant_key, CERTAIN))
            if chosen is not None:
                return chosen
        crowd = self.crowd.get(clues.merchant_key)
        if not self.tree.redirects:
            return categorizer.categorize(clues, crowd)
        reasons = (self.redirected(reason) for reason in categorizer.alternatives(clues, crowd))
        return next((reason for reason in reasons if reason is not None), UNCATEGORIZED)

    def redirected(self, reason: Categorization) -> Categorization | None:
        """Return a reason with the category that takes what it speaks for; None where the person has that hidden."""
        category_id = self.tree.redirect(reason.category_id)
        if category_id is None or category_id == reason.category_id:
            return None if category_id is None else reason
        return replace(reason, category_id=category_id)


NOTHING_KNOWN = Knowledge()


def clues_of(merchant_key: str, amount_minor: int, currency: str, institution_code: str) -> Clues:
    """Return what is known of a stored transaction; `domain.ingest.institution_code` says how its code is kept."""
    return Clues(merchant_key, amount_minor, currency, *institution_codes(institution_code))


async def load_knowledge(
    conn: Conn, user_ids: Sequence[UserId], merchant_keys: Sequence[str], crowd: CrowdCache
) -> dict[UserId, Knowledge]:
    """Return what these persons said that bears on transactions of these sellers."""
    memories = await store.seller_memories(conn, user_ids, merchant_keys)
    trees = await trees_of(conn, user_ids)
    chosen = await crowd.of(conn, merchant_keys)
    rules = await rule_rows.of_users(conn, user_ids)
    return {
        user_id: Knowledge(memories.get(user_id, {}), trees[user_id], chosen, RuleBook(rules.get(user_id, ())))
        for user_id in user_ids
    }
