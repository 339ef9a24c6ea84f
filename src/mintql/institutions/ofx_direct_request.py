"""Requests of OFX Direct Connect as bytes: SGML for OFX 1, XML for OFX 2. Pure: time and ids come in.

Sources: Open Financial Exchange 1.0.3 and 2.2, chapters 2 (headers, escapes, sign-on), 7 (profile), 8 (accounts),
11 (bank and card statements) and 13 (investment statements). Names of elements are ours and every value is
escaped, so that nothing a person or a bank wrote can become markup.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from mintql.domain.errors import InvalidInput
from mintql.domain.institutions import AccountKind
from mintql.institutions.files.ofx_document import Account

VERSION_XML_MIN = 200
VERSION_CLIENT_ID_MIN = 103
"""CLIENTUID came with 1.0.3."""
VERSION_PENDING_MIN = 220
"""INCLUDEPENDING came with 2.2."""

ANONYMOUS = "anonymous00000000000000000000000"
"""Login and password of a request for the profile alone (section 2.5.1: `anonymous` filled up to 32 characters)."""
LANGUAGE = "ENG"
SINCE_EVER = "19900101"
"""A day before any profile or list of accounts was changed: everything is asked for."""

CONTENT_TYPE = "application/x-ofx"

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})

Part = tuple[str, str | Sequence["Part"]]
"""An element: its name, and its text or the elements in it."""


@dataclass(frozen=True, slots=True, repr=False)
class SignOn:
    """Who asks. `repr` shows no secret. `cookie` is what the server gave to be given back (SESSCOOKIE)."""

    login: str
    password: str
    org: str
    fid: str
    app_id: str
    app_version: str
    client_id: str = ""
    cookie: str = ""

    def __repr__(self) -> str:
        return f"SignOn(org={self.org!r}, fid={self.fid!r}, login=..., password=...)"

    def anonymous(self) -> SignOn:
        """Return the same without what tells the person."""
        return SignOn(ANONYMOUS, ANONYMOUS, self.org, self.fid, self.app_id, self.app_version)


@dataclass(frozen=True, slots=True)
class StatementQuery:
    """The account and the days asked for; no `first`: the balance alone, no `last`: up to now."""

    account: Account
    first: date | None = None
    last: date | None = None
    pending: bool = False


def write_request(version: int, sign_on: SignOn, message_sets: Sequence[Part], now: datetime, request_id: str) -> bytes:
    """Return a whole request. `now` is aware; `request_id` is a UUID, told in the header.

    Raises:
        InvalidInput: Login, password or another value cannot be written in this version's characters.
    """
    body: Part = ("OFX", [_sign_on(version, sign_on, now), *message_sets])
    if version >= VERSION_XML_MIN:
        head = (
            '<?xml version="1.0" encoding="UTF-8" standalone="no"?>\r\n'
            f'<?OFX OFXHEADER="200" VERSION="{version}" SECURITY="NONE" OLDFILEUID="NONE" NEWFILEUID="{request_id}"?>'
        )
        return "\r\n".join([head, *_write(body, close_leaves=True), ""]).encode()
    fields = ("OFXHEADER:100", "DATA:OFXSGML", f"VERSION:{version}", "SECURITY:NONE", "ENCODING:USASCII",
              "CHARSET:1252", "COMPRESSION:NONE", "OLDFILEUID:NONE", f"NEWFILEUID:{request_id}", "")  # fmt: skip
    text = "\r\n".join([*fields, *_write(body, close_leaves=False), ""])
    try:
        return text.encode("cp1252")
    except UnicodeEncodeError:
        raise InvalidInput(
            f"Login or password holds a character that OFX {version} cannot carry; "
            "use Latin letters, digits and signs, or set the version to 203.",
            field="password",
        ) from None


def profile_query(request_id: str) -> Part:
    """Ask what the server can do."""
    asked: Part = ("PROFRQ", [("CLIENTROUTING", "NONE"), ("DTPROFUP", SINCE_EVER)])
    return _message("PROF", "PROF", request_id, asked)


def accounts_query(request_id: str) -> Part:
    """Ask for the person's accounts."""
    return _message("SIGNUP", "ACCTINFO", request_id, ("ACCTINFORQ", [("DTACCTUP", SINCE_EVER)]))


def statement_query(request_id: str, query: StatementQuery) -> Part:
    """Ask for one account's balance and, where days are given, its transactions."""
    account = query.account
    days = _days(query)
    pending: list[Part] = [("INCLUDEPENDING", "Y")] if query.pending else []
    if account.kind is AccountKind.CREDIT_CARD:
        return _message("CREDITCARD", "CCSTMT", request_id, ("CCSTMTRQ", [_account(account), *days, *pending]))
    if account.kind is AccountKind.INVESTMENT:
        positions: list[Part] = [("INCOO", "N"), ("INCPOS", [("INCLUDE", "Y")]), ("INCBAL", "Y")]
        return _message("INVSTMT", "INVSTMT", request_id, ("INVSTMTRQ", [_account(account), *days, *positions]))
    return _message("BANK", "STMT", request_id, ("STMTRQ", [_account(account), *days, *pending]))


def check_value(text: str, field: str, length_max: int) -> str:
    """Return a value that may stand in a request, without surrounding space.

    Raises:
        InvalidInput: Too long, or with line breaks or other control characters. The message shows no value.
    """
    value = text.strip()
    if len(value) > length_max:
        raise InvalidInput(
            f"The {field} has more than {length_max} characters; no institution gives these.", field=field
        )
    if _CONTROL.search(value):
        raise InvalidInput(f"The {field} holds a line break or control character; type it anew.", field=field)
    return value


def _sign_on(version: int, who: SignOn, now: datetime) -> Part:
    fi: list[Part] = [("FI", [("ORG", who.org), *_given("FID", who.fid)])] if who.org else []
    client_id = who.client_id if version >= VERSION_CLIENT_ID_MIN else ""
    inside: list[Part] = [
        ("DTCLIENT", f"{now.astimezone(UTC):%Y%m%d%H%M%S}"),
        ("USERID", who.login),
        ("USERPASS", who.password),
        ("LANGUAGE", LANGUAGE),
        *fi,
        *_given("SESSCOOKIE", who.cookie),
        ("APPID", who.app_id),
        ("APPVER", who.app_version),
        *_given("CLIENTUID", client_id),
    ]
    return ("SIGNONMSGSRQV1", [("SONRQ", inside)])


def _message(message_set: str, transaction: str, request_id: str, asked: Part) -> Part:
    return (f"{message_set}MSGSRQV1", [(f"{transaction}TRNRQ", [("TRNUID", request_id), asked])])


def _days(query: StatementQuery) -> list[Part]:
    """Return INCTRAN. Both ends carry a time: some servers take a bare last day for its midnight, and leave it out."""
    if query.first is None:
        return [("INCTRAN", [("INCLUDE", "N")])]
    last: list[Part] = [("DTEND", f"{query.last:%Y%m%d}235959")] if query.last is not None else []
    return [("INCTRAN", [("DTSTART", f"{query.first:%Y%m%d}000000"), *last, ("INCLUDE", "Y")])]


def _account(account: Account) -> Part:
    if account.kind is AccountKind.CREDIT_CARD:
        return ("CCACCTFROM", [("ACCTID", account.account_id)])
    if account.kind is AccountKind.INVESTMENT:
        return ("INVACCTFROM", [("BROKERID", account.bank_id), ("ACCTID", account.account_id)])
    return (
        "BANKACCTFROM",
        [
            ("BANKID", account.bank_id),
            *_given("BRANCHID", account.branch_id),
            ("ACCTID", account.account_id),
            ("ACCTTYPE", account.account_type or "CHECKING"),
        ],
    )


def _given(name: str, text: str) -> list[Part]:
    return [(name, text)] if text else []


def _write(part: Part, *, close_leaves: bool) -> list[str]:
    name, content = part
    if isinstance(content, str):
        if _CONTROL.search(content):
            raise ValueError(f"{name} holds a control character, which was to be checked before")
        return [f"<{name}>{content.translate(_ESCAPES)}" + (f"</{name}>" if close_leaves else "")]
    inside = [line for child in content for line in _write(child, close_leaves=close_leaves)]
    return [f"<{name}>", *inside, f"</{name}>"]
