"""The connector to the sandbox bank, whose protocol is described in `docs/sandbox-bank.md`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

import orjson

from mintql.domain.errors import (
    AccountGone,
    AuthRequired,
    ConsentExpired,
    InstitutionDown,
    InstitutionFailure,
    InstitutionRateLimited,
    InvalidInput,
    NotReady,
    PaymentRequired,
    ProtocolError,
    WindowTooLarge,
)
from mintql.domain.institutions import ParsedPage
from mintql.institutions.base import (
    AccountFailure,
    Capabilities,
    CredentialField,
    Credentials,
    FetchRequest,
    RawPage,
    Spend,
    spend_freely,
)
from mintql.institutions.http import HttpAnswer, HttpClient
from mintql.institutions.sandbox_pages import next_page, parse_page

PAGE_ROWS = 500
DEADLINE_SECONDS = 20.0
RETRY_AFTER_SECONDS_MAX = 3600

HTTP_OK, HTTP_UNAUTHORIZED, HTTP_TOO_MANY, HTTP_SERVER_ERROR = 200, 401, 429, 500

_FAILURES: dict[str, tuple[type[InstitutionFailure], str]] = {
    "bad_credentials": (AuthRequired, "refused this login or password"),
    "login_expired": (AuthRequired, "says that the login has expired"),
    "consent_expired": (ConsentExpired, "says that the permission to read the accounts has run out"),
    "payment_required": (PaymentRequired, "wants its subscription paid first"),
    "not_ready": (NotReady, "is still gathering the transactions"),
    "rate_limited": (InstitutionRateLimited, "asked to come back later"),
    "window_too_large": (WindowTooLarge, "does not give as many days at once"),
    "account_not_found": (AccountGone, "no longer knows one of the accounts"),
}
"""What the bank's error codes mean to us; other answers are judged by their status."""


class SandboxConnector:
    """One sandbox bank, at the address the operator set; people do not choose where it is."""

    institution_id = "sandbox"
    name = "Sandbox Bank"
    capabilities = Capabilities(
        window=True,
        pending=True,
        links_pending=True,
        window_days_max=740,
        history_days_max=730,
        refresh_interval_seconds_min=0,
    )

    fields = (
        CredentialField("login", "Login", help="Any name: each is a person of their own."),
        CredentialField("password", "Password", secret=True, help="The word sandbox."),
    )

    def __init__(self, http: HttpClient, url: str, *, deadline_seconds: float = DEADLINE_SECONDS) -> None:
        self._http = http
        self._url = url.rstrip("/")
        self._deadline_seconds = deadline_seconds

    async def connect(self, credentials: Credentials) -> Credentials:
        """Log in once; return the credentials without a URL, since the bank's may move.

        Raises:
            InvalidInput: The URL is not the sandbox bank's.
            AuthRequired: The bank refuses login or password.
            InstitutionFailure: Another one, as for `fetch`.
        """
        if credentials.url.strip() and _origin(credentials.url.strip()) != _origin(self._url):
            raise InvalidInput(
                f"The {self.name} is at {self._url}; leave the address empty or give this one.", field="url"
            )
        await self._session(credentials).log_in()
        return replace(credentials, url="")

    async def accounts(self, credentials: Credentials, spend: Spend = spend_freely) -> RawPage:  # noqa: ARG002
        """Return the list of accounts; failures as for `fetch`."""
        session = self._session(credentials)
        await session.log_in()
        return await session.get("/v1/accounts", {})

    async def fetch(self, credentials: Credentials, request: FetchRequest) -> AsyncIterator[RawPage | AccountFailure]:
        """Yield the list of accounts, then the transactions of each account, page by page.

        An account that the bank no longer knows holds up none of the others.

        Raises:
            AuthRequired: Login or password refused, or the login expired at the bank.
            InstitutionDown: The bank is out of order, unreachable or too slow.
            ProtocolError: An answer that is not the protocol.
        """
        session = self._session(credentials)
        await session.log_in()
        listing = await session.get("/v1/accounts", {})
        yield listing
        window = {"from": request.first.isoformat(), "to": request.last.isoformat(), "limit": str(PAGE_ROWS)}
        for account in parse_page(listing.content).accounts:
            try:
                async for page in self._pages(session, account.external_id, window):
                    yield page
            except AccountGone as gone:
                yield AccountFailure(account.external_id, gone)

    async def _pages(self, session: _Session, account_id: str, window: Mapping[str, str]) -> AsyncIterator[RawPage]:
        path = f"/v1/accounts/{quote(account_id, safe='')}/transactions"
        seen: set[str] = set()
        token = ""
        while token not in seen:
            seen.add(token)
            page = await session.get(path, {**window, **({"page": token} if token else {})})
            yield page
            following = next_page(page.content)
            if following is None:
                return
            token = following
        raise ProtocolError(f"The {self.name} gave the same page token twice.")

    def parse(self, content: bytes) -> ParsedPage:
        """Read a page; see `Connector.parse`."""
        return parse_page(content)

    async def disconnect(self, credentials: Credentials) -> None:
        """Do nothing: the bank keeps no access open but tokens that expire within minutes."""

    def _session(self, credentials: Credentials) -> _Session:
        return _Session(self._http, self._url, self.name, credentials, self._deadline_seconds)


class _Session:
    """Calls with a token, which is renewed when it expires on the way."""

    def __init__(
        self, http: HttpClient, url: str, name: str, credentials: Credentials, deadline_seconds: float
    ) -> None:
        self._http = http
        self._url = url
        self._name = name
        self._credentials = credentials
        self._deadline_seconds = deadline_seconds
        self._token = ""

    async def log_in(self) -> None:
        body = {"login": self._credentials.login, "password": self._credentials.password}
        answer = await self._send("POST", "/v1/login", json=body)
        if answer.status != HTTP_OK:
            raise self._failure(answer)
        token = _object(answer).get("token")
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise ProtocolError(f"The {self._name} gave no token at login.")
        self._token = token

    async def get(self, path: str, params: Mapping[str, str]) -> RawPage:
        answer = await self._get(path, params)
        if answer.status == HTTP_UNAUTHORIZED and _code(answer) == "token_expired":
            await self.log_in()
            answer = await self._get(path, params)
        if answer.status != HTTP_OK:
            raise self._failure(answer)
        return RawPage(answer.content, answer.content_type)

    async def _get(self, path: str, params: Mapping[str, str]) -> HttpAnswer:
        return await self._send("GET", path, params=params, headers={"authorization": f"Bearer {self._token}"})

    async def _send(self, method: str, path: str, **rest: Any) -> HttpAnswer:
        url = self._url + path
        called = f"The {self._name}"
        return await self._http.request(method, url, deadline_seconds=self._deadline_seconds, called=called, **rest)

    def _failure(self, answer: HttpAnswer) -> InstitutionFailure:
        """Return the failure that an answer other than 200 stands for, in words for the person."""
        kind, words = _FAILURES.get(_code(answer), (None, ""))
        if kind is not None:
            return kind(f"The {self._name} {words}.", retry_at=_retry_at(answer))
        if answer.status == HTTP_UNAUTHORIZED:
            return AuthRequired(f"The {self._name} did not accept the login.")
        if answer.status == HTTP_TOO_MANY:
            return InstitutionRateLimited(f"The {self._name} asked to come back later.", retry_at=_retry_at(answer))
        if answer.status >= HTTP_SERVER_ERROR:
            return InstitutionDown(f"The {self._name} is out of order (status {answer.status}).")
        return ProtocolError(f"The {self._name} answered with status {answer.status}.")


def _object(answer: HttpAnswer) -> dict[str, Any]:
    try:
        value = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def _code(answer: HttpAnswer) -> str:
    error = _object(answer).get("error")
    return str(error.get("code", "")) if isinstance(error, dict) else ""


def _retry_at(answer: HttpAnswer) -> datetime | None:
    text = answer.headers.get("retry-after", "")
    if not (text.isascii() and text.isdigit()):
        return None
    return datetime.now(UTC) + timedelta(seconds=min(int(text[:9]), RETRY_AFTER_SECONDS_MAX))


def _origin(url: str) -> tuple[str, str | None, int | None] | None:
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return None
    return parts.scheme, parts.hostname, port
