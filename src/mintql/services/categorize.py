"""Which category a transaction belongs into by what everybody can know of it, and why.

Pure: all knowledge is given at construction, none of it is of any person. Strongest first:

1. what the crowd chose for the seller;
2. what the bank itself says it did (payroll, card payment, fee);
3. the institution's merchant category code, then its own category;
4. the seller dictionary, where it is surer than words are;
5. keywords;
6. the rest of the dictionary: names that are common words, sellers of other countries;
7. codes and categories that cover too many trades to outrank any of it.

What a person chose, by hand, by a rule or for the seller, comes before all of that and is `services.knowledge`'s.
How sure each reason is says `domain.reasons`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from typing import NamedTuple

from mintql.data import load_category_hints, load_keywords, load_merchant_codes, load_seller_index
from mintql.domain.categories import UNCATEGORIZED, UNCATEGORIZED_ID, Categorization, CategorySource
from mintql.domain.countries import currency_countries
from mintql.domain.hints import CategoryHint
from mintql.domain.ids import CategoryId
from mintql.domain.keywords import NOT_FOUND, KeywordIndex
from mintql.domain.merchant_memory import MEMO_SIZE
from mintql.domain.merchants import Merchant
from mintql.domain.reasons import code_detail, keyword_detail, reason, seller_detail
from mintql.domain.sellers import Keyword, MerchantCode, SellerIndex, SellerMatch

SURE_MIN = 75
"""The confidence from which an entry of the dictionary comes before keywords."""

FOUND_SIZE = 1 << 10
"""Sellers that are looked up for a row's category and then for its name."""


class Clues(NamedTuple):
    """What is known of a transaction without knowing the person.

    Args:
        merchant_key: The seller, from `domain.merchants.normalize`.
        amount_minor: Signed, money out negative. A refund keeps its seller's category; only bank words and keywords
            that mean one direction look at the sign, and so do categories of income.
        currency: ISO 4217 code of the amount; it tells which countries' sellers are likely.
        mcc: ISO 18245 merchant category code of four digits, or empty.
        category_code: The institution's own category as `taxonomy:code`, or empty.
        domain: The web address that the statement carries, from `domain.merchants.normalize`, or empty.
    """

    merchant_key: str
    amount_minor: int
    currency: str
    mcc: str = ""
    category_code: str = ""
    domain: str = ""


class Categorizer:
    """Knows sellers, keywords, merchant category codes and institutions' categories; no state of any person.

    What it decided lately it remembers, bounded by `MEMO_SIZE`; several threads may ask it.
    """

    def __init__(
        self,
        sellers: SellerIndex,
        keywords: tuple[Keyword, ...],
        merchant_codes: Mapping[str, MerchantCode],
        hints: Mapping[str, CategoryHint] | None = None,
    ) -> None:
        self._keywords = KeywordIndex(keywords)
        self._keyword_reasons = [
            reason(word.category_id, CategorySource.KEYWORD, keyword_detail(word)) for word in self._keywords.ranked
        ]
        self._merchant_codes = merchant_codes
        self._hints = hints or {}
        self._find = lru_cache(maxsize=FOUND_SIZE)(sellers.find)
        self._decided = lru_cache(maxsize=MEMO_SIZE)(self._decide)
        self._named = lru_cache(maxsize=MEMO_SIZE)(self._name)

    def categorize(self, clues: Clues, crowd: Categorization | None = None) -> Categorization:
        """Return the category with its reason; `crowd` is what the crowd chose for the seller, if it did."""
        if crowd is not None:
            return crowd
        key, amount_minor, currency, mcc, category_code, domain = clues
        return self._decided(key, amount_minor > 0, currency, mcc, category_code, domain)

    def alternatives(self, clues: Clues, crowd: Categorization | None = None) -> list[Categorization]:
        """Return every category that something speaks for, each once with its strongest reason, strongest first."""
        key, amount_minor, *rest = clues
        found: dict[CategoryId, Categorization] = {} if crowd is None else {crowd.category_id: crowd}
        for each in self._reasons(key, amount_minor > 0, *rest):
            found.setdefault(each.category_id, each)
        return list(found.values())

    @property
    def remembered_count(self) -> int:
        """How many decisions are remembered."""
        return self._decided.cache_info().currsize

    def display_name(self, merchant: Merchant, currency: str = "") -> str:
        """Return the name the seller gives itself where the dictionary surely means it, else the cleaned one."""
        return self._named(merchant, currency)

    def _name(self, merchant: Merchant, currency: str) -> str:
        match = self._find(merchant.key, currency_countries(currency), merchant.domain)
        if match is None or _seller_reason(match).confidence < SURE_MIN:
            return merchant.name
        return match.name

    def _decide(
        self, key: str, income: bool, currency: str, mcc: str, category_code: str, domain: str
    ) -> Categorization:
        return next(self._reasons(key, income, currency, mcc, category_code, domain), UNCATEGORIZED)

    def _reasons(
        self, key: str, income: bool, currency: str, mcc: str, category_code: str, domain: str
    ) -> Iterator[Categorization]:
        """Give all reasons, strongest first, each looked for when it is asked for."""
        bank_words, trade_words = self._keywords.find(key.split(" "), income=income)
        if bank_words != NOT_FOUND:
            yield self._keyword_reasons[bank_words]
        if mcc:
            yield from self._by_code(mcc, vague=False)
        if category_code:
            yield from self._by_hint(category_code, income=income, vague=False)
        match = self._find(key, currency_countries(currency), domain)
        seller = None if match is None else _seller_reason(match)
        if seller is not None and seller.confidence >= SURE_MIN:
            yield seller
        if trade_words != NOT_FOUND:
            yield self._keyword_reasons[trade_words]
        if seller is not None:
            yield seller
        if mcc:
            yield from self._by_code(mcc, vague=True)
        if category_code:
            yield from self._by_hint(category_code, income=income, vague=True)

    def _by_code(self, mcc: str, *, vague: bool) -> Iterator[Categorization]:
        code = self._merchant_codes.get(mcc)
        if code is not None and code.vague is vague:
            yield reason(code.category_id, CategorySource.INSTITUTION, code_detail("mcc", mcc, vague=vague))

    def _by_hint(self, category_code: str, *, income: bool, vague: bool) -> Iterator[Categorization]:
        hint = self._hints.get(category_code)
        if hint is None or hint.vague is not vague or not hint.fits(1 if income else -1):
            return
        if hint.category_id != UNCATEGORIZED_ID:  # Else the institution does not know either.
            taxonomy, _, name = category_code.partition(":")
            yield reason(hint.category_id, CategorySource.INSTITUTION, code_detail(taxonomy, name, vague=vague))


@lru_cache(maxsize=MEMO_SIZE)
def _seller_reason(match: SellerMatch) -> Categorization:
    return reason(match.category_id, CategorySource.DICTIONARY, seller_detail(match))


@cache
def default_categorizer() -> Categorizer:
    """Return the categorizer over the project's own data files, read once per process."""
    return Categorizer(load_seller_index(), load_keywords(), load_merchant_codes(), load_category_hints())
