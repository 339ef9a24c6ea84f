"""Signing in by an OpenID Connect provider: whoever the provider proves to be, and nobody by a lie."""

from __future__ import annotations

import base64
import json
import time
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey
from pydantic import SecretStr

from mintql.api.cookies import COOKIE as SESSION_COOKIE
from mintql.api.oidc import COOKIE
from mintql.gateways import oidc as gateway
from mintql.settings import Settings
from support.clients import PASSWORD, client_of
from support.local import local_client
from support.oidc import CLIENT_ID, CLIENT_SECRET, Provider, new_key
from support.servers import serving

ADA = {"sub": "ada-at-the-provider", "email": "ada@example.org", "email_verified": True, "name": "Ada L."}
BOB = {"sub": "bob-at-the-provider", "email": "bob@example.org", "email_verified": True}
VIEWER = "{ viewer { email name } }"
LINK = """
mutation Link($password: String!) {
  linkIdentity(password: $password) { __typename ... on LinkIdentitySuccess { url } ... on Error { code message field } }
}
"""
UNLINK = """
mutation Unlink($id: ID!, $password: String!) {
  unlinkIdentity(id: $id, password: $password) {
    __typename ... on UnlinkIdentitySuccess { linkedIdentities { id } } ... on Error { code message field }
  }
}
"""
LINKED = "{ linkedIdentities { id issuer email } }"
PUBLIC = "https://budget.example.org"


@pytest.fixture(scope="module")
def keys():
    """Two key pairs, which take a while to make."""
    return new_key("first"), new_key("second")


@pytest.fixture
async def provider(keys):
    found = Provider(key=keys[0], person=ADA)
    async with serving(found.app()) as running:
        found.issuer = running.url
        yield found


@pytest.fixture
def settings(settings, provider):
    return settings.model_copy(
        update={
            "oidc_issuer": provider.issuer,
            "oidc_client_id": CLIENT_ID,
            "oidc_client_secret": SecretStr(CLIENT_SECRET),
            "oidc_name": "Sign in with Example",
            "public_url": PUBLIC,
        }
    )


@pytest.fixture
async def client(server):
    async with client_of(server) as opened:
        yield opened


class Browser:
    """Keeps cookies, as a browser does with those of a secure site, and follows redirects when told to."""

    def __init__(self, http, url):
        self.http, self.url, self.cookies = http, url, {}

    async def get(self, url):
        own = url.startswith("/")
        sent = "; ".join(f"{name}={value}" for name, value in self.cookies.items()) if own else ""
        response = await self.http.get(self.url + url if own else url, headers={"cookie": sent} if sent else {})
        if own:
            self.keep(response)
        return response

    def keep(self, response):
        for line in response.headers.get_list("set-cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            assert {"secure", "httponly", "samesite=lax", "path=/"} <= {
                part.strip().lower() for part in line.split(";")
            }
            self.cookies[name] = value
            if value in ("", '""'):
                del self.cookies[name]

    async def start(self):
        """Return where the provider would send this browser back to."""
        begun = await self.get("/oidc/start")
        assert begun.status_code == 303, begun.text
        return await self.visit(begun.headers["location"])

    async def visit(self, address):
        back = (await self.get(address)).headers["location"]
        assert back.startswith(f"{PUBLIC}/oidc/callback?")
        return back.removeprefix(PUBLIC)

    async def sign_in(self):
        return await self.get(await self.start())

    async def asks(self, query):
        headers = {"cookie": f"{SESSION_COOKIE}={self.cookies.get(SESSION_COOKIE, '')}"}
        return (await self.http.post(f"{self.url}/graphql", json={"query": query}, headers=headers)).json()


@pytest.fixture
async def browser(server):
    async with local_client() as http:
        yield Browser(http, server.url)


async def test_somebody_new_gets_an_account_and_comes_back_to_it(browser, provider, owner, client):
    shown = (await client.ask("{ signInProviders { name url } }"))["signInProviders"]
    assert shown == [{"name": "Sign in with Example", "url": "/oidc/start"}]
    done = await browser.sign_in()
    assert (done.status_code, done.headers["location"]) == (303, "/")
    assert set(browser.cookies) == {SESSION_COOKIE}
    assert (await browser.asks(VIEWER))["data"]["viewer"] == {"email": "ada@example.org", "name": "Ada L."}
    provider.person = ADA | {"email": "changed@example.org", "name": "Another"}
    await browser.sign_in()
    assert (await browser.asks(VIEWER))["data"]["viewer"]["email"] == "ada@example.org", "found by subject alone"
    assert await owner.fetchval("SELECT count(*) FROM users") == 1
    acts = [row["act"] for row in await owner.fetch("SELECT act FROM audit_entries ORDER BY entry_id")]
    assert acts == ["identity_linked", "signed_up", "signed_in"]
    refused = await client.ask('mutation { signIn(email: "ada@example.org", password: "") { __typename } }')
    assert refused["signIn"]["__typename"] == "BadCredentials", "an account without a password has none"


def unsigned(claims):
    parts = [json.dumps(part).encode() for part in ({"alg": "none", "typ": "JWT"}, claims)]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts) + "."


def signed_by_another_key(claims):
    key = new_key("first")
    return jwt.encode({"alg": "RS256", "kid": "first"}, claims, key)


def signed_by_the_secret(claims):
    return jwt.encode({"alg": "HS256", "kid": "first"}, claims, OctKey.import_key(CLIENT_SECRET))


@pytest.mark.parametrize(
    ("lies", "sign"),
    [
        ({"nonce": "another"}, None),
        ({"nonce": None}, None),
        ({"aud": "another client"}, None),
        ({"aud": None}, None),
        ({"aud": ["another client", CLIENT_ID]}, None),
        ({"azp": "another client"}, None),
        ({"iss": "https://another.example"}, None),
        ({"iss": None}, None),
        ({"exp": int(time.time()) - 3_600}, None),
        ({"exp": None}, None),
        ({"iat": int(time.time()) + 3_600}, None),
        ({"nbf": int(time.time()) + 3_600}, None),
        ({"sub": None}, None),
        ({"sub": ""}, None),
        ({"sub": 7}, None),
        ({}, unsigned),
        ({}, signed_by_another_key),
        ({}, signed_by_the_secret),
        ({}, lambda _: "no token"),
        ({}, lambda _: 7),
    ],
)
async def test_a_token_that_lies_signs_nobody_in(browser, provider, owner, lies, sign):
    provider.lies, provider.sign = lies, sign
    refused = await browser.sign_in()
    assert (refused.status_code, refused.headers["x-mintql-code"]) == (400, "INVALID_INPUT")
    assert "not to be believed" in refused.text
    assert SESSION_COOKIE not in browser.cookies
    assert await owner.fetchval("SELECT count(*) FROM users") == 0


async def test_a_state_is_good_once_and_in_the_browser_where_it_began(browser, server, provider, owner):
    back = await browser.start()
    async with local_client() as http:
        other = Browser(http, server.url)
        assert (await other.get(back)).status_code == 400, "no cookie"
        await other.get("/oidc/start")
        assert (await other.get(back)).status_code == 400, "the cookie of another visit"
    cookie = browser.cookies[COOKIE]
    assert (await browser.get(back)).status_code == 303
    browser.cookies[COOKIE] = cookie
    provider.asked.clear()
    again = await browser.get(back)
    assert (again.status_code, "ended already" in again.text) == (400, True)
    assert provider.asked == []
    assert await owner.fetchval("SELECT count(*) FROM sessions") == 1


@pytest.mark.parametrize("change", ["state", "code", "error", "iss", "late"])
async def test_what_comes_back_changed_signs_nobody_in(browser, provider, owner, change, monkeypatch):
    if change == "late":
        monkeypatch.setattr("mintql.services.oidc.VISIT_SECONDS", -1)
    back = await browser.start()
    query = {name: values[0] for name, values in parse_qs(urlsplit(back).query).items()}
    changed = {
        "state": {"state": query["state"][:-2] + "AA"},
        "code": {"code": "another"},
        "error": {"error": "access_denied"},
        "iss": {"iss": "https://another.example"},
        "late": {},
    }[change]
    refused = await browser.get(f"/oidc/callback?{httpx.QueryParams(query | changed)}")
    assert refused.status_code == 400
    assert await owner.fetchval("SELECT count(*) FROM users") == 0


@pytest.mark.parametrize("person", [ADA | {"email_verified": False}, ADA | {"email_verified": "true"}, {"sub": "x"}])
async def test_without_a_verified_address_there_is_no_account(browser, provider, owner, person):
    provider.person = person
    refused = await browser.sign_in()
    assert (refused.status_code, "no verified e-mail address" in refused.text) == (400, True)
    assert await owner.fetchval("SELECT count(*) FROM users") == 0


async def test_an_address_that_somebody_has_here_is_taken_over_by_nobody(browser, client, owner):
    await client.sign_up("ADA@example.org")
    refused = await browser.sign_in()
    assert (refused.status_code, refused.headers["x-mintql-code"]) == (400, "EMAIL_TAKEN")
    assert SESSION_COOKIE not in browser.cookies
    assert [await owner.fetchval(f"SELECT count(*) FROM {name}") for name in ("users", "sessions")] == [1, 1]
    assert await owner.fetchval("SELECT count(*) FROM linked_identities") == 0


async def begin_to_link(client, browser, password=PASSWORD):
    answer = await client.post(LINK, {"password": password})
    browser.keep(answer)
    return answer.json()["data"]["linkIdentity"]


async def test_an_identity_is_linked_by_who_is_signed_in_and_knows_the_password(browser, client, provider, owner):
    await client.sign_up("countess@example.org")
    refused = await begin_to_link(client, browser, "not the password")
    assert (refused["__typename"], COOKIE in browser.cookies) == ("BadCredentials", False)
    begun = await begin_to_link(client, browser)
    assert (await browser.get(await browser.visit(begun["url"]))).status_code == 303
    (linked,) = (await client.ask(LINKED))["linkedIdentities"]
    assert (linked["issuer"], linked["email"]) == (provider.issuer, "ada@example.org")
    await browser.sign_in()
    assert (await browser.asks(VIEWER))["data"]["viewer"]["email"] == "countess@example.org"
    unlinked = (await client.ask(UNLINK, id=linked["id"], password=PASSWORD))["unlinkIdentity"]
    assert unlinked == {"__typename": "UnlinkIdentitySuccess", "linkedIdentities": []}
    await browser.sign_in()
    assert (await browser.asks(VIEWER))["data"]["viewer"]["email"] == "ada@example.org", "somebody else now"
    assert await owner.fetchval("SELECT count(*) FROM users") == 2


async def test_an_identity_of_somebody_else_is_not_linked_nor_one_by_a_session_that_ended(browser, client, owner):
    await browser.sign_in()
    await client.sign_up("bob@example.org")
    begun = await begin_to_link(client, browser)
    taken = await browser.get(await browser.visit(begun["url"]))
    assert (taken.status_code, "linked to an account already" in taken.text) == (400, True)
    begun = await begin_to_link(client, browser)
    await client.ask("mutation { signOut { __typename } }")
    assert (await browser.get(await browser.visit(begun["url"]))).status_code == 401
    assert await owner.fetchval("SELECT count(*) FROM linked_identities") == 1


async def test_who_has_no_password_gives_a_fresh_session_in_its_place(browser, client, owner):
    await browser.sign_in()
    client.token = browser.cookies[SESSION_COOKIE]
    (linked,) = (await client.ask(LINKED))["linkedIdentities"]
    stuck = (await client.ask(UNLINK, id=linked["id"], password=""))["unlinkIdentity"]
    assert (stuck["__typename"], "set a password" in stuck["message"]) == ("InvalidInput", True)
    change = 'mutation ($new: String!) { changePassword(currentPassword: "", newPassword: $new) { __typename ... on Error { message } } }'
    await owner.execute("UPDATE sessions SET created_at = created_at - interval '11 minutes'")
    refused = (await client.ask(change, new=PASSWORD))["changePassword"]
    assert (refused["__typename"], "Sign in anew" in refused["message"]) == ("BadCredentials", True)
    await owner.execute("UPDATE sessions SET created_at = now()")
    assert (await client.ask(change, new=PASSWORD))["changePassword"]["__typename"] == "ChangePasswordSuccess"
    assert (await client.ask(UNLINK, id=linked["id"], password=PASSWORD))["unlinkIdentity"][
        "__typename"
    ] == "UnlinkIdentitySuccess"
    assert (await client.ask(UNLINK, id=linked["id"], password=PASSWORD))["unlinkIdentity"]["code"] == "NOT_FOUND"


async def test_keys_are_kept_and_asked_for_anew_when_one_is_not_known(browser, provider, keys, monkeypatch):
    for _ in range(3):
        await browser.sign_in()
    assert (provider.asked.count("description"), provider.asked.count("keys")) == (1, 1)
    provider.key = keys[1]
    assert (await browser.sign_in()).status_code == 400, "asked for a moment ago"
    monkeypatch.setattr(gateway, "KEYS_AGAIN_SECONDS", 0.0)
    assert (await browser.sign_in()).status_code == 303
    assert provider.asked.count("keys") == 2


@pytest.mark.parametrize("described", [{"issuer": "https://another.example"}, {"token_endpoint": None}])
async def test_a_provider_that_says_nonsense_of_itself_is_not_visited(browser, provider, described):
    provider.described = described
    refused = await browser.get("/oidc/start")
    assert (refused.status_code, "cannot be used" in refused.text) == (400, True)


async def test_endpoints_within_a_network_are_not_reached(browser, provider, owner):
    provider.described = {"token_endpoint": "http://169.254.169.254/token"}
    assert (await browser.sign_in()).status_code == 400
    assert await owner.fetchval("SELECT count(*) FROM users") == 0


async def test_without_a_provider_there_is_nothing_to_visit(settings):
    from mintql.app import create_app  # noqa: PLC0415

    without = settings.model_copy(update={"oidc_issuer": None})
    async with serving(create_app(without)) as running, local_client(base_url=running.url) as http:
        assert [(await http.get(path)).status_code for path in ("/oidc/start", "/oidc/callback")] == [404, 404]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"oidc_issuer": "http://id.example.org"}, "https"),
        ({"oidc_issuer": "https://id.example.org?x=1"}, "https"),
        ({"oidc_client_secret": None}, "MINTQL_OIDC_CLIENT_SECRET"),
        ({"public_url": None}, "MINTQL_PUBLIC_URL"),
    ],
)
def test_settings_of_a_provider_come_together(change, words):
    whole = {
        "oidc_issuer": "https://id.example.org/realm",
        "oidc_client_id": "x",
        "oidc_client_secret": "y",
        "public_url": PUBLIC,
        "environment": "development",
    }
    assert "'y'" not in repr(Settings(**whole))
    with pytest.raises(ValueError, match=words):
        Settings(**(whole | change))
