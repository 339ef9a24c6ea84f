"""How messages show the value they are about."""

from __future__ import annotations

import unicodedata

SHOWN_LENGTH_MAX = 40
ELLIPSIS = "…"


def shown(value: object) -> str:
    """Return a value as messages name it: texts in quotes, whatever is long cut to 40 characters and an ellipsis."""
    if isinstance(value, str):
        return repr(value if len(value) <= SHOWN_LENGTH_MAX else value[:SHOWN_LENGTH_MAX] + ELLIPSIS)
    text = repr(value)
    return text if len(text) <= SHOWN_LENGTH_MAX else text[:SHOWN_LENGTH_MAX] + ELLIPSIS


_OFF_LINES = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""General categories of Unicode: control characters, halves of surrogate pairs, separators of lines and paragraphs."""
_UNSEEN = frozenset("\u00ad\u180e\u200b\u200e\u200f\u2060\ufeff\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters without width that make two names look like one, or turn the direction of what follows. Joiners stay:
emoji and scripts are written with them."""


def fits_a_line(text: str) -> bool:
    """Tell whether a name shows on one line as what it is: no control characters, and none that only deceive."""
    return not any(unicodedata.category(char) in _OFF_LINES or char in _UNSEEN for char in text)
