"""What a SimpleFIN server says is wrong: to the person as notices, to us as failures of single accounts.

Version 2 has `errlist`, objects with a code `gen.`, `con.` or `act.` and a subcode; an unknown subcode counts as
none (https://www.simplefin.org/protocol.html, "Error"). Version 1 has `errors`, sentences and nothing else.
Servers that speak both give the same sentence twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from mintql.domain.errors import AuthRequired, ConsentExpired, InstitutionDown, InstitutionFailure, NotReady
from mintql.institutions import simplefin_fields as read
from mintql.institutions.simplefin_fields import Row

NOTICES_MAX = 20
"""Sentences of one answer that are passed on; a person reads no more."""
TOKEN_ACTION = "Make a new setup token at your SimpleFIN server and enter it for this connection."  # noqa: S105
BANK_ACTION = "Log in to this bank again at your SimpleFIN server."

_CAPPED = re.compile(r"\bcapped|exceed|truncated|limited to|too (?:large|long|wide)", re.IGNORECASE)
_LIMIT = re.compile(r"\b(\d{1,4})[ -]days?\b", re.IGNORECASE)
_TOO_OFTEN = re.compile(r"rate.?limit|too many requests|too often|quota|requests per day", re.IGNORECASE)
_LOGIN = re.compile(r"auth|log.?in|sign.?in|credential|password|needs? (?:your )?attention", re.IGNORECASE)
"""Of a sentence that asks for the person; the Bridge's says "Connection to ... may need attention"."""


@dataclass(slots=True)
class Verdict:
    """What an answer says is wrong.

    `accounts` are those whose data are not to be relied upon, with what is the matter. `whole` is the matter
    with the access itself. `days_max`: the server gives no more days than these at once, and was asked for more.
    `too_often`: it wants to be asked less often. `asides` are meant for developers.
    """

    notices: list[str] = field(default_factory=list)
    accounts: dict[str, InstitutionFailure] = field(default_factory=dict)
    whole: InstitutionFailure | None = None
    days_max: int | None = None
    too_often: str = ""
    asides: list[str] = field(default_factory=list)


def judge(page: Row) -> Verdict:
    """Return what an account set says is wrong."""
    verdict = Verdict()
    structured = read.objects(page, "errlist")
    for error in structured:
        _judge_one(error, page, verdict)
    said = {read.spoken(error.get("msg") or error.get("message")) for error in structured}
    errors = page.get("errors")
    for sentence in map(read.spoken, errors if isinstance(errors, list) else []):
        if sentence and sentence not in said:
            _judge_sentence(sentence, page, verdict)
    verdict.notices = list(dict.fromkeys(verdict.notices))[:NOTICES_MAX]
    return verdict


def _judge_one(error: Row, page: Row, verdict: Verdict) -> None:
    prefix, _, subcode = (read.text(error, "code", 100) or "gen.").partition(".")
    # The draft of version 2 called the sentence `message`.
    sentence = read.spoken(error.get("msg") or error.get("message")) or _unsaid(prefix)
    if prefix == "con":
        accounts = _accounts_of(page, error.get("conn_id"))
        failure = _bank_wants_login(sentence) if subcode == "auth" else InstitutionDown(sentence)
        verdict.accounts |= dict.fromkeys(accounts, failure)
        verdict.notices.append(sentence)
    elif prefix == "act":
        account_id = error.get("account_id")
        if isinstance(account_id, str) and account_id:
            verdict.accounts[account_id] = (NotReady if subcode == "missingdata" else InstitutionDown)(sentence)
        verdict.notices.append(sentence)
    elif prefix == "gen" and subcode == "auth":
        verdict.whole = revoked(sentence)
    elif _is_bound(sentence, verdict) or (prefix == "gen" and subcode == "api"):
        verdict.asides.append(sentence)
    else:
        verdict.notices.append(sentence)


def _judge_sentence(sentence: str, page: Row, verdict: Verdict) -> None:
    """Judge a sentence without a code: it says which bank only by naming it."""
    if _is_bound(sentence, verdict):
        verdict.asides.append(sentence)
        return
    verdict.notices.append(sentence)
    if _LOGIN.search(sentence):
        named = [row for row in read.objects(page, "accounts") if _names_bank(sentence, row)]
        verdict.accounts |= dict.fromkeys(_ids(named), _bank_wants_login(sentence))
        if not read.objects(page, "accounts"):
            verdict.whole = _bank_wants_login(sentence)


def _is_bound(sentence: str, verdict: Verdict) -> bool:
    """Note a sentence about the bounds of what may be asked; tell whether it is about the days of one request."""
    limit = _LIMIT.search(sentence)
    if limit is not None and _CAPPED.search(sentence):
        verdict.days_max = int(limit[1])
        return True
    if _TOO_OFTEN.search(sentence):
        verdict.too_often = sentence
    return False


def revoked(sentence: str) -> InstitutionFailure:
    """Return the failure of an access that the server no longer lets in."""
    failure = AuthRequired(sentence)
    failure.action = TOKEN_ACTION
    return failure


def _bank_wants_login(sentence: str) -> InstitutionFailure:
    failure = ConsentExpired(sentence)
    failure.action = BANK_ACTION
    return failure


def _unsaid(prefix: str) -> str:
    what = {"con": "one of the banks", "act": "one of the accounts"}.get(prefix, "your accounts")
    return f"The SimpleFIN server says that something is wrong with {what}, and not what."


def _accounts_of(page: Row, conn_id: object) -> list[str]:
    return _ids(row for row in read.objects(page, "accounts") if conn_id is not None and row.get("conn_id") == conn_id)


def _names_bank(sentence: str, account: Row) -> bool:
    org: Any = account.get("org")
    names = [org.get("name"), org.get("domain")] if isinstance(org, dict) else []
    lowered = sentence.casefold()
    return any(isinstance(name, str) and name and name.casefold() in lowered for name in names)


def _ids(accounts: Iterable[Row]) -> list[str]:
    found = [row.get("id") for row in accounts]
    return [item for item in found if isinstance(item, str) and item]
