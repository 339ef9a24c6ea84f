"""How the bank says no where it speaks as Plaid does: with Plaid's error object (https://plaid.com/docs/errors)."""

from __future__ import annotations

import secrets
from typing import Any


class PlaidRefusal(Exception):  # noqa: N818
    """An answer that is not 200. `reason` and `display` are null where Plaid gives none."""

    def __init__(
        self,
        error_type: str,
        error_code: str,
        message: str,
        *,
        status: int = 400,
        reason: str | None = None,
        display: str | None = None,
        retry_after_seconds: int | None = None,
    ) -> None:
        super().__init__(message)
        self.error_type = error_type
        self.error_code = error_code
        self.message = message
        self.status = status
        self.reason = reason
        self.display = display
        self.retry_after_seconds = retry_after_seconds

    def body(self) -> dict[str, Any]:
        """Return the error object as it stands inside an item or a webhook: without a request id."""
        return {
            "display_message": self.display,
            "documentation_url": f"https://plaid.com/docs/?ref=error#{self.error_type}-{self.error_code}",
            "error_code": self.error_code,
            "error_code_reason": self.reason,
            "error_message": self.message,
            "error_type": self.error_type,
            "suggested_action": None,
        }


def request_id() -> str:
    """Return an id of one request."""
    return secrets.token_urlsafe(11)[:15]


def missing(*names: str) -> PlaidRefusal:
    """Return the refusal of a request without these fields."""
    return PlaidRefusal(
        "INVALID_REQUEST", "MISSING_FIELDS", f"the following required fields are missing: {', '.join(names)}"
    )


def invalid_field(message: str) -> PlaidRefusal:
    """Return the refusal of a field whose value cannot be."""
    return PlaidRefusal("INVALID_REQUEST", "INVALID_FIELD", message)


def login_required(reason: str | None = None) -> PlaidRefusal:
    """Return what an item says whose login, or whose person's consent, has expired."""
    return PlaidRefusal(
        "ITEM_ERROR",
        "ITEM_LOGIN_REQUIRED",
        "the login details of this item have changed and a user login is required to update this information",
        reason=reason,
        display="The login details for this account have changed. Please log in again.",
    )
