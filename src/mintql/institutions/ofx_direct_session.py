"""Asking one OFX server on behalf of one person: requests out, judged answers back."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from mintql.domain.errors import InstitutionFailure, ProtocolError
from mintql.institutions.base import Spend
from mintql.institutions.files.ofx_document import Document, account_of
from mintql.institutions.http import HttpAnswer, HttpClient
from mintql.institutions.ofx_direct_answers import http_failure, is_ofx, parse_answer
from mintql.institutions.ofx_direct_pages import holders_of
from mintql.institutions.ofx_direct_request import (
    CONTENT_TYPE,
    Part,
    SignOn,
    StatementQuery,
    accounts_query,
    profile_query,
    statement_query,
    write_request,
)
from mintql.institutions.ofx_direct_status import answer_failure, sign_on_failure

DEADLINE_SECONDS = 45.0
"""OFX servers gather statements from slow systems behind them: longer than a web page may take."""
BODY_LIMIT_BYTES = 16 * 1024 * 1024
"""A row takes about 300 bytes: more than anybody's half year."""

HEADERS = {
    "content-type": CONTENT_TYPE,
    "accept": f"*/*, {CONTENT_TYPE}, application/xml;q=0.9",
    "user-agent": "InetClntApp/3.0",
}
"""Servers turn away programs that they do not know; this is what the programs they were built for send."""

Clock = Callable[[], datetime]


def new_id() -> str:
    """Return a random UUID as OFX writes it."""
    return str(uuid.uuid4()).upper()


class AccountRefused(Exception):  # noqa: N818
    """The sign-on was accepted, but the request about one account was not."""

    def __init__(self, failure: InstitutionFailure) -> None:
        super().__init__(failure.message)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that is OFX: its bytes, and the tree that they hold."""

    content: bytes
    content_type: str
    document: Document


@dataclass(slots=True, repr=False)
class Session:
    """One person's conversation with one server. `urls` by message set, `url` for those not in it."""

    http: HttpClient
    url: str
    sign_on: SignOn
    version: int
    called: str
    clock: Clock
    spend: Spend
    deadline_seconds: float = DEADLINE_SECONDS
    urls: dict[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Session(called={self.called!r}, version={self.version})"

    async def profile(self) -> Answer:
        """Ask for the profile, without saying who asks."""
        return await self._ask("", self.sign_on.anonymous(), profile_query(new_id()))

    async def accounts(self) -> Answer:
        """Ask for the list of accounts.

        The sign-on, and whether there is a list, are left to the caller to judge.
        """
        return await self._ask("SIGNUP", self.sign_on, accounts_query(new_id()))

    async def statement(self, query: StatementQuery) -> Answer:
        """Ask for one account's statement.

        Raises:
            AccountRefused: The server answered, but not with a statement of this account.
            InstitutionFailure: The sign-on was refused, or there was no answer in OFX.
        """
        part = statement_query(new_id(), query)
        answer = await self._ask(_message_set(part), self.sign_on, part)
        self.check_sign_on(answer.document)
        refused = answer_failure(answer.document, self.called, self.secrets)
        asked = query.account.account_id
        if refused is None and all(account_of(one).account_id != asked for one in holders_of(answer.document)):
            refused = ProtocolError(f"{self.called} answered without a statement of the account.")
        if refused is not None:
            raise AccountRefused(refused)
        return answer

    async def statements(self, queries: Sequence[StatementQuery]) -> Answer:
        """Ask for the statements of several accounts at once; accounts that are refused are left to the caller.

        Raises:
            InstitutionFailure: The sign-on or every account was refused, or there was no answer in OFX.
        """
        together: dict[str, list[Part]] = {}
        for query in queries:
            name, inside = statement_query(new_id(), query)
            together.setdefault(name, []).extend(part for part in inside if not isinstance(part, str))
        parts: list[Part] = list(together.items())
        answer = await self._ask(_message_set(parts[0]), self.sign_on, *parts)
        self.check_sign_on(answer.document)
        if not holders_of(answer.document):
            refused = answer_failure(answer.document, self.called, self.secrets)
            raise refused or ProtocolError(f"{self.called} answered without a statement.")
        return answer

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no message may repeat."""
        return (self.sign_on.password, self.sign_on.login)

    def check_sign_on(self, document: Document) -> None:
        """Raise the failure that the sign-on's status stands for; keep the cookie that was given."""
        failure = sign_on_failure(document, self.called, self.secrets)
        if failure is not None:
            raise failure
        cookie = next((one.value("SESSCOOKIE") for one in document.root.walk() if one.name == "SONRS"), "")
        if cookie.isprintable():
            self.sign_on = replace(self.sign_on, cookie=cookie)

    async def _ask(self, message_set: str, sign_on: SignOn, *parts: Part) -> Answer:
        now = self.clock()
        request = write_request(self.version, sign_on, parts, now, new_id())
        await self.spend()
        answer: HttpAnswer = await self.http.request(
            "POST",
            self.urls.get(message_set, self.url),
            content=request,
            headers=HEADERS,
            deadline_seconds=self.deadline_seconds,
            body_limit_bytes=BODY_LIMIT_BYTES,
            repeatable=True,  # A read, whatever its method; asking twice changes nothing at the bank.
            called=self.called,
        )
        # Some servers send the OFX that says why along with an HTTP error.
        failure = None if is_ofx(answer.content) else http_failure(answer, self.called, now)
        if failure is not None:
            raise failure
        document = await asyncio.to_thread(parse_answer, answer.content, self.called)
        return Answer(answer.content, answer.content_type or CONTENT_TYPE, document)


def _message_set(part: Part) -> str:
    return part[0].removesuffix("MSGSRQV1")
