"""What sort of account it is, which SimpleFIN does not say: told from its name where that leaves no doubt.

An account that holds securities is an investment. Otherwise the words of its name decide if all of them point to
one kind; "debit" takes the meaning out of "card" and of the card networks' names; money on the account (a balance
above zero) rules out cards and loans where the name could also mean checking or savings. All else is `OTHER`.
"""

from __future__ import annotations

import re

from mintql.domain.institutions import AccountKind

_WORDS: dict[AccountKind, str] = {
    AccountKind.CHECKING: r"checking|chequing|cheque account|current account|debit|share draft",
    AccountKind.SAVINGS: r"savings?|saver|money market|certificate of deposit|cds?|share account",
    AccountKind.CREDIT_CARD: r"credit ?cards?|cards?|visa|master ?card|amex|american express|discover it",
    AccountKind.LOAN: r"loans?|mortgage|heloc|line of credit|home equity|student loan|auto finance",
    AccountKind.INVESTMENT: (
        r"brokerage|invest(?:ment|ing)s?|401 ?\(?k\)?|403 ?\(?b\)?|457 ?\(?b\)?|ira|roth|529|pension|retirement|"
        r"annuity|crypto|bitcoin|stock plan|espp|rsu"
    ),
}
_PATTERNS = {
    kind: re.compile(rf"(?<![a-z0-9])(?:{words})(?![a-z0-9])", re.IGNORECASE | re.ASCII)
    for kind, words in _WORDS.items()
}
_DEBIT = re.compile(r"(?<![a-z])debit(?![a-z])", re.IGNORECASE)
_MASK = re.compile(r"(?<![0-9])([0-9]{4})[)\]\s]*$", re.ASCII)
_DEBT = frozenset({AccountKind.CREDIT_CARD, AccountKind.LOAN})
_MONEY = frozenset({AccountKind.CHECKING, AccountKind.SAVINGS})


def account_kind(name: str, balance_minor: int | None, *, holds_securities: bool) -> AccountKind:
    """Return the kind of an account by its name, its balance and whether it holds securities."""
    if holds_securities:
        return AccountKind.INVESTMENT
    found = {kind for kind, pattern in _PATTERNS.items() if pattern.search(name)}
    if _DEBIT.search(name):
        found.discard(AccountKind.CREDIT_CARD)
    if balance_minor is not None and balance_minor > 0 and found & _MONEY:
        found -= _DEBT
    return found.pop() if len(found) == 1 else AccountKind.OTHER


def account_mask(name: str) -> str:
    """Return the last four digits of the account's number where its name ends with them."""
    match = _MASK.search(name)
    return match[1] if match else ""
