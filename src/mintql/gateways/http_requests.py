"""What the guarded client sends: a request's parts as bytes, and the request a redirect turns it into."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, replace

import httpcore
import httpx

from mintql.domain.errors import InvalidInput, ProtocolError
from mintql.gateways.http_addresses import AllowList, checked_url, host_of, origin_of

USER_AGENT = "mintql"
SAFE_METHODS = frozenset({"GET", "HEAD"})
"""These change nothing at the server, so they may be sent again and follow redirects (RFC 9110, 9.2.1)."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_REDIRECTS_OF_ANY_METHOD = frozenset({307, 308})
"""These ask for the same request at another place; after the others a POST would become a GET."""

_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "accept-encoding"})
"""Headers that the client alone decides about."""
_FOR_ANYBODY = frozenset({"accept", "accept-language", "user-agent"})
"""All that goes along when a redirect leaves the origin: any other header may hold a secret."""


@dataclass(frozen=True, slots=True, repr=False)
class Outgoing:
    """A request that may be sent as it is. `headers` have lower-case names; `repeatable`: may be sent again."""

    method: str
    url: httpx.URL
    headers: Mapping[str, str]
    body: bytes
    repeatable: bool

    def __repr__(self) -> str:
        return f"Outgoing({self.method} to {host_of(self.url)})"

    def encoded(self, timeouts: Mapping[str, float]) -> httpcore.Request:
        """Return the request for httpcore."""
        # Compressed bodies are not asked for: a cap on bytes means little where one byte becomes a thousand.
        headers = {"user-agent": USER_AGENT, "accept": "*/*", **self.headers, "accept-encoding": "identity"}
        request = httpx.Request(self.method, self.url, headers=headers, content=self.body or None)
        url = self.url
        return httpcore.Request(
            method=self.method,
            url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
            headers=request.headers.raw,
            content=self.body,
            extensions={"timeout": dict(timeouts)},
        )

    def location(self, status: int, headers: Mapping[str, str]) -> str | None:
        """Return where this answer sends the request on to, if that may be followed at all."""
        place = headers.get("location", "")
        if not place or status not in _REDIRECTS:
            return None
        if self.method in SAFE_METHODS:
            return place
        if not self.repeatable or status not in _REDIRECTS_OF_ANY_METHOD:
            return None
        try:
            onward = self.url.join(place)
        except (httpx.InvalidURL, ValueError):
            return None
        return place if origin_of(onward) == origin_of(self.url) else None

    def redirected(self, place: str, allowed: AllowList, name: str) -> Outgoing:
        """Return the request to `place`, which is checked as the first URL was.

        Raises:
            ProtocolError: It leads to where no request may go, or from https to http.
        """
        try:
            url = checked_url(str(self.url.join(place)), allowed)
        except (httpx.InvalidURL, ValueError, InvalidInput):
            raise leads_astray(name) from None
        if self.url.scheme == "https" and url.scheme != "https":
            raise leads_astray(name)
        if origin_of(url) == origin_of(self.url):
            return replace(self, url=url)
        headers = {key: value for key, value in self.headers.items() if key in _FOR_ANYBODY}
        return replace(self, url=url, headers=headers, body=b"")


def leads_astray(name: str) -> ProtocolError:
    """Return the failure of a redirect that may not be followed. The place is not shown: it can hold secrets."""
    return ProtocolError(f"{name} sends requests on to an address that may not be reached.")


def build(
    method: str,
    url: httpx.URL,
    *,
    headers: Mapping[str, str],
    params: Mapping[str, str],
    json: object,
    content: bytes | None,
    form: Mapping[str, str] | None,
    basic_auth: tuple[str, str] | None,
    repeatable: bool | None,
    name: str,
) -> Outgoing:
    """Return the request of these parts; see `institutions.http.HttpClient.request`.

    Raises:
        InvalidInput: A login or header holds what cannot be sent.
        ValueError: The caller is at fault: two bodies, or a header that is not the caller's to set.
    """
    method = method.upper()
    if sum(part is not None for part in (json, content, form)) > 1:
        raise ValueError("a request has one body: json, content or form")
    given = {key.lower(): value for key, value in headers.items()}
    if forbidden := given.keys() & _OURS:
        raise ValueError(f"the client decides about {', '.join(sorted(forbidden))}")
    if basic_auth is not None:
        given["authorization"] = _basic(*basic_auth, name)
    if not all(value.isascii() and value.isprintable() for value in given.values()):
        raise InvalidInput(f"A login for {name} has characters that cannot be sent; check it for stray ones.")
    try:
        whole = httpx.Request(
            method, url, headers=given, json=json, data=None if form is None else dict(form), content=content
        )
    except UnicodeEncodeError:
        raise InvalidInput(f"What is to be sent to {name} has characters that cannot be sent.") from None
    sent = {key: value for key, value in whole.headers.items() if key not in _OURS}
    target = url.copy_merge_params(dict(params)) if params else url
    return Outgoing(method, target, sent, whole.read(), method in SAFE_METHODS if repeatable is None else repeatable)


def _basic(login: str, password: str, name: str) -> str:
    """Return the value of `Authorization` (RFC 7617, in UTF-8)."""
    if ":" in login:
        raise InvalidInput(f"The login for {name} may not hold a colon.", field="login")
    try:
        both = f"{login}:{password}".encode()
    except UnicodeEncodeError:
        raise InvalidInput(f"The login for {name} has characters that cannot be sent.", field="login") from None
    return "Basic " + base64.b64encode(both).decode()
