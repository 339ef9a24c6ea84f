"""Short stretches of texts, by which it is told where a text can stand: wherever it does, all of its own do.

A stretch is three letters of a word. Digits are few and evenly spread, so that three of them are in very many numbers:
five in a row are told apart as well.
"""

from __future__ import annotations

import re
import zlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

LENGTH: Final = 3
KINDS_OF_DIGITS: Final = 1_009
"""Five digits are one of so many kinds: each kind is kept for itself, and a hundred thousand would be too many."""
ASKED_MAX: Final = 4
"""So many stretches of a text are looked up: more would hardly tell more."""

_FIVE_DIGITS = re.compile(r"(?=([0-9]{5}))")


def grams(text: str) -> set[str]:
    """Return all stretches of a text, in small letters; none across white space."""
    found = set[str]()
    for word in text.split():
        found.update([word[start : start + LENGTH] for start in range(len(word) - LENGTH + 1)])
    found.update(_kinds(text))
    return found


def telling(text: str) -> list[str] | None:
    """Return some stretches of a text without white space that tell most; None where it is too short to have any."""
    if len(text) < LENGTH:
        return None
    last = len(text) - LENGTH
    numbers = list(dict.fromkeys(_kinds(text)))
    spread = [text[start : start + LENGTH] for start in (0, last, last // 2, last // 4)]
    return list(dict.fromkeys([*numbers[:1], *numbers[-1:], *spread]))[:ASKED_MAX]


def _kinds(text: str) -> list[str]:
    return [f"{int(digits) % KINDS_OF_DIGITS:04d}" for digits in _FIVE_DIGITS.findall(text)]


def places_of(texts: Iterable[str]) -> dict[str, bytes]:
    """Return for each stretch of any of the texts which of them have it, as `bits` reads it."""
    having: defaultdict[str, list[int]] = defaultdict(list)
    for place, text in enumerate(texts):
        for gram in grams(text):
            having[gram].append(place)
    return {gram: _packed(places) for gram, places in having.items()}


def _packed(places: Sequence[int]) -> bytes:
    bits = bytearray(places[-1] // 8 + 1)
    for place in places:
        bits[place >> 3] |= 1 << (place & 7)
    return zlib.compress(bits)


def bits(packed: bytes) -> int:
    """Return which texts have a stretch: a bit for each, the first the lowest."""
    return int.from_bytes(zlib.decompress(packed), "little")


def newest_first(found: int) -> list[int]:
    """Return the places of bits that are set, the highest first."""
    places = []
    while found:
        place = found.bit_length() - 1
        places.append(place)
        found ^= 1 << place
    return places
