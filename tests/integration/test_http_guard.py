"""The guarded client against real servers: what it may reach, and what it does with bad answers."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import socket
import ssl
import time
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mintql.domain.errors import InstitutionDown, InvalidInput, ProtocolError
from mintql.gateways.http import is_public, open_http
from mintql.settings import Settings
from support.http_server import serve_raw


def replying(head: str, body: bytes = b"", seen: list[bytes] | None = None):
    async def answer(reader, writer):
        request = await reader.readuntil(b"\r\n\r\n")
        if seen is not None:
            seen.append(request)
        lines = f"HTTP/1.1 {head}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        writer.write(lines.encode() + body)

    return answer


def allowing(port: int) -> Settings:
    return Settings(sandbox_url=f"http://127.0.0.1:{port}")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "bank",
        "ftp://bank.example",
        "http://bank.example",
        "https://",
        "https://ada:pw@bank.example/",
        "https://bank.example/" + "x" * 3000,
        "http://[::1",
        "file:///etc/passwd",
        "https://bank\n.example",
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
        "localhost",
        "[::1]",
        "10.0.0.8",
        "192.168.1.1",
        "169.254.169.254",
        "100.100.100.200",
        "[fd00:ec2::254]",
        "[::ffff:127.0.0.1]",
        "2130706433",
        "0.0.0.0",
        "168.63.129.16",
    ],
)
async def test_hosts_off_the_public_internet_are_refused(host):
    async with open_http(Settings()) as client:
        with pytest.raises(InvalidInput, match="public internet"):
            await client.request("GET", f"https://{host}/")


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("64:ff9b::5db8:d822", True),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
        ("2002:a00:1::", False),
        ("::ffff:10.0.0.1", False),
        ("fe80::1", False),
        ("224.0.0.1", False),
        ("ff02::1", False),
        ("240.0.0.1", False),
        ("::", False),
    ],
)
def test_an_address_is_judged_by_what_it_carries(address, public):
    assert is_public(ip_address(address)) is public


async def test_another_port_of_the_allowed_host_is_refused():
    async with (
        serve_raw(replying("200 OK")) as port,
        open_http(allowing(port + 1 if port < 65535 else 1)) as client,
    ):
        with pytest.raises(InvalidInput):
            await client.request("GET", f"http://127.0.0.1:{port}/")
        with pytest.raises(InvalidInput, match="public internet"):
            await client.request("GET", f"https://127.0.0.1:{port}/")


async def test_a_name_with_one_private_address_among_public_ones_is_refused(monkeypatch):
    async def resolve(self, host, port, **_):
        return [(socket.AF_INET, 1, 6, "", (address, port)) for address in ("93.184.216.34", "10.0.0.1")]

    monkeypatch.setattr(asyncio.get_running_loop().__class__, "getaddrinfo", resolve)
    async with open_http(Settings()) as client:
        with pytest.raises(InvalidInput, match="public internet"):
            await client.request("GET", "https://rebinding.example/")


async def test_an_unknown_name_is_an_outage(monkeypatch):
    async def resolve(self, host, port, **_):
        raise socket.gaierror(socket.EAI_NONAME, "not known")

    monkeypatch.setattr(asyncio.get_running_loop().__class__, "getaddrinfo", resolve)
    async with open_http(Settings()) as client:
        with pytest.raises(InstitutionDown, match=r"nowhere\.example cannot be reached"):
            await client.request("GET", "https://nowhere.example/secret-path")


@pytest.fixture
def certificate(tmp_path, monkeypatch):
    """A server context for bank.example, which clients of this test trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bank.example")])
    now = dt.datetime.now(dt.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("bank.example")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "bank.pem"
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(signed.public_bytes(serialization.Encoding.PEM) + pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


async def test_the_name_is_looked_up_once_and_kept_for_host_and_certificate(certificate, monkeypatch):
    seen: list[bytes] = []
    looked_up: list[str] = []

    async def resolve(self, host, port, **_):
        looked_up.append(host)
        return [(socket.AF_INET, 1, 6, "", ("127.0.0.1", port))]

    async with serve_raw(replying("200 OK", b"hello", seen), tls=certificate) as port:
        monkeypatch.setattr(asyncio.get_running_loop().__class__, "getaddrinfo", resolve)
        async with open_http(Settings(sandbox_url=f"https://bank.example:{port}")) as client:
            answer = await client.request("GET", f"https://bank.example:{port}/a?b=c")
        async with open_http(Settings(sandbox_url=f"https://other.example:{port}")) as client:
            with pytest.raises(InstitutionDown):
                await client.request("GET", f"https://other.example:{port}/")
    assert answer.content == b"hello"
    assert looked_up == ["bank.example", "other.example"]
    assert seen[0].startswith(b"GET /a?b=c HTTP/1.1\r\nHost: bank.example:")
    assert len(seen) == 1


async def test_a_redirect_is_handed_over_and_not_followed():
    async with (
        serve_raw(replying("302 Found\r\nlocation: http://169.254.169.254/")) as port,
        open_http(allowing(port)) as client,
    ):
        answer = await client.request("GET", f"http://127.0.0.1:{port}/")
    assert answer.status == 302


async def test_no_cookie_of_one_person_reaches_the_next_request():
    seen: list[bytes] = []
    async with (
        serve_raw(replying("200 OK\r\nset-cookie: sid=1; Path=/", seen=seen)) as port,
        open_http(allowing(port)) as client,
    ):
        for _ in range(2):
            await client.request("GET", f"http://127.0.0.1:{port}/")
    assert b"cookie" not in seen[1].lower()


async def test_an_answer_over_the_limit_is_cut_off():
    async with serve_raw(replying("200 OK", b"x" * 5000)) as port, open_http(allowing(port)) as client:
        with pytest.raises(ProtocolError, match="more than 4999 bytes"):
            await client.request("GET", f"http://127.0.0.1:{port}/", body_limit_bytes=4999)
        answer = await client.request("GET", f"http://127.0.0.1:{port}/", body_limit_bytes=5000)
    assert len(answer.content) == 5000


async def test_a_compressed_answer_is_refused_unread():
    async with (
        serve_raw(replying("200 OK\r\ncontent-encoding: gzip", b"\x1f\x8b")) as port,
        open_http(allowing(port)) as client,
    ):
        with pytest.raises(ProtocolError, match="compressed"):
            await client.request("GET", f"http://127.0.0.1:{port}/")


async def test_a_server_that_drips_is_cut_off_at_the_deadline():
    async def drip(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        for _ in range(100):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with serve_raw(drip) as port, open_http(allowing(port)) as client:
        began = time.monotonic()
        with pytest.raises(InstitutionDown, match=r"within 0\.3 seconds"):
            await client.request("GET", f"http://127.0.0.1:{port}/", deadline_seconds=0.3)
        assert time.monotonic() - began < 2


async def test_a_cut_connection_a_closed_port_and_an_answer_that_is_no_http_are_outages():
    async def cut(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")

    async def nonsense(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"SSH-2.0-OpenSSH\r\n\r\n")

    async with serve_raw(cut) as port, open_http(allowing(port)) as client:
        with pytest.raises(InstitutionDown):
            await client.request("GET", f"http://127.0.0.1:{port}/")
    async with open_http(allowing(port)) as client:
        with pytest.raises(InstitutionDown, match="cannot be reached"):
            await client.request("GET", f"http://127.0.0.1:{port}/")
    async with serve_raw(nonsense) as port, open_http(allowing(port)) as client:
        with pytest.raises(InstitutionDown, match="does not answer in HTTP"):
            await client.request("GET", f"http://127.0.0.1:{port}/")


async def test_no_more_requests_run_at_once_than_allowed():
    running, most = 0, 0

    async def count(reader, writer):
        nonlocal running, most
        await reader.readuntil(b"\r\n\r\n")
        running, most = running + 1, max(most, running + 1)
        await asyncio.sleep(0.05)
        running -= 1
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    async with serve_raw(count) as port, open_http(allowing(port), requests_at_once=2) as client:
        await asyncio.gather(*(client.request("GET", f"http://127.0.0.1:{port}/") for _ in range(6)))
    assert most == 2


async def test_nothing_secret_is_logged_or_shown(caplog):
    caplog.set_level(logging.DEBUG)
    async with serve_raw(replying("200 OK", b"balance")) as port, open_http(allowing(port)) as client:
        answer = await client.request(
            "POST",
            f"http://127.0.0.1:{port}/x?token=hidden",
            headers={"authorization": "Bearer hidden"},
            json={"password": "hidden"},
        )
    assert "hidden" not in caplog.text
    assert "balance" not in repr(answer)
