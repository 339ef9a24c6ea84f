"""Why a transaction is in its category: who or what decided, how sure that is, and what else it might be."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import strawberry

from mintql.api.categories import Category, category_node
from mintql.api.context import Context, Info
from mintql.data import load_merchant_codes
from mintql.domain.categories import Categorization as Reason
from mintql.domain.categories import CategorySource, CategoryTree
from mintql.domain.reasons import confidence, explanation
from mintql.services.categorize import default_categorizer
from mintql.services.crowd import crowd_choices
from mintql.services.knowledge import Knowledge, clues_of
from mintql.store.transactions_read import TransactionRow

ALTERNATIVES_MAX = 5
"""More than a person looks through before they search in the whole list."""

strawberry.enum(
    CategorySource,
    description="Who or what chose a category, the strongest first. MANUAL: the viewer, for this transaction. RULE: a "
    "rule of theirs. MEMORY: what they chose for the seller before. TRANSFER: it is one side of a transfer between "
    "their own accounts. CROWD: what most people who chose for the seller chose. INSTITUTION: the institution's own "
    "code for the kind of seller. DICTIONARY: the seller is known by name. KEYWORD: words in the text. NONE: nothing "
    "was found.",
)


@strawberry.type(description="A category that something speaks for, beside the one a transaction is in.")
class CategoryAlternative:
    """An alternative as shown."""

    category: Category = strawberry.field(description="The category.")
    source: CategorySource = strawberry.field(description="What speaks for it.")
    confidence: int = strawberry.field(description="How often such a reason is right, in percent.")
    explanation: str = strawberry.field(description="The reason in words.")


@strawberry.type(description="How a transaction came into its category.")
class Categorization:
    """The reason for a category; made of what the row keeps, without asking the database."""

    row: strawberry.Private[TransactionRow]
    tree: strawberry.Private[CategoryTree]

    @strawberry.field(description="Who or what chose it.")
    def source(self) -> CategorySource:
        return self.row.category_source

    @strawberry.field(
        description="The rule, vote, code or entry that decided, for programs; empty where there is none."
    )
    def detail(self) -> str:
        return self.row.category_detail

    @strawberry.field(
        description="How often such a reason is right, in percent: 100 for the viewer's own word, 0 where nothing was "
        "found."
    )
    def confidence(self) -> int:
        return confidence(self.row.category_source, self.row.category_detail)

    @strawberry.field(description="The reason in words, with the rule, vote, code or entry behind it.")
    def explanation(self) -> str:
        return explanation(self.row.category_source, self.row.category_detail, _meanings())

    @strawberry.field(
        description=f"Other categories that something speaks for by what is known today, strongest first, up to "
        f"{ALTERNATIVES_MAX}."
    )
    async def alternatives(self, info: Info) -> list[CategoryAlternative]:
        row = self.row
        crowd = await info.context.loader(load_crowd).load(row.merchant_key)
        clues = clues_of(row.merchant_key, row.amount_minor, row.currency, row.institution_code)
        reasons = default_categorizer().alternatives(clues, crowd)
        return list(_alternatives(self.tree, row, reasons))[:ALTERNATIVES_MAX]


def _alternatives(tree: CategoryTree, row: TransactionRow, reasons: Iterable[Reason]) -> Iterable[CategoryAlternative]:
    shown = {row.category_id}
    knowledge = Knowledge(tree=tree)
    for found in reasons:
        reason = knowledge.redirected(found)
        if reason is None or reason.category_id in shown:
            continue
        shown.add(reason.category_id)
        yield CategoryAlternative(
            category=category_node(tree, reason.category_id),
            source=reason.source,
            confidence=reason.confidence,
            explanation=explanation(reason.source, reason.detail, _meanings()),
        )


async def load_crowd(context: Context, merchant_keys: list[str]) -> list[Reason | None]:
    """Return what the crowd chose for these sellers, None where it is not believed."""
    async with context.person() as conn:
        found = await crowd_choices(conn, merchant_keys)
    return [found.get(key) for key in merchant_keys]


@cache
def _meanings() -> dict[str, str]:
    """Return what merchant category codes mean, by their four digits."""
    return {number: code.description for number, code in load_merchant_codes().items()}
