"""The small page to try the API on. It needs nothing from the internet and sets no exception to its policy."""

from __future__ import annotations

from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_FILES = {
    "/": ("try.html", "text/html; charset=utf-8"),
    "/try": ("try.html", "text/html; charset=utf-8"),
    "/try/try.js": ("try.js", "text/javascript; charset=utf-8"),
    "/try/examples.json": ("examples.json", "application/json"),
    "/try/try.css": ("try.css", "text/css; charset=utf-8"),
}


def try_routes() -> list[Route]:
    """Return the routes of the page and its files, which are read once."""
    return [_route(path, name, media) for path, (name, media) in _FILES.items()]


def _route(path: str, name: str, media: str) -> Route:
    body = files("mintql.api").joinpath("static", name).read_bytes()
    headers = {"content-type": media, "content-security-policy": POLICY, "cache-control": "no-cache"}

    async def serve(_request: Request) -> Response:
        return Response(body, headers=headers)

    return Route(path, serve)
