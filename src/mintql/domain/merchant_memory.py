"""Sellers as they were read lately: the texts of a large batch are of few sellers, again and again."""

from __future__ import annotations

import re
from functools import lru_cache

from mintql.domain.merchants import Merchant, normalize

MEMO_SIZE = 1 << 15
"""Results that a process remembers, some 500 bytes each: the sellers of a large batch, again and again."""

_LONG_NUMBER = re.compile(r"(?<!\S)[0-9]{5,}(?!\S)")
_ANY_NUMBER = "00000"

remembered_form = lru_cache(maxsize=MEMO_SIZE)(normalize)
"""`normalize` that remembers what it was asked lately; bounded, and safe from several threads."""


def remembered(description: str) -> Merchant:
    """Do what `normalize` does, and remember what was asked lately.

    Long numbers that are words are references, whichever they are: texts that differ in them alone are read once.
    Where one turns out to be a part of the name, the text is read as it is.
    """
    form = _LONG_NUMBER.sub(_same_length, description)
    found = remembered_form(form)
    return found if form == description or _ANY_NUMBER not in found.text else remembered_form(description)


def _same_length(number: re.Match[str]) -> str:
    return "0" * len(number[0])
