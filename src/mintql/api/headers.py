"""Headers that tell browsers what answers of this server must never be used for."""

from __future__ import annotations

from collections.abc import Awaitable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mintql.api.exchange import exchange_of, written

STRICT_TRANSPORT_SECONDS = 63_072_000

DEFAULTS = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


class SecurityHeaders:
    """Adds the headers that a response does not set itself."""

    def __init__(self, app: ASGIApp, *, strict_transport: bool) -> None:
        self._app = app
        headers = dict(DEFAULTS)
        if strict_transport:
            headers["strict-transport-security"] = f"max-age={STRICT_TRANSPORT_SECONDS}; includeSubDomains"
        self._headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        self._written = written(self._headers)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Pass a request on, and its response with the headers."""
        if scope["type"] != "http":
            return self._app(scope, receive, send)
        exchange = exchange_of(scope)
        if exchange is not None:
            exchange.common = self._written

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = message.get("headers", ())
                names = {name for name, _ in own}
                message["headers"] = [*own, *[header for header in self._headers if header[0] not in names]]
            await send(message)

        return self._app(scope, receive, send_with_headers)
