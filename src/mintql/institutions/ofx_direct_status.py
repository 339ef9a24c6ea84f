"""What an institution means by its OFX status codes, as failures in words.

Sources: Open Financial Exchange 2.2, appendix A (status codes), with the codes of 1.0.3 that are the same. Banks
add words of their own, which are shown with the code.
"""

from __future__ import annotations

from collections.abc import Collection

from mintql.domain.errors import (
    AccountGone,
    AuthRequired,
    ConsentExpired,
    InstitutionDown,
    InstitutionFailure,
    ProtocolError,
    WindowTooLarge,
)
from mintql.institutions.files.ofx_document import Document, Status
from mintql.institutions.files.rows import clean

UNSUPPORTED_VERSION = 2021
CLIENT_ID_UNKNOWN = 15510
MESSAGE_CHARACTERS_MAX = 160

_FINE = (0, 1, -1)
"""Done; nothing newer than the client has; no number, which is an error only where the severity says so."""

_MFA = "asks a security question beside the password, which cannot be answered here; sign in at its website first"
_ASK = "wants you to contact it, or to switch on Direct Connect at its website, before it answers"
_PERMIT = "wants an access token that it gives at its website"

_MEANINGS: dict[int, tuple[type[InstitutionFailure], str]] = {
    2000: (InstitutionDown, "could not answer"),
    2001: (AccountGone, "does not accept this account"),
    2002: (InstitutionDown, "could not answer for this account"),
    2003: (AccountGone, "no longer knows this account"),
    2004: (AccountGone, "says that this account is closed"),
    2005: (AuthRequired, "does not let this login read the account"),
    2006: (AccountGone, "no longer knows this account"),
    2007: (AccountGone, "says that this account is closed"),
    2008: (AuthRequired, "does not let this login read the account"),
    2014: (WindowTooLarge, "does not give these days"),
    2015: (WindowTooLarge, "does not give these days"),
    2020: (WindowTooLarge, "does not give these days"),
    2021: (ProtocolError, "does not speak this version of OFX; connect again to find another"),
    2027: (WindowTooLarge, "does not give as many days at once, or none as old"),
    3000: (AuthRequired, _MFA),
    3001: (AuthRequired, _MFA),
    13500: (AuthRequired, "has not enrolled this login for Direct Connect"),
    13502: (AuthRequired, "has not enrolled this login for this service"),
    13504: (AuthRequired, "does not accept ORG and FID, or wants them given"),
    13505: (InstitutionDown, "is being maintained"),
    15000: (AuthRequired, "wants the password changed at its website first"),
    15500: (AuthRequired, "refused this login or password"),
    15501: (InstitutionDown, "is in use by this login elsewhere, and answers one at a time"),
    15502: (AuthRequired, "has locked this login after too many tries"),
    15505: (AuthRequired, "does not serve this country"),
    15507: (AuthRequired, "wants the password changed at its website first"),
    15508: (AuthRequired, "does not let this login read the account"),
    CLIENT_ID_UNKNOWN: (AuthRequired, "has to be told that this program may ask: confirm it in its messages to you"),
    15511: (AuthRequired, _ASK),
    15512: (AuthRequired, _PERMIT),
    15513: (AuthRequired, _PERMIT),
    15514: (ConsentExpired, _PERMIT),
    15515: (ConsentExpired, "no longer accepts the permission given at its website"),
    15516: (ConsentExpired, "says that the permission given at its website has run out"),
}
"""15501 is no reason to ask for the password again: the specification says to try later."""

_SIGN_ON_CODES = range(15000, 16000)


def failure_of(status: Status, called: str, secrets: Collection[str] = ()) -> InstitutionFailure | None:
    """Return the failure that a status stands for, None when it is none.

    `called` names who is asked; what the bank says beside the code is left out where it repeats one of `secrets`.
    """
    if status.code in _FINE and (status.code >= 0 or status.severity != "ERROR"):
        return None
    kind, words = _MEANINGS.get(status.code, (None, ""))
    if kind is None:
        if status.severity not in ("ERROR", "") and status.code not in _SIGN_ON_CODES:
            return None
        kind = AuthRequired if status.code in _SIGN_ON_CODES else ProtocolError
        words = "did not accept the sign-on" if kind is AuthRequired else "answered with an error"
    return kind(f"{called} {words} ({said(status, secrets)}).")


def said(status: Status, secrets: Collection[str] = ()) -> str:
    """Return code and words of a status, the words left out where they repeat a secret."""
    message = clean(status.message, MESSAGE_CHARACTERS_MAX).rstrip(".")
    if not message or any(secret and secret in message for secret in secrets):
        return f"OFX status {status.code}"
    return f"OFX status {status.code}: {message}"


def sign_on_failure(document: Document, called: str, secrets: Collection[str] = ()) -> InstitutionFailure | None:
    """Return why the sign-on was refused, None when it was accepted."""
    status = document.sign_on
    return failure_of(status, called, secrets) if status is not None else None


def answer_failure(document: Document, called: str, secrets: Collection[str] = ()) -> InstitutionFailure | None:
    """Return why a request beside the sign-on was refused, None when it was answered."""
    found = (failure_of(status, called, secrets) for status in document.statuses if status.about.endswith("TRNRS"))
    return next((failure for failure in found if failure is not None), None)
