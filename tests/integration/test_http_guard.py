"""The guarded client against real servers: where it may go, whom it believes, and what it keeps to itself."""

from __future__ import annotations

import base64
import logging
import socket
from ipaddress import ip_address

import pytest

from mintql.domain.errors import InstitutionDown, InvalidInput
from mintql.gateways.http import Surroundings, is_public, open_http
from mintql.settings import Settings
from support.http_server import (
    ONCE,
    PUBLIC_ADDRESS,
    Rerouted,
    certified,
    reply,
    resolving,
    serve,
    trusting,
)

BANK = "bank.example"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "bank",
        "ftp://bank.example",
        "http://bank.example",
        "https://",
        "https:bank.example",
        "//bank.example",
        "https://ada:pw@bank.example/",
        "https://ada@bank.example/?pw",
        "https://a\\@bank.example/",
        "https://bank.example/" + "x" * 3000,
        "http://[::1",
        "file:///etc/passwd",
        "https://bank\n.example",
        "https://bank .example",
        "https://bank.example:0",
        "https://bank.example:65536",
        "https://bank.example:-1",
        "https://bank..example",
        "https://.example",
        "https://-bank.example",
        "https://" + "a" * 64 + ".example",
        "https://" + "a." * 130 + "example",
        "https://%31%32%37.0.0.1/",
        "https://0177.0.0.1/",
        "https://\uff11\uff12\uff17.0.0.1/",
        "https://[fe80::1%25eth0]/",
    ],
)
async def test_addresses_that_are_no_https_urls_are_refused_in_words(url):
    async with open_http(Settings()) as client:
        with pytest.raises(InvalidInput) as refusal:
            await client.request("GET", url)
    assert refusal.value.field == "url"
    assert "pw" not in refusal.value.message


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "0x7f.1",
        "0x7f000001",
        "2130706433",
        "134744072",  # 8.8.8.8, but no address by the book
        "1.2.3.4.5",
        "localhost",
        "LocalHost.",
        "[::1]",
        "[::]",
        "10.0.0.8",
        "172.31.255.255",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "198.18.0.1",
        "224.0.0.251",
        "240.0.0.1",
        "255.255.255.255",
        "0.0.0.0",
        "[fd00:ec2::254]",
        "[fe80::1]",
        "[ff02::1]",
        "[::127.0.0.1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:8.8.8.8]",
        "[64:ff9b::8.8.8.8]",
        "[64:ff9b:1::10.0.0.1]",
        "[2002:0808:0808::1]",
        "[2001:0:53aa:64c:0:7fff:f7f7:f7f7]",
        "[2001:db8::1]",
        "[3fff::1]",
        "[2606:2800:220:1:0:5efe:10.0.0.1]",
    ],
)
async def test_hosts_off_the_public_internet_are_refused(host):
    async with open_http(Settings()) as client:
        with pytest.raises(InvalidInput, match="public internet") as refusal:
            await client.request("GET", f"https://{host}/secret?token=secret")
    assert "secret" not in refusal.value.message


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("8.8.8.8", True),
        ("100.63.255.255", True),
        ("100.128.0.0", True),
        ("172.32.0.0", True),
        ("2606:2800:220:1::1", True),
        ("2001:4860:4860::8888", True),
        ("2606:2800:220:1:0:5efe:808:808", True),
        ("2606:2800:220:1:200:5efe:a00:1", False),
        ("64:ff9b::5db8:d822", False),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
        ("2002:a00:1::", False),
        ("::ffff:10.0.0.1", False),
        ("fec0::1", False),
        ("fc00::1", False),
        ("100::1", False),
        ("5f00::1", False),
        ("ff0e::1", False),
        ("::", False),
    ],
)
def test_an_address_is_judged_by_its_range_and_by_what_it_carries(address, public):
    assert is_public(ip_address(address)) is public


@pytest.mark.parametrize("port", [22, 25, 80, 465, 636, 993, 1023])
async def test_ports_of_other_services_are_refused(port):
    around = Surroundings(resolver=resolving({BANK: [PUBLIC_ADDRESS]}))
    async with open_http(Settings(), surroundings=around) as client:
        with pytest.raises(InvalidInput, match=f"Port {port} of bank.example"):
            await client.request("GET", f"https://{BANK}:{port}/")


async def test_another_port_of_the_allowed_host_is_refused():
    async with serve(reply("200 OK")) as server:
        other = Settings(sandbox_url=f"http://127.0.0.1:{server.port + 1 if server.port < 65535 else 1024}")
        async with open_http(other) as client:
            with pytest.raises(InvalidInput):
                await client.request("GET", f"{server.url}/")
            with pytest.raises(InvalidInput, match="public internet"):
                await client.request("GET", f"https://127.0.0.1:{server.port}/")
    assert server.connections == 0


async def test_a_name_with_one_private_address_among_public_ones_is_refused():
    network = Rerouted(1)
    around = Surroundings(resolver=resolving({"rebinding.example": [PUBLIC_ADDRESS, "10.0.0.1"]}), network=network)
    async with open_http(Settings(), surroundings=around) as client:
        with pytest.raises(InvalidInput, match="public internet"):
            await client.request("GET", "https://rebinding.example/")
    assert network.connected == []


async def test_a_name_that_turns_private_is_refused_when_it_is_looked_up_again():
    names = {BANK: [PUBLIC_ADDRESS]}
    asked: list[str] = []
    async with serve(reply("200 OK", b"hello", connection="close"), tls=certified(BANK)) as server:
        network = Rerouted(server.port)
        around = Surroundings(resolver=resolving(names, asked), network=network, tls=trusting(BANK))
        async with open_http(Settings(), surroundings=around) as client:
            first = await client.request("GET", f"https://{BANK}/")
            names[BANK] = ["169.254.169.254"]
            with pytest.raises(InvalidInput, match="public internet"):
                await client.request("GET", f"https://{BANK}/")
    assert first.content == b"hello"
    assert asked == [BANK, BANK]
    assert network.connected == [(PUBLIC_ADDRESS, 443)]


async def test_the_next_address_is_tried_when_one_does_not_answer():
    class OneDead(Rerouted):
        async def connect_tcp(self, host, port, timeout=None, *_):  # noqa: ASYNC109
            if host != PUBLIC_ADDRESS:
                self.connected.append((host, port))
                with socket.socket() as closed:
                    closed.bind(("127.0.0.1", 0))
                    nobody = closed.getsockname()[1]
                return await self._network.connect_tcp("127.0.0.1", nobody, timeout)
            return await super().connect_tcp(host, port, timeout)

    async with serve(reply("200 OK"), tls=certified(BANK)) as server:
        network = OneDead(server.port)
        names = resolving({BANK: ["2606:2800:220:1::1", PUBLIC_ADDRESS]})
        around = Surroundings(resolver=names, network=network, tls=trusting(BANK))
        async with open_http(Settings(), surroundings=around) as client:
            answer = await client.request("POST", f"https://{BANK}/")
    assert answer.status == 200
    assert network.connected == [("2606:2800:220:1::1", 443), (PUBLIC_ADDRESS, 443)]
    assert len(server.seen) == 1


async def test_an_unknown_name_is_an_outage():
    async with open_http(Settings(), bounds=ONCE, surroundings=Surroundings(resolver=resolving({}))) as client:
        with pytest.raises(InstitutionDown, match=r"nowhere\.example cannot be reached") as outage:
            await client.request("GET", "https://nowhere.example/secret-path")
    assert "secret" not in outage.value.message


@pytest.mark.parametrize("written", ["bank.example", "bank.example.", "BANK.EXAMPLE", "bank\u3002example"])
async def test_the_name_is_looked_up_once_and_kept_for_host_and_certificate(written):
    asked: list[str] = []
    async with serve(reply("200 OK", b"hello"), tls=certified(BANK)) as server:
        network = Rerouted(server.port)
        around = Surroundings(resolver=resolving({BANK: [PUBLIC_ADDRESS]}, asked), network=network, tls=trusting(BANK))
        async with open_http(Settings(), surroundings=around) as client:
            answer = await client.request("GET", f"https://{written}/a?b=c#d", params={"e": "f g"})
    assert answer.content == b"hello"
    assert asked == [BANK]
    assert network.connected == [(PUBLIC_ADDRESS, 443)]
    assert (server.seen[0].target, server.seen[0].headers["host"]) == ("/a?b=c&e=f+g", BANK)


async def test_a_certificate_of_another_name_or_of_nobody_known_is_refused_before_anything_is_sent():
    names = resolving({BANK: [PUBLIC_ADDRESS], "other.example": [PUBLIC_ADDRESS]})
    async with serve(reply("200 OK"), tls=certified(BANK)) as server:
        network = Rerouted(server.port)
        for host, trusted in (("other.example", BANK), (BANK, "other.example")):
            around = Surroundings(resolver=names, network=network, tls=trusting(trusted))
            async with open_http(Settings(), surroundings=around) as client:
                with pytest.raises(InstitutionDown, match=f"{host} cannot be reached safely: its certificate"):
                    await client.request("GET", f"https://{host}/", basic_auth=("ada", "pw"))
    assert server.seen == []
    assert len(network.connected) == 2


async def test_no_cookie_of_one_person_reaches_the_next_request():
    async with serve(reply("200 OK", set_cookie="sid=1; Path=/")) as server, open_http(server.allowing) as client:
        for _ in range(2):
            await client.request("GET", f"{server.url}/")
    assert "cookie" not in server.seen[1].headers


async def test_nothing_is_taken_from_the_environment(monkeypatch, tmp_path):
    async with serve(reply("200 OK")) as server:
        (tmp_path / ".netrc").write_text("machine 127.0.0.1 login ada password hidden\n")
        monkeypatch.setenv("HOME", str(tmp_path))
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy"):
            monkeypatch.setenv(name, "http://127.0.0.1:1")
        async with open_http(server.allowing) as client:
            await client.request("GET", f"{server.url}/")
    assert "authorization" not in server.seen[0].headers


async def test_a_login_goes_into_a_header_in_utf_8():
    async with serve(reply("200 OK")) as server, open_http(server.allowing) as client:
        await client.request("GET", f"{server.url}/accounts", basic_auth=("ada", "p\u00e4ss:w"))
        for login in ("a:da", "\ud800"):
            with pytest.raises(InvalidInput) as refusal:
                await client.request("GET", f"{server.url}/accounts", basic_auth=(login, "pw"))
            assert refusal.value.field == "login"
    scheme, _, value = server.seen[0].headers["authorization"].partition(" ")
    assert scheme == "Basic"
    assert base64.b64decode(value).decode() == "ada:p\u00e4ss:w"
    assert len(server.seen) == 1


async def test_bodies_go_out_as_bytes_json_or_a_form():
    async with serve(reply("200 OK")) as server, open_http(server.allowing) as client:
        ofx = {"Content-Type": "application/x-ofx"}
        await client.request("POST", f"{server.url}/", content=b"OFXHEADER:100\r\n\xe9", headers=ofx, repeatable=True)
        await client.request("POST", f"{server.url}/", json={"count": 500, "name": "\u00e9"})
        await client.request("POST", f"{server.url}/", form={"a": "b c", "d": "\u00e9&"})
        await client.request("POST", f"{server.url}/claim")
        with pytest.raises(ValueError, match="one body"):
            await client.request("POST", f"{server.url}/", content=b"a", json={})
    sent = [(request.headers.get("content-type"), request.body) for request in server.seen]
    assert sent == [
        ("application/x-ofx", b"OFXHEADER:100\r\n\xe9"),
        ("application/json", '{"count":500,"name":"\u00e9"}'.encode()),
        ("application/x-www-form-urlencoded", b"a=b+c&d=%C3%A9%26"),
        (None, b""),
    ]
    assert server.seen[3].headers["content-length"] == "0"


@pytest.mark.parametrize("value", ["Bearer a\r\nx: y", "Bearer \u00e9", "Bearer a\x00"])
async def test_a_header_cannot_smuggle_another(value):
    async with serve(reply("200 OK")) as server, open_http(server.allowing) as client:
        with pytest.raises(InvalidInput, match="characters that cannot be sent") as refusal:
            await client.request("GET", f"{server.url}/", headers={"authorization": value})
        with pytest.raises(ValueError, match="host"):
            await client.request("GET", f"{server.url}/", headers={"Host": "localhost"})
    assert "Bearer" not in refusal.value.message
    assert server.seen == []


async def test_nothing_secret_is_logged_or_shown(caplog):
    caplog.set_level(logging.DEBUG)
    moved = reply("307 Temporary Redirect", location="/y?token=hidden")
    async with serve(moved, reply("200 OK", b"balance"), b"") as server, open_http(server.allowing) as client:
        answer = await client.request(
            "POST",
            f"{server.url}/x?token=hidden",
            headers={"authorization": "Bearer hidden"},
            json={"password": "hidden"},
            repeatable=True,
        )
        for _ in range(5):
            with pytest.raises(InstitutionDown) as outage:
                await client.request("POST", f"{server.url}/hidden", basic_auth=("hidden", "hidden"))
            assert "hidden" not in outage.value.message
    assert "is not asked for" in caplog.text
    assert "hidden" not in caplog.text
    assert "balance" not in repr(answer)
