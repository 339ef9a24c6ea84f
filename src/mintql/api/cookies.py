"""Where a token may stand in a request, and the cookie that keeps one in a browser."""

from __future__ import annotations

from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import Response
from strawberry.http.websocket_origin import is_same_origin, normalize_origin

COOKIE = "__Host-mintql"
"""The prefix makes browsers insist on Secure, no Domain and Path=/: no other host can set or read it."""
SECONDS_PER_DAY = 86_400


def set_cookie(response: Response, token: str, days: int) -> None:
    """Keep a token in the browser, out of reach of scripts and of requests that other sites send."""
    response.set_cookie(
        COOKIE, token, max_age=days * SECONDS_PER_DAY, path="/", secure=True, httponly=True, samesite="lax"
    )


def clear_cookie(response: Response) -> None:
    """Take the token out of the browser."""
    response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="lax")


def bearer(text: object) -> str | None:
    """Return the token of an `Authorization` value; None when it holds none. The scheme may be in any case."""
    scheme, _, token = text.partition(" ") if isinstance(text, str) else ("", "", "")
    return token.strip() or None if scheme.lower() == "bearer" else None


def cookie_token(request: HTTPConnection) -> str | None:
    """Return the token in the cookie."""
    return request.cookies.get(COOKIE) or None


def origin_is_trusted(headers: Headers, allowed_origins: Collection[str]) -> bool:
    """Tell whether a request that a cookie speaks for comes from a page that may use it.

    Browsers name the page's origin with everything that can change or read anything across origins. A
    request without one is no such request, unless the browser says itself that another site sent it.
    """
    origin = headers.get("origin")
    if origin is None:
        return headers.get("sec-fetch-site") != "cross-site"
    return is_same_origin(origin, headers.get("host")) or normalize_origin(origin) in allowed_origins
