"""Which transactions may be sides of transfers, by their categories alone."""

from __future__ import annotations

from functools import cache

from mintql.data import load_categories
from mintql.domain.categories import OWN_ID_MIN, CategoryKind, CategorySource
from mintql.domain.ids import CategoryId
from mintql.domain.reasons import VAGUE
from mintql.domain.transfers import LOAN_SLUGS


def may_be_found(category_id: CategoryId, source: CategorySource, detail: str) -> bool:
    """Tell whether a transaction's category lets it be found as a side; `may_be_side` in the database says the same.

    What comes in and is surely a purchase needs no looking around it.
    """
    if source in (CategorySource.NONE, CategorySource.KEYWORD, CategorySource.TRANSFER):
        return True
    return category_id in telling() or category_id >= OWN_ID_MIN or detail.endswith(VAGUE)


@cache
def telling() -> frozenset[CategoryId]:
    """Return the standard categories that speak for a transfer."""
    leaves = load_categories().leaves
    return frozenset(
        leaf.category_id for leaf in leaves if leaf.kind is CategoryKind.TRANSFER or leaf.slug in LOAN_SLUGS
    )
