"""Words that somebody mistyped, and what they may have meant."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

TYPO_LENGTH_MIN: Final = 4
"""Shorter words are too like too many others."""
TWO_TYPOS_LENGTH_MIN: Final = 7
MEANT_MAX: Final = 3


def meant(word: str, known: Collection[str]) -> list[str]:
    """Return which of some known words a word may be a misspelling of, the most alike first, `MEANT_MAX` at most.

    None if it is too short, or if a known word holds it as it is. One typo is forgiven, two in long words. The known
    word may go on after what was typed: people look for beginnings.
    """
    if len(word) < TYPO_LENGTH_MIN or any(word in other for other in known):
        return []
    limit = 2 if len(word) >= TWO_TYPOS_LENGTH_MIN else 1
    found = [(near, abs(len(other) - len(word)), other) for near, other in _near(word, known, limit)]
    return [other for _, _, other in sorted(found)[:MEANT_MAX]]


def _near(word: str, known: Collection[str], limit: int) -> Iterator[tuple[int, str]]:
    """Give the known words of which a beginning is `limit` typos or fewer from a word, with how many.

    A typo is a letter added, left out, exchanged, or swapped with its neighbour; the distance is that of optimal string
    alignment: no stretch of letters is edited twice. In the order of letters most words begin as the one before them
    does, and as far as they do, their distances are known.
    """
    rows = [list(range(len(word) + 1))]
    before, letters = "", set(word)
    for other in sorted(known):
        # Cheap, and true of most words: each letter that is not there at all is a typo.
        if len(other) < len(word) - limit or len(letters.difference(other)) > limit:
            continue
        del rows[_shared(before, other) + 1 :]
        before = other
        while len(rows) <= min(len(other), len(word) + limit) and min(rows[-1]) <= limit:
            rows.append(_row(word, other, rows))
        near = min((row[-1] for row in rows[len(word) - limit :]), default=limit + 1)
        if near <= limit:
            yield near, other


def _shared(one: str, other: str) -> int:
    """Return how many letters two words begin with in common."""
    for place, (letter, other_letter) in enumerate(zip(one, other, strict=False)):
        if letter != other_letter:
            return place
    return min(len(one), len(other))


def _row(word: str, other: str, rows: list[list[int]]) -> list[int]:
    """Return how far each beginning of a word is from the next beginning of another; `rows` are of those before it."""
    place, before = len(rows), rows[-1]
    letter, letter_before = other[place - 1], other[place - 2] if place > 1 else ""
    row = [place]
    own_before = ""
    for own_place, own in enumerate(word, 1):
        cost = min(before[own_place] + 1, row[-1] + 1, before[own_place - 1] + (own != letter))
        if own == letter_before and own_before == letter:
            cost = min(cost, rows[-2][own_place - 2] + 1)
        row.append(cost)
        own_before = own
    return row
