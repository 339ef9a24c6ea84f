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
SENTENCES_MAX, BANKS_MAX = 100, 1_000
"""Sentences without a code that are looked into, and banks whose names are looked for in each."""
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
    accounts = read.objects(page, "accounts")
    structured = read.objects(page, "errlist")
    by_connection = _ids_by_connection(accounts)
    for error in structured:
        _judge_one(error, by_connection, verdict)
    said = {_sentence_of(error) for error in structured}
    errors = page.get("errors")
    by_bank = _ids_by_bank(accounts) if errors else {}
    for sentence in map(read.spoken, errors[:SENTENCES_MAX] if isinstance(errors, list) else []):
        if sentence and sentence not in said:
            _judge_sentence(sentence, by_bank, verdict)
            if not accounts and _LOGIN.search(sentence):
                verdict.whole = _bank_wants_login(sentence)
    verdict.notices = list(dict.fromkeys(verdict.notices))[:NOTICES_MAX]
    return verdict


def _judge_one(error: Row, by_connection: dict[str, list[str]], verdict: Verdict) -> None:
    prefix, _, subcode = (read.text(error, "code", 100) or "gen.").partition(".")
    sentence = _sentence_of(error) or _unsaid(prefix)
    if prefix == "con":
        # Taken out, so that a connection named again and again is gone through once.
        accounts = by_connection.pop(str(error.get("conn_id")), [])
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


def _judge_sentence(sentence: str, by_bank: dict[str, list[str]], verdict: Verdict) -> None:
    """Judge a sentence without a code: it says which bank only by naming it."""
    if _is_bound(sentence, verdict):
        verdict.asides.append(sentence)
        return
    verdict.notices.append(sentence)
    if _LOGIN.search(sentence):
        lowered = sentence.casefold()
        for name, ids in by_bank.items():
            if name in lowered:
                verdict.accounts |= dict.fromkeys(ids, _bank_wants_login(sentence))


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


def _sentence_of(error: Row) -> str:
    """Return an error's words, which the draft of version 2 called `message`."""
    return read.spoken(error.get("msg")) or read.spoken(error.get("message"))


def _ids_by_connection(accounts: list[Row]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in accounts:
        if row.get("conn_id") is not None:
            found.setdefault(str(row["conn_id"]), []).extend(_ids([row]))
    return found


def _ids_by_bank(accounts: list[Row]) -> dict[str, list[str]]:
    """Return the ids of accounts by what their banks are called in version 1, a name or a domain."""
    found: dict[str, list[str]] = {}
    for row in accounts:
        org: Any = row.get("org")
        for key in ("name", "domain") if isinstance(org, dict) else ():
            name = read.text(org, key, read.SPOKEN_LENGTH_MAX).casefold()
            if name and (name in found or len(found) < BANKS_MAX):
                found.setdefault(name, []).extend(_ids([row]))
    return found


def _ids(accounts: Iterable[Row]) -> list[str]:
    found = [row.get("id") for row in accounts]
    return [item for item in found if isinstance(item, str) and item]
