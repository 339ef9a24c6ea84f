"""The first conversation with an OFX server: which version it speaks, what it wants, whether the login works."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from mintql.domain.errors import AuthRequired, InstitutionDown, InstitutionFailure, ProtocolError
from mintql.institutions.files.ofx_document import Document
from mintql.institutions.ofx_direct_answers import Profile, profile_of
from mintql.institutions.ofx_direct_session import Answer, Session
from mintql.institutions.ofx_direct_status import CLIENT_ID_UNKNOWN, UNSUPPORTED_VERSION, answer_failure

VERSIONS = (103, 203, 102, 211)
"""Tried in this order: 1.0.3 is what most servers were built for, and it knows client ids; most others take 2.0.3."""

_FAILED = "HTTP status 500"


@dataclass(frozen=True, slots=True)
class Found:
    """How the server wants to be spoken to, and its list of accounts; None where the person gave one."""

    version: int
    profile: Profile
    client_id: str
    listing: Answer | None


async def find_server(session: Session, options: Mapping[str, str], client_id: str) -> Found:
    """Find the version, read the profile, sign on; what was found is in force in `session` from then on.

    `client_id` is the one to introduce ourselves with where the server wants one and the person gave none.

    The profile is asked for first, since that takes no login: a server that does not understand a version
    may count a sign-on in it as a failed one, and lock the login.

    Raises:
        AuthRequired: The sign-on was refused.
        InstitutionFailure: No version was understood, or the server is out of order.
    """
    given = options.get("version", "")
    session.version, profile = await _speak(session, (int(given),) if given else VERSIONS)
    session.urls = dict(profile.urls)
    session.called = profile.name or session.called
    if profile.client_id_wanted and not session.sign_on.client_id:
        session.sign_on = replace(session.sign_on, client_id=client_id)
    listing: Answer | None = None
    if options.get("accounts"):
        with suppress(ProtocolError):  # Who has no list of accounts may not understand the question.
            await _sign_on(session, client_id)
    else:
        listing = await _list(session, client_id)
    return Found(session.version, profile, session.sign_on.client_id, listing)


async def _speak(session: Session, versions: tuple[int, ...]) -> tuple[int, Profile]:
    """Return the first version that is answered in OFX, and the profile, empty where there is none to be had."""
    failures: list[InstitutionFailure] = []
    for ask in (session.profile, session.accounts):
        for version in versions:
            session.version = version
            try:
                answer = await ask()
            except (ProtocolError, AuthRequired) as failure:
                failures.append(failure)
            except InstitutionDown as failure:
                # What a server cannot read makes some of them fail; one that is not there is not asked again.
                if _FAILED not in failure.message:
                    raise next((one for one in failures if _FAILED in one.message), failure) from None
                failures.append(failure)
            else:
                if UNSUPPORTED_VERSION not in _codes(answer.document):
                    return version, profile_of(answer.document)
                failures.append(ProtocolError(f"{session.called} does not speak OFX {version}."))
    raise failures[0]


async def _list(session: Session, client_id: str) -> Answer:
    """Sign on and return the answer that lists the accounts."""
    answer = await _sign_on(session, client_id)
    refused = answer_failure(answer.document, session.called, session.secrets)
    if refused is not None:
        refused.message += " If it stays so, give the accounts yourself."
        raise refused
    return answer


async def _sign_on(session: Session, client_id: str) -> Answer:
    """Sign on by asking for the accounts; give the server the client id where it turns out to want one."""
    answer = await session.accounts()
    if CLIENT_ID_UNKNOWN in _codes(answer.document) and not session.sign_on.client_id:
        session.sign_on = replace(session.sign_on, client_id=client_id)
        answer = await session.accounts()
    if CLIENT_ID_UNKNOWN in _codes(answer.document):
        raise AuthRequired(
            f"{session.called} has to be told that this program may ask: confirm its client id "
            f"{session.sign_on.client_id} in the messages to you there, then connect again."
        )
    session.check_sign_on(answer.document)
    return answer


def _codes(document: Document) -> set[int]:
    return {status.code for status in document.statuses}
