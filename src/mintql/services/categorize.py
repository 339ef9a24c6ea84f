"""Which category a transaction belongs into, and why. Pure: all knowledge is given at construction.

Strongest first: the person's rule for the seller; what the bank itself says it did (payroll, card payment,
fee); the institution's merchant category code, then its own category; the seller dictionary; keywords; codes
and categories too vague to outrank those. What a person chose by hand is kept by the ingestion and never comes
here.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from mintql.data import load_category_hints, load_keywords, load_merchant_codes, load_sellers
from mintql.domain.categories import UNCATEGORIZED, UNCATEGORIZED_ID, Categorization, CategorySource
from mintql.domain.hints import CategoryHint
from mintql.domain.ids import CategoryId
from mintql.domain.merchants import Merchant
from mintql.domain.sellers import Keyword, KeywordIndex, MerchantCode, Seller

PHRASE_WORDS_MAX = 4
"""No seller or keyword is longer; what follows in a key is place or product."""


class Categorizer:
    """Knows sellers, keywords, merchant category codes and institutions' categories; no state of any person."""

    def __init__(
        self,
        sellers: Mapping[str, Seller],
        keywords: tuple[Keyword, ...],
        merchant_codes: Mapping[str, MerchantCode],
        hints: Mapping[str, CategoryHint] | None = None,
    ) -> None:
        self._sellers = sellers
        self._bank_words = KeywordIndex(word for word in keywords if word.of_bank)
        self._keywords = KeywordIndex(word for word in keywords if not word.of_bank)
        self._merchant_codes = merchant_codes
        self._hints = hints or {}

    def categorize(
        self,
        merchant: Merchant,
        amount_minor: int,
        mcc: str,
        rules: Mapping[str, CategoryId],
        category_code: str = "",
    ) -> Categorization:
        """Return the category with its reason.

        Args:
            merchant: The seller, from `domain.merchants.normalize`.
            amount_minor: Signed, money out negative. A refund keeps its seller's category; only bank words
                and keywords that mean one direction look at the sign, and so do categories of income.
            mcc: ISO 18245 code of four digits, or empty.
            rules: The person's category for merchant keys.
            category_code: The institution's own category as `taxonomy:code`, or empty.
        """
        ruled = rules.get(merchant.key)
        if ruled is not None:
            return Categorization(ruled, CategorySource.RULE, merchant.key)
        words = merchant.key.split(" ")
        return (
            _by_keyword(self._bank_words.find(words, amount_minor))
            or self._by_code(mcc, vague=False)
            or self._by_hint(category_code, amount_minor, vague=False)
            or self._by_seller(merchant.key, words)
            or _by_keyword(self._keywords.find(words, amount_minor))
            or self._by_code(mcc, vague=True)
            or self._by_hint(category_code, amount_minor, vague=True)
            or UNCATEGORIZED
        )

    def display_name(self, merchant: Merchant) -> str:
        """Return the name the seller gives itself where the dictionary knows it, else the cleaned one."""
        seller = self._seller(merchant.key, merchant.key.split(" "))
        return merchant.name if seller is None else seller.name

    def _by_code(self, mcc: str, *, vague: bool) -> Categorization | None:
        code = self._merchant_codes.get(mcc) if mcc else None
        if code is None or code.vague is not vague:
            return None
        return Categorization(code.category_id, CategorySource.INSTITUTION, f"MCC {mcc}")

    def _by_hint(self, code: str, amount_minor: int, *, vague: bool) -> Categorization | None:
        hint = self._hints.get(code) if code else None
        if hint is None or hint.vague is not vague or not hint.fits(amount_minor):
            return None
        if hint.category_id == UNCATEGORIZED_ID:  # The institution does not know either.
            return None
        taxonomy, _, name = code.partition(":")
        return Categorization(hint.category_id, CategorySource.INSTITUTION, f"{taxonomy.upper()} {name}")

    def _by_seller(self, key: str, words: list[str]) -> Categorization | None:
        seller = self._seller(key, words)
        if seller is None:
            return None
        return Categorization(seller.category_id, CategorySource.DICTIONARY, seller.key)

    def _seller(self, key: str, words: list[str]) -> Seller | None:
        """Find the whole key, else its longest known beginning; a single word only when it is distinctive."""
        exact = self._sellers.get(key)
        if exact is not None:
            return exact
        for count in range(min(PHRASE_WORDS_MAX, len(words) - 1), 1, -1):
            seller = self._sellers.get(" ".join(words[:count]))
            if seller is not None:
                return seller
        first = self._sellers.get(words[0])
        return first if first is not None and first.distinctive else None


def _by_keyword(keyword: Keyword | None) -> Categorization | None:
    if keyword is None:
        return None
    return Categorization(keyword.category_id, CategorySource.KEYWORD, keyword.phrase)


@cache
def default_categorizer() -> Categorizer:
    """Return the categorizer over the project's own data files, read once per process."""
    return Categorizer(load_sellers(), load_keywords(), load_merchant_codes(), load_category_hints())
