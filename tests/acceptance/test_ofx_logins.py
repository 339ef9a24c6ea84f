"""Who a person is at an OFX server: one device for one login, and another login at each bank behind one address."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from support.clients import client_of
from support.servers import serving

CONNECT = """
mutation Connect($url: String!, $password: String!, $options: [CredentialOptionInput!]! = []) {
  connectInstitution(institutionId: "ofx", url: $url, login: "ada", password: $password, options: $options) {
    __typename
    ... on ConnectionRunSuccess { connection { id } }
    ... on Error { code message }
  }
}
"""
UPDATE = """
mutation Update($id: ID!, $url: String!, $password: String!, $options: [CredentialOptionInput!]! = []) {
  updateCredentials(id: $id, url: $url, login: "ada", password: $password, options: $options) {
    __typename
    ... on ConnectionRunSuccess { connection { id } }
    ... on Error { code message }
  }
}
"""
HEADER = "OFXHEADER:100\r\nDATA:OFXSGML\r\nVERSION:103\r\nSECURITY:NONE\r\nENCODING:USASCII\r\nCHARSET:1252\r\n\r\n"
FINE = "<STATUS><CODE>0<SEVERITY>INFO</STATUS>"
SIGNED_ON = f"<SIGNONMSGSRSV1><SONRS>{FINE}<DTSERVER>20261123120000<LANGUAGE>ENG</SONRS></SIGNONMSGSRSV1>"
PROFILE = (
    f"<PROFMSGSRSV1><PROFTRNRS><TRNUID>1{FINE}<PROFRS><SIGNONINFOLIST><SIGNONINFO><CLIENTUIDREQ>Y</SIGNONINFO>"
    "</SIGNONINFOLIST><FINAME>Village Bank</PROFRS></PROFTRNRS></PROFMSGSRSV1>"
)
ACCOUNTS = (
    f"<SIGNUPMSGSRSV1><ACCTINFOTRNRS><TRNUID>1{FINE}<ACCTINFORS><DTACCTUP>2020<ACCTINFO><DESC>Mine<BANKACCTINFO>"
    "<BANKACCTFROM><BANKID>5550<ACCTID>901<ACCTTYPE>CHECKING</BANKACCTFROM><SUPTXDL>Y</BANKACCTINFO></ACCTINFO>"
    "</ACCTINFORS></ACCTINFOTRNRS></SIGNUPMSGSRSV1>"
)


@dataclass
class Processor:
    """An OFX server that answers for many banks and wants to know a device again; `devices` are those it was told."""

    devices: list[str] = field(default_factory=list)

    async def answer(self, request) -> Response:
        text = (await request.body()).decode("cp1252")
        self.devices += re.findall(r"<CLIENTUID>([0-9A-Za-z-]+)", text)
        said = SIGNED_ON + (PROFILE if "<PROFRQ>" in text else ACCOUNTS)
        return Response(f"{HEADER}<OFX>{said}</OFX>", media_type="application/x-ofx")

    def told(self) -> set[str]:
        """The devices since this was asked last."""
        told, self.devices = set(self.devices), []
        return told


@pytest.fixture
def processor() -> Processor:
    return Processor()


@pytest.fixture
async def url(processor):
    async with serving(Starlette(routes=[Route("/", processor.answer, methods=["POST"])])) as running:
        yield f"{running.url}/"


@pytest.fixture
def settings(settings, url):
    """Let the OFX server, which is on this machine, be asked."""
    return settings.model_copy(update={"sandbox_url": url.rstrip("/")})


@pytest.fixture
async def client(server, url):
    async with client_of(server) as opened:
        await opened.sign_up()
        yield opened


def bank(fid):
    return [{"name": "org", "value": "B1"}, {"name": "fid", "value": fid}]


async def test_a_new_password_does_not_make_another_device_of_the_person(client, processor, url):
    opened = (await client.ask(CONNECT, url=url, password="one"))["connectInstitution"]
    assert opened["__typename"] == "ConnectionRunSuccess", opened
    (device,) = processor.told()
    assert re.fullmatch(r"[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}", device)
    updated = (await client.ask(UPDATE, id=opened["connection"]["id"], url=url, password="two"))["updateCredentials"]
    assert updated["__typename"] == "ConnectionRunSuccess"
    assert processor.told() == {device}
    own = [{"name": "clientuid", "value": "11111111-2222-3333-4444-555555555555"}]
    await client.ask(UPDATE, id=opened["connection"]["id"], url=url, password="two", options=own)
    assert processor.told() == {own[0]["value"]}
    await client.sign_up()
    await client.ask(CONNECT, url=url, password="one")
    (another,) = processor.told()
    assert another != device


async def test_one_login_at_two_banks_behind_one_address_is_two_connections(client, owner, url):
    first, again, second, neither = [
        (await client.ask(CONNECT, url=url, password="one", options=options))["connectInstitution"]["connection"]["id"]
        for options in (bank("10"), bank("10"), bank("20"), [])
    ]
    assert first == again
    assert len({first, second, neither}) == 3
    assert await owner.fetchval("SELECT count(DISTINCT login_key) FROM connections") == 3
