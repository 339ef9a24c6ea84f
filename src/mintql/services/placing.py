"""Where a new row goes, and all that follows from that: kept for rows alike, of which a batch is full."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from mintql.domain.categories import Categorization, CategorySource
from mintql.domain.ids import CategoryId
from mintql.domain.ingest import NOTHING_PERSONAL, Personal, joined_code
from mintql.domain.merchant_memory import MEMO_SIZE
from mintql.domain.merchants import Merchant
from mintql.services.categorize import Clues, default_categorizer
from mintql.services.transfer_clues import may_be_found


class Placed(NamedTuple):
    """A new row's category with its reason, its seller's name, and what follows from them.

    `may_be_side` tells whether it may be a side of a transfer.
    """

    category_id: CategoryId
    source: CategorySource
    detail: str
    merchant: str
    institution_code: str
    may_be_side: bool
    personal: Personal


def placed(category: Categorization, merchant: str, institution_code: str, personal: Personal) -> Placed:
    """Return a row's category with what follows from it."""
    category_id, source, detail = category.category_id, category.source, category.detail
    may_be_side = may_be_found(category_id, source, detail)
    return Placed(category_id, source, detail, merchant, institution_code, may_be_side, personal)


@lru_cache(maxsize=MEMO_SIZE)
def placed_for_all(
    merchant: Merchant, income: bool, currency: str, merchant_category_code: str, category_code: str
) -> Placed:
    """Return where everybody's rows like this go, of persons who said nothing of it."""
    categorizer = default_categorizer()
    sign = 1 if income else -1
    clues = Clues(merchant.key, sign, currency, merchant_category_code, category_code, merchant.domain)
    name = categorizer.display_name(merchant, currency)
    code = joined_code(merchant_category_code, category_code)
    return placed(categorizer.categorize(clues), name, code, NOTHING_PERSONAL)
