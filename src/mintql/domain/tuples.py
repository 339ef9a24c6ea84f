"""Named tuples made many at once."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T", bound=tuple[Any, ...])


def tuples(kind: type[T], rows: Iterable[Iterable[Any]]) -> list[T]:
    """Return rows as named tuples of a class, whose fields they hold in its order, each with all of them.

    What the class itself would do for each row is a step of Python, and what it does beside is to count the values.
    """
    return list(map(partial(tuple.__new__, kind), rows))
