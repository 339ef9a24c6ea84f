"""Asking Plaid: one POST with the server's keys in headers, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mintql.domain.errors import InstitutionFailure, ProtocolError
from mintql.institutions import plaid_errors
from mintql.institutions.http import HttpAnswer, HttpClient
from mintql.institutions.plaid_errors import PlaidError
from mintql.institutions.plaid_fields import load_object

NAME = "Plaid"
API_VERSION = "2020-09-14"
DEADLINE_SECONDS = 30.0
"""Plaid answers from what it has gathered; what takes longer than this has gone wrong."""

HTTP_OK = 200


@dataclass(frozen=True, slots=True, repr=False)
class PlaidAnswer:
    """A complete answer. `error` is what Plaid says is wrong, empty where nothing is."""

    http: HttpAnswer
    error: PlaidError

    @property
    def ok(self) -> bool:
        """Whether it is the answer that was asked for."""
        return self.http.status == HTTP_OK

    @property
    def failure(self) -> InstitutionFailure:
        """What the answer means, where it is not the one asked for."""
        retry_after = self.http.headers.get("retry-after", "")
        return plaid_errors.failure(self.error, status=self.http.status, retry_after=retry_after)

    def content(self) -> bytes:
        """Return the body; raise the failure that stands in its place."""
        if not self.ok:
            raise self.failure
        return self.http.content

    def fields(self) -> Mapping[str, Any]:
        """Return the body as an object; raise the failure that stands in its place."""
        return load_object(self.content())


class PlaidClient:
    """Knows address and keys. Tokens of items travel in bodies, which are never logged, and not in URLs."""

    def __init__(
        self, http: HttpClient, url: str, client_id: str, secret: str, *, deadline_seconds: float = DEADLINE_SECONDS
    ) -> None:
        self._http = http
        self._url = url.rstrip("/")
        self._headers = {"PLAID-CLIENT-ID": client_id, "PLAID-SECRET": secret, "Plaid-Version": API_VERSION}
        self._deadline_seconds = deadline_seconds

    async def ask(self, path: str, body: Mapping[str, Any], *, repeatable: bool = True) -> PlaidAnswer:
        """Send a request and return the answer, whatever it is.

        All that only reads may be sent again when the connection broke; what uses up a token may not.

        Raises:
            InstitutionDown: No answer in time.
            ProtocolError: An answer out of bounds.
        """
        answer = await self._http.request(
            "POST",
            self._url + path,
            headers=self._headers,
            json=dict(body),
            deadline_seconds=self._deadline_seconds,
            repeatable=repeatable,
            circuit="plaid",
            called=NAME,
        )
        return PlaidAnswer(answer, PlaidError() if answer.status == HTTP_OK else _error(answer))


def _error(answer: HttpAnswer) -> PlaidError:
    try:
        return plaid_errors.read_error(load_object(answer.content))
    except ProtocolError:
        return PlaidError()
