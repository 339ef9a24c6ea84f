"""Sessions as their person sees them, and what ending one does: to it at once, and to no other."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from mintql.api.context import Viewer
from mintql.api.live import LiveSockets
from mintql.app import create_app
from mintql.domain.ids import SessionId, UserId
from support.clients import PASSWORD, Client, client_of, eventually, socket_of
from support.servers import serving
from support.streams import connected

SIGN_IN = """
mutation SignIn($email: String!, $password: String!) {
  signIn(email: $email, password: $password) { __typename ... on SignInSuccess { token } }
}
"""
SESSIONS = "{ sessions { id createdAt lastUsedAt expiresAt address userAgent isCurrent } }"
REVOKE = "mutation Revoke($id: ID!) { revokeSession(id: $id) { __typename ... on Error { code } } }"
CHANGE = """
mutation Change($old: String!, $new: String!) {
  changePassword(currentPassword: $old, newPassword: $new) {
    __typename ... on ChangePasswordSuccess { sessionsEnded } ... on Error { code field }
  }
}
"""
FOLLOW = "subscription { notifications { id } }"
VIEWER = "{ viewer { email } }"


@pytest.fixture
def settings(settings):
    """Whatever ends within the patience of a test ends by a wake-up: by itself the API looks far too seldom."""
    return settings.model_copy(update={"event_poll_seconds": 60})


@pytest.fixture
async def client(server):
    async with client_of(server) as opened:
        yield opened


@pytest.fixture
async def processes(server, settings):
    """Two processes of the API."""
    async with serving(create_app(settings)) as second:
        await connected(second)
        yield server, second


class Connected:
    """Somebody by one session, with a WebSocket that follows, one that waits, and a stream of events, on a process."""

    def __init__(self, client, follows, quiet, events):
        self.client, self.follows, self.quiet, self.events = client, follows, quiet, events

    async def is_cut_off(self):
        """Tell whether all of it ends, and how."""
        codes = [await self.follows.closed(), await self.quiet.closed()]
        last = [line async for line in self.events.aiter_lines() if line.startswith("data: {")][-1]
        refused = (await self.client.refusal(VIEWER))["extensions"]["code"]
        return codes == [4403, 4403] and "UNAUTHENTICATED" in last and refused == "UNAUTHENTICATED"

    async def goes_on(self):
        for socket in (self.follows, self.quiet):
            await socket.subscribe(VIEWER, "still here")
            assert (await socket.next())["viewer"]["email"] == "ada@example.org"
        return bool(await self.client.ask(VIEWER))


async def connect(stack: AsyncExitStack, server, token) -> Connected:
    client: Client = await stack.enter_async_context(client_of(server))
    client.token = token
    follows = await stack.enter_async_context(socket_of(client))
    await follows.subscribe(FOLLOW)
    quiet = await stack.enter_async_context(socket_of(client))
    request = client.http.stream(
        "POST", client.url, json={"query": FOLLOW}, headers={**client.headers(), "accept": "text/event-stream"}
    )
    return Connected(client, follows, quiet, await stack.enter_async_context(request))


async def sign_in(client, email="ada@example.org", password=PASSWORD):
    return (await client.ask(SIGN_IN, email=email, password=password))["signIn"]["token"]


async def sessions_of(client):
    return (await client.ask(SESSIONS))["sessions"]


async def test_a_session_says_when_it_began_and_was_used_last_from_where_and_by_which_program(client):
    client.http.headers["user-agent"] = "Ada's phone"
    await client.sign_up()
    await eventually(lambda: used(client))
    (session,) = await sessions_of(client)
    assert (session["address"], session["userAgent"], session["isCurrent"]) == ("127.0.0.1", "Ada's phone", True)
    assert session["createdAt"] < session["lastUsedAt"] < session["expiresAt"]


async def used(client):
    (session,) = await sessions_of(client)
    return session["lastUsedAt"] > session["createdAt"]


async def test_where_a_session_is_used_follows_it(client, server, settings):
    await client.sign_up()
    await eventually(lambda: used(client))  # each process notes a session now and then; the first has by now
    async with serving(create_app(settings)) as second, client_of(second) as elsewhere:
        await elsewhere.post(VIEWER, authorization=f"Bearer {client.token}", x_forwarded_for="203.0.113.7")
        elsewhere.token = client.token

        async def moved():
            (session,) = await sessions_of(client)
            return session["address"] == "203.0.113.7"

        await eventually(moved)


async def test_a_revoked_session_is_cut_off_everywhere_at_once_and_no_other_is(client, processes):
    await client.sign_up("ada@example.org")
    lost, kept = await sign_in(client), client.token
    async with AsyncExitStack() as stack:
        ended = [await connect(stack, process, lost) for process in processes]
        others = [await connect(stack, process, kept) for process in processes]
        by_session = {session["isCurrent"]: session["id"] for session in await sessions_of(client)}
        revoked = await client.ask(REVOKE, id=by_session[False])
        assert revoked["revokeSession"]["__typename"] == "RevokeSessionSuccess"
        assert await asyncio.gather(*(one.is_cut_off() for one in ended)) == [True, True]
        assert [await one.goes_on() for one in others] == [True, True]


async def test_a_changed_password_ends_all_other_sessions_and_the_old_password(client, processes):
    await client.sign_up("ada@example.org")
    lost = await sign_in(client)
    async with AsyncExitStack() as stack:
        ended = await connect(stack, processes[1], lost)
        mine = await connect(stack, processes[0], client.token)
        changed = await client.ask(CHANGE, old=PASSWORD, new="another horse battery")
        assert changed["changePassword"] == {"__typename": "ChangePasswordSuccess", "sessionsEnded": 1}
        assert await ended.is_cut_off()
        assert await mine.goes_on()
    assert len(await sessions_of(client)) == 1
    answer = await client.ask(SIGN_IN, email="ada@example.org", password=PASSWORD)
    assert answer["signIn"]["__typename"] == "BadCredentials"
    assert await sign_in(client, password="another horse battery")
    acts = await client.ask("{ auditLog { nodes { act detail { name value } } } }")
    assert {"act": "password_changed", "detail": [{"name": "sessions_ended", "value": "1"}]} in acts["auditLog"][
        "nodes"
    ]


@pytest.mark.parametrize(
    ("old", "new", "kind", "field"),
    [
        ("not the password", "another horse battery", "BadCredentials", "currentPassword"),
        (PASSWORD, "short", "InvalidInput", "newPassword"),
    ],
)
async def test_a_password_that_cannot_be_changed_stays_with_all_sessions(client, old, new, kind, field):
    await client.sign_up("ada@example.org")
    await sign_in(client)
    refused = (await client.ask(CHANGE, old=old, new=new))["changePassword"]
    assert (refused["__typename"], refused["field"]) == (kind, field)
    assert len(await sessions_of(client)) == 2
    assert await sign_in(client)


async def test_signing_out_everywhere_cuts_off_everything(client, processes):
    await client.sign_up("ada@example.org")
    async with AsyncExitStack() as stack:
        everything = [await connect(stack, process, client.token) for process in processes]
        await client.ask("mutation { signOut(everywhere: true) { __typename } }")
        assert await asyncio.gather(*(one.is_cut_off() for one in everything)) == [True, True]


def test_a_session_that_ends_while_somebody_connects_by_it_lets_nobody_in():
    class Socket:
        """Stands for a WebSocket, of which nothing is asked here."""

    ada, other = (Viewer(UserId(1), SessionId(number), None) for number in (1, 2))
    sockets = LiveSockets()
    sockets.end_session(None, ada.session_id)
    assert not sockets.seat(Socket(), ada)
    assert sockets.seat(Socket(), other)
