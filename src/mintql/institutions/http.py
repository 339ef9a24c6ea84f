"""What connectors need of an HTTP client. The guarded client of the gateways is one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class HttpAnswer(Protocol):
    """A complete answer; header names in lower case."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers by lower-case name."""
        ...

    @property
    def content(self) -> bytes:
        """The body as it was sent."""
        ...

    @property
    def content_type(self) -> str:
        """The media type without parameters, or nothing."""
        ...


class HttpClient(Protocol):
    """Sends one request within bounds of time and size, and follows no redirect."""

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        json: object = None,
        deadline_seconds: float = ...,
        called: str = ...,
    ) -> HttpAnswer:
        """Return the answer, whatever its status. Messages of failures call whoever is asked `called`.

        Raises:
            InvalidInput: The URL may not be reached.
            InstitutionDown: No answer in time.
            ProtocolError: An answer out of bounds.
        """
        ...
