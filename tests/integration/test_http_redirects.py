"""Redirects through the guarded client: which are followed, where they may lead, and what goes along."""

from __future__ import annotations

import pytest

from mintql.domain.errors import ProtocolError
from mintql.gateways.http import REDIRECTS_MAX, Surroundings, open_http
from mintql.settings import Settings
from support.http_server import PUBLIC_ADDRESS, Rerouted, certified, reply, resolving, serve, trusting

BANK, OTHER = "bank.example", "other.example"
OK = reply("200 OK", b"rows")
NAMES = {
    BANK: [PUBLIC_ADDRESS],
    OTHER: [PUBLIC_ADDRESS],
    "localhost": ["127.0.0.1"],
    "inside.example": ["10.0.0.1"],
    "metadata.example": ["169.254.169.254"],
}


def moved(location: str, status: str = "302 Found") -> bytes:
    return reply(status, b"moved", location=location)


class World:
    """A server that answers for two public names, and a client's surroundings in which it does."""

    def __init__(self, server) -> None:
        self.seen = server.seen
        self.network = Rerouted(server.port)
        self.client = open_http(
            Settings(),
            surroundings=Surroundings(
                resolver=resolving(NAMES), network=self.network, tls=trusting(BANK, OTHER), random=lambda: 0.0
            ),
        )


def public(*replies: bytes):
    return serve(*replies, tls=certified(BANK, OTHER))


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_reading_follows_within_the_origin_with_its_login(method, status):
    async with public(moved("/new?x=1#part", status), reply("200 OK")) as server:
        world = World(server)
        async with world.client as client:
            answer = await client.request(
                method, f"https://{BANK}/old", params={"a": "b"}, headers={"x-api-key": "k"}, basic_auth=("ada", "pw")
            )
    assert answer.status == 200
    assert [(request.method, request.target) for request in world.seen] == [(method, "/old?a=b"), (method, "/new?x=1")]
    assert world.seen[1].headers["authorization"] == world.seen[0].headers["authorization"]
    assert world.seen[1].headers["x-api-key"] == "k"


async def test_another_origin_gets_nothing_that_could_be_a_secret():
    async with public(moved(f"https://{OTHER}/new"), moved(f"https://{BANK}/back"), OK) as server:
        world = World(server)
        async with world.client as client:
            answer = await client.request(
                "GET",
                f"https://{BANK}/old",
                headers={"accept": "text/plain", "cookie": "sid=1", "x-api-key": "k", "referer": "https://a.example/s"},
                basic_auth=("ada", "pw"),
            )
    assert answer.content == b"rows"
    assert [request.headers["host"] for request in world.seen] == [BANK, OTHER, BANK]
    assert world.seen[0].headers.keys() >= {"authorization", "cookie", "x-api-key", "referer"}
    for request in world.seen[1:]:
        assert request.headers.keys() == {"host", "accept", "user-agent", "accept-encoding"}
        assert request.headers["accept"] == "text/plain"


async def test_another_port_is_another_origin():
    async with public(moved(f"https://{BANK}:8443/"), OK) as server:
        world = World(server)
        async with world.client as client:
            await client.request("GET", f"https://{BANK}/", basic_auth=("ada", "pw"))
    assert world.network.connected == [(PUBLIC_ADDRESS, 443), (PUBLIC_ADDRESS, 8443)]
    assert "authorization" not in world.seen[1].headers


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/",
        "https://169.254.169.254/latest/meta-data/",
        "https://metadata.example/",
        "https://inside.example/",
        "https://localhost/",
        "https://127.1/",
        "https://[64:ff9b::a9fe:a9fe]/",
        "https://[2002:a9fe:a9fe::]/",
        "https://ada:pw@other.example/",
        f"https://{OTHER}:25/",
        f"http://{BANK}/",
        "//inside.example/",
        "file:///etc/passwd",
        "gopher://other.example/",
        "https://[::1",
        f"https://{OTHER}/" + "x" * 3000,
    ],
)
async def test_every_hop_is_checked_like_the_first_url(location):
    async with public(moved(f"https://{OTHER}/hop"), moved(location), OK) as server:
        world = World(server)
        async with world.client as client:
            with pytest.raises(ProtocolError, match="an address that may not be reached") as refusal:
                await client.request("GET", f"https://{BANK}/", called="The Bank")
    assert len(world.seen) == 2
    assert set(world.network.connected) == {(PUBLIC_ADDRESS, 443)}
    assert refusal.value.message.startswith("The Bank ")
    assert "pw" not in refusal.value.message


async def test_the_allow_list_holds_at_every_hop_and_https_never_becomes_http():
    async with serve(OK) as plain, public(moved(f"{plain.url}/")) as server:
        around = Surroundings(resolver=resolving(NAMES), network=Rerouted(server.port), tls=trusting(BANK, OTHER))
        async with open_http(plain.allowing, surroundings=around) as client:
            with pytest.raises(ProtocolError, match="may not be reached"):
                await client.request("GET", f"https://{BANK}/")
    assert plain.seen == []
    async with serve(OK) as other, serve(moved(f"{other.url}/")) as allowed, open_http(allowed.allowing) as client:
        with pytest.raises(ProtocolError, match="may not be reached"):
            await client.request("GET", f"{allowed.url}/")
    assert other.seen == []


async def test_too_many_redirects_and_circles_end():
    steps = [moved(f"/{number}") for number in range(1, REDIRECTS_MAX + 2)]
    async with serve(*steps, OK) as server, open_http(server.allowing) as client:
        with pytest.raises(ProtocolError, match=f"more than {REDIRECTS_MAX} times"):
            await client.request("GET", f"{server.url}/")
        assert len(server.seen) == REDIRECTS_MAX + 1
    async with serve(*steps, OK) as server, open_http(server.allowing) as client:
        answer = await client.request("GET", f"{server.url}/", redirects_max=REDIRECTS_MAX + 1)
        assert answer.content == b"rows"
    async with serve(moved("/b"), moved("/a"), OK) as server, open_http(server.allowing) as client:
        with pytest.raises(ProtocolError, match="in a circle"):
            await client.request("GET", f"{server.url}/a")
        assert len(server.seen) == 2


async def test_a_redirect_is_handed_over_when_none_may_be_followed():
    async with serve(moved("http://169.254.169.254/")) as server, open_http(server.allowing) as client:
        answer = await client.request("GET", f"{server.url}/", redirects_max=0)
    assert (answer.status, answer.headers["location"], answer.content) == (302, "http://169.254.169.254/", b"moved")


@pytest.mark.parametrize("repeatable", [None, False, True])
@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other"])
async def test_a_post_never_becomes_a_get(status, repeatable):
    async with serve(moved("/new", status), OK) as server, open_http(server.allowing) as client:
        answer = await client.request("POST", f"{server.url}/", content=b"<OFX>", repeatable=repeatable)
    assert str(answer.status) == status[:3]
    assert len(server.seen) == 1


@pytest.mark.parametrize("status", ["307 Temporary", "308 Permanent"])
async def test_a_post_is_sent_on_only_when_it_may_be_repeated_and_stays_in_the_origin(status):
    whole = {"content": b"<OFX>", "headers": {"content-type": "application/x-ofx"}}
    async with serve(moved("/new", status), OK) as server, open_http(server.allowing) as client:
        answer = await client.request("POST", f"{server.url}/", repeatable=True, **whole)
        assert answer.content == b"rows"
    assert [(request.method, request.target, request.body) for request in server.seen] == [
        ("POST", "/", b"<OFX>"),
        ("POST", "/new", b"<OFX>"),
    ]
    assert server.seen[1].headers["content-type"] == "application/x-ofx"
    async with serve(moved("/new", status), OK) as server, open_http(server.allowing) as client:
        answer = await client.request("POST", f"{server.url}/", **whole)
        assert str(answer.status) == status[:3]
        assert len(server.seen) == 1
    async with public(moved(f"https://{OTHER}/", status), OK) as server:
        world = World(server)
        async with world.client as client:
            answer = await client.request("POST", f"https://{BANK}/", repeatable=True, **whole)
    assert str(answer.status) == status[:3]
    assert [request.headers["host"] for request in world.seen] == [BANK]


async def test_statuses_that_are_no_redirect_to_follow_are_handed_over():
    not_modified = b"HTTP/1.1 304 Not Modified\r\nlocation: /new\r\n\r\n"
    replies = (not_modified, reply("300 Multiple Choices", location="/new"), reply("302 Found"))
    async with serve(*replies) as server, open_http(server.allowing) as client:
        statuses = [(await client.request("GET", f"{server.url}/")).status for _ in range(3)]
    assert statuses == [304, 300, 302]
    assert len(server.seen) == 3
