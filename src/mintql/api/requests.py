"""Reading a GraphQL request from HTTP, strictly: what is not understood is refused with the reason."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope

from mintql.api.exchange import exchange_of
from mintql.api.trusted_documents import NO_DOCUMENTS, TrustedDocuments, sha256_of
from mintql.api.watching import Seen
from mintql.domain.audit import Origin, origin_of
from mintql.domain.wording import shown

BODY_BYTES_MAX = 128 * 1024
"""Bound on the body of a request, and on a message of a WebSocket."""

BODY_SECONDS_MAX = 30.0
"""How long such a body may take: 5 KiB a second are enough."""
BAD_REQUEST = "BAD_REQUEST"
DOCUMENT_NOT_FOUND = "DOCUMENT_NOT_FOUND"
PERSISTED_QUERY_NOT_FOUND = "PERSISTED_QUERY_NOT_FOUND"
NOT_FOUND = 404
CONTENT_TYPES_KEPT_MAX = 64


class RefusedError(Exception):
    """The request as such cannot be answered; `status` is the HTTP status that says so."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str = BAD_REQUEST,
        headers: Mapping[str, str] | None = None,
        extensions: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.headers = dict(headers or {})
        self.extensions = {"code": code, **(extensions or {})}


class GraphQLRequest(Request):
    """A request whose headers are asked for often, and so gone through once.

    `seen` is what is counted of it, `exchange` what it came by.
    """

    def __init__(self, scope: Scope, receive: Receive) -> None:
        super().__init__(scope, receive)
        self._first = dict(reversed(scope["headers"]))
        self.exchange = exchange_of(scope)
        self.seen = Seen(scope["method"], scope["path"], self.header(b"x-request-id"))

    def header(self, name: bytes) -> str | None:
        """Return the first value of a header, whose name is in small letters."""
        found = self._first.get(name)
        return None if found is None else found.decode("latin-1")

    def has_header(self, name: bytes) -> bool:
        """Tell whether there is a header of this name, in small letters."""
        return name in self._first

    @property
    def origin(self) -> Origin:
        """Where it came from. A proxy's word for that counts where the server trusts the proxy."""
        client = self.scope.get("client")
        return origin_of(None if client is None else client[0], self.header(b"user-agent"))


@dataclass(frozen=True, slots=True)
class Ask:
    """The parameters of a request; `is_trusted` tells that its document is one of the operator's list."""

    query: str
    variables: dict[str, Any] | None
    operation_name: str | None
    extensions: dict[str, Any] | None
    is_trusted: bool = False


def ask_of_url(request: Request, trusted: TrustedDocuments = NO_DOCUMENTS) -> Ask:
    """Read the parameters from the URL of a GET; raise `RefusedError`."""
    return check_ask(_from_url(request), trusted)


def ask_of_body(body: bytes, trusted: TrustedDocuments = NO_DOCUMENTS) -> Ask:
    """Read the parameters from the body of a POST; raise `RefusedError`."""
    return check_ask(_json(body, "The body"), trusted)


def _from_url(request: Request) -> dict[str, Any]:
    found: dict[str, Any] = dict(request.query_params)
    for name in ("variables", "extensions"):
        if name in found:
            found[name] = _json(found[name].encode(), f"The parameter `{name}`") if found[name] else None
    return found


@lru_cache(maxsize=CONTENT_TYPES_KEPT_MAX)
def _check_content_type(text: str) -> None:
    """Take JSON only. Browsers send it across origins only after asking, so no other site can forge it."""
    media, *parameters = (part.strip().lower() for part in text.split(";"))
    charset = next((p.partition("=")[2].strip('"') for p in parameters if p.startswith("charset=")), "utf-8")
    if media != "application/json" or charset not in ("utf-8", "utf8"):
        raise RefusedError(
            415,
            "Send the request as JSON in UTF-8, with the header Content-Type: application/json, or with a file as "
            "multipart/form-data.",
            headers={"accept": "application/json"},
        )


async def read_body(request: GraphQLRequest) -> bytes:
    """Return the body of a POST; raise `RefusedError` when it is no JSON or too large."""
    _check_content_type(request.header(b"content-type") or "")
    body = None if request.exchange is None else request.exchange.body()
    if body is None:
        body = await _received(request)
    if len(body) > BODY_BYTES_MAX:
        raise _too_large()
    return body


async def _received(request: GraphQLRequest) -> bytes:
    """Return a body that comes in pieces, and stop when there are too many."""
    length = request.header(b"content-length") or ""
    if length.isdigit() and int(length) > BODY_BYTES_MAX:
        raise _too_large()
    body, more = b"", True
    try:
        async with asyncio.timeout(BODY_SECONDS_MAX):
            while more and len(body) <= BODY_BYTES_MAX:
                message = await request.receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                body += message.get("body", b"")
                more = message.get("more_body", False)
    except TimeoutError:
        late = f"The request did not arrive within {BODY_SECONDS_MAX:.0f} seconds."
        raise RefusedError(408, late, headers={"connection": "close"}) from None
    return body


def _too_large() -> RefusedError:
    return RefusedError(413, f"The request is larger than {BODY_BYTES_MAX:,} bytes.")


def _json(text: bytes, what: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise RefusedError(400, f"{what} is not JSON.") from None


def check_ask(found: Any, trusted: TrustedDocuments = NO_DOCUMENTS) -> Ask:
    """Check the types of the parameters; raise `RefusedError`. A list would be a batch, which is not taken."""
    if not isinstance(found, dict):
        raise RefusedError(400, "The request has to be one JSON object with a `query`; batches are not taken.")
    for name, kind, what in (
        ("operationName", str, "a text"),
        ("variables", dict, "an object"),
        ("extensions", dict, "an object"),
        ("documentId", str, "a text"),
    ):
        if found.get(name) is not None and not isinstance(found[name], kind):
            raise RefusedError(400, f"`{name}` has to be {what} or null.")
    query = found.get("query")
    if found.get("documentId") is not None:
        query = _listed(found["documentId"], query, trusted)
    elif found.get("extensions") and "persistedQuery" in found["extensions"]:
        query = _persisted(found["extensions"]["persistedQuery"], query, trusted)
    if not isinstance(query, str) or not query.strip():
        raise RefusedError(400, "`query` has to be a text with a GraphQL document.")
    return Ask(
        query, found.get("variables"), found.get("operationName") or None, found.get("extensions"), trusted.has(query)
    )


def _listed(document_id: str, query: Any, trusted: TrustedDocuments) -> str:
    """Return the document that a request names by its id."""
    if query is not None:
        raise RefusedError(400, "Send either `query` or `documentId`.")
    text = trusted.find(document_id)
    if text is None:
        message = f"There is no document {shown(document_id)} here: ids are those of the operator's list."
        raise RefusedError(NOT_FOUND, message, code=DOCUMENT_NOT_FOUND)
    return text


def _persisted(named: Any, query: Any, trusted: TrustedDocuments) -> Any:
    """Return the document that a request of Apollo's clients names by its hash, else the text that it has beside that.

    On `PERSISTED_QUERY_NOT_FOUND` these clients send the text as well. It is not kept.
    """
    digest = named.get("sha256Hash") if isinstance(named, dict) and named.get("version") == 1 else None
    if not isinstance(digest, str):
        raise RefusedError(400, '`extensions.persistedQuery` has to be {"version": 1, "sha256Hash": a text}.')
    text = trusted.find(digest)
    if text is not None:
        return text
    if query is None:
        raise RefusedError(NOT_FOUND, "PersistedQueryNotFound", code=PERSISTED_QUERY_NOT_FOUND)
    if isinstance(query, str) and sha256_of(query) != digest:
        raise RefusedError(400, "The hash in `extensions.persistedQuery` is not the SHA-256 of `query`.")
    return query
