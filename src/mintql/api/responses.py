"""Answers over HTTP: how results become bodies and status, and the response that carries them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson
from starlette.responses import Response
from strawberry.types import ExecutionResult

from mintql.api.exchange import Exchange, written
from mintql.api.negotiation import JSON, RESPONSE_JSON

HEADERS_OF: Final = {
    media: [
        (b"content-type", f"{media}; charset=utf-8".encode()),
        (b"cache-control", b"no-store"),
        (b"vary", b"accept"),
    ]
    for media in (JSON, RESPONSE_JSON)
}
WRITTEN_HEADERS_OF: Final = {media: written(headers) for media, headers in HEADERS_OF.items()}


def encode_result(result: ExecutionResult, media: str) -> tuple[bytes, int]:
    """Return body and status of an answer.

    Errors without a path were found before anything was executed. Such an answer has no `data` at all, and
    says so by its status where the client asked for the media type that allows it.
    """
    errors = result.errors or []
    refused = result.data is None and bool(errors) and all(error.path is None for error in errors)
    answer: dict[str, Any] = {} if refused else {"data": result.data}
    if errors:
        answer["errors"] = [error.formatted for error in errors]
    if result.extensions:
        answer["extensions"] = result.extensions
    return orjson.dumps(answer), 400 if refused and media == RESPONSE_JSON else 200


def json_answer(
    answer: Mapping[str, Any], media: str, status: int, headers: Mapping[str, str] | None = None
) -> Response:
    """Return an answer that is not the result of an operation."""
    raw = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    found = Answer(orjson.dumps(answer), media, status, raw)
    found.ends_connection = any(name == b"connection" for name, _ in raw)
    return found


class Answer(Response):
    """A whole answer, whose headers are bytes already. One that `ends_connection` has a header that says so."""

    ends_connection = False

    def __init__(self, body: bytes, media: str, status: int, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
        self.body = body
        self.media = media
        self.status_code = status
        self.background = None
        self.raw_headers = [*HEADERS_OF[media], (b"content-length", b"%d" % len(body)), *headers]

    def goes_by(self, exchange: Exchange) -> bool:
        """Send it all at once, where that can be; False with nothing sent where it has to go in messages."""
        if self.ends_connection:
            return False
        head = WRITTEN_HEADERS_OF[self.media] + written(self.raw_headers[len(HEADERS_OF[self.media]) :])
        return exchange.answer(self.status_code, head, self.body)
