"""From the text on a statement to the seller behind it.

A descriptor such as `SQ *BLUE BOTTLE #4411 OAKLAND CA` is cleaned step by step: what bank and processor
put before the name, then references and places behind it. No step takes the last word away.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from mintql.domain.merchant_words import (
    ALIASES,
    ALSO_WORDS,
    BANK_MATTER,
    BANK_PREFIX,
    CITIES,
    COLUMN_TAIL,
    COMPANY_FORMS,
    COUNTRIES,
    DOMAIN,
    NEEDS_ITS_PLACE,
    PROCESSOR_PREFIX,
    REFERENCE,
    STATES,
)

LENGTH_MAX = 255
LAYERS_MAX = LENGTH_MAX
"""Each layer is at least a character."""
CITY_WORDS_MAX = 3
UNKNOWN_NAME = "Unknown"

_DIGIT = re.compile(r"\d")
_KEY_GAPS = re.compile(r"[^\w]+|_+")
_LATIN_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "\u0131": "i", "ħ": "h", "ŧ": "t"}
)
_DROPPED_MARKS = str.maketrans("", "", "'`\u2018\u2019\u00b4")
_POSTCODE = re.compile(r"[A-Z]\d[A-Z]|\d[A-Z]\d|\d{5}(?:-\d{4})?|[A-Z]{1,2}\d[A-Z\d]?|\d[A-Z]{2}")
_STRAY = " *-\u2013\u2014:.#&"
_SEPARATORS = str.maketrans(dict.fromkeys('*/,;|\\<>~^"_=+()[]{}…', " ") | {"\u2013": "-", "\u2014": "-"})
_SMALL_WORDS = frozenset(("OF", "AND", "THE", "FOR", "TO", "DE", "DU", "LE", "VAN", "VON", "DER", "IN", "AT", "ON"))
_ACRONYMS = """
    ADP AMC ATM BBQ BC BMO BMW BP CBC CIBC CVS DHL EDF EV GNC HBO HMV HSBC IGA IKEA IRS JFK KFC LA LCBO MTA NHS NY
    NYC PC RBC REI TD TJX TTC TV UK UPS US USA USPS YMCA YWCA
"""
_UPPER_WORDS = frozenset(_ACRONYMS.split())


@dataclass(frozen=True, slots=True)
class Merchant:
    """A seller: `key` is what rules and dictionaries are looked up by, `name` what people read.

    `key` is lower case, without accents on Latin letters, words parted by single spaces; at most 255
    characters, never empty.
    """

    key: str
    name: str


def normalize(description: str) -> Merchant:
    """Return the seller that a statement's text names. Pure, and stable on its own results."""
    text = _settled(_prepared(description))
    key = _key(text)
    if not key:
        return Merchant(UNKNOWN_NAME.lower(), UNKNOWN_NAME)
    plain = key.upper()
    for _ in range(LAYERS_MAX if plain != text else 0):
        # Without its punctuation the name may show another layer, as in "SHELL-0123".
        again = _key(_settled(plain))
        if again == key:
            break
        key, plain = again, again.upper()
    return Merchant(key, _name(text))


def key_form(text: str) -> str:
    """Return a text as merchant keys spell it, with nothing taken off; empty where it holds no word."""
    return _key(_prepared(text))


def _settled(text: str) -> str:
    """Take layers off until there are none."""
    for _ in range(LAYERS_MAX):
        shorter = _stripped(text)
        if shorter == text:
            break
        text = shorter
    return text


def _prepared(description: str) -> str:
    """Upper case, compatibility forms resolved, bounded; runs of spaces still tell columns apart."""
    if description.isascii():
        return description[:LENGTH_MAX].upper().strip()
    text = unicodedata.normalize("NFKC", description[:LENGTH_MAX])
    return unicodedata.normalize("NFKC", text.upper())[:LENGTH_MAX].strip()


def _stripped(text: str) -> str:
    """Take one layer off. Each layer is taken only when letters or digits remain."""
    if "  " in text or "\t" in text or "\n" in text:
        text = " ".join(_or_before(COLUMN_TAIL.sub("", text), text).split())
    text = _without_prefixes(text)
    for pattern, canonical in ALIASES.get(text.split(" ", 1)[0].rstrip("*"), ()):
        if pattern.match(text) is not None and BANK_MATTER.search(text) is None:
            return canonical or text
    if _DIGIT.search(text, 2) is not None:
        found = REFERENCE.search(text, 2)
        if found is not None:
            text = _or_before(text[: found.start()], text)
    if not text.replace(" ", "").isalnum():
        if "." in text:
            text = _or_before(DOMAIN.sub(r"\1", text), text)
        text = _or_before(" ".join(text.translate(_SEPARATORS).split()), text)
        text = text.strip(_STRAY) or text
    return _without_tail(text)


def _without_prefixes(text: str) -> str:
    while True:
        found = BANK_PREFIX.match(text) or PROCESSOR_PREFIX.match(text)
        if found is None:
            return text
        shorter = _or_before(text[found.end() :].lstrip(_STRAY), text)
        if shorter is text:
            return text
        text = shorter


def _or_before(shorter: str, text: str) -> str:
    """Return `shorter` unless nothing that could be a name is left of it."""
    return shorter if any(map(str.isalnum, shorter)) else text


def _without_tail(text: str) -> str:
    """Take places and company forms off the end, word by word."""
    words = text.split()
    placed = False
    while len(words) > 1:
        last = words[-1].strip(".,()")
        taken = 0
        if last in COMPANY_FORMS and words[-2] not in {"&", "AND"}:
            taken = 1
        elif (last in STATES or last in COUNTRIES) and (last not in ALSO_WORDS or len(words) > 2):  # noqa: PLR2004
            taken, placed = 1, True
        elif placed and _POSTCODE.fullmatch(last):
            taken = 1
        else:
            taken = _city_words(words)
        if not taken or words[-taken - 1] in NEEDS_ITS_PLACE or not _names(words[:-taken]):
            break
        del words[-taken:]
    return " ".join(words).rstrip(_STRAY) or text


def _city_words(words: list[str]) -> int:
    for count in range(min(CITY_WORDS_MAX, len(words) - 1), 0, -1):
        if " ".join(words[-count:]) in CITIES:
            return count
    return 0


def _names(words: list[str]) -> bool:
    return any(any(map(str.isalnum, word)) for word in words)


def _key(text: str) -> str:
    folded = text.lower().translate(_DROPPED_MARKS)
    if not folded.isascii():
        folded = _ascii_folded(folded)
    return _KEY_GAPS.sub(" ", folded).strip()[:LENGTH_MAX].rstrip()


def _ascii_folded(text: str) -> str:
    """Take accents off Latin letters; other alphabets keep theirs."""
    kept: list[str] = []
    for char in unicodedata.normalize("NFKD", text.translate(_LATIN_LETTERS)):
        if not (unicodedata.combining(char) and kept and kept[-1].isascii()):
            kept.append(char)
    return unicodedata.normalize("NFC", "".join(kept))


def _name(text: str) -> str:
    first, *rest = text.split()
    return " ".join([_cased(first), *(word.lower() if word in _SMALL_WORDS else _cased(word) for word in rest)])


def _cased(word: str) -> str:
    return word if word in _UPPER_WORDS else _titled(word)


def _titled(word: str) -> str:
    titled = word.title() if word.isascii() else word[0] + word[1:].lower()
    if "'" in titled:
        titled = titled.replace("'S", "'s").replace("'T", "'t")
    if titled.startswith("Mc") and len(titled) > 4:  # noqa: PLR2004
        titled = "Mc" + titled[2:].capitalize()
    return titled
