"""What the sandbox bank's OFX server tells of itself (chapter 7), and the accounts of a login (chapter 8)."""

from __future__ import annotations

from collections.abc import Sequence

from mintql.sandbox.ledger import Ledger
from mintql.sandbox.ofx_markup import Part
from mintql.sandbox.people import Account

BANK_ID = "999999992"
"""A routing number that passes its check digit and belongs to nobody."""
ORG, FID = "MINTQL", "99992"
NAME = "Sandbox Bank"
REALM = "SANDBOX"
CHANGED_AT = "20260101000000.000[0:GMT]"
"""When profile and accounts were last changed: never since."""
VERSION_PENDING_MIN = 220

ACCOUNT_TYPES = {"checking": "CHECKING", "savings": "SAVINGS"}


def profile(version: int, url: str) -> Part:
    """Return the profile: OFX at `url` for sign-on, accounts and statements."""
    core: Part = (
        "MSGSETCORE",
        [
            ("VER", "1"),
            ("URL", url),
            ("OFXSEC", "NONE"),
            ("TRANSPSEC", "Y" if url.startswith("https://") else "N"),
            ("SIGNONREALM", REALM),
            ("LANGUAGE", "ENG"),
            ("SYNCMODE", "LITE"),
            ("RESPFILEER", "Y"),
        ],
    )
    pending: list[Part] = [("PENDINGAVAIL", "Y")] if version >= VERSION_PENDING_MIN else []
    sets: list[Part] = [
        _message_set("SIGNON", [core]),
        _message_set(
            "SIGNUP",
            [
                core,
                ("OTHERENROLL", [("MESSAGE", "Any login is enrolled already.")]),
                ("CHGUSERINFO", "N"),
                ("AVAILACCTS", "Y"),
                ("CLIENTACTREQ", "N"),
            ],
        ),
        _message_set(
            "BANK",
            [core, ("CLOSINGAVAIL", "N"), *pending, ("EMAILPROF", [("CANEMAIL", "N"), ("CANNOTIFY", "N")])],
        ),
        _message_set("CREDITCARD", [core, ("CLOSINGAVAIL", "N"), *pending]),
        _message_set("PROF", [core]),
    ]
    sign_on: Part = (
        "SIGNONINFO",
        [
            ("SIGNONREALM", REALM),
            ("MIN", "7"),
            ("MAX", "7"),
            ("CHARTYPE", "ALPHAONLY"),
            ("CASESEN", "Y"),
            ("SPECIAL", "N"),
            ("SPACES", "N"),
            ("PINCH", "N"),
        ],
    )
    return (
        "PROFRS",
        [
            ("MSGSETLIST", sets),
            ("SIGNONINFOLIST", [sign_on]),
            ("DTPROFUP", CHANGED_AT),
            ("FINAME", NAME),
            ("ADDR1", "1 Nowhere Street"),
            ("CITY", "Denver"),
            ("STATE", "CO"),
            ("POSTALCODE", "80000"),
            ("COUNTRY", "USA"),
        ],
    )


def accounts(ledger: Ledger) -> Part:
    """Return the list of accounts."""
    entries: list[Part] = [
        ("ACCTINFO", [("DESC", account.title), _information(account)]) for account in ledger.accounts.values()
    ]
    return ("ACCTINFORS", [("DTACCTUP", CHANGED_AT), *entries])


def account_reference(account: Account) -> Part:
    """Return what names an account."""
    if account.kind == "credit_card":
        return ("CCACCTFROM", [("ACCTID", account.account_id)])
    return (
        "BANKACCTFROM",
        [("BANKID", BANK_ID), ("ACCTID", account.account_id), ("ACCTTYPE", ACCOUNT_TYPES[account.kind])],
    )


def _information(account: Account) -> Part:
    name = "CCACCTINFO" if account.kind == "credit_card" else "BANKACCTINFO"
    can: list[Part] = [("SUPTXDL", "Y"), ("XFERSRC", "N"), ("XFERDEST", "N"), ("SVCSTATUS", "ACTIVE")]
    return (name, [account_reference(account), *can])


def _message_set(name: str, inside: Sequence[Part]) -> Part:
    return (f"{name}MSGSET", [(f"{name}MSGSETV1", inside)])
