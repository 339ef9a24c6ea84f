"""Which category a transaction belongs into by what everybody can know of it, and why.

Pure: all knowledge is given at construction, none of it is of any person. Strongest first: what the crowd chose
for the seller; what the bank itself says it did (payroll, card payment, fee); the institution's merchant category
code, then its own category; the seller dictionary; keywords; codes and categories too vague to outrank those. What
a person chose, by hand, by a rule or for the seller, comes before all of that and is `services.knowledge`'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from mintql.data import load_category_hints, load_keywords, load_merchant_codes, load_sellers
from mintql.domain.categories import UNCATEGORIZED, UNCATEGORIZED_ID, Categorization, CategorySource
from mintql.domain.hints import CategoryHint
from mintql.domain.ids import CategoryId
from mintql.domain.merchants import Merchant
from mintql.domain.sellers import Keyword, KeywordIndex, MerchantCode, Seller

PHRASE_WORDS_MAX = 4
"""No seller or keyword is longer; what follows in a key is place or product."""


CONFIDENCE = {
    "bank words": 95,
    "code": 90,
    "hint": 85,
    "seller": 90,
    "keyword": 80,
    "vague code": 60,
    "vague hint": 55,
}
"""How often a reason of each kind is right, in percent."""


@dataclass(frozen=True, slots=True)
class Clues:
    """What is known of a transaction without knowing the person.

    Args:
        merchant_key: The seller, from `domain.merchants.normalize`.
        amount_minor: Signed, money out negative. A refund keeps its seller's category; only bank words and keywords
            that mean one direction look at the sign, and so do categories of income.
        currency: ISO 4217 code of the amount; it tells which countries' sellers are likely.
        mcc: ISO 18245 merchant category code of four digits, or empty.
        category_code: The institution's own category as `taxonomy:code`, or empty.
    """

    merchant_key: str
    amount_minor: int
    currency: str
    mcc: str = ""
    category_code: str = ""


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

    def categorize(self, clues: Clues, crowd: Categorization | None = None) -> Categorization:
        """Return the category with its reason; `crowd` is what the crowd chose for the seller, if it did."""
        return next(self._reasons(clues, crowd), UNCATEGORIZED)

    def alternatives(self, clues: Clues, crowd: Categorization | None = None) -> list[Categorization]:
        """Return every category that something speaks for, each once with its strongest reason, strongest first."""
        found: dict[CategoryId, Categorization] = {}
        for reason in self._reasons(clues, crowd):
            found.setdefault(reason.category_id, reason)
        return list(found.values())

    def _reasons(self, clues: Clues, crowd: Categorization | None) -> Iterator[Categorization]:
        key, amount_minor = clues.merchant_key, clues.amount_minor
        words = key.split(" ")
        if crowd is not None:
            yield crowd
        yield from _by_keyword(self._bank_words.find(words, amount_minor), "bank words")
        yield from self._by_code(clues.mcc, vague=False)
        yield from self._by_hint(clues.category_code, amount_minor, vague=False)
        yield from self._by_seller(key, words)
        yield from _by_keyword(self._keywords.find(words, amount_minor), "keyword")
        yield from self._by_code(clues.mcc, vague=True)
        yield from self._by_hint(clues.category_code, amount_minor, vague=True)

    def display_name(self, merchant: Merchant) -> str:
        """Return the name the seller gives itself where the dictionary knows it, else the cleaned one."""
        seller = self._seller(merchant.key, merchant.key.split(" "))
        return merchant.name if seller is None else seller.name

    def _by_code(self, mcc: str, *, vague: bool) -> Iterator[Categorization]:
        code = self._merchant_codes.get(mcc) if mcc else None
        if code is not None and code.vague is vague:
            confidence = CONFIDENCE["vague code" if vague else "code"]
            yield Categorization(code.category_id, CategorySource.INSTITUTION, f"MCC {mcc}", confidence)

    def _by_hint(self, code: str, amount_minor: int, *, vague: bool) -> Iterator[Categorization]:
        hint = self._hints.get(code) if code else None
        if hint is None or hint.vague is not vague or not hint.fits(amount_minor):
            return
        if hint.category_id != UNCATEGORIZED_ID:  # Else the institution does not know either.
            taxonomy, _, name = code.partition(":")
            confidence = CONFIDENCE["vague hint" if vague else "hint"]
            yield Categorization(hint.category_id, CategorySource.INSTITUTION, f"{taxonomy.upper()} {name}", confidence)

    def _by_seller(self, key: str, words: list[str]) -> Iterator[Categorization]:
        seller = self._seller(key, words)
        if seller is not None:
            yield Categorization(seller.category_id, CategorySource.DICTIONARY, seller.key, CONFIDENCE["seller"])

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


def _by_keyword(keyword: Keyword | None, kind: str) -> Iterator[Categorization]:
    if keyword is not None:
        yield Categorization(keyword.category_id, CategorySource.KEYWORD, keyword.phrase, CONFIDENCE[kind])


@cache
def default_categorizer() -> Categorizer:
    """Return the categorizer over the project's own data files, read once per process."""
    return Categorizer(load_sellers(), load_keywords(), load_merchant_codes(), load_category_hints())
