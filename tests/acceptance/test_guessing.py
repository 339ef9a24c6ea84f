"""Who guesses at passwords waits, in every process, and keeps nobody out."""

from __future__ import annotations

import asyncio

import pytest

from mintql.app import create_app
from mintql.gateways.passwords import Passwords
from mintql.services.guessing import ANYWHERE, HERE, NETWORK
from support.clients import PASSWORD, client_of
from support.servers import serving

SIGN_IN = """
mutation SignIn($email: String!, $password: String!) {
  signIn(email: $email, password: $password) {
    __typename
    ... on SignInSuccess { token }
    ... on TooManyAttempts { retryAfterSeconds }
    ... on Error { code message field }
  }
}
"""
DELETE = """
mutation Delete($password: String!) {
  deleteAccount(password: $password) {
    __typename ... on TooManyAttempts { retryAfterSeconds } ... on Error { code }
  }
}
"""
CHANGE = """
mutation Change($old: String!, $new: String!) {
  changePassword(currentPassword: $old, newPassword: $new) {
    __typename ... on ChangePasswordSuccess { sessionsEnded } ... on Error { code field }
  }
}
"""
WRONG = "a wrong password"
BEFORE_WAITS = HERE.free + 1
"""The first guess beyond the free ones is taken too, and the wait begins with it."""

pytestmark = pytest.mark.usefixtures("standing_clock")


@pytest.fixture
async def client(server):
    async with client_of(server) as opened:
        yield opened


async def sign_in(client, email, password=WRONG, *, address="203.0.113.7"):
    answer = await client.post(SIGN_IN, {"email": email, "password": password}, x_forwarded_for=address)
    return answer.json()["data"]["signIn"]


async def guess(client, email, times, address="203.0.113.7"):
    return [(await sign_in(client, email, address=address))["__typename"] for _ in range(times)]


async def let_time_pass(owner, seconds):
    await owner.execute(
        "UPDATE guesses SET guessed_at = guessed_at - make_interval(secs => $1), "
        "blocked_until = blocked_until - make_interval(secs => $1)",
        seconds,
    )


async def test_guesses_make_wait_longer_each_time_and_the_right_password_has_to_wait_too(client, owner):
    await client.sign_up("ada@example.org")
    assert await guess(client, "ada@example.org", BEFORE_WAITS) == ["BadCredentials"] * BEFORE_WAITS
    refused = await sign_in(client, "ada@example.org", PASSWORD)
    assert (refused["__typename"], refused["code"]) == ("TooManyAttempts", "TOO_MANY_ATTEMPTS")
    assert refused["retryAfterSeconds"] == 1
    assert "Wait 1 second," in refused["message"]
    await let_time_pass(owner, 2)
    assert await guess(client, "ada@example.org", 2) == ["BadCredentials", "TooManyAttempts"]
    assert (await sign_in(client, "ada@example.org"))["retryAfterSeconds"] == 2
    await let_time_pass(owner, 3)
    assert (await sign_in(client, "ada@example.org", PASSWORD))["__typename"] == "SignInSuccess"
    assert await guess(client, "ada@example.org", BEFORE_WAITS) == ["BadCredentials"] * BEFORE_WAITS, "begins anew"


async def test_an_address_that_nobody_has_is_answered_as_one_that_somebody_has(client):
    await client.sign_up("ada@example.org")
    tries = range(BEFORE_WAITS + 2)
    ada = [await sign_in(client, "ada@example.org", address="203.0.113.1") for _ in tries]
    nobody = [await sign_in(client, "nobody@example.org", address="203.0.113.2") for _ in tries]
    assert ada == nobody
    assert ada[-1]["__typename"] == "TooManyAttempts"


async def test_guesses_sent_at_once_to_several_processes_are_counted_all_the_same(client, settings, monkeypatch):
    await client.sign_up("ada@example.org")
    worked = []
    real = Passwords._matches
    monkeypatch.setattr(Passwords, "_matches", lambda self, *given: worked.append(1) or real(self, *given))
    async with serving(create_app(settings)) as second, client_of(second) as elsewhere:
        answers = await asyncio.gather(*(sign_in(one, "ada@example.org") for one in (client, elsewhere) * 15))
    kinds = [answer["__typename"] for answer in answers]
    assert kinds.count("BadCredentials") == len(worked) == BEFORE_WAITS
    assert kinds.count("TooManyAttempts") == 30 - BEFORE_WAITS


async def test_guesses_from_everywhere_at_one_account_wait_too_and_keep_nobody_out_where_they_are_signed_in(
    client, owner
):
    await client.sign_up("ada@example.org")
    assert (await sign_in(client, "ada@example.org", PASSWORD, address="198.51.100.1"))["__typename"] == "SignInSuccess"
    crowd = [f"203.0.113.{number}" for number in range(1, ANYWHERE.free + 3)]
    kinds = [(await sign_in(client, "ada@example.org", address=address))["__typename"] for address in crowd]
    assert kinds == ["BadCredentials"] * (ANYWHERE.free + 1) + ["TooManyAttempts"]
    assert (await sign_in(client, "ada@example.org", PASSWORD, address="192.0.2.1"))["__typename"] == "TooManyAttempts"
    assert (await sign_in(client, "ada@example.org", PASSWORD, address="198.51.100.1"))["__typename"] == "SignInSuccess"
    assert (await client.ask("{ viewer { name } }"))["viewer"]["name"] == "Ada", "sessions go on"
    longest = ANYWHERE.wait_max.total_seconds()
    await owner.execute("UPDATE guesses SET count = 1000000, blocked_until = guessed_at + interval '1 second'")
    await let_time_pass(owner, 1)
    await sign_in(client, "ada@example.org", address="192.0.2.2")
    await let_time_pass(owner, longest)
    assert (await sign_in(client, "ada@example.org", PASSWORD, address="192.0.2.1"))["__typename"] == "SignInSuccess"


async def test_guesses_from_one_network_at_many_accounts_wait(client, owner):
    await sign_in(client, "first@example.org", address="2001:db8::1")
    await owner.execute("UPDATE guesses SET count = $1", NETWORK.free)
    assert await guess(client, "second@example.org", 2, "2001:db8::2") == ["BadCredentials", "TooManyAttempts"]
    assert await guess(client, "third@example.org", 1, "2001:db8:0:1::1") == ["BadCredentials"]


async def test_the_passwords_asked_for_within_a_session_are_guessed_at_as_slowly(client, owner):
    await client.sign_up("ada@example.org")
    kinds = [(await client.ask(DELETE, password=WRONG))["deleteAccount"]["__typename"] for _ in range(3)]
    kinds += [
        (await client.ask(CHANGE, old=WRONG, new="another horse battery"))["changePassword"]["__typename"]
        for _ in range(BEFORE_WAITS - 3)
    ]
    assert kinds == ["BadCredentials"] * BEFORE_WAITS
    assert (await client.ask(DELETE, password=PASSWORD))["deleteAccount"] == {
        "__typename": "TooManyAttempts", "retryAfterSeconds": 1, "code": "TOO_MANY_ATTEMPTS",
    }  # fmt: skip
    changed = await client.ask(CHANGE, old=PASSWORD, new="another horse battery")
    assert changed["changePassword"]["__typename"] == "TooManyAttempts"
    assert await owner.fetchval("SELECT count(*) FROM deletions") == 0
    assert (await sign_in(client, "ada@example.org", PASSWORD))["__typename"] == "SignInSuccess", "the door is another"


async def test_what_is_kept_of_guesses_names_nobody_and_is_forgotten(client, owner, runtime):
    from mintql.services.extract import utc_now  # noqa: PLC0415
    from mintql.services.purging import PURGES  # noqa: PLC0415

    await sign_in(client, "nobody@example.org", address="203.0.113.9")
    kept = " ".join(str(dict(row)) for row in await owner.fetch("SELECT * FROM guesses"))
    assert kept
    assert "nobody" not in kept
    assert "203.0.113.9" not in kept
    await let_time_pass(owner, 25 * 3600)
    for purge in PURGES:
        await purge(owner, utc_now())
    assert await owner.fetchval("SELECT count(*) FROM guesses") == 0
