"""Removing from the object store what a person removed: after the commit, bounded, and again until it is done."""

from __future__ import annotations

from mintql.services.extract import Workplace
from mintql.store import doomed

PREFIXES_MAX = 10
OBJECTS_MAX = 1_000
"""Objects removed in one go; the rest follows with the next one."""


async def remove_doomed(place: Workplace) -> int:
    """Remove objects of doomed prefixes, at most `OBJECTS_MAX`; return how many went. May die anywhere."""
    async with place.begin() as conn:
        prefixes = await doomed.take(conn, PREFIXES_MAX)
    removed = 0
    for user_id, prefix in prefixes:
        async for key in place.objects.list(prefix):
            if removed == OBJECTS_MAX:
                return removed
            await place.objects.delete(key)
            removed += 1
        async with place.begin() as conn:
            await doomed.settle(conn, user_id, prefix)
    return removed
