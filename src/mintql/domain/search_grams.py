"""Short stretches of texts, by which it is told where a text can stand: wherever it does, all of its own do.

A stretch is three letters of a word. Digits are few and evenly spread, so that three of them are in very many numbers:
five in a row are told apart as well. An amount, which a text ends with as `=BCKF=`, is looked for as a whole, and is
known by two kinds out of very many.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

LENGTH: Final = 3
KINDS: Final = 1_009
"""Five digits are one of so many kinds: each kind is kept for itself, and a hundred thousand would be too many. An
amount is of one kind by each of two counts."""
ASKED_MAX: Final = 8
"""So many stretches of a text are looked up. Most of those of a word with a typo stand where the right word does: it is
the others that tell that nothing has it."""
FEW_MAX: Final = 8
"""So few places are looked for among packed ones, which takes less than to unpack these."""
TEXTS_MAX: Final = 65_536
"""The number of a text has to fit into two bytes."""

Places = int | frozenset[int]
"""Which of some texts: many of them as a bit for each, the first the lowest; few by their numbers."""

_FIVE_DIGITS = re.compile(r"(?=([0-9]{5}))")
_AMOUNT = re.compile(r"=[A-K]+=\Z")


def telling(text: str) -> list[str] | None:
    """Return some stretches of a text without white space that tell most; None where it is too short to have any."""
    if len(text) < LENGTH:
        return None
    if _AMOUNT.fullmatch(text):
        return _kinds_of_amount(text)
    last = len(text) - LENGTH
    numbers = list(dict.fromkeys(_kinds_of_digits(text)))
    starts = [last * part // (ASKED_MAX - 1) for part in range(ASKED_MAX)]
    spread = [text[start : start + LENGTH] for start in starts]
    if len(numbers) > 1:
        # Three of the same digits would tell hardly more.
        spread = [one for one in spread if not one.isdigit()]
    few = [numbers[0], numbers[-1], numbers[len(numbers) // 2]] if numbers else []
    return list(dict.fromkeys([*few, *spread]))[:ASKED_MAX]


def alike_least(word: str) -> int:
    """Return how many different ones of its stretches stand in any text that is like a word by its trigrams.

    Such a text has six tenths of the word's trigrams, as the queries have it, and three of these are of its ends.
    """
    inner = len({word[start : start + LENGTH] for start in range(len(word) - LENGTH + 1)})
    return max(1, -(-(inner + 3) * 6 // 10) - 3)


def _words(text: str) -> list[str]:
    """Return the words of a text, and its amount."""
    amount = _AMOUNT.search(text)
    # What stands before an amount may end with its first mark.
    return text.split() if amount is None else [*text[: amount.start() + 1].split(), amount[0]]


def _grams(word: str) -> list[str]:
    """Return all stretches of a word, or of an amount."""
    if _AMOUNT.fullmatch(word):
        return _kinds_of_amount(word)
    return [*(word[start : start + LENGTH] for start in range(len(word) - LENGTH + 1)), *_kinds_of_digits(word)]


def _kinds_of_digits(text: str) -> list[str]:
    # A remainder of the number itself would tell of the next five, which share four of these.
    return [f"{zlib.crc32(digits.encode()) % KINDS:04d}" for digits in _FIVE_DIGITS.findall(text)]


def _kinds_of_amount(text: str) -> list[str]:
    number = zlib.crc32(text.encode())
    return [f"={number % KINDS:04d}", f"+{number // KINDS % KINDS:04d}"]


def places_of(texts: Sequence[str]) -> dict[str, bytes]:
    """Return for each stretch of any of the texts, `TEXTS_MAX` at most, which of them have it, as `unpacked` reads it.

    Where that is shorter, places are numbers of two bytes, else a bit for each of the texts.
    """
    # Most words stand in many texts, and are taken apart once.
    standing: defaultdict[str, list[int]] = defaultdict(list)
    for place, text in enumerate(texts):
        for word in _words(text):
            standing[word].append(place)
    having: defaultdict[str, list[int]] = defaultdict(list)
    for word, places in standing.items():
        for gram in _grams(word):
            having[gram].extend(places)
    return {gram: _packed(sorted(set(places)), len(texts)) for gram, places in having.items()}


def _packed(places: Sequence[int], size: int) -> bytes:
    if 2 * len(places) < _bitmap_length(size):
        return struct.pack(f"<{len(places)}H", *places)
    return _bitmap(places, size)


def unpacked(packed: bytes, size: int) -> Places:
    """Return which of so many texts have a stretch."""
    if len(packed) == _bitmap_length(size):
        return int.from_bytes(packed, "little")
    return frozenset(struct.unpack(f"<{len(packed) // 2}H", packed))


def _bitmap_length(size: int) -> int:
    return (size + 7) // 8


def narrowed(places: Places | None, packed: bytes, size: int) -> Places:
    """Return which of some texts, of all for None, have a stretch as well."""
    if places is None:
        return unpacked(packed, size)
    if isinstance(places, int):
        having = unpacked(packed, size)
        return (
            places & having if isinstance(having, int) else _of_bits(having, places.to_bytes(TEXTS_MAX // 8, "little"))
        )
    if len(packed) == _bitmap_length(size):
        return _of_bits(places, packed)
    if len(places) <= FEW_MAX:
        return frozenset([place for place in places if _has_number(packed, place)])
    return places.intersection(struct.unpack(f"<{len(packed) // 2}H", packed))


def _has_number(packed: bytes, number: int) -> bool:
    """Tell whether a number is among packed ones, which are in order, without unpacking them."""
    first, end = 0, len(packed) // 2
    while first < end:
        middle = (first + end) // 2
        if (packed[2 * middle] | packed[2 * middle + 1] << 8) < number:
            first = middle + 1
        else:
            end = middle
    return packed[2 * first : 2 * first + 2] == number.to_bytes(2, "little")


def _of_bits(few: frozenset[int], bits: bytes) -> frozenset[int]:
    return frozenset([place for place in few if bits[place >> 3] >> (place & 7) & 1])


def either(one: Places, other: Places) -> Places:
    """Return what is among any of the two."""
    if isinstance(one, int):
        return one | (other if isinstance(other, int) else _bits(other))
    return _bits(one) | other if isinstance(other, int) else one | other


def _bits(few: Iterable[int]) -> int:
    return int.from_bytes(_bitmap(few, TEXTS_MAX), "little")


def _bitmap(places: Iterable[int], size: int) -> bytes:
    bits = bytearray(_bitmap_length(size))
    for place in places:
        bits[place >> 3] |= 1 << (place & 7)
    return bytes(bits)


def count(places: Places) -> int:
    """Return how many texts that are."""
    return places.bit_count() if isinstance(places, int) else len(places)


def in_order(places: Places, *, highest_first: bool) -> list[int]:
    """Return their numbers."""
    if isinstance(places, int):
        bits = f"{places:b}"[::-1]
        places = frozenset(match.start() for match in re.finditer("1", bits))
    return sorted(places, reverse=highest_first)
