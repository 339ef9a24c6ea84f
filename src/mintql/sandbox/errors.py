"""How the sandbox bank says no."""

from __future__ import annotations


class BankError(Exception):
    """An answer that is not 200: HTTP status, a stable code for programs, words for people."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def bad_request(message: str) -> BankError:
    """Return the error for a request that cannot be understood."""
    return BankError(400, "bad_request", message)
