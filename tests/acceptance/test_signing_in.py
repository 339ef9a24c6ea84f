"""Signing up, in and out, and what a person says about themselves."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mintql.api.cookies import COOKIE
from support.clients import PASSWORD, SIGN_UP, client_of, socket_of

VIEWER = "{ viewer { id email name timeZone currency annualIncome { amount currency } } }"
SIGN_IN = """
mutation SignIn($email: String!, $password: String!, $setCookie: Boolean = false) {
  signIn(email: $email, password: $password, setCookie: $setCookie) {
    __typename
    ... on SignInSuccess { token expiresAt viewer { email } }
    ... on Error { code message field }
  }
}
"""
UPDATE = """
mutation Update($input: UpdateProfileInput!) {
  updateProfile(input: $input) {
    __typename
    ... on UpdateProfileSuccess { viewer { name timeZone currency annualIncome { amount currency } } }
    ... on Error { code message field }
  }
}
"""


@pytest.fixture
async def client(server):
    async with client_of(server) as opened:
        yield opened


async def sign_in(client, email, password=PASSWORD, **more):
    return (await client.ask(SIGN_IN, email=email, password=password, **more))["signIn"]


async def update(client, **changes):
    return (await client.ask(UPDATE, input=changes))["updateProfile"]


async def test_a_person_signs_up_and_is_signed_in(client, owner):
    viewer = await client.sign_up("ada@example.org")
    assert (await client.ask(VIEWER))["viewer"] == {
        "id": viewer["id"],
        "email": "ada@example.org",
        "name": "Ada",
        "timeZone": "UTC",
        "currency": "USD",
        "annualIncome": None,
    }
    row = await owner.fetchrow("SELECT password_hash, last_active_on FROM users")
    assert row["password_hash"].startswith("$argon2id$")
    assert row["last_active_on"] == datetime.now(UTC).date()


async def test_neither_password_nor_token_can_be_read_from_the_database(client, owner):
    await client.sign_up()
    everything = " ".join(
        [str(dict(row)) for table in ("users", "sessions") for row in await owner.fetch(f"SELECT * FROM {table}")]
    )
    assert PASSWORD not in everything
    assert client.token not in everything


@pytest.mark.parametrize(
    ("email", "password", "field", "words"),
    [
        ("nobody", PASSWORD, "email", "not an e-mail address"),
        ("a@b", PASSWORD, "email", "not an e-mail address"),
        ("a b@example.org", PASSWORD, "email", "not an e-mail address"),
        (f"{'a' * 250}@example.org", PASSWORD, "email", "not an e-mail address"),
        ("a@-b.de", PASSWORD, "email", "not an e-mail address"),
        ("a@b.de;drop", PASSWORD, "email", "not an e-mail address"),
        ("ada@example.org", "short", "password", "10 to 200 characters"),
        ("ada@example.org", "x" * 201, "password", "10 to 200 characters"),
        ("ada@example.org", "aaaaaaaaaaaa", "password", "guessed"),
    ],
)
async def test_what_cannot_be_used_is_refused_and_nobody_is_stored(client, owner, email, password, field, words):
    result = (await client.ask(SIGN_UP, email=email, password=password))["signUp"]
    assert (result["__typename"], result["code"], result["field"]) == ("InvalidInput", "INVALID_INPUT", field)
    assert words in result["message"]
    assert await owner.fetchval("SELECT count(*) FROM users") == 0


async def test_an_address_can_sign_up_once_in_any_case_of_letters(client, owner):
    await client.sign_up("ada@example.org")
    result = (await client.ask(SIGN_UP, email="ADA@example.org", password=PASSWORD))["signUp"]
    assert (result["__typename"], result["field"]) == ("EmailTaken", "email")
    assert await owner.fetchval("SELECT count(*) FROM users") == 1
    assert await owner.fetchval("SELECT count(*) FROM sessions") == 1


async def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(client):
    await client.sign_up("ada@example.org")
    wrong = await sign_in(client, "ada@example.org", "a wrong password")
    unknown = await sign_in(client, "bob@example.org", "a wrong password")
    assert wrong == unknown
    assert wrong["__typename"] == "BadCredentials"


async def test_an_address_that_no_database_can_hold_is_as_unknown_as_any(client):
    assert (await sign_in(client, "ada\0@example.org"))["__typename"] == "BadCredentials"


async def test_signing_in_begins_a_session_of_its_own(client):
    await client.sign_up("ada@example.org")
    first = client.token
    again = await sign_in(client, "Ada@Example.org")
    assert again["token"] != first
    client.token = again["token"]
    assert (await client.ask(VIEWER))["viewer"]["email"] == "ada@example.org"


async def test_signing_out_ends_the_session_at_once_and_only_this_one(client):
    await client.sign_up("ada@example.org")
    other = (await sign_in(client, "ada@example.org"))["token"]
    await client.ask("mutation { signOut { ... on SignOutSuccess { signedOut } } }")
    assert (await client.refusal(VIEWER))["extensions"]["code"] == "UNAUTHENTICATED"
    client.token = other
    assert (await client.ask(VIEWER))["viewer"]
    await client.ask("mutation { signOut(everywhere: true) { ... on SignOutSuccess { signedOut } } }")
    assert (await client.refusal(VIEWER))["extensions"]["code"] == "UNAUTHENTICATED"
    result = await client.ask("mutation { signOut { __typename ... on Error { code } } }")
    assert result["signOut"] == {"__typename": "NotSignedIn", "code": "NOT_SIGNED_IN"}


async def test_a_session_that_has_run_out_counts_as_none(client, owner):
    await client.sign_up()
    await owner.execute("UPDATE sessions SET expires_at = now() - interval '1 second'")
    assert (await client.refusal(VIEWER))["extensions"]["code"] == "UNAUTHENTICATED"


@pytest.mark.parametrize("token", ["", "x", "x" * 5000, "a b", "' OR 1=1"])
async def test_a_token_that_was_never_given_out_counts_as_none(client, token):
    client.token = token or None
    assert (await client.refusal(VIEWER))["extensions"]["code"] == "UNAUTHENTICATED"


async def test_a_cookie_is_set_on_request_and_taken_back(client):
    await client.sign_up("ada@example.org")
    client.token = None
    variables = {"email": "ada@example.org", "password": PASSWORD, "setCookie": True}
    response = await client.post(SIGN_IN, variables)
    cookie = response.headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    assert {part.strip().lower() for part in cookie.split(";")[1:]} == {
        "secure",
        "httponly",
        "samesite=lax",
        "path=/",
        f"max-age={30 * 86400}",
    }
    value = cookie.split(";")[0]
    assert (await client.post(VIEWER, cookie=value)).json()["data"]["viewer"]["email"] == "ada@example.org"
    response = await client.post("mutation { signOut { __typename } }", cookie=value)
    assert "max-age=0" in response.headers["set-cookie"].lower()
    assert (await client.post(VIEWER, cookie=value)).json()["data"]["viewer"] is None


async def test_without_the_request_no_cookie_is_set(client):
    response = await client.post(SIGN_UP, {"email": "ada@example.org", "password": PASSWORD})
    assert "set-cookie" not in response.headers


async def test_a_profile_changes_only_where_it_is_told_to(client, owner):
    await client.sign_up()
    income = {"amount": "60000", "currency": "USD"}
    result = await update(client, annualIncome=income)
    assert result["viewer"] == {
        "name": "Ada",
        "timeZone": "UTC",
        "currency": "USD",
        "annualIncome": {"amount": "60000.00", "currency": "USD"},
    }
    assert await owner.fetchval("SELECT template_revision FROM users") == 1
    result = await update(client, name="Countess", timeZone="Europe/London")
    assert result["viewer"]["annualIncome"]["amount"] == "60000.00"
    assert await owner.fetchval("SELECT template_revision FROM users") == 1
    result = await update(client, annualIncome=None)
    assert result["viewer"]["annualIncome"] is None
    assert await owner.fetchval("SELECT template_revision FROM users") == 2


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"timeZone": "Mars/Olympus"}, "timeZone"),
        ({"timeZone": "localtime"}, "timeZone"),
        ({"name": " "}, "name"),
        ({"annualIncome": {"amount": "-1", "currency": "USD"}}, "annualIncome"),
        ({"annualIncome": {"amount": "1.234", "currency": "USD"}}, "annualIncome"),
        ({"annualIncome": {"amount": "1", "currency": "EUR"}}, "annualIncome"),
        ({"currency": "EUR"}, "annualIncome"),
    ],
)
async def test_a_change_that_cannot_be_made_changes_nothing(client, owner, changes, field):
    await client.sign_up()
    await update(client, annualIncome={"amount": "60000", "currency": "USD"})
    before = await owner.fetch("SELECT * FROM users")
    result = await update(client, **changes)
    assert (result["__typename"], result["field"]) == ("InvalidInput", field)
    assert await owner.fetch("SELECT * FROM users") == before


async def test_the_node_of_another_person_is_null_as_a_missing_one_is(client):
    ada = await client.sign_up()
    ask = "query Node($id: ID!) { node(id: $id) { __typename id } }"
    assert (await client.ask(ask, id=ada["id"]))["node"] == {"__typename": "User", "id": ada["id"]}
    await client.sign_up()
    assert (await client.ask(ask, id=ada["id"]))["node"] is None
    assert (await client.ask(ask, id="VXNlcjo5OTk"))["node"] is None
    error = await client.refusal(ask, id="nonsense")
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "field": "id"}


async def test_a_cookie_asked_for_over_a_socket_is_refused_before_anybody_is_signed_up(client):
    client.token = None
    sign_up = """mutation { signUp(email: "socket@example.org", password: "correct horse battery", name: "S", setCookie: true)
      { __typename ... on Error { field } } }"""
    async with socket_of(client) as socket:
        await socket.subscribe(sign_up)
        assert (await socket.next())["signUp"] == {"__typename": "InvalidInput", "field": "setCookie"}
    signed_up = await client.ask(sign_up.replace(", setCookie: true", "").replace("{ field }", "{ message }"))
    assert signed_up["signUp"]["__typename"] == "SignInSuccess"


async def test_an_address_that_no_text_can_hold_belongs_to_nobody(client):
    answer = await client.ask(
        'mutation { signIn(email: "ada\\u0000@example.org", password: "correct horse battery") { __typename } }'
    )
    assert answer["signIn"]["__typename"] == "BadCredentials"
