"""OFX Direct Connect against servers that behave as real ones do: other versions, client ids, no lists, half answers."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime

import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from mintql.domain.errors import (
    AccountGone,
    AuthRequired,
    ConsentExpired,
    InstitutionDown,
    InvalidInput,
    PaymentRequired,
    ProtocolError,
)
from mintql.domain.institutions import AccountKind
from mintql.gateways.http import open_http
from mintql.institutions.base import AccountFailure, Credentials, FetchRequest
from mintql.institutions.ofx_direct import OfxDirectConnector
from mintql.settings import Settings
from support.servers import serving

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
MONTH = FetchRequest(date(2026, 10, 24), date(2026, 11, 24))
HEADER = "OFXHEADER:100\r\nDATA:OFXSGML\r\nVERSION:{}\r\nSECURITY:NONE\r\nENCODING:USASCII\r\nCHARSET:1252\r\n\r\n"
ACCOUNTS = ("901", "902", "903")


def status(code=0, severity="", message=""):
    severity = severity or ("ERROR" if code else "INFO")
    return f"<STATUS><CODE>{code}<SEVERITY>{severity}{message and '<MESSAGE>'}{message}</STATUS>"


def sign_on(code=0, more="", **words):
    return f"<SIGNONMSGSRSV1><SONRS>{status(code, **words)}<DTSERVER>20261123120000<LANGUAGE>ENG{more}</SONRS></SIGNONMSGSRSV1>"


def bank_account(number):
    return f"<BANKACCTFROM><BANKID>5550<ACCTID>{number}<ACCTTYPE>CHECKING</BANKACCTFROM>"


def listing(*numbers, more=""):
    infos = "".join(
        f"<ACCTINFO><DESC>My {n}<BANKACCTINFO>{bank_account(n)}<SUPTXDL>Y</BANKACCTINFO></ACCTINFO>" for n in numbers
    )
    return f"<SIGNUPMSGSRSV1><ACCTINFOTRNRS><TRNUID>1{status()}<ACCTINFORS><DTACCTUP>2020{infos}{more}</ACCTINFORS></ACCTINFOTRNRS></SIGNUPMSGSRSV1>"


def statement(number, rows="<STMTTRN><TRNTYPE>DEBIT<DTPOSTED>20261102<TRNAMT>-12.50<FITID>a1<NAME>Bakery</STMTTRN>"):
    return (
        f"<BANKMSGSRSV1><STMTTRNRS><TRNUID>1{status()}<STMTRS><CURDEF>EUR{bank_account(number)}<BANKTRANLIST>"
        f"<DTSTART>20261024<DTEND>20261123{rows}</BANKTRANLIST><LEDGERBAL><BALAMT>100.07<DTASOF>20261123</LEDGERBAL>"
        "</STMTRS></STMTTRNRS></BANKMSGSRSV1>"
    )


def refused(code, **words):
    return f"<BANKMSGSRSV1><STMTTRNRS><TRNUID>1{status(code, **words)}</STMTTRNRS></BANKMSGSRSV1>"


def profile(more=""):
    return f"<PROFMSGSRSV1><PROFTRNRS><TRNUID>1{status()}<PROFRS>{more}<FINAME>Village Bank</PROFRS></PROFTRNRS></PROFMSGSRSV1>"


def asked_number(text):
    found = re.search(r"<ACCTID>(\w+)", text)
    return found[1] if found else ""


def version_of(text):
    return re.search(r"VERSION[:=]\"?(\d{3})", text)[1]


def honest(text, numbers=ACCOUNTS):
    if "<PROFRQ>" in text:
        return sign_on() + profile()
    if "<ACCTINFORQ>" in text:
        return sign_on() + listing(*numbers)
    return sign_on() + statement(asked_number(text))


@dataclass
class Server:
    """An OFX server in a few lines: `say` gets each request as text, and returns a body or (HTTP status, body).

    Answers to requests that are to be `cut` lack their end.
    """

    say: Callable[[str], str | tuple[int, str]] = honest
    requests: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    cut: Callable[[str], bool] = lambda _: False

    async def answer(self, request):
        text = (await request.body()).decode("cp1252")
        self.requests.append(text)
        self.paths.append(request.url.path)
        said = self.say(text)
        http, body = said if isinstance(said, tuple) else (200, said)
        if not body.startswith("<html"):
            body = HEADER.format(version_of(text)) + f"<OFX>{body}</OFX>"
        if self.cut(text):
            body = body[:-40]
        return Response(body, http, media_type="text/html" if body.startswith("<html") else "application/x-ofx")

    def versions(self, of=""):
        return [version_of(text) for text in self.requests if of in text]


@asynccontextmanager
async def connected(server: Server, **options):
    """A connector, and credentials for this server."""
    async with (
        serving(Starlette(routes=[Route("/{path:path}", server.answer, methods=["POST"])])) as place,
        open_http(Settings(sandbox_url=place.url)) as http,
    ):
        connector = OfxDirectConnector(http, clock=lambda: NOON)
        yield connector, Credentials(f"{place.url}/", "ada", "pa<ss>&word", options)


async def fetch(connector, credentials):
    return [page async for page in connector.fetch(credentials, MONTH)]


@pytest.mark.parametrize(
    "sulk",
    [
        (400, "<html>Bad Request</html>"),
        (500, "<html>java.lang.NullPointerException</html>"),
        (200, "<html>We do not understand</html>"),
        sign_on(2021),
    ],
)
async def test_a_server_that_takes_xml_only_is_found_out_without_a_failed_sign_on(sulk):
    server = Server(lambda text: honest(text) if version_of(text) >= "200" else sulk)
    async with connected(server) as (connector, credentials):
        kept = await connector.connect(credentials)
    assert kept.options == {"version": "203", "called": "Village Bank"}
    assert server.versions("<PROFRQ>") == ["103", "203"]
    assert server.versions("<USERID>ada") == ["203"]


async def test_a_server_without_a_profile_is_spoken_to_in_the_version_it_answers():
    def say(text):
        if "<PROFRQ>" in text or version_of(text) != "102":
            return 400, "<html>no</html>"
        return honest(text)

    server = Server(say)
    async with connected(server) as (connector, credentials):
        kept = await connector.connect(credentials)
    assert kept.options["version"] == "102"


async def test_a_refused_anonymous_sign_on_tells_the_version_all_the_same():
    server = Server(lambda text: sign_on(15500) if "<PROFRQ>" in text else honest(text))
    async with connected(server) as (connector, credentials):
        assert (await connector.connect(credentials)).options == {"version": "103"}
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("answer", "failure", "words"),
    [
        ((200, "<html><body>Welcome!</body></html>"), ProtocolError, "a web page that is not OFX"),
        ((400, "<html>no</html>"), ProtocolError, "HTTP status 400"),
        ((404, "<html>no</html>"), ProtocolError, "may not be its OFX address"),
        ((401, "<html>no</html>"), AuthRequired, "refused access"),
        ((403, "<html>no</html>"), AuthRequired, "refused access"),
        ((402, "<html>no</html>"), PaymentRequired, "paid for"),
        ((500, "<html>no</html>"), InstitutionDown, r"127\.0\.0\.1 is out of order \(HTTP status 500\)"),
        ((503, "<html>no</html>"), InstitutionDown, "HTTP status 503"),
    ],
)
async def test_an_address_that_answers_no_ofx_is_called_what_it_is(answer, failure, words):
    async with connected(Server(lambda _: answer)) as (connector, credentials):
        with pytest.raises(failure, match=words) as raised:
            await connector.connect(credentials)
        assert type(raised.value) is failure
        assert raised.value.message.startswith("127.0.0.1 ")


async def test_nobody_at_the_address_is_down_and_asked_once():
    async with open_http(Settings(sandbox_url="http://127.0.0.1:9")) as http:
        with pytest.raises(InstitutionDown, match="cannot be reached"):
            await OfxDirectConnector(http).connect(Credentials("http://127.0.0.1:9/", "ada", "secret"))


async def test_ofx_that_comes_with_an_http_error_is_read_for_its_reason():
    server = Server(lambda text: honest(text) if "<PROFRQ>" in text else (500, sign_on(15502)))
    async with connected(server) as (connector, credentials):
        with pytest.raises(AuthRequired, match="has locked this login"):
            await connector.connect(credentials)


async def test_a_client_id_that_the_profile_wants_is_made_kept_and_sent():
    wants = profile("<SIGNONINFOLIST><SIGNONINFO><CLIENTUIDREQ>Y</SIGNONINFO></SIGNONINFOLIST>")
    server = Server(lambda text: sign_on() + wants if "<PROFRQ>" in text else honest(text))
    async with connected(server) as (connector, credentials):
        kept = await connector.connect(credentials)
        await fetch(connector, kept)
    client_id = kept.options["clientuid"]
    assert re.fullmatch(r"[0-9A-F-]{36}", client_id)
    signed = [text for text in server.requests if "<USERID>ada" in text]
    assert all(f"<CLIENTUID>{client_id}" in text for text in signed)
    assert len(signed) == 5


async def test_a_client_id_that_a_server_turns_out_to_want_is_made_and_told_where_it_has_to_be_confirmed():
    server = Server(lambda text: honest(text) if "<PROFRQ>" in text else sign_on(15510))
    async with connected(server) as (connector, credentials):
        known_as = "0F0E0D0C-0B0A-4908-8706-050403020100"
        given = replace(credentials, device_id=known_as)
        with pytest.raises(AuthRequired, match=f"confirm its client id {known_as}"):
            await connector.connect(given)
        server.say = lambda text: honest(text) if "<PROFRQ>" in text or known_as in text else sign_on(15510)
        assert (await connector.connect(given)).options["clientuid"] == known_as
        sent = "7A0B1C2D-0000-4000-8000-000000000001"
        server.say = lambda text: honest(text) if "<PROFRQ>" in text or sent in text else sign_on(15510)
        own = replace(given, options={"clientuid": sent})
        assert (await connector.connect(own)).options["clientuid"] == sent


@pytest.mark.parametrize(
    ("code", "failure"),
    [
        (2000, InstitutionDown), (3000, AuthRequired), (13500, AuthRequired), (13504, AuthRequired),
        (13505, InstitutionDown), (15000, AuthRequired), (15500, AuthRequired), (15501, InstitutionDown),
        (15502, AuthRequired), (15511, AuthRequired), (15516, ConsentExpired), (15999, AuthRequired), (77, ProtocolError),
    ],
)  # fmt: skip
async def test_a_refused_sign_on_is_the_failure_that_its_code_stands_for(code, failure):
    server = Server(lambda _: sign_on(code, message="Because pa<ss>&word"))
    async with connected(server, version="103") as (connector, credentials):
        with pytest.raises(failure, match=f"OFX status {code}") as raised:
            await fetch(connector, credentials)
    assert type(raised.value) is failure
    assert len(server.requests) == 1


async def test_what_the_bank_says_is_shown_unless_it_repeats_the_password():
    server = Server(lambda _: sign_on(15500, message="Call 555-0100"))
    async with connected(server, version="103") as (connector, credentials):
        with pytest.raises(AuthRequired, match=r"\(OFX status 15500: Call 555-0100\)"):
            await fetch(connector, credentials)
        server.say = lambda _: sign_on(15500, message="No such user ada with pa&lt;ss&gt;&amp;word")
        with pytest.raises(AuthRequired) as raised:
            await fetch(connector, credentials)
    assert "ss" not in raised.value.message.replace("password", "")


async def test_one_account_out_of_order_is_told_and_the_others_come():
    for trouble in ((500, "<html>sorry</html>"), sign_on() + refused(2000), sign_on() + statement("other")):

        def say(text, trouble=trouble):
            return trouble if asked_number(text) == "901" else honest(text)

        async with connected(Server(say), version="103") as (connector, credentials):
            pages = await fetch(connector, credentials)
        (failed,) = (page for page in pages if isinstance(page, AccountFailure))
        assert failed.account_external_id == "5550/901/CHECKING"
        assert isinstance(failed.failure, (InstitutionDown, ProtocolError))
        read = [connector.parse(page.content) for page in pages if not isinstance(page, AccountFailure)]
        assert [(row.account_external_id, row.amount_minor) for page in read for row in page.transactions] == [
            ("5550/902/CHECKING", -1250),
            ("5550/903/CHECKING", -1250),
        ]


async def test_two_accounts_out_of_order_from_the_start_are_a_bank_that_is():
    server = Server(lambda text: sign_on() + refused(2000) if "<STMTRQ>" in text else honest(text))
    async with connected(server, version="103") as (connector, credentials):
        with pytest.raises(InstitutionDown, match="could not answer"):
            await fetch(connector, credentials)
    assert len(server.requests) == 3


@pytest.mark.parametrize(("code", "failure"), [(15500, AuthRequired), (15516, ConsentExpired), (2005, AuthRequired)])
async def test_a_refusal_that_is_said_of_every_account_is_one_of_the_login(code, failure):
    server = Server(lambda text: sign_on() + refused(code) if "<STMTRQ>" in text else honest(text))
    async with connected(server, version="103") as (connector, credentials):
        with pytest.raises(failure):
            await fetch(connector, credentials)
        server.say = lambda text: sign_on() + refused(code) if asked_number(text) == "902" else honest(text)
        *_, failed = await fetch(connector, credentials)
    assert (failed.account_external_id, type(failed.failure)) == ("5550/902/CHECKING", failure)


async def test_a_closed_account_is_no_failure_of_the_run():
    server = Server(lambda text: sign_on() + refused(2004) if "<STMTRQ>" in text else honest(text))
    async with connected(server, version="103") as (connector, credentials):
        _, *failures = await fetch(connector, credentials)
    assert [type(one.failure) for one in failures] == [AccountGone] * 3


async def test_a_login_that_is_locked_on_the_way_ends_the_run():
    server = Server(lambda text: sign_on(15502) if asked_number(text) == "902" else honest(text))
    async with connected(server, version="103") as (connector, credentials):
        with pytest.raises(AuthRequired, match="has locked this login"):
            await fetch(connector, credentials)


async def test_an_answer_that_breaks_off_is_not_taken_for_a_short_one():
    server = Server(lambda text: honest(text, ("901",)), cut=lambda text: "<STMTRQ>" in text)
    async with connected(server, version="103") as (connector, credentials):
        with pytest.raises(ProtocolError, match="broke off in the middle"):
            await fetch(connector, credentials)


async def test_accounts_are_asked_of_the_person_where_the_server_lists_none():
    server = Server(lambda text: sign_on() if "<ACCTINFORQ>" in text else honest(text))
    async with connected(server) as (connector, credentials):
        with pytest.raises(InvalidInput, match="does not tell which accounts") as asked:
            await connector.connect(credentials)
        assert asked.value.field == "accounts"
        typed = Credentials(credentials.url, "ada", "secret", {"accounts": "5550/901/checking, 5550/902/CHECKING"})
        kept = await connector.connect(typed)
        pages = await fetch(connector, kept)
    rows = [row for page in pages for row in connector.parse(page.content).transactions]
    assert [(row.account_external_id, row.amount_minor, row.currency) for row in rows] == [
        ("5550/901/CHECKING", -1250, "EUR"),
        ("5550/902/CHECKING", -1250, "EUR"),
    ]


async def test_each_message_set_is_asked_at_the_address_that_the_profile_gave_for_it():
    server = Server(lambda text: honest(text, ("901",)))
    async with connected(server, version="103") as (connector, credentials):
        options = {"version": "103", "url:BANK": f"{credentials.url}bank", "url:CREDITCARD": f"{credentials.url}card"}
        await fetch(connector, replace(credentials, options=options))
    assert server.paths == ["/", "/bank"]


async def test_a_client_id_is_made_also_where_the_person_gives_the_accounts():
    def say(text):
        if "<PROFRQ>" in text or "<CLIENTUID>" in text:
            return (400, "<html>no list</html>") if "<ACCTINFORQ>" in text else honest(text)
        return sign_on(15510)

    async with connected(Server(say), accounts="5550/901/CHECKING") as (connector, credentials):
        kept = await connector.connect(credentials)
        (page,) = await fetch(connector, kept)
    assert len(kept.options["clientuid"]) == 36
    assert [row.amount_minor for row in connector.parse(page.content).transactions] == [-1250]


async def test_a_session_cookie_is_given_back_within_one_run():
    server = Server(lambda text: honest(text).replace("<LANGUAGE>ENG", "<LANGUAGE>ENG<SESSCOOKIE>c-&amp;-1"))
    async with connected(server, version="103") as (connector, credentials):
        await fetch(connector, credentials)
    assert ["<SESSCOOKIE>c-&amp;-1" in text for text in server.requests] == [False, True, True, True]


async def test_no_value_of_a_person_becomes_markup_and_org_and_fid_are_sent():
    server = Server()
    options = {"org": "B&B<FI>", "fid": "3101", "appid": "QMOFX", "appver": "2300"}
    async with connected(server, **options) as (connector, credentials):
        await fetch(connector, await connector.connect(credentials))
    signed = [text for text in server.requests if "<USERID>ada" in text]
    assert all("<USERPASS>pa&lt;ss&gt;&amp;word\r\n" in text for text in signed)
    assert all(
        "<FI>\r\n<ORG>B&amp;B&lt;FI&gt;\r\n<FID>3101\r\n</FI>\r\n<APPID>QMOFX\r\n<APPVER>2300\r\n" in text
        for text in signed
    )
    assert len(signed) == 5


async def test_the_newest_days_are_asked_for_without_an_end_and_older_ones_to_their_last_second():
    server = Server(lambda text: honest(text, ("901",)))
    async with connected(server, version="103") as (connector, credentials):
        request = FetchRequest(date(2026, 1, 1), date(2026, 11, 24))
        assert len([page async for page in connector.fetch(credentials, request)]) == 3
    periods = [
        re.sub(r"\s+", "", re.search(r"<INCTRAN>(.*)</INCTRAN>", text, re.DOTALL)[1]) for text in server.requests[1:]
    ]
    assert periods == [
        "<DTSTART>20260529000000<INCLUDE>Y",
        "<DTSTART>20260101000000<DTEND>20260528235959<INCLUDE>Y",
    ]


async def test_an_investment_account_gives_its_worth_and_its_cash():
    account = "<INVACCTFROM><BROKERID>broker.example<ACCTID>77001234</INVACCTFROM>"
    info = f"<ACCTINFO><DESC>Nest egg<INVACCTINFO>{account}<CHECKING>N</INVACCTINFO></ACCTINFO>"
    worth = (
        f"<INVSTMTMSGSRSV1><INVSTMTTRNRS><TRNUID>1{status()}<INVSTMTRS><DTASOF>20261120160000[-5:EST]<CURDEF>USD{account}"
        "<INVTRANLIST><DTSTART>20261024<DTEND>20261123<INVBANKTRAN><STMTTRN><TRNTYPE>CREDIT<DTPOSTED>20261103"
        "<TRNAMT>250.00<FITID>i1<NAME>Deposit</STMTTRN><SUBACCTFUND>CASH</INVBANKTRAN></INVTRANLIST><INVPOSLIST>"
        "<POSMF><INVPOS><UNITS>10<UNITPRICE>100.5<MKTVAL>1005.00<DTPRICEASOF>20261120</INVPOS></POSMF>"
        "<POSSTOCK><INVPOS><UNITS>1<UNITPRICE>50<MKTVAL>50.25</INVPOS></POSSTOCK></INVPOSLIST>"
        "<INVBAL><AVAILCASH>300.00<MARGINBALANCE>-100.00<SHORTBALANCE>0</INVBAL></INVSTMTRS></INVSTMTTRNRS></INVSTMTMSGSRSV1>"
    )
    server = Server(lambda text: sign_on() + (worth if "<INVSTMTRQ>" in text else listing(more=info)))
    async with connected(server, version="103") as (connector, credentials):
        _, page = await fetch(connector, credentials)
    parsed = connector.parse(page.content)
    (told,) = parsed.accounts
    assert (told.name, told.kind, told.mask, told.currency) == ("Nest egg", AccountKind.INVESTMENT, "1234", "USD")
    assert (told.balance_minor, told.available_minor) == (30000 - 10000 + 100500 + 5025, 30000)
    assert told.balance_at == datetime(2026, 11, 20, 21, tzinfo=UTC)
    assert [(row.amount_minor, row.description, row.posted_on) for row in parsed.transactions] == [
        (25000, "Deposit", date(2026, 11, 3))
    ]
    assert "<BROKERID>broker.example\r\n<ACCTID>77001234" in server.requests[-1]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"url": " "}, "url"), ({"login": ""}, "login"), ({"password": ""}, "password"),
        ({"login": "a\nb"}, "login"), ({"password": "x" * 172}, "password"), ({"password": "пароль"}, "password"),
        ({"options": {"version": "1.03"}}, "version"), ({"options": {"fid": "1"}}, "org"),
        ({"options": {"accounts": "a/b/c/d/e"}}, "accounts"), ({"options": {"org": "x" * 33}}, "org"),
        ({"url": "http://bank.example/ofx"}, "url"), ({"url": "https://ada:secret@bank.example/"}, "url"),
    ],
)  # fmt: skip
async def test_what_no_server_could_take_is_refused_by_name_and_sent_nowhere(changes, field):
    server = Server()
    async with connected(server) as (connector, credentials):
        given = {"url": credentials.url, "login": "ada", "password": "sandbox", "options": {}} | changes
        with pytest.raises(InvalidInput) as refusal:
            await connector.connect(Credentials(**given))
    assert refusal.value.field == field
    assert "secret" not in refusal.value.message
    assert not [text for text in server.requests if "<USERID>ada" in text]
