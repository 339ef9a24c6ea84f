"""What an OFX server answered, judged before anything is read from it: HTTP, markup, profile, list of accounts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from mintql.domain.errors import (
    AuthRequired,
    InstitutionDown,
    InstitutionFailure,
    InstitutionRateLimited,
    InvalidInput,
    PaymentRequired,
    ProtocolError,
)
from mintql.domain.institutions import AccountKind
from mintql.institutions.files.base import FileUnreadable
from mintql.institutions.files.ofx_document import (
    ACCOUNT_AGGREGATES,
    Account,
    Document,
    account_of,
    parse_document,
)
from mintql.institutions.files.ofx_markup import Element
from mintql.institutions.files.rows import clean
from mintql.institutions.http import HttpAnswer

ACCOUNTS_MAX = 200
"""More accounts than any person has at one institution."""
NAME_CHARACTERS_MAX = 200
URL_CHARACTERS_MAX = 2048
RETRY_AFTER_SECONDS_MAX = 86_400

HTTP_OK, HTTP_ERROR, HTTP_SERVER_ERROR = 200, 300, 500
HTTP_UNAUTHORIZED, HTTP_PAYMENT, HTTP_FORBIDDEN, HTTP_TOO_MANY = 401, 402, 403, 429

_WEB_PAGE = re.compile(rb"<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_WEB_PAGE_BYTES = 4096

_WHOLE = frozenset(("SONRS", "PROFRS", "ACCTINFORS", "STMTRS", "CCSTMTRS", "INVSTMTRS"))

MESSAGE_SETS = ("SIGNUP", "BANK", "CREDITCARD", "INVSTMT")
"""The message sets that are used here; a profile may give each an address of its own."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What a server says that it can do. `urls` by message set, only where they are given."""

    name: str = ""
    client_id_wanted: bool = False
    pending: bool = False
    urls: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Listed:
    """An account of the list, what it is called, and whether its transactions can be had."""

    account: Account
    name: str
    transactions: bool = True


def parse_answer(content: bytes, called: str) -> Document:
    """Return an answer as a tree.

    Raises:
        ProtocolError: Not OFX, hostile, or cut off before its end.
    """
    try:
        document = parse_document(content)
    except FileUnreadable:
        what = "a web page" if _WEB_PAGE.search(content, 0, _WEB_PAGE_BYTES) else "something"
        raise ProtocolError(f"{called} answered with {what} that is not OFX.") from None
    if document.root.child("OFX") is None:
        raise ProtocolError(f"{called} answered with something that is not OFX.")
    # Some servers leave out the last end tags; what counts is that nothing is cut off inside what is read.
    if any(element.name in _WHOLE and not element.ended for element in document.root.walk()):
        raise ProtocolError(f"{called} broke off in the middle of its answer.")
    return document


def http_failure(answer: HttpAnswer, called: str, now: datetime) -> InstitutionFailure | None:
    """Return the failure that the HTTP status of an answer without OFX stands for, None for a success."""
    status = answer.status
    if HTTP_OK <= status < HTTP_ERROR:
        return None
    if status == HTTP_TOO_MANY:
        return InstitutionRateLimited(f"{called} asked to come back later.", retry_at=_retry_at(answer, now))
    if status == HTTP_PAYMENT:
        return PaymentRequired(f"{called} wants Direct Connect paid for.")
    if status in (HTTP_UNAUTHORIZED, HTTP_FORBIDDEN):
        return AuthRequired(
            f"{called} refused access (HTTP status {status}); Direct Connect may have to be switched on at its website."
        )
    if status >= HTTP_SERVER_ERROR:
        return InstitutionDown(f"{called} is out of order (HTTP status {status}).")
    return ProtocolError(f"{called} answered with HTTP status {status}; the address may not be its OFX address.")


def is_ofx(content: bytes) -> bool:
    """Tell whether an answer holds OFX, whatever its HTTP status."""
    return b"<OFX>" in content[:_WEB_PAGE_BYTES].upper().replace(b"\0", b"")


def profile_of(document: Document) -> Profile:
    """Return what the profile in an answer says; an empty one where there is none."""
    found = next((element for element in document.root.walk() if element.name == "PROFRS"), None)
    if found is None:
        return Profile()
    inside = list(found.walk())
    return Profile(
        name=clean(_any_value(inside, "FINAME"), 32),
        client_id_wanted=_any_value(inside, "CLIENTUIDREQ").upper() == "Y",
        pending=_any_value(inside, "PENDINGAVAIL").upper() == "Y",
        urls={name: url for name in MESSAGE_SETS if (url := _url_of(inside, name))},
    )


def listed(document: Document) -> tuple[list[Listed], tuple[str, ...]]:
    """Return the accounts of an answer to an account discovery, and what is to be said of those left out."""
    found: dict[str, Listed] = {}
    notices: list[str] = []
    for entry in (element for element in document.root.walk() if element.name == "ACCTINFO"):
        name = clean(entry.value("DESC"), NAME_CHARACTERS_MAX)
        for info in entry.walk():
            if info.child(*ACCOUNT_AGGREGATES) is None:
                continue
            account = account_of(info)
            if account.kind is AccountKind.LOAN and not account.account_type:
                notices.append("Loans are not read over OFX; the other accounts are.")
            elif account.external_id and len(found) < ACCOUNTS_MAX:
                can = info.value("SUPTXDL").upper() != "N"
                found.setdefault(account.external_id, Listed(account, name or name_of(account), can))
    return list(found.values()), tuple(dict.fromkeys(notices))


def typed_accounts(text: str) -> list[Listed]:
    """Read accounts as a person gives them where the server lists none: separated by commas, each written like its id.

    Raises:
        InvalidInput: Not of one to four parts.
    """
    found: list[Listed] = []
    for item in filter(None, (part.strip() for part in text.split(","))):
        parts = [part.strip() for part in item.split("/")]
        if not all(parts) or len(parts) > 4 or len(found) == ACCOUNTS_MAX:  # noqa: PLR2004
            raise InvalidInput(
                "The accounts cannot be read; write 'bank id/number/CHECKING' for accounts, the number alone for "
                "cards, 'broker id/number' for investments, and commas between them.",
                field="accounts",
            )
        found.append(_typed(parts))
    return found


def name_of(account: Account) -> str:
    """Return what an account is called that the institution gives no name."""
    words = {AccountKind.CREDIT_CARD: "Credit card", AccountKind.INVESTMENT: "Investment account"}
    kind = words.get(account.kind) or account.account_type.capitalize() or "Account"
    return f"{kind} {mask_of(account)}".strip()


def mask_of(account: Account) -> str:
    """Return the last four characters of the account's number, nothing for shorter ones."""
    return account.account_id[-4:] if len(account.account_id) > 4 else ""  # noqa: PLR2004


def _typed(parts: list[str]) -> Listed:
    if len(parts) == 1:
        account = Account("", "", parts[0], "", AccountKind.CREDIT_CARD)
    elif len(parts) == 2:  # noqa: PLR2004
        account = Account(parts[0], "", parts[1], "", AccountKind.INVESTMENT)
    else:
        holder = Element("BANKACCTFROM", 1)
        holder.values["ACCTTYPE"] = parts[-1]
        kind = account_of(holder).kind
        branch = parts[1] if len(parts) == 4 else ""  # noqa: PLR2004
        account = Account(parts[0], branch, parts[-2], parts[-1].upper(), kind)
    return Listed(account, name_of(account))


def _url_of(inside: list[Element], message_set: str) -> str:
    """Return the address of a message set; only one under TLS is taken, since the password goes there."""
    for element in inside:
        if element.name == f"{message_set}MSGSETV1":
            url = _any_value(list(element.walk()), "URL")
            if url.lower().startswith("https://") and len(url) <= URL_CHARACTERS_MAX:
                return url
    return ""


def _any_value(inside: list[Element], name: str) -> str:
    return next((element.value(name) for element in inside if element.value(name)), "")


def _retry_at(answer: HttpAnswer, now: datetime) -> datetime | None:
    text = answer.headers.get("retry-after", "")
    if not (text.isascii() and text.isdigit()):
        return None
    return now.astimezone(UTC) + timedelta(seconds=min(int(text[:9]), RETRY_AFTER_SECONDS_MAX))
