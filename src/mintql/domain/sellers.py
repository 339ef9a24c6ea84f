"""What is known about sellers in general: names, telling words, and merchant category codes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from mintql.domain.ids import CategoryId


class Direction(StrEnum):
    """Which way the money went, from the account's point of view."""

    EITHER = ""
    IN = "in"
    OUT = "out"


@dataclass(frozen=True, slots=True)
class Seller:
    """A seller by its merchant key. A `distinctive` one is known by its first word whatever follows."""

    key: str
    name: str
    category_id: CategoryId
    distinctive: bool


@dataclass(frozen=True, slots=True)
class Keyword:
    """Words that tell a category wherever they stand in a merchant key.

    A phrase that ends with `*` is a single word of which only the beginning is given. `of_bank` marks words
    of the bank itself, about what it did: they outrank any seller's name.
    """

    phrase: str
    category_id: CategoryId
    direction: Direction
    of_bank: bool


@dataclass(frozen=True, slots=True)
class MerchantCode:
    """What an ISO 18245 code means. A `vague` one covers too many trades to outrank a seller's name."""

    category_id: CategoryId
    vague: bool


class KeywordIndex:
    """Finds keywords in a merchant key. Of several, that of most words wins, then the one listed first."""

    def __init__(self, keywords: Iterable[Keyword]) -> None:
        self._phrases: dict[str, list[tuple[int, Keyword]]] = {}
        self._stems: dict[str, list[tuple[int, Keyword]]] = {}
        for rank, keyword in enumerate(keywords):
            stem = keyword.phrase.removesuffix("*")
            entries = self._phrases if stem == keyword.phrase else self._stems
            entries.setdefault(stem, []).append((rank, keyword))
        self._phrase_lengths = sorted({phrase.count(" ") + 1 for phrase in self._phrases}, reverse=True)
        self._stem_lengths = sorted({len(stem) for stem in self._stems})

    def find(self, words: Sequence[str], amount_minor: int) -> Keyword | None:
        """Return the keyword that tells most about a key of these words, or None."""
        for length in self._phrase_lengths:
            found: list[tuple[int, Keyword]] = []
            for start in range(len(words) - length + 1):
                found += self._phrases.get(" ".join(words[start : start + length]), ())
            if length == 1:
                for word in words:
                    for stem_length in self._stem_lengths:
                        if stem_length > len(word):
                            break
                        found += self._stems.get(word[:stem_length], ())
            fitting = [entry for entry in found if _fits(entry[1].direction, amount_minor)]
            if fitting:
                return min(fitting, key=lambda entry: entry[0])[1]
        return None


def _fits(direction: Direction, amount_minor: int) -> bool:
    return direction is Direction.EITHER or (direction is Direction.IN) == (amount_minor > 0)
