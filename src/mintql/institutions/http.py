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
        """The headers by lower-case name; they do not tell of a compression, which is undone already."""
        ...

    @property
    def content(self) -> bytes:
        """The body, decompressed where the server compressed it."""
        ...

    @property
    def content_type(self) -> str:
        """The media type without parameters, or nothing."""
        ...


class HttpClient(Protocol):
    """Sends a request to the public internet only, within bounds of time, size and number."""

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        json: object = None,
        content: bytes | None = None,
        form: Mapping[str, str] | None = None,
        basic_auth: tuple[str, str] | None = None,
        deadline_seconds: float = ...,
        body_limit_bytes: int = ...,
        repeatable: bool | None = None,
        redirects_max: int = ...,
        circuit: str = "",
        called: str = "",
    ) -> HttpAnswer:
        """Return the answer, whatever its status.

        At most one of `json`, `content` and `form` is the body; `content` goes out as it is, its type in
        `headers`. `basic_auth` is login and password; a URL may not carry them. `params` are added to
        the query the URL has.

        `repeatable` says whether the request may be sent again when the connection failed or the server
        was out of order: unless told, GET and HEAD are, and nothing else is ever sent twice. Redirects are
        followed, up to `redirects_max`, for GET and HEAD, and within the origin for what is `repeatable` otherwise; any
        other redirect is returned. What authenticates the request stays with the origin it was meant for.

        `circuit` names what fails together, such as an institution; the URL's origin unless given. After
        repeated failures it is not asked for a while. Messages of failures call whoever is asked `called`;
        the host's name unless given.

        Raises:
            InvalidInput: The URL may not be reached.
            InstitutionDown: No answer in time; `retry_at` where it is known when it is asked again.
            ProtocolError: An answer out of bounds, or a redirect to where it may not lead.
        """
        ...
