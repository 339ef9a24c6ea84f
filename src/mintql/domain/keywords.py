"""Finding keywords in merchant keys."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from mintql.domain.sellers import Direction, Keyword

NOT_FOUND = 1 << 30
"""A place behind all others."""


class KeywordHits(NamedTuple):
    """Places in `KeywordIndex.ranked` of the most telling of the bank's own words and of trades; or `NOT_FOUND`."""

    of_bank: int
    of_trade: int


_Phrases = dict[str, list[tuple[list[str], int]]]
"""By first word: the words that must follow, and the place in `ranked`."""
_Stems = dict[str, list[tuple[str, int]]]
_NOTHING = KeywordHits(NOT_FOUND, NOT_FOUND)


class KeywordIndex:
    """Finds keywords in a merchant key. Of several, that of most words wins, then the one listed first.

    Each direction of money has tables of its own, by first word and by the first letters of stems, so that a word of
    a key costs two look-ups.
    """

    def __init__(self, keywords: Iterable[Keyword]) -> None:
        # The bank's words come first, so that the best rank of all tells whether there is one.
        self.ranked = tuple(sorted(keywords, key=lambda word: (not word.of_bank, -word.phrase.count(" "))))
        """The most telling first."""
        self._of_bank = sum(word.of_bank for word in self.ranked)
        stems = [word.phrase for word in self.ranked if word.phrase.endswith("*")]
        self._stem_letters = min((len(stem) - 1 for stem in stems), default=1)
        self._tables = [self._table(direction) for direction in (Direction.OUT, Direction.IN)]

    def _table(self, direction: Direction) -> tuple[_Phrases, _Stems]:
        """Return the words and phrases by first word, and the stems by their first letters, of one direction."""
        phrases: _Phrases = {}
        stems: _Stems = {}
        for rank, keyword in enumerate(self.ranked):
            if keyword.direction not in {Direction.EITHER, direction}:
                continue
            first, *rest = keyword.phrase.split(" ")
            if first.endswith("*"):
                stems.setdefault(first[: self._stem_letters], []).append((first[:-1], rank))
            else:
                phrases.setdefault(first, []).append((rest, rank))
        return phrases, stems

    def find(self, words: Sequence[str], *, income: bool) -> KeywordHits:
        """Return the keywords that tell most about a key of these words, for money that comes in or goes out."""
        phrases, stems = self._tables[income]
        letters = self._stem_letters
        found: list[int] = []
        for at, word in enumerate(words, 1):
            if word in phrases:
                found += [rank for rest, rank in phrases[word] if not rest or words[at : at + len(rest)] == rest]
            beginning = word[:letters]
            if beginning in stems:
                found += [rank for stem, rank in stems[beginning] if word.startswith(stem)]
        if not found:
            return _NOTHING
        first_trade = self._of_bank
        best = min(found)
        if best >= first_trade:
            return KeywordHits(NOT_FOUND, best)
        return KeywordHits(best, min((rank for rank in found if rank >= first_trade), default=NOT_FOUND))
