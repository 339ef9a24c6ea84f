"""What stands behind a seller's name on a statement: places, company forms, ways of payment."""

from __future__ import annotations

from mintql.domain.merchant_places import PLACES
from mintql.domain.merchant_words import (
    ALSO_WORDS,
    BANK_TAILS,
    CITIES,
    CITY_ENDS,
    CITY_WORDS_MAX,
    COMPANY_FORMS,
    COUNTRIES,
    NEEDS_ITS_PLACE,
    NO_NAME_ALONE,
    POSTCODE,
    STATES,
)


def without_tail(words: list[str]) -> list[str]:
    """Take places, company forms and ways of payment off the end, word by word."""
    placed = False
    while len(words) > 1:
        last = words[-1]
        taken = 0
        lone_word = last in ALSO_WORDS and len(words) == 2  # noqa: PLR2004
        if last in BANK_TAILS or (last in COMPANY_FORMS and words[-2] not in {"&", "AND"} and not lone_word):
            taken = 1
        elif (last in STATES or last in COUNTRIES) and not lone_word:
            taken, placed = 1, True
        elif (placed or last.isalnum()) and not last.isalpha() and POSTCODE.fullmatch(last):
            taken = 1 if placed or _is_postcode_end(words) else 0
        elif placed or last in CITY_ENDS:
            taken = _city_words(words, PLACES if placed else CITIES)
        before = words[-taken - 1]
        if not taken or before in NEEDS_ITS_PLACE or len(before) == 1:
            break
        if len(words) == taken + 1 and words[0] in NO_NAME_ALONE:
            break
        words = words[:-taken]
    return words


def _is_postcode_end(words: list[str]) -> bool:
    """Tell whether the last two words are the two halves of a postcode behind a state or city."""
    return len(words) > 3 and POSTCODE.fullmatch(words[-2]) is not None  # noqa: PLR2004


def _city_words(words: list[str], cities: frozenset[str]) -> int:
    for count in range(min(CITY_WORDS_MAX, len(words) - 1), 0, -1):
        name = " ".join(words[-count:])
        if name in cities or name in CITIES:
            return count
    return 0
