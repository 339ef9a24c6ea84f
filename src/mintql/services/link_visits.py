"""Visits to an institution's own pages that renew the login of a connection in place.

To open one the institution wants the login that it renews, which only a worker can read. So the API asks for a visit
in `link_visits`, a worker opens it and writes down what came of it, and the API, which waits for a few seconds, reads
that. Each step is a transaction of its own: a worker that dies in between leaves a visit that is opened by another or
by nobody, and the person is told to try again.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta

from mintql.domain.credentials import Credentials
from mintql.domain.errors import (
    AuthRequired,
    InstitutionDown,
    InstitutionFailure,
    InternalFailure,
    InvalidInput,
    failure_of,
)
from mintql.domain.ids import ConnectionId, LinkVisitId, UserId
from mintql.gateways.vault import Sealed, SecretUnreadable
from mintql.institutions.base import Linkable, LinkSession
from mintql.services.connections import open_connection
from mintql.services.effects import Effects, Job
from mintql.services.extract import Workplace
from mintql.services.logins import link_reference
from mintql.store import link_answers as answers
from mintql.store import link_visits as store
from mintql.store.link_answers import WantedVisit
from mintql.store.queries import Conn

log = logging.getLogger(__name__)

JOB = "open_link"
WAIT_SECONDS = 10.0
"""How long the API waits for a worker: a person is looking at the screen."""
OPEN_SECONDS = 8.0
"""What an institution may take to open a visit, less than `WAIT_SECONDS`, so that the person hears the reason."""
LEASE = timedelta(seconds=OPEN_SECONDS + 1)
UNANSWERED_KEPT = timedelta(minutes=10)
"""Longer than anybody waits for the answer, whatever the clocks of this server and of the institution say."""
OPENED_KEPT = timedelta(hours=2)
"""After a visit has to have begun: Plaid tells for six hours after its end what it ended with."""
OPENED_KEPT_MAX = timedelta(days=1)
"""Whatever an institution says of its visits."""
VISITS_MAX = 10
"""How many visits of one connection are remembered; whoever opens more has left the first ones."""
WAITING_MAX = 100
"""Visits that the sweeper sends to workers in one go."""


async def ask(
    conn: Conn, user_id: UserId, connection_id: ConnectionId, institution_id: str, now: datetime
) -> tuple[LinkVisitId, Effects]:
    """Ask a worker for a visit that renews the login of a connection.

    Raises:
        NotFound: Not this person's connection, or ended.
        InvalidInput: It is a connection to another institution.
    """
    found = await open_connection(conn, user_id, connection_id, field="connectionId")
    if found.institution_id != institution_id:
        raise InvalidInput(
            f"This connection is one to {found.institution_id!r}; open a visit there, or one without a connection.",
            field="connectionId",
        )
    until = now + timedelta(seconds=WAIT_SECONDS)
    visit_id = await store.insert(conn, user_id, connection_id, now, until, now + UNANSWERED_KEPT)
    await store.forget_old(conn, user_id, connection_id, VISITS_MAX)
    return visit_id, Effects(jobs=[_job(user_id, visit_id)])


async def answer_of(conn: Conn, user_id: UserId, visit_id: LinkVisitId) -> LinkSession | None:
    """Return the visit that a worker has opened; None while there is no answer.

    Raises:
        InstitutionFailure: Why it could not be opened.
    """
    found = await store.answer(conn, user_id, visit_id)
    if found is None:
        raise late()
    if found.state == "refused":
        failure = failure_of(found.error_code or "", found.error_message or "")
        failure.action, failure.retry_at = found.error_action or "", found.retry_at
        raise failure
    if found.token is None or found.expires_at is None:
        return None
    return LinkSession(found.token, found.url or "", found.expires_at)


def late() -> InternalFailure:
    """Return what the person is told when no worker has answered in time."""
    return InternalFailure("The visit to your bank's pages could not be opened just now; try again in a moment.")


async def open_visit(place: Workplace, user_id: UserId, visit_id: LinkVisitId) -> None:
    """Open a visit that somebody waits for, and write down what came of it. May run twice, and may die anywhere."""
    now = place.clock()
    async with place.begin() as conn:
        wanted = await answers.take(conn, user_id, visit_id, now, now + LEASE)
    if wanted is None:
        return
    opened = await _outcome(place, user_id, wanted)
    async with place.begin() as conn:
        if isinstance(opened, InstitutionFailure):
            told = (wanted.institution_id, wanted.connection_id, opened.code)
            log.warning("%s opened no visit for connection %s: %s", *told)
            await answers.note_refused(conn, user_id, visit_id, opened)
        else:
            kept_until = max(min(opened.expires_at + OPENED_KEPT, now + OPENED_KEPT_MAX), now + UNANSWERED_KEPT)
            await answers.note_opened(conn, user_id, visit_id, opened.token, opened.url, opened.expires_at, kept_until)
    await place.perform(Effects(told={user_id}))


async def _outcome(place: Workplace, user_id: UserId, wanted: WantedVisit) -> LinkSession | InstitutionFailure:
    """Return the visit, or why there is none; whatever is not for the person is logged without a word of the login."""
    try:
        connector = place.connectors.get(wanted.institution_id)
        if not isinstance(connector, Linkable):
            return AuthRequired(f"This server no longer opens visits at the institution {wanted.institution_id!r}.")
        credentials = _credentials(place, user_id, wanted)
        reference = link_reference(user_id, wanted.institution_id, place.vault)
        async with asyncio.timeout(OPEN_SECONDS):
            return await connector.open_link(reference, credentials)
    except InstitutionFailure as failure:
        return failure
    except TimeoutError:
        return InstitutionDown(f"No visit was opened within {OPEN_SECONDS:g} seconds; try again later.")
    except SecretUnreadable as unreadable:
        log.warning("no visit was opened: %s", unreadable)
    except Exception as error:  # noqa: BLE001 - what it says may hold the login
        log.warning("no visit was opened for connection %s: %s", wanted.connection_id, type(error).__name__)
    return late()


def _credentials(place: Workplace, user_id: UserId, wanted: WantedVisit) -> Credentials:
    if wanted.key_version is None:
        raise AuthRequired("There is no login for this connection any more.")
    sealed = Sealed(wanted.key_version, wanted.wrapped_key, wanted.ciphertext)
    return place.vault.open(user_id, wanted.connection_id, sealed)


async def waiting(conn: Conn, now: datetime) -> list[Job]:
    """Return the jobs for visits that somebody waits for and that no worker has: what carried them was lost."""
    return [_job(user_id, visit_id) for user_id, visit_id in await answers.waiting(conn, now, WAITING_MAX)]


def _job(user_id: UserId, visit_id: LinkVisitId) -> Job:
    return Job(JOB, (user_id, visit_id))
