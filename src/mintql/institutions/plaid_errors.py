"""What Plaid's error objects mean to us, in words for the person.

An answer other than 200 carries `error_type`, `error_code`, and for the person `display_message`
(https://plaid.com/docs/errors). Codes decide; a type speaks for the codes that are not listed here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from mintql.domain.errors import (
    AccountGone,
    AuthRequired,
    ConsentExpired,
    InstitutionDown,
    InstitutionFailure,
    InstitutionRateLimited,
    NotReady,
    PaymentRequired,
    ProtocolError,
)
from mintql.domain.wording import shown
from mintql.institutions import plaid_fields as read

DISPLAY_LENGTH_MAX = 200
RATE_LIMIT_PAUSE_SECONDS = 60
"""Plaid counts by the minute, and does not say when the next one begins."""
RATE_LIMIT_PAUSE_SECONDS_MAX = 3600
NOT_READY_PAUSE_SECONDS = 30
LOG_IN_ACTION = "Open a link session for this connection and log in at your bank there."
LINK_ANEW_ACTION = "Open a new link session, log in at your bank there, and give its token to this connection."

HTTP_TOO_MANY, HTTP_SERVER_ERROR = 429, 500

Failing = tuple[type[InstitutionFailure], str]

MUTATED = "TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION"
NO_SUCH_KEY = "INVALID_WEBHOOK_VERIFICATION_KEY_ID"
GONE = frozenset({"ITEM_NOT_FOUND", "INVALID_ACCESS_TOKEN"})
"""Plaid knows the item no longer: it was removed, or never was this server's."""
ENDING = frozenset({"PENDING_DISCONNECT", "PENDING_EXPIRATION"})
"""What is told in advance: the item still works."""

_OPERATOR = "whoever runs this server has to set MINTQL_PLAID_CLIENT_ID and MINTQL_PLAID_SECRET to those of its account"

_BY_CODE: dict[str, Failing] = {
    "ITEM_LOGIN_REQUIRED": (AuthRequired, "says that your bank wants you to log in again"),
    "ITEM_NOT_FOUND": (AuthRequired, "no longer knows this connection"),
    "INVALID_ACCESS_TOKEN": (AuthRequired, "does not accept this connection's access any more"),
    "INVALID_PUBLIC_TOKEN": (
        AuthRequired,
        "does not accept this token: it was used already, or is older than half an hour",
    ),
    "INVALID_LINK_TOKEN": (AuthRequired, "does not know this link session any more; open a new one"),
    "ITEM_LOCKED": (AuthRequired, "says that your bank has locked the login; unlock it at the bank first"),
    "INVALID_CREDENTIALS": (AuthRequired, "says that your bank refused the login"),
    "USER_PERMISSION_REVOKED": (ConsentExpired, "says that you have taken back the permission to read this bank"),
    "USER_ACCOUNT_REVOKED": (ConsentExpired, "says that you have taken back the permission to read an account"),
    "ACCESS_NOT_GRANTED": (ConsentExpired, "was not given the permission to read transactions"),
    "OAUTH_CONSENT_EXPIRED": (ConsentExpired, "says that the permission you gave at your bank has run out"),
    "OAUTH_USER_REVOKED": (ConsentExpired, "says that you have taken back the permission at your bank"),
    "NO_ACCOUNTS": (AccountGone, "finds no account under this login any more"),
    "INVALID_ACCOUNT_ID": (AccountGone, "no longer knows an account"),
    "PRODUCT_NOT_READY": (NotReady, "is still gathering the transactions"),
    "INSTITUTION_DOWN": (InstitutionDown, "says that your bank is out of order"),
    "INSTITUTION_NOT_RESPONDING": (InstitutionDown, "says that your bank does not respond"),
    "INSTITUTION_NOT_AVAILABLE": (InstitutionDown, "says that your bank cannot be reached"),
    "INVALID_PRODUCT": (PaymentRequired, "does not give transactions to this server's account"),
    "PRODUCTS_NOT_SUPPORTED": (ProtocolError, "cannot read transactions at this bank"),
    "INVALID_API_KEYS": (InstitutionFailure, f"refuses this server's keys: {_OPERATOR}"),
    "UNAUTHORIZED_ENVIRONMENT": (
        InstitutionFailure,
        f"does not let this server's keys in at this address: {_OPERATOR}",
    ),
    "MISSING_FIELDS": (InstitutionFailure, f"misses something in what was asked; if it is the keys, {_OPERATOR}"),
}
_BY_TYPE: dict[str, Failing] = {
    "RATE_LIMIT_EXCEEDED": (InstitutionRateLimited, "was asked too often"),
    "ITEM_ERROR": (AuthRequired, "can no longer read this bank"),
    "INSTITUTION_ERROR": (InstitutionDown, "cannot reach your bank"),
    "API_ERROR": (InstitutionDown, "is out of order"),
}


@dataclass(frozen=True, slots=True)
class PlaidError:
    """An error object of Plaid; every part may be empty."""

    error_type: str = ""
    code: str = ""
    reason: str = ""
    display: str = ""
    cursor_is_unknown: bool = False


def read_error(said: Mapping[str, Any]) -> PlaidError:
    """Return an error object as far as it can be read."""
    code = read.code(said, "error_code")
    message = read.text(said, "error_message", DISPLAY_LENGTH_MAX)
    return PlaidError(
        error_type=read.code(said, "error_type"),
        code=code,
        reason=read.code(said, "error_code_reason"),
        display=read.text(said, "display_message", DISPLAY_LENGTH_MAX),
        # There is no code of its own for a cursor of another item, or one that has grown too old.
        cursor_is_unknown=code in ("INVALID_FIELD", "INVALID_INPUT") and "cursor" in message.lower(),
    )


def failure(
    error: PlaidError, *, status: int, retry_after: str = "", now: datetime | None = None
) -> InstitutionFailure:
    """Return the failure that an error object, or an answer of this status without one, stands for."""
    kind, words = _meaning(error, status)
    said = f' It says: "{error.display}"' if error.display and kind in (AuthRequired, ConsentExpired) else ""
    pause = _pause_seconds(kind, retry_after)
    retry_at = (now or datetime.now(UTC)) + timedelta(seconds=pause) if pause else None
    found = kind(f"Plaid {words}.{said}", retry_at=retry_at)
    if kind is AuthRequired:
        found.action = LINK_ANEW_ACTION if error.code in GONE else LOG_IN_ACTION
    return found


def _meaning(error: PlaidError, status: int) -> Failing:
    known = _BY_CODE.get(error.reason) or _BY_CODE.get(error.code) or _BY_TYPE.get(error.error_type)
    if known is not None:
        return known
    if status == HTTP_TOO_MANY:
        return _BY_TYPE["RATE_LIMIT_EXCEEDED"]
    if status >= HTTP_SERVER_ERROR:
        return InstitutionDown, f"is out of order (status {status})"
    if error.code:
        return ProtocolError, f"refused what was asked: {shown(error.code)}"
    return ProtocolError, f"answered with status {status}"


def _pause_seconds(kind: type[InstitutionFailure], retry_after: str) -> int:
    if kind is NotReady:
        return NOT_READY_PAUSE_SECONDS
    if kind is not InstitutionRateLimited:
        return 0
    if retry_after.isascii() and retry_after.isdigit():
        return min(int(retry_after[:9]), RATE_LIMIT_PAUSE_SECONDS_MAX)
    return RATE_LIMIT_PAUSE_SECONDS
