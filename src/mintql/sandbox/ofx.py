"""The sandbox bank over OFX Direct Connect: one address that takes OFX 1 in SGML and OFX 2 in XML.

The same people, accounts and scenarios as over the bank's own protocol. What goes wrong is said as an OFX status, as
banks do; only what stands before a bank's OFX server (a limit of requests, a web page) answers in HTTP.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Sequence

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from mintql.sandbox.bank import Bank, is_gone
from mintql.sandbox.errors import BankError, bad_request
from mintql.sandbox.ofx_markup import VERSIONS, Element, Part, read_request, write_answer
from mintql.sandbox.ofx_profile import CHANGED_AT, FID, ORG, accounts, profile
from mintql.sandbox.ofx_statements import GENERAL_ERROR, Desk, StatementError, moment, statement
from mintql.sandbox.requests import BODY_LIMIT_BYTES
from mintql.sandbox.scenarios import GARBAGE, RETRY_AFTER_SECONDS, Scenarios, applies, be_slow

CONTENT_TYPE = "application/x-ofx"
ANONYMOUS = "anonymous"
LOGIN_CHARACTERS_MAX = 128

UNSUPPORTED_VERSION, MAINTENANCE = 2021, 13505
CHANGE_PASSWORD, REFUSED, TOKEN_EXPIRED = 15000, 15500, 15516
UP_TO_DATE = 1

_CALLS = {"ACCTINFOTRNRQ": "accounts", "STMTTRNRQ": "transactions", "CCSTMTTRNRQ": "transactions"}
"""What the scenarios call the requests of a message set."""

Status = tuple[int, str]


def ofx_routes(bank: Bank, password: str) -> list[Route]:
    """Return the route of the OFX server."""
    server = _Server(bank, password)
    return [Route("/ofx", server.answer, methods=["POST"])]


class _Server:
    def __init__(self, bank: Bank, password: str) -> None:
        self._bank = bank
        self._password = password

    async def answer(self, request: Request) -> Response:
        try:
            version, asked = read_request(await _body(request))
            who = _signed_on(asked)
        except BankError as error:
            return PlainTextResponse(error.message, status_code=error.status)
        url = str(request.url.replace(query=""))
        if who is None:  # Nobody's name, so nobody's scenarios.
            parts = self._answers(version, asked, url, "", {}, (REFUSED, "Anonymous asks for the profile only"))
            return _ofx(version, parts)
        login = who.value("USERID")
        scenarios = await run_in_threadpool(self._bank.store.scenarios, login)
        await be_slow(scenarios)
        replaced = _replaced(scenarios, asked)
        if replaced is not None:
            return replaced
        refused = self._refusal(who, scenarios)
        parts = await run_in_threadpool(self._answers, version, asked, url, login, scenarios, refused)
        return _ofx(version, parts)

    def _refusal(self, who: Element, scenarios: Scenarios) -> Status | None:
        """Return why a sign-on is refused, None when it is not."""
        if applies(scenarios, "outage", "login"):
            return MAINTENANCE, "The bank is out of order, try again later"
        if not secrets.compare_digest(who.value("USERPASS").encode(), self._password.encode()):
            return REFUSED, "Login or password is wrong"
        if "login_expired" in scenarios:
            return CHANGE_PASSWORD, "Change your password at the bank's own page first"
        if "consent_expired" in scenarios:
            return TOKEN_EXPIRED, "The permission to read the accounts has run out"
        return None

    def _answers(
        self, version: int, asked: Element, url: str, login: str, scenarios: Scenarios, refused: Status | None
    ) -> list[Part]:
        """Answer the sign-on, and each request beside it; a refused sign-on refuses them all but the profile."""
        if version not in VERSIONS:
            refused = (UNSUPPORTED_VERSION, "Unsupported version")
        only_profile = all(child.name in ("SIGNONMSGSRQV1", "PROFMSGSRQV1") for child in asked.children)
        sign_on_refused = None if not login and only_profile and version in VERSIONS else refused
        parts = [self._sign_on(login, sign_on_refused)]
        for message_set in asked.children[1:]:
            answers: list[Part] = []
            for wrapper in message_set.children:
                answer = self._wrapped(version, wrapper, url, login, scenarios, refused)
                answers += [answer, answer] if _comes_twice(wrapper, scenarios) else [answer]
            parts.append((message_set.name.replace("MSGSRQ", "MSGSRS"), answers))
        return parts

    def _sign_on(self, login: str, refused: Status | None) -> Part:
        told: list[Part] = [
            _status(refused),
            ("DTSERVER", moment(self._bank.clock(login))),
            ("LANGUAGE", "ENG"),
            ("DTPROFUP", CHANGED_AT),
            ("DTACCTUP", CHANGED_AT),
            ("FI", [("ORG", ORG), ("FID", FID)]),
        ]
        return ("SIGNONMSGSRSV1", [("SONRS", told)])

    def _wrapped(
        self, version: int, wrapper: Element, url: str, login: str, scenarios: Scenarios, refused: Status | None
    ) -> Part:
        """Return the answer to one request in its wrapper, with the request's id."""
        name = wrapper.name.removesuffix("RQ") + "RS"
        cookie = wrapper.value("CLTCOOKIE")
        about: list[Part] = [("TRNUID", wrapper.value("TRNUID") or "0")]
        beside: list[Part] = [("CLTCOOKIE", cookie)] if cookie else []
        body: list[Part] = []
        status: Status | None = refused if wrapper.name != "PROFTRNRQ" or version not in VERSIONS else None
        if status is None:
            try:
                body = self._body(version, wrapper, url, login, scenarios)
            except StatementError as error:
                status = (error.code, error.message)
        return (name, [*about, _status(status), *beside, *body])

    def _body(self, version: int, wrapper: Element, url: str, login: str, scenarios: Scenarios) -> list[Part]:
        call = _CALLS.get(wrapper.name, "")
        if applies(scenarios, "outage", call) and call:
            raise StatementError(GENERAL_ERROR, "The bank is out of order, try again later")
        if "not_ready" in scenarios and call == "transactions":
            raise StatementError(GENERAL_ERROR, "The statement is still being prepared, try again later")
        asked = wrapper.child("PROFRQ", "ACCTINFORQ", "STMTRQ", "CCSTMTRQ")
        if asked is None:
            raise StatementError(GENERAL_ERROR, "This request is not supported")
        if asked.name == "PROFRQ":
            if asked.value("DTPROFUP")[:8] > CHANGED_AT[:8]:
                raise StatementError(UP_TO_DATE, "Client is up to date")
            return [profile(version, url)]
        ledger = self._bank.ledger(login)
        if asked.name == "ACCTINFORQ":
            if asked.value("DTACCTUP")[:8] > CHANGED_AT[:8]:
                return [("ACCTINFORS", [("DTACCTUP", CHANGED_AT)])]
            return [accounts(ledger)]
        gone = [account.account_id for account in ledger.accounts.values() if is_gone(scenarios, account)]
        return [statement(Desk(ledger, self._bank.clock(login), version, scenarios, gone), asked)]


def _signed_on(asked: Element) -> Element | None:
    """Return the sign-on of a request, None for one that says that nobody asks.

    Raises:
        BankError: Status 400: none, or without what the specification requires.
    """
    first = asked.children[0] if asked.children else None
    who = first.child("SONRQ") if first is not None and first.name == "SIGNONMSGSRQV1" else None
    if who is None:
        raise bad_request("An OFX request begins with a sign-on.")
    missing = [
        name for name in ("DTCLIENT", "LANGUAGE", "APPID", "APPVER", "USERID", "USERPASS") if not who.value(name)
    ]
    if missing:
        raise bad_request(f"The sign-on lacks {', '.join(missing)}.")
    login = who.value("USERID")
    if login.startswith(ANONYMOUS) and not login.removeprefix(ANONYMOUS).strip("0"):
        return None
    if len(login) > LOGIN_CHARACTERS_MAX or not login.isprintable() or " " in login or "/" in login:
        raise bad_request(f"USERID must be 1 to {LOGIN_CHARACTERS_MAX} characters without spaces or slashes.")
    return who


def _replaced(scenarios: Scenarios, asked: Element) -> Response | None:
    """Return what comes in place of OFX: from what stands before the OFX server, or a web page by mistake."""
    if "rate_limited" in scenarios:
        seconds = scenarios["rate_limited"].get("retry_after", RETRY_AFTER_SECONDS)
        return PlainTextResponse("Too many requests.", status_code=429, headers={"retry-after": str(seconds)})
    if "payment_required" in scenarios:
        return PlainTextResponse("Direct Connect has to be paid for.", status_code=402)
    calls = {"login", *(_CALLS[one.name] for one in asked.walk() if one.name in _CALLS)}
    if any(applies(scenarios, "garbage", call) for call in calls):
        return Response(GARBAGE, media_type="text/html")
    return None


def _comes_twice(wrapper: Element, scenarios: Scenarios) -> bool:
    return "duplicate_page" in scenarios and _CALLS.get(wrapper.name) == "transactions"


def _status(refused: Status | None) -> Part:
    code, message = refused or (0, "")
    severity = "INFO" if code in (0, UP_TO_DATE) else "ERROR"
    words: Sequence[Part] = [("MESSAGE", message)] if message else []
    return ("STATUS", [("CODE", str(code)), ("SEVERITY", severity), *words])


def _ofx(version: int, parts: Sequence[Part]) -> Response:
    spoken = version if version in VERSIONS else 103
    return Response(write_answer(spoken, parts, str(uuid.uuid4()).upper()), media_type=CONTENT_TYPE)


async def _body(request: Request) -> bytes:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != CONTENT_TYPE:
        raise bad_request(f"Send the request as {CONTENT_TYPE}.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_LIMIT_BYTES:
            raise BankError(413, "too_large", f"A body may have {BODY_LIMIT_BYTES} bytes at most.")
    return bytes(body)
