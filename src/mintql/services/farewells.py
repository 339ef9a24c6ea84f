"""Telling institutions that a connection has ended, with the login that nobody else can reach any more.

The person's login was forgotten the moment they ended the connection. Where the institution has to be told, it was
moved, sealed as it was, to where only this reads it: for an hour at most, or until the institution knows.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

from mintql.domain.errors import InstitutionFailure
from mintql.gateways.vault import Sealed, SecretUnreadable
from mintql.services.extract import Workplace
from mintql.store import farewells as store
from mintql.store.farewells import Farewell

log = logging.getLogger(__name__)

KEPT = timedelta(hours=1)
"""How long a login may outlive its connection for this."""
FAREWELLS_MAX = 20
"""Farewells said in one go; the rest follows with the next sweep."""
SECONDS_MAX = 30.0
"""What an institution may take to listen."""
PAUSE_SECONDS = (60, 120, 300, 600, 900)
"""Before the second, third ... try. The first is longer than `SECONDS_MAX`, so that no two overlap."""


async def say_farewells(place: Workplace) -> int:
    """Say the farewells that are due and forget those whose time is up; return how many were said. May die anywhere."""
    now = place.clock()
    async with place.begin() as conn:
        for institution_id, count in (await store.expire(conn, now)).items():
            log.warning("%s was not told of %s ended connections: their time is up", institution_id, count)
        due = await store.take_due(conn, now, FAREWELLS_MAX, PAUSE_SECONDS)
    said = await asyncio.gather(*(_say(place, farewell) for farewell in due))
    return sum(said)


async def _say(place: Workplace, farewell: Farewell) -> bool:
    """Say one; True when the institution knows. What cannot be said is logged without a word of the login."""
    try:
        told = await _tell(place, farewell)
    except InstitutionFailure as failure:
        if failure.retryable and farewell.next_attempt_at < farewell.expires_at:
            log.info("%s is told of an ended connection later: %s", farewell.institution_id, failure.code)
            return False
        log.warning("%s was not told of an ended connection: %s", farewell.institution_id, failure.code)
        told = False
    except Exception as error:  # noqa: BLE001 - one that fails holds up none of the others, and comes back
        log.warning("a farewell to %s failed: %s", farewell.institution_id, type(error).__name__)
        return False
    async with place.begin() as conn:
        await store.settle(conn, farewell)
    return told


async def _tell(place: Workplace, farewell: Farewell) -> bool:
    """Tell the institution; False where nobody can."""
    connector = place.connectors.get(farewell.institution_id)
    if connector is None:
        log.warning("%s is offered no more, and was not told of an ended connection", farewell.institution_id)
        return False
    sealed = Sealed(farewell.key_version, farewell.wrapped_key, farewell.ciphertext)
    try:
        credentials = place.vault.open(farewell.user_id, farewell.connection_id, sealed)
    except SecretUnreadable as unreadable:
        log.warning("%s was not told of an ended connection: %s", farewell.institution_id, unreadable)
        return False
    async with asyncio.timeout(SECONDS_MAX):
        await connector.disconnect(credentials)
    return True
