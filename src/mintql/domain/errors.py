"""Failures a person can cause or meet, as exceptions with a code and words.

An instance's message is shown to the person as it is: it names the offending value and what to do.
Anything that is not a `Failure` is a defect or an outage, is masked, and is logged with an id.
"""

from __future__ import annotations

from datetime import datetime


class Failure(Exception):  # noqa: N818
    """Something expected went wrong; `code` is stable for programs, the message is for people."""

    code = "FAILURE"

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class InvalidInput(Failure):
    """A value a person sent cannot be used; `field` names it."""

    code = "INVALID_INPUT"


class NotFound(Failure):
    """What was asked for does not exist, or belongs to somebody else: the two look the same."""

    code = "NOT_FOUND"


class CategoryInUse(Failure):
    """A category of a person's own is to be deleted, and it was not said where what is in it goes.

    `transactions`, `parts` (of splits), `sellers` (remembered for it) and `budgets` (limits set for it) say how many.
    """

    code = "CATEGORY_IN_USE"

    def __init__(self, message: str, *, transactions: int, parts: int, sellers: int, budgets: int) -> None:
        super().__init__(message, field="moveTo")
        self.transactions = transactions
        self.parts = parts
        self.sellers = sellers
        self.budgets = budgets


class NotSignedIn(Failure):
    """The request carries no session, or one that has ended."""

    code = "NOT_SIGNED_IN"


class NotShared(Failure):
    """A member of a household asks for something that its owner does not, or no longer, share."""

    code = "NOT_SHARED"


class BadCredentials(Failure):
    """E-mail and password do not belong together."""

    code = "BAD_CREDENTIALS"


class TooManyAttempts(Failure):
    """A secret was guessed at too often; `retry_after_seconds` says how long until the next guess is taken."""

    code = "TOO_MANY_ATTEMPTS"

    def __init__(self, message: str, *, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class EmailTaken(Failure):
    """Somebody has signed up with this e-mail address already."""

    code = "EMAIL_TAKEN"


class ResyncNeeded(Failure):
    """What a client holds is too old to be brought up to date: it has to read everything again."""

    code = "RESYNC_NEEDED"


class RateLimited(Failure):
    """Too often; `retry_at` says when the next try is allowed."""

    code = "RATE_LIMITED"

    def __init__(self, message: str, *, retry_at: datetime | None = None, field: str | None = None) -> None:
        super().__init__(message, field=field)
        self.retry_at = retry_at


class InstitutionFailure(Failure):
    """An institution did not give what was asked for.

    `retryable` tells the worker whether trying again by itself can help; `action` tells the person what
    only they can do, and is empty where there is nothing to do but wait. `attempts_max` bounds the tries.
    """

    code = "INSTITUTION_FAILURE"
    retryable = True
    attempts_max = 5
    action = ""

    def __init__(self, message: str, *, retry_at: datetime | None = None) -> None:
        super().__init__(message)
        self.retry_at = retry_at


class AuthRequired(InstitutionFailure):
    """The institution refused the login or password, or the login has expired."""

    code = "AUTH_REQUIRED"
    retryable = False
    action = "Enter the login and password for this institution again."


class ConsentExpired(InstitutionFailure):
    """The permission given at the institution has run out."""

    code = "CONSENT_EXPIRED"
    retryable = False
    action = "Give your permission at the institution again."


class PaymentRequired(InstitutionFailure):
    """The data provider wants its subscription paid."""

    code = "PAYMENT_REQUIRED"
    retryable = False
    action = "Renew the subscription at the data provider."


class InstitutionRateLimited(InstitutionFailure):
    """The institution asked us to come back later."""

    code = "INSTITUTION_RATE_LIMITED"


class WindowTooLarge(InstitutionFailure):
    """More days were asked for than the institution gives at once."""

    code = "WINDOW_TOO_LARGE"


class AccountGone(InstitutionFailure):
    """The institution no longer knows the account."""

    code = "ACCOUNT_GONE"
    retryable = False
    action = "The account was closed at the institution. Disconnect it, or connect again."


class InstitutionDown(InstitutionFailure):
    """The institution cannot be reached, answers too slowly, or says that it is out of order."""

    code = "INSTITUTION_DOWN"


class ProtocolError(InstitutionFailure):
    """The institution answered something that is not its protocol."""

    code = "PROTOCOL_ERROR"


class NotReady(InstitutionFailure):
    """The institution is still gathering what was asked for, and will have it before long."""

    code = "NOT_READY"
    attempts_max = 50


class InternalFailure(InstitutionFailure):
    """Something on our side failed while synchronising: it is tried for as long as an outage may last."""

    code = "INTERNAL"
    attempts_max = 100


class FileLost(InstitutionFailure):
    """A file that a person sent can no longer be read as it was previewed."""

    code = "FILE_UNREADABLE"
    retryable = False
    action = "Send the file again."


_BY_CODE = {
    kind.code: kind
    for kind in (
        AuthRequired, ConsentExpired, PaymentRequired, InstitutionRateLimited, WindowTooLarge, AccountGone,
        InstitutionDown, ProtocolError, NotReady, InternalFailure,
    )
}  # fmt: skip


def failure_of(code: str, message: str, retry_at: str = "", **_: str) -> InstitutionFailure:
    """Return the failure that was noted by its code and message; `retry_at` as ISO 8601, or empty."""
    at = datetime.fromisoformat(retry_at) if retry_at else None
    return _BY_CODE.get(code, InstitutionFailure)(message, retry_at=at)
