"""From the text on a statement to the seller behind it.

A descriptor such as `SQ *BLUE BOTTLE #4411 OAKLAND CA` is read word by word: what bank and processor put before the
name is skipped, a reference ends it, places and company forms are taken off its end. The last word always stays.

A result is read again until nothing changes, so that names and keys lead to themselves; most texts show by their words
that nothing can change.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from mintql.domain.merchant_aliases import ALIASES
from mintql.domain.merchant_fields import statement_fields
from mintql.domain.merchant_leads import (
    AFTER_LEADS,
    CONNECTORS,
    LEADS,
    LEADS_BEFORE_DATES,
    NEVER_BEFORE,
    PAYS,
    PROCESSORS,
    PROCESSORS_WITHOUT_STAR,
)
from mintql.domain.merchant_names import display_name
from mintql.domain.merchant_tails import without_tail
from mintql.domain.merchant_words import (
    AFTER_REFERENCES,
    BANK_MATTER,
    BEFORE_REFERENCES,
    COLUMN_TAIL,
    DATE,
    DOMAIN,
    GLUED_REFERENCE,
    MONTHS,
    REFERENCE,
    TAILS,
)

LENGTH_MAX = 255
ROUNDS_MAX = LENGTH_MAX
"""Each round but the last takes at least a character."""
REFERENCE_DIGITS_MIN = 3
FRONT_REFERENCE_DIGITS_MIN = 5
"""A number before the name may be a part of it, as in `407 ETR`; a longer one is a reference."""
STAR_REFERENCE_MIN = 3
UNKNOWN_NAME = "Unknown"
UNKNOWN_KEY = "unknown"

_LATIN_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "\u0131": "i", "ħ": "h", "ŧ": "t"}
)
_STRAY = " -\u2013\u2014:.&!?"
_DASHES = {"\u2013": "-", "\u2014": "-"}
_SEPARATORS = str.maketrans(
    dict.fromkeys('/,;|\\<>~^"_=+()[]{}…', " ") | {"*": " *", "#": " #", "`": "'", "\u2019": "'"} | _DASHES
)
_KEY_GAPS = str.maketrans(
    {chr(code): " " for code in range(128) if not chr(code).isalnum()} | dict.fromkeys("'`\u2018\u2019\u00b4", "")
)
_DIGIT = re.compile(r"\d")
_LETTER = re.compile(r"[^\W\d_]")
_SPECIAL_FIRST = frozenset((*LEADS, *PROCESSORS_WITHOUT_STAR, *ALIASES, "UPI"))
"""First words that may be something else than the beginning of a name."""


_CLEAN = re.compile(r"[A-Z](?:[A-Z&'-]*[A-Z])?(?: (?:&|[A-Z](?:[A-Z&'-]*[A-Z])?))*")
"""Names that read as themselves, but for their first and last word: nothing in them is parted or taken off."""


_MAY_LEAD = _SPECIAL_FIRST | PROCESSORS


class Merchant(NamedTuple):
    """A seller: `key` is what rules and dictionaries are looked up by, `name` what people read.

    `key` is lower case, without accents on Latin letters, words parted by single spaces; at most 255 characters,
    never empty. `text` is the name in capitals. `domain` is the web address that the statement carries, in lower case,
    or empty.
    """

    key: str
    text: str
    domain: str = ""

    @property
    def name(self) -> str:
        """The name as people write it."""
        return display_name(self.text)


def normalize(description: str) -> Merchant:
    """Return the seller that a statement's text names. Pure, and stable on its own results."""
    text = _prepared(description)
    words = text.split()
    if words and _is_plain(words, text):
        text = " ".join(words)
        return Merchant(text.lower(), text)
    if (
        words
        and text[-1].isalpha()
        and words[0] not in _SPECIAL_FIRST
        and words[-1] not in TAILS
        and _CLEAN.fullmatch(text)
    ):
        return Merchant(_settled_key(text), text)
    words, domain = _read(text) if words else (words, "")
    if not words:
        return _UNKNOWN
    text = " ".join(words)
    if (len(words) == 1 and text in _CANONICAL) or _is_plain(words, text):
        return Merchant(_CANONICAL.get(text) or text.lower(), text, domain)
    if words[0] in _SPECIAL_FIRST or words[-1] in TAILS or _CLEAN.fullmatch(text) is None:
        text = _settled(text)
    key = _settled_key(text)
    return Merchant(key, text, domain) if key else _UNKNOWN._replace(domain=domain)


def _settled_key(text: str) -> str:
    """Return the key of a name that reads as itself; without punctuation it may show more, as in "SHELL-0123"."""
    key = merchant_key(text)
    for _ in range(ROUNDS_MAX if key else 0):
        plain = key.upper()
        if _is_plain(plain.split(), plain):
            break
        again = merchant_key(_settled(plain))
        if again == key or not again:
            break
        key = again
    return key


def _is_plain(words: list[str], text: str) -> bool:
    """Tell whether reading these words again can change nothing: letters with nothing special at either end."""
    return (
        words[0] not in _SPECIAL_FIRST and words[-1] not in TAILS and text.isascii() and text.replace(" ", "").isalpha()
    )


_UNKNOWN = Merchant(UNKNOWN_KEY, UNKNOWN_NAME.upper())


def key_form(text: str) -> str:
    """Return a text as merchant keys spell it, with nothing taken off; empty where it holds no word."""
    return merchant_key(_prepared(text))


def merchant_key(text: str) -> str:
    """Return a name as keys are written, nothing taken off it; empty if it has neither letters nor digits."""
    folded = text.lower()
    if folded.isascii():
        return " ".join(folded.translate(_KEY_GAPS).split())[:LENGTH_MAX].rstrip()
    folded = _ascii_folded(folded.translate(_KEY_GAPS))
    plain = "".join(char if char.isalnum() or unicodedata.combining(char) else " " for char in folded)
    return " ".join(plain.split())[:LENGTH_MAX].rstrip()


def _ascii_folded(text: str) -> str:
    """Take accents off Latin letters; other alphabets keep theirs."""
    kept: list[str] = []
    for char in unicodedata.normalize("NFKD", text.translate(_LATIN_LETTERS)):
        if not (unicodedata.combining(char) and kept and kept[-1].isascii()):
            kept.append(char)
    return unicodedata.normalize("NFC", "".join(kept))


def _settled(text: str) -> str:
    """Read again until nothing changes."""
    for _ in range(ROUNDS_MAX):
        shorter = " ".join(_read(text)[0])
        if shorter == text:
            break
        text = shorter
    return text


def _prepared(description: str) -> str:
    """Upper case, compatibility forms resolved, bounded; runs of spaces still tell columns apart."""
    if description.isascii():
        return description[:LENGTH_MAX].upper()
    text = unicodedata.normalize("NFKC", description[:LENGTH_MAX])
    return unicodedata.normalize("NFKC", text.upper())[:LENGTH_MAX]


def _read(text: str) -> tuple[list[str], str]:
    """Return the words of the name, and the domain."""
    if ":" in text or "@" in text or text.startswith(("UPI", "/")):
        text = statement_fields(text)
    if "  " in text:
        text = COLUMN_TAIL.sub("", text.rstrip()) or text
    words = text.split()
    if not words:
        return words, ""
    first = words[0]
    if first in _SPECIAL_FIRST or not first.isalpha() or "*" in text:
        words = _without_leads(words)
        name = _alias(words)
        if name is not None:
            return [name], ""
    kept, domain = _name_words(words)
    while kept and kept[-1] == "&":
        del kept[-1]
    if not kept:
        return _something_of(text), domain
    if kept[-1] in TAILS or not kept[-1].isalpha():
        kept = without_tail(kept)
    return kept, domain


def _something_of(text: str) -> list[str]:
    """Return the words of a text that has nothing like a name."""
    return [word for word in text.translate(_SEPARATORS).split() if any(map(str.isalnum, word))]


def _without_leads(words: list[str]) -> list[str]:
    """Skip how it was paid, and the processor, as long as something that may be a name remains."""
    while True:
        shorter = _without_lead(words) or _without_processor(words)
        if not shorter or not (shorter[-1].isalpha() or _LETTER.search(" ".join(shorter))):
            return words
        words = shorter
        if words[0].isalpha() and words[0] not in _MAY_LEAD:
            return words


def _without_lead(words: list[str]) -> list[str] | None:
    first = words[0].rstrip(",:.-")
    if first in LEADS_BEFORE_DATES and not (len(words) > 2 and REFERENCE.match(words[1])):  # noqa: PLR2004
        return None
    for rest in LEADS.get(first, ()):
        end = 1 + len(rest)
        if len(words) > end and (words[1:end] == rest or [word.rstrip(",:.-") for word in words[1:end]] == rest):
            break
    else:
        return None
    while end < len(words) and _follows_lead(words, end):
        end += 1
    if end == len(words) or words[end].strip("*-") in NEVER_BEFORE:
        return None
    return words[end:]


def _follows_lead(words: list[str], at: int) -> bool:
    word = words[at].strip(",:.-")
    if not word or word in AFTER_LEADS or word in CONNECTORS:
        return at + 1 < len(words)
    if word.isalpha():
        return word in MONTHS and words[at - 1].isdigit()
    return word.isdigit() or REFERENCE.match(word) is not None


def _without_processor(words: list[str]) -> list[str] | None:
    """Skip `SQ *`, `SQ*`, `TST*` and the like; a star with nothing of the kind before it parts words."""
    first, *rest = words
    if first.startswith("ZETTLE_"):
        return [first.removeprefix("ZETTLE_") or "*", *rest]
    head, star, name = first.partition("*")
    if star and (head in PROCESSORS or not head):
        name = name.lstrip("*")
        rest = [name, *rest] if name else rest
        return None if head and rest and rest[0] in PAYS else rest
    if first in PROCESSORS and rest and rest[0].startswith("*"):
        name = rest[0].lstrip("*")
        rest = [name, *rest[1:]] if name else rest[1:]
        return None if rest and rest[0] in PAYS else rest
    if not star and (first in PROCESSORS_WITHOUT_STAR or _is_front_reference(first)):
        return rest
    return None if any(map(str.isalnum, first)) else rest


def _is_front_reference(word: str) -> bool:
    """Tell a date, a mask or a long number before the name."""
    if word.isdigit():
        return len(word) >= FRONT_REFERENCE_DIGITS_MIN
    return _DIGIT.search(word) is not None and DATE.fullmatch(word) is not None


def _alias(words: list[str]) -> str | None:
    """Return the one name of a seller that writes itself in many ways."""
    patterns = ALIASES.get(words[0].rstrip("*"))
    if patterns is None:
        return None
    text = " ".join(words)
    for pattern, canonical in patterns:
        if pattern.match(text) is not None:
            return canonical if canonical and BANK_MATTER.search(text) is None else None
    return None


def _name_words(words: list[str]) -> tuple[list[str], str]:
    """Return the words up to the first reference, and the domain."""
    kept: list[str] = []
    domain = ""
    for at, word in enumerate(words):
        if word.isalpha():
            kept.append(word)
            continue
        if kept and word.isdigit():
            if not _begins_reference(word, kept, words, at):
                kept.append(word)
                continue
            _end(kept, words, at + 1)
            break
        rest = word
        if "." in word:
            host, ends, rest = _domain(word, kept)
            domain = domain or host
            if ends:
                break
            if rest.isalpha():
                kept.append(rest)
                continue
        if (kept and (word[0] == "#" or REFERENCE.match(rest) is not None)) or _takes_apart(rest, kept):
            _end(kept, words, at + 1)
            break
    return kept, domain


def _begins_reference(digits: str, kept: list[str], words: list[str], at: int) -> bool:
    """Tell whether digits behind the name are a number of store, card or day, unlike those of `1 800 FLOWERS`."""
    if len(digits) >= REFERENCE_DIGITS_MIN:
        return not (len(kept) == 1 and kept[0].isdigit())
    return kept[-1] in BEFORE_REFERENCES or (at + 1 < len(words) and words[at + 1] in MONTHS)


def _end(kept: list[str], words: list[str], at: int) -> None:
    """End the name before a reference: what leads to it goes too, words of what the bank did stay."""
    while len(kept) > 1 and (kept[-1] in BEFORE_REFERENCES or kept[-1] in MONTHS) and kept[0] != "THE":
        del kept[-1]
    for word in words[at:]:
        if word in AFTER_REFERENCES:
            kept.append(word)
            break


def _domain(word: str, kept: list[str]) -> tuple[str, bool, str]:
    """Read a web address: return its host, whether it ends the name, and what of the word is left to read."""
    found = DOMAIN.match(word)
    if found is None:
        return "", False, word
    subdomains, label, suffix, path = found.groups()
    host = f"{subdomains}{label}.{suffix}".lower().removeprefix("www.")
    after = word[found.end() :]
    if not kept:
        return host, False, f"{label} {after}" if after else label
    known = bool(path) or bool(subdomains) or label.startswith(kept[0][:REFERENCE_DIGITS_MIN])
    return host, known, word if known else f"{label} {after}"


def _takes_apart(word: str, kept: list[str]) -> bool:
    """Add the pieces of a word to the name; return True at a reference, which ends it."""
    for raw in word.translate(_SEPARATORS).split():
        piece = raw.strip("*#" + _STRAY)
        if raw == "&" and kept:
            kept.append(raw)
        elif kept and (raw[0] == "#" or _is_reference(raw, piece, kept[-1])):
            return True
        elif piece and not (raw[0] == "*" and kept and piece == kept[-1]):
            glued = None if piece.isalpha() else GLUED_REFERENCE.match(piece)
            kept.append(piece if glued is None else glued.group(1).rstrip(_STRAY))
            if glued is not None:
                return True
    return False


def _is_reference(raw: str, piece: str, before: str) -> bool:
    """Tell whether a piece of a word, behind the name, is a reference; `raw` still has the sign before it."""
    if piece.isalpha() or _DIGIT.search(piece) is None:
        return False
    return (
        (raw[0] == "*" and len(piece) >= STAR_REFERENCE_MIN)
        or REFERENCE.match(piece) is not None
        or (before in BEFORE_REFERENCES and piece[0].isdigit())
    )


_CANONICAL = {
    canonical: merchant_key(canonical) for patterns in ALIASES.values() for _, canonical in patterns if canonical
}
"""The keys of sellers known by patterns: each name is one piece, and stays as it is."""
