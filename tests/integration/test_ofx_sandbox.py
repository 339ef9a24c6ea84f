"""The sandbox bank's OFX server by itself: what it takes, what it refuses, and in which words."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from mintql.sandbox import create_bank
from support.local import local_client
from support.servers import serving

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SGML = "OFXHEADER:100\nDATA:OFXSGML\nVERSION:{}\nSECURITY:NONE\nENCODING:USASCII\nCHARSET:1252\nCOMPRESSION:NONE\nOLDFILEUID:NONE\nNEWFILEUID:1\n\n"
DEFAULT = SGML.format(103)
XML = '<?xml version="1.0" encoding="UTF-8"?><?OFX OFXHEADER="200" VERSION="{}" SECURITY="NONE" OLDFILEUID="NONE" NEWFILEUID="1"?>'
PROFILE = (
    "<PROFMSGSRQV1><PROFTRNRQ><TRNUID>7<PROFRQ><CLIENTROUTING>NONE<DTPROFUP>{}</PROFRQ></PROFTRNRQ></PROFMSGSRQV1>"
)
ACCOUNTS = "<SIGNUPMSGSRQV1><ACCTINFOTRNRQ><TRNUID>8<CLTCOOKIE>c1<ACCTINFORQ><DTACCTUP>{}</ACCTINFORQ></ACCTINFOTRNRQ></SIGNUPMSGSRQV1>"


def sign_on(login="ada", password="sandbox"):
    return (
        f"<SIGNONMSGSRQV1><SONRQ><DTCLIENT>20261123<USERID>{login}<USERPASS>{password}<LANGUAGE>ENG<APPID>QWIN<APPVER>2700"
        "</SONRQ></SIGNONMSGSRQV1>"
    )


@pytest.fixture
async def ask(tmp_path):
    async with serving(create_bank(tmp_path / "bank.sqlite", now=lambda: NOON)) as server, local_client() as http:

        async def post(*bodies, header=DEFAULT, content_type="application/x-ofx", who=None):
            content = f"{header}<OFX>{sign_on() if who is None else who}{''.join(bodies)}</OFX>"
            return await http.post(
                f"{server.url}/ofx", content=content.encode(), headers={"content-type": content_type}
            )

        yield post


def codes(answer):
    return [int(code) for code in re.findall(r"<CODE>(\d+)", answer.text)]


async def account(ask):
    found = await ask(ACCOUNTS.format("19900101"))
    return re.search(r"<ACCTID>(card-\w+)", found.text)[1]


def card_statement(number, days):
    return (
        f"<CREDITCARDMSGSRQV1><CCSTMTTRNRQ><TRNUID>9<CCSTMTRQ><CCACCTFROM><ACCTID>{number}</CCACCTFROM><INCTRAN>{days}"
        "<INCLUDE>Y</INCTRAN></CCSTMTRQ></CCSTMTTRNRQ></CREDITCARDMSGSRQV1>"
    )


async def test_an_answer_is_in_the_language_and_version_of_its_request(ask):
    old = await ask(ACCOUNTS.format("19900101"), header=SGML.format(102))
    assert old.headers["content-type"] == "application/x-ofx"
    assert "VERSION:102\r\n" in old.text
    assert "</CODE>" not in old.text
    closed = re.sub(r"<([A-Z]+)>([^<]+)", r"<\1>\2</\1>", ACCOUNTS.format("19900101"))
    who = re.sub(r"<([A-Z]+)>([^<]+)", r"<\1>\2</\1>", sign_on())
    new = await ask(closed, header=XML.format(211), who=who)
    assert '<?OFX OFXHEADER="200" VERSION="211"' in new.text
    assert "<TRNUID>8</TRNUID>" in new.text
    assert "<CLTCOOKIE>c1</CLTCOOKIE>" in new.text
    assert codes(old) == codes(new) == [0, 0]


async def test_a_version_that_nobody_speaks_is_refused_by_its_status(ask):
    assert codes(await ask(ACCOUNTS.format("19900101"), header=SGML.format(199))) == [2021, 2021]


async def test_a_profile_is_for_everybody_and_accounts_are_not(ask):
    nobody = sign_on("anonymous00000000000000000000000", "anonymous00000000000000000000000")
    assert codes(await ask(PROFILE.format("19900101"), who=nobody)) == [0, 0]
    assert codes(await ask(ACCOUNTS.format("19900101"), who=nobody)) == [15500, 15500]
    assert codes(await ask(PROFILE.format("19900101"), ACCOUNTS.format("19900101"), who=sign_on(password="no"))) == [
        15500,
        0,
        15500,
    ]


async def test_what_has_not_changed_since_is_not_told_again(ask):
    profile = await ask(PROFILE.format("20261123"))
    assert codes(profile) == [0, 1]
    assert "<PROFRS>" not in profile.text
    accounts = await ask(ACCOUNTS.format("20261123120000"))
    assert "<ACCTINFORS>" in accounts.text
    assert "<ACCTINFO>" not in accounts.text


@pytest.mark.parametrize(
    ("days", "code"),
    [
        ("<DTSTART>20261101<DTEND>20261123", 0),
        ("<DTSTART>20261101000000.000[-5:EST]", 0),
        ("<DTEND>20220131", 0),
        ("<DTSTART>20261123<DTEND>20261101", 2027),
        ("<DTSTART>20261131", 2020),
        ("<DTSTART>yesterday", 2020),
    ],
)
async def test_days_that_cannot_be_given_are_refused_by_their_status(ask, days, code):
    assert codes(await ask(card_statement(await account(ask), days))) == [0, code]


async def test_an_account_of_another_kind_is_not_found(ask):
    number = await account(ask)
    bank = (
        card_statement(number, "")
        .replace("CCACCTFROM", "BANKACCTFROM")
        .replace("CREDITCARD", "BANK")
        .replace("CCSTMT", "STMT")
    )
    assert codes(await ask(bank)) == [0, 2003]


async def test_a_request_that_is_not_served_has_a_status_of_its_own(ask):
    transfer = "<BANKMSGSRQV1><INTRATRNRQ><TRNUID>5<INTRARQ><XFERINFO></XFERINFO></INTRARQ></INTRATRNRQ></BANKMSGSRQV1>"
    refused = await ask(transfer)
    assert codes(refused) == [0, 2000]
    assert "<INTRATRNRS>" in refused.text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"content_type": "text/plain"}, "application/x-ofx"),
        ({"header": ""}, "names no version"),
        ({"who": ""}, "begins with a sign-on"),
        ({"who": sign_on().replace("<APPID>QWIN", "")}, "lacks APPID"),
        ({"who": sign_on("a/b")}, "USERID"),
        ({"who": sign_on().replace("</SONRQ>", "")}, "lacks DTCLIENT"),
        ({"who": sign_on() + "</SONRQ>"}, "closes nothing"),
        ({"header": XML.format(203)}, "has to be closed"),
        ({"who": sign_on() + "<A>" * 40}, "not well formed"),
        ({"who": sign_on() + "<A>x" * 3000}, "not well formed"),
        ({"who": sign_on() + "text"}, "not well formed"),
    ],
)
async def test_what_is_no_request_is_refused_with_status_400(ask, change, words):
    refused = await ask(ACCOUNTS.format("19900101"), **change)
    assert (refused.status_code, words in refused.text) == (400, True), refused.text


async def test_a_body_beyond_bounds_is_refused(ask):
    assert (await ask("<A>" + "x" * 70_000)).status_code == 413
