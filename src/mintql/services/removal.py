"""Removing from the object store what a person removed: after the commit, bounded, and again until it is done."""

from __future__ import annotations

import logging
import re
from datetime import timedelta

from mintql.observing.context import masked_key, pseudonym
from mintql.services.extract import Workplace
from mintql.store import doomed
from mintql.store.doomed import Doomed

log = logging.getLogger(__name__)

PREFIXES_MAX = 10
OBJECTS_MAX = 1_000
"""Objects removed in one go; the rest follows with the next one."""
WRITERS_GONE = timedelta(minutes=15)
"""Whoever fetched pages when they were doomed may put more of them for as long as a job can last, and dies without a
word: after that, a second look finds what came in behind the first."""


async def remove_doomed(place: Workplace) -> int:
    """Remove objects of doomed prefixes, at most `OBJECTS_MAX`; return how many went. May die anywhere."""
    async with place.begin() as conn:
        due = await doomed.take(conn, place.clock(), PREFIXES_MAX)
    removed = 0
    for item in due:
        mine = _belongs(item)
        if mine:
            async for key in place.objects.list(item.prefix):
                if removed == OBJECTS_MAX:
                    return removed
                await place.objects.delete(key)
                removed += 1
        look_again_at = item.created_at + WRITERS_GONE
        async with place.begin() as conn:
            if mine and look_again_at > place.clock():
                await doomed.put_off(conn, item, look_again_at)
            else:
                await doomed.settle(conn, item)
    return removed


def _belongs(item: Doomed) -> bool:
    """Tell whether a prefix is within what belongs to its person, which the database checks as well."""
    if re.fullmatch(rf"raw/{item.user_id}/([A-Za-z0-9_-]+/)+([0-9]+-)?", item.prefix):
        return True
    log.error(
        "nothing is removed under %r: it is not what person %s can have asked for",
        masked_key(item.prefix),
        pseudonym(item.user_id),
    )
    return False
