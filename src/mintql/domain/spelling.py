"""Words that somebody mistyped, and what they may have meant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from typing import Final

TYPO_LENGTH_MIN: Final = 4
"""Shorter words are too like too many others."""
TWO_TYPOS_LENGTH_MIN: Final = 7
MEANT_MAX: Final = 3


def distance(one: str, other: str, limit: int) -> int:
    """Return how many letters were added, left out, exchanged or swapped with their neighbour; `limit` + 1 for more.

    The distance is that of optimal string alignment: no stretch of letters is edited twice.
    """
    if abs(len(one) - len(other)) > limit:
        return limit + 1
    before, row = [0], list(range(len(other) + 1))
    for place, letter in enumerate(one, 1):
        before_last, before, row = before, row, [place]
        for other_place, other_letter in enumerate(other, 1):
            cost = min(
                before[other_place] + 1,
                row[other_place - 1] + 1,
                before[other_place - 1] + (letter != other_letter),
            )
            swapped = (
                place > 1 and other_place > 1 and letter == other[other_place - 2] and one[place - 2] == other_letter
            )
            if swapped:
                cost = min(cost, before_last[other_place - 2] + 1)
            row.append(cost)
        if min(row) > limit:
            return limit + 1
    return min(row[-1], limit + 1)


def meant(word: str, known: Collection[str]) -> list[str]:
    """Return which of some known words a word may be a misspelling of, the most alike first, `MEANT_MAX` at most.

    None if it is too short, or if a known word holds it as it is. One typo is forgiven, two in long words. The known
    word may go on after what was typed: people look for beginnings.
    """
    if len(word) < TYPO_LENGTH_MIN or any(word in other for other in known):
        return []
    limit = 2 if len(word) >= TWO_TYPOS_LENGTH_MIN else 1
    letters = Counter(word)
    found = []
    for other in known:
        # Cheap, and true of nearly all words: too few letters in common for any distance that counts.
        if len(other) < len(word) - limit or (letters & Counter(other)).total() < len(word) - limit:
            continue
        near = min(distance(word, beginning, limit) for beginning in _beginnings(other, len(word), limit))
        if near <= limit:
            found.append((near, abs(len(other) - len(word)), other))
    return [other for _, _, other in sorted(found)[:MEANT_MAX]]


def _beginnings(word: str, length: int, limit: int) -> Iterable[str]:
    return {word, *(word[:end] for end in range(length - limit, min(len(word), length + limit) + 1))}
