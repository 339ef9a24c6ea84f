"""Requests of OFX Direct Connect: what they look like, and that no value in them can become markup."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintql.domain.errors import InvalidInput
from mintql.domain.institutions import AccountKind
from mintql.institutions.base import Credentials
from mintql.institutions.files.ofx_document import Account
from mintql.institutions.ofx_direct_fields import read_fields, sign_on_of
from mintql.institutions.ofx_direct_request import (
    SignOn,
    StatementQuery,
    accounts_query,
    check_value,
    profile_query,
    statement_query,
    write_request,
)
from mintql.sandbox.ofx_markup import read_request

NOON = datetime(2026, 11, 23, 12, tzinfo=timezone(timedelta(hours=-5)))
WHO = SignOn("ada", "secret", "B1", "10898", "QWIN", "2700", "7A0B")
CHECKING = Account("5550", "7", "901", "CHECKING", AccountKind.CHECKING)
CARD = Account("", "", "4111", "", AccountKind.CREDIT_CARD)
BROKERAGE = Account("broker.example", "", "77", "", AccountKind.INVESTMENT)

printable = st.text(st.characters(codec="cp1252", exclude_categories=["Cc"]), min_size=1, max_size=40).filter(
    lambda text: bool(text.strip())
)


def write(version, *parts, who=WHO):
    return write_request(version, who, parts, NOON, "ID-1")


def test_a_request_of_version_1_is_sgml_whose_leaves_are_left_open():
    assert write(103, accounts_query("ID-2")).decode().split("\r\n") == [
        "OFXHEADER:100", "DATA:OFXSGML", "VERSION:103", "SECURITY:NONE", "ENCODING:USASCII", "CHARSET:1252",
        "COMPRESSION:NONE", "OLDFILEUID:NONE", "NEWFILEUID:ID-1", "",
        "<OFX>", "<SIGNONMSGSRQV1>", "<SONRQ>", "<DTCLIENT>20261123170000", "<USERID>ada", "<USERPASS>secret",
        "<LANGUAGE>ENG", "<FI>", "<ORG>B1", "<FID>10898", "</FI>", "<APPID>QWIN", "<APPVER>2700", "<CLIENTUID>7A0B",
        "</SONRQ>", "</SIGNONMSGSRQV1>", "<SIGNUPMSGSRQV1>", "<ACCTINFOTRNRQ>", "<TRNUID>ID-2", "<ACCTINFORQ>",
        "<DTACCTUP>19900101", "</ACCTINFORQ>", "</ACCTINFOTRNRQ>", "</SIGNUPMSGSRQV1>", "</OFX>", "",
    ]  # fmt: skip


def test_a_request_of_version_2_is_well_formed_xml_and_102_knows_no_client_id():
    root = ET.fromstring(write(203, accounts_query("ID-2")))
    assert root.findtext("SIGNONMSGSRQV1/SONRQ/CLIENTUID") == "7A0B"
    assert root.findtext("SIGNUPMSGSRQV1/ACCTINFOTRNRQ/TRNUID") == "ID-2"
    assert b"CLIENTUID" not in write(102, accounts_query("ID-2"))


def test_nobody_asks_for_the_profile():
    request = write(103, profile_query("ID-2"), who=WHO.anonymous())
    assert b"<USERID>anonymous00000000000000000000000\r\n" in request
    assert not any(secret in request for secret in (b"ada", b"secret", b"7A0B"))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (
            StatementQuery(CHECKING, date(2026, 1, 2), date(2026, 6, 30)),
            (
                "<BANKMSGSRQV1><STMTTRNRQ><TRNUID>T<STMTRQ><BANKACCTFROM><BANKID>5550<BRANCHID>7<ACCTID>901"
                "<ACCTTYPE>CHECKING</BANKACCTFROM><INCTRAN><DTSTART>20260102000000<DTEND>20260630235959<INCLUDE>Y</INCTRAN>"
                "</STMTRQ></STMTTRNRQ></BANKMSGSRQV1>"
            ),
        ),
        (
            StatementQuery(CARD, date(2026, 1, 2), pending=True),
            (
                "<CREDITCARDMSGSRQV1><CCSTMTTRNRQ><TRNUID>T<CCSTMTRQ><CCACCTFROM><ACCTID>4111</CCACCTFROM><INCTRAN>"
                "<DTSTART>20260102000000<INCLUDE>Y</INCTRAN><INCLUDEPENDING>Y</CCSTMTRQ></CCSTMTTRNRQ></CREDITCARDMSGSRQV1>"
            ),
        ),
        (
            StatementQuery(BROKERAGE),
            (
                "<INVSTMTMSGSRQV1><INVSTMTTRNRQ><TRNUID>T<INVSTMTRQ><INVACCTFROM><BROKERID>broker.example<ACCTID>77"
                "</INVACCTFROM><INCTRAN><INCLUDE>N</INCTRAN><INCOO>N<INCPOS><INCLUDE>Y</INCPOS><INCBAL>Y</INVSTMTRQ>"
                "</INVSTMTTRNRQ></INVSTMTMSGSRQV1>"
            ),
        ),
    ],
)
def test_a_statement_is_asked_for_in_the_words_of_its_kind(query, expected):
    body = write(103, statement_query("T", query)).decode().replace("\r\n", "")
    assert body.partition("</SIGNONMSGSRQV1>")[2] == f"{expected}</OFX>"


@given(login=printable, password=printable, version=st.sampled_from([102, 103, 203, 220]))
def test_whatever_a_person_types_arrives_as_it_was_and_as_nothing_else(login, password, version):
    asked = write(version, accounts_query("T"), who=SignOn(login, password, "", "", "QWIN", "2700"))
    told, root = read_request(asked)
    (who,) = (one for one in root.walk() if one.name == "SONRQ")
    assert told == version
    assert (who.value("USERID"), who.value("USERPASS")) == (login.strip(), password.strip())
    assert sum(1 for _ in root.walk()) == 14


@given(st.text(max_size=30))
def test_xml_with_any_account_number_is_well_formed(number):
    checked = "".join(character for character in number if character.isprintable())
    account = Account("5550", "", checked, "CHECKING", AccountKind.CHECKING)
    root = ET.fromstring(write(211, statement_query("T", StatementQuery(account))))
    assert (root.findtext(".//ACCTID") or "") == checked


@pytest.mark.parametrize("text", ["a\r\n<USERID>eve", "a\x00b", "tab\tbed", "nel\x85x", "\ud800", "line\u2028sep"])
def test_control_characters_are_refused_without_being_shown(text):
    with pytest.raises(InvalidInput, match="line break or control character") as refused:
        check_value(text, "password", 171)
    assert refused.value.field == "password"
    assert "eve" not in refused.value.message
    with pytest.raises(ValueError, match="control character"):
        write(103, accounts_query("T"), who=SignOn("ada", text, "", "", "QWIN", "2700"))


def test_what_sgml_cannot_carry_goes_into_xml():
    who = SignOn("ada", "пароль", "", "", "QWIN", "2700")
    with pytest.raises(InvalidInput, match="cannot carry") as refused:
        write(103, accounts_query("T"), who=who)
    assert "пароль" not in refused.value.message
    assert "пароль".encode() in write(203, accounts_query("T"), who=who)


def test_secrets_show_in_no_repr():
    credentials = read_fields(Credentials("https://bank.example/", " ada ", "secret", {"url:BANK": "x", "org": "B1"}))
    assert credentials.options == {"org": "B1"}
    assert credentials.login == "ada"
    assert "secret" not in repr(sign_on_of(credentials)) + repr(credentials)
    assert repr(WHO) == "SignOn(org='B1', fid='10898', login=..., password=...)"


def test_times_are_told_in_gmt():
    assert b"<DTCLIENT>20261123170000\r\n" in write(103, accounts_query("T"))
    assert NOON.astimezone(UTC).hour == 17
