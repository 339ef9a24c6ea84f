"""The four calls to a SimpleFIN server that a program makes, and what its answers' statuses mean."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from mintql.domain.errors import (
    AuthRequired,
    InstitutionDown,
    InstitutionFailure,
    InstitutionRateLimited,
    InvalidInput,
    PaymentRequired,
    ProtocolError,
)
from mintql.institutions import simplefin_fields as read
from mintql.institutions.http import HttpAnswer, HttpClient
from mintql.institutions.simplefin_access import URL_LENGTH_MAX, Access, Claim, read_access_url
from mintql.institutions.simplefin_errors import TOKEN_ACTION, revoked

DEADLINE_SECONDS = 60.0
"""A bridge asks many banks before it answers."""
INFO_BYTES_MAX = 64 * 1024
RETRY_AFTER_SECONDS = 3_600
"""When to come back where a server does not say: the shortest interval between two refreshes."""
RETRY_AFTER_SECONDS_MAX = 86_400
VERSIONS = ("2", "1")
"""The versions that are read, the best first."""

HTTP_OK, HTTP_REDIRECT, HTTP_BAD_REQUEST, HTTP_SERVER_ERROR = 200, 300, 400, 500
HTTP_UNAUTHORIZED, HTTP_PAYMENT_REQUIRED, HTTP_FORBIDDEN, HTTP_NOT_FOUND, HTTP_TOO_MANY = 401, 402, 403, 404, 429


class SimpleFinServer:
    """One access to one server."""

    def __init__(self, http: HttpClient, access: Access, deadline_seconds: float = DEADLINE_SECONDS) -> None:
        self._http = http
        self._access = access
        self._deadline_seconds = deadline_seconds
        self.called = f"The SimpleFIN server {access.host}"

    @classmethod
    async def claim(
        cls, http: HttpClient, claim: Claim, allowed_url: str = "", deadline_seconds: float = DEADLINE_SECONDS
    ) -> Access:
        """Exchange a setup token for an access. It is asked for once, whatever happens: a token works once.

        Raises:
            InvalidInput: The token leads to an address that may not be reached.
            AuthRequired: The token was claimed before, or never was one.
            InstitutionFailure: The server did not answer, or not with an access URL.
        """
        called = f"The SimpleFIN server {claim.host}"
        try:
            answer = await http.request(
                "POST", claim.url, content=b"", repeatable=False, redirects_max=0, deadline_seconds=deadline_seconds,
                body_limit_bytes=INFO_BYTES_MAX, called=called,
            )  # fmt: skip
        except InvalidInput as refusal:
            raise InvalidInput(refusal.message, field="password") from None
        except InstitutionDown as down:
            advice = "If the token is refused when you try again, disable it there and make a new one."
            raise InstitutionDown(f"{down.message} {advice}", retry_at=down.retry_at) from None
        if answer.status != HTTP_OK:
            raise _claim_failure(answer, called)
        try:
            text = answer.content.decode("ascii").strip()
            return read_access_url(text if len(text) <= URL_LENGTH_MAX else "", allowed_url)
        except (ValueError, InvalidInput):
            raise _with_token_action(
                ProtocolError(
                    f"{called} answered with something that is no access URL beginning with https://. The token is "
                    "used up: disable it there and make a new one."
                )
            ) from None

    async def version(self) -> str:
        """Return the best version both sides know, as `GET /info` tells; nothing where it tells none.

        Raises:
            ProtocolError: The server speaks only versions that are not read.
        """
        try:
            answer = await self._http.request(
                "GET", self._access.url + "/info", deadline_seconds=self._deadline_seconds,
                body_limit_bytes=INFO_BYTES_MAX, called=self.called,
            )  # fmt: skip
        except InvalidInput as refusal:
            raise InvalidInput(refusal.message, field="password") from None
        if answer.status != HTTP_OK:
            return ""
        try:
            said = read.load_object(answer.content).get("versions")
        except ProtocolError:
            return ""
        told = said if isinstance(said, list) else []
        majors = {item.partition(".")[0].strip() for item in told if isinstance(item, str)}
        best = next((version for version in VERSIONS if version in majors), "")
        if majors and not best:
            others = ", ".join(sorted(map(read.spoken, majors))[:5])
            raise ProtocolError(f"{self.called} speaks version {others} of the protocol; 1 and 2 are read here.")
        return best

    async def accounts(self, version: str, params: Mapping[str, str], *, probe: bool = False) -> bytes:
        """Return the account set that these parameters ask for; `probe`: a failure is about what was just entered.

        A server is told that version 2 is understood unless it said that it speaks 1 only.
        """
        asked = {**params, **({} if version == "1" else {"version": "2"})}
        try:
            answer = await self._http.request(
                "GET", self._access.url + "/accounts", params=asked, deadline_seconds=self._deadline_seconds,
                basic_auth=(self._access.login, self._access.password), called=self.called,
            )  # fmt: skip
        except InvalidInput as refusal:
            if probe:
                raise InvalidInput(refusal.message, field="password") from None
            raise revoked(refusal.message) from None
        if answer.status != HTTP_OK:
            raise self._failure(answer)
        return answer.content

    def _failure(self, answer: HttpAnswer) -> InstitutionFailure:
        """Return the failure that an answer other than 200 stands for, in words for the person."""
        if answer.status in (HTTP_UNAUTHORIZED, HTTP_FORBIDDEN):
            return revoked(f"{self.called} no longer lets this access in: it was disabled there, or is wrong.")
        return _common_failure(answer, self.called)


def _claim_failure(answer: HttpAnswer, called: str) -> InstitutionFailure:
    if answer.status in (HTTP_FORBIDDEN, HTTP_NOT_FOUND):
        return _with_token_action(
            AuthRequired(
                f"{called} says that this setup token was claimed already, or never existed. If you did not use it "
                "yourself, somebody else may be reading your accounts: disable the token there, and make a new one."
            )
        )
    return _common_failure(answer, called)


def _common_failure(answer: HttpAnswer, called: str) -> InstitutionFailure:
    if answer.status == HTTP_PAYMENT_REQUIRED:
        return PaymentRequired(f"{called} wants its subscription paid before it gives anything.")
    if answer.status == HTTP_TOO_MANY:
        return InstitutionRateLimited(f"{called} was asked too often.", retry_at=_retry_at(answer))
    if answer.status >= HTTP_SERVER_ERROR:
        return InstitutionDown(f"{called} is out of order (status {answer.status}).", retry_at=_told_at(answer))
    if HTTP_REDIRECT <= answer.status < HTTP_BAD_REQUEST:
        return ProtocolError(f"{called} sends to another address, which is not followed.")
    return ProtocolError(f"{called} answered with status {answer.status}; is it a SimpleFIN server?")


def _with_token_action(failure: InstitutionFailure) -> InstitutionFailure:
    failure.action = TOKEN_ACTION
    return failure


def _retry_at(answer: HttpAnswer) -> datetime:
    return _told_at(answer) or datetime.now(UTC) + timedelta(seconds=RETRY_AFTER_SECONDS)


def _told_at(answer: HttpAnswer) -> datetime | None:
    """Return when the server says to come back, in seconds or as a date, within a day; None if it does not say."""
    text, now = answer.headers.get("retry-after", "").strip(), datetime.now(UTC)
    if text.isascii() and text.isdigit():
        return now + timedelta(seconds=min(int(text[:9]), RETRY_AFTER_SECONDS_MAX))
    try:
        told = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    told = told if told.tzinfo else told.replace(tzinfo=UTC)
    return min(max(told, now), now + timedelta(seconds=RETRY_AFTER_SECONDS_MAX))
