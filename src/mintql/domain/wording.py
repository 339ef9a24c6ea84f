"""How messages show the value they are about."""

from __future__ import annotations

SHOWN_LENGTH_MAX = 40
ELLIPSIS = "…"


def shown(value: object) -> str:
    """Return a value as messages name it: texts in quotes, whatever is long cut to 40 characters and an ellipsis."""
    if isinstance(value, str):
        return repr(value if len(value) <= SHOWN_LENGTH_MAX else value[:SHOWN_LENGTH_MAX] + ELLIPSIS)
    text = repr(value)
    return text if len(text) <= SHOWN_LENGTH_MAX else text[:SHOWN_LENGTH_MAX] + ELLIPSIS
