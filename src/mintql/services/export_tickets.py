"""Tickets for downloads: links that a browser can follow, for one file of one person, for minutes.

A ticket says whose export it is and until when, and is signed with a key of the operator's ring. It holds while the
session holds that asked for it, so that signing out, or deleting the account, makes it worthless at once.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from datetime import UTC, datetime, timedelta

from mintql.domain.ids import SessionId, UserId
from mintql.gateways.vault import Vault
from mintql.services.exports import ExportKind

TICKET_SECONDS = 300
"""How long after it was asked for a download has to begin."""
TICKET_LENGTH_MAX = 300


def issue(
    vault: Vault, user_id: UserId, session_id: SessionId, kind: ExportKind, now: datetime
) -> tuple[str, datetime]:
    """Return a ticket, and until when it holds."""
    until = int((now + timedelta(seconds=TICKET_SECONDS)).timestamp())
    claims = f"{user_id}.{session_id}.{until}"
    signature = base64.urlsafe_b64encode(_signature(vault, kind, claims)).decode().rstrip("=")
    return f"{claims}.{signature}", datetime.fromtimestamp(until, UTC)


def read(vault: Vault, text: str, kind: ExportKind, now: datetime) -> tuple[UserId, SessionId] | None:
    """Return whose ticket this is and by which session; None for one that does not hold, or not for this file."""
    claims, _, signature = text.rpartition(".")
    if len(text) > TICKET_LENGTH_MAX or not text.isascii():
        return None
    try:
        shown = base64.b64decode(signature + "=" * (-len(signature) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        return None
    if not hmac.compare_digest(shown, _signature(vault, kind, claims)):
        return None
    user_id, session_id, until = map(int, claims.split("."))
    return (UserId(user_id), SessionId(session_id)) if now.timestamp() < until else None


def _signature(vault: Vault, kind: ExportKind, claims: str) -> bytes:
    return vault.fingerprint("export ticket", kind.value, claims)
