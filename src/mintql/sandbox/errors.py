"""How the sandbox bank says no."""

from __future__ import annotations


class BankError(Exception):
    """An answer that is not 200: HTTP status, a stable code for programs, words for people.

    `retry_after_seconds` says when to come back.
    """

    def __init__(self, status: int, code: str, message: str, *, retry_after_seconds: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.retry_after_seconds = retry_after_seconds


def bad_request(message: str) -> BankError:
    """Return the error for a request that cannot be understood."""
    return BankError(400, "bad_request", message)
