"""Chance that is the same for everybody: a stream of draws that depends on its seed alone."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ0123456789"


def digest(*parts: object) -> str:
    """Return 16 hexadecimal digits that stand for the parts."""
    return hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=8).hexdigest()


class Dice:
    """Draws from one seed.

    Only `Random.random` is used: it alone is promised to give the same numbers in every version of Python.
    """

    __slots__ = ("_random",)

    def __init__(self, *parts: object) -> None:
        self._random = random.Random(int(digest(*parts), 16)).random  # noqa: S311  (a simulation, not a secret)

    def chance(self, probability: float) -> bool:
        """Return True with this probability."""
        return self._random() < probability

    def between(self, low: int, high: int) -> int:
        """Return a whole number from `low` to `high`, both included."""
        return low + int(self._random() * (high - low + 1))

    def low_mostly(self, low: int, high: int) -> int:
        """Return a whole number from `low` to `high`, small ones more often: the shape of most purchases."""
        return low + int(self._random() ** 2 * (high - low + 1))

    def pick(self, items: Sequence[T]) -> T:
        """Return one of the items."""
        return items[int(self._random() * len(items))]

    def sample(self, items: Sequence[T], count: int) -> list[T]:
        """Return `count` different items."""
        left = list(items)
        return [left.pop(int(self._random() * len(left))) for _ in range(count)]

    def code(self, length: int) -> str:
        """Return capital letters and digits, as card networks put behind a seller's name."""
        return "".join(_LETTERS[int(self._random() * len(_LETTERS))] for _ in range(length))

    def digits(self, length: int) -> str:
        """Return decimal digits."""
        return str(int(self._random() * 10**length)).rjust(length, "0")
