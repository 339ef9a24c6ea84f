"""A span for each statement, called by the name of its query. Only where tracing is on."""

from __future__ import annotations

from contextlib import suppress
from functools import cache, lru_cache
from typing import Any

from mintql.observing import tracing
from mintql.store.fenced import fenced
from mintql.store.queries import load, nouns

TEXTS_KEPT_MAX = 2_048


async def watch_statements(conn: Any) -> None:
    """Make spans of what is asked on a connection from now on."""
    conn.add_query_logger(_note)


def _note(record: Any) -> None:
    if tracing.active is not None:
        attributes = {"db.system": "postgresql"}
        if record.exception is not None:
            attributes["error.type"] = type(record.exception).__name__
        tracing.active.finished(name_of(record.query), record.elapsed, attributes)


@lru_cache(maxsize=TEXTS_KEPT_MAX)
def name_of(text: str) -> str:
    """Return what a query is called: its name in `sql/`, else its first word."""
    for known, name in _names().items():
        if known in text:
            return name
    return (text.split(None, 1) or [""])[0].upper()[:40]


@cache
def _names() -> dict[str, str]:
    found = {text: f"{noun}.{name}" for noun in nouns() for name, text in load(noun)}
    for text, name in list(found.items()):
        for many in (False, True):
            with suppress(ValueError):
                found[fenced.__wrapped__(text, many=many)] = name  # Past its memory, which is for what is sent.
    return found
