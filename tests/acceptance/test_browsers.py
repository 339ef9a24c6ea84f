"""What browsers are told and refused: origins, CORS, headers, cookies."""

from __future__ import annotations

import pytest
import websockets

from mintql.api.cookies import COOKIE
from mintql.app import create_app
from mintql.settings import Settings
from support.clients import PASSWORD, RESPONSE_JSON, client_of, raw_socket
from support.servers import serving

FRIEND, STRANGER = "https://app.example.org", "https://evil.example"
TYPENAME = {"query": "{ __typename }"}
VIEWER = {"query": "{ viewer { email } }"}
SIGN_UP = {
    "query": 'mutation ($password: String!) { signUp(email: "ada@example.org", password: $password, name: "A", '
    "setCookie: true) { ... on SignInSuccess { token } } }",
    "variables": {"password": PASSWORD},
}
ON_EVERYTHING = {
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


@pytest.fixture
async def site(settings):
    """The API in production, with another origin that is allowed."""
    chosen = {"allowed_origins": (FRIEND,), "environment": "production", "ide": True}
    async with serving(create_app(settings.model_copy(update=chosen))) as server, client_of(server) as client:
        yield client


async def sign_up(client):
    """Sign up as a page does; the client keeps no cookie, since this is no HTTPS."""
    response = await client.http.post(client.url, json=SIGN_UP)
    client.token = response.json()["data"]["signUp"]["token"]
    return response


async def test_another_origin_is_allowed_by_its_name_and_no_other(site):
    preflight = {
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type,authorization",
    }
    allowed = await site.http.options(site.url, headers={"origin": FRIEND, **preflight})
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == FRIEND
    assert allowed.headers["access-control-allow-credentials"] == "true"
    assert "origin" in allowed.headers["vary"].lower()
    for origin in (STRANGER, "null", f"{FRIEND}.evil.example", FRIEND.replace("https", "http"), f"{FRIEND}:8443", "*"):
        refused = await site.http.options(site.url, headers={"origin": origin, **preflight})
        assert refused.status_code == 400
        assert "access-control-allow-origin" not in refused.headers
        answered = await site.http.post(site.url, json=TYPENAME, headers={"origin": origin})
        assert "access-control-allow-origin" not in answered.headers


async def test_an_allowed_origin_reads_answers_and_the_headers_of_limits(site):
    answer = await site.http.post(site.url, json=TYPENAME, headers={"origin": FRIEND})
    assert answer.headers["access-control-allow-origin"] == FRIEND
    exposed = {name.strip() for name in answer.headers["access-control-expose-headers"].split(",")}
    assert exposed >= {"ratelimit", "ratelimit-policy", "retry-after"}


@pytest.mark.parametrize("origins", ['["*"]', '["null"]', '["https://a.example/path"]', '["a.example"]'])
def test_an_origin_that_is_none_cannot_be_allowed(monkeypatch, origins):
    monkeypatch.setenv("MINTQL_ALLOWED_ORIGINS", origins)
    with pytest.raises(ValueError, match="allowed_origins"):
        Settings()


async def test_a_cookie_works_for_pages_of_this_site_and_allowed_ones_in_every_way_of_asking(site):
    await sign_up(site)
    cookie = {"cookie": f"{COOKIE}={site.token}", "accept": RESPONSE_JSON}
    own = site.url.removesuffix("/graphql")
    for headers, status in (
        ({}, 200),
        ({"origin": own}, 200),
        ({"origin": FRIEND}, 200),
        ({"origin": STRANGER}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-origin"}, 200),
    ):
        posted = await site.http.post(site.url, json=VIEWER, headers=cookie | headers)
        got = await site.http.get(site.url, params=VIEWER, headers=cookie | headers)
        streamed = await site.http.post(
            site.url, json=VIEWER, headers=cookie | headers | {"accept": "text/event-stream"}
        )
        for response in (posted, got, streamed):
            assert response.status_code == status, headers
            assert ("ada@example.org" in response.text) == (status == 200), headers


async def test_a_handshake_of_another_origin_is_refused(site):
    await sign_up(site)
    cookie = f"{COOKIE}={site.token}"
    for origin in (STRANGER, "null"):
        with pytest.raises(websockets.InvalidStatus) as refused:
            async with raw_socket(site.ws_url, cookie=cookie, origin=origin):
                pass
        assert refused.value.response.status_code == 403
    async with raw_socket(site.ws_url, cookie=cookie, origin=FRIEND) as socket:
        await socket.send({"type": "connection_init"})
        assert (await socket.receive())["type"] == "connection_ack"


async def test_each_kind_of_answer_tells_browsers_what_it_must_not_be_used_for(site):
    await sign_up(site)
    base = site.url.removesuffix("/graphql")
    answers = {
        "answer": await site.post("{ viewer { email } }"),
        "refusal": await site.http.post(site.url, content=b"{", headers={"content-type": "application/json"}),
        "stream": await site.post("{ __typename }", accept="text/event-stream"),
        "download": await site.http.get(f"{base}/export/everything.json", headers=site.headers()),
        "no download": await site.http.get(f"{base}/export/everything.json"),
        "page": await site.http.get(f"{base}/"),
        "ide": await site.http.get(site.url, headers={"accept": "text/html"}),
        "unsubscribe": await site.http.get(f"{base}/unsubscribe?token=x"),
        "health": await site.http.get(f"{base}/livez"),
        "nothing": await site.http.get(f"{base}/nowhere"),
    }
    for kind, response in answers.items():
        for name, value in ON_EVERYTHING.items():
            assert response.headers[name] == value, (kind, name)
        assert response.headers["strict-transport-security"] == "max-age=63072000; includeSubDomains", kind
        policy = response.headers["content-security-policy"]
        assert "default-src 'none'" in policy, kind
        assert "frame-ancestors 'none'" in policy, kind
        if not response.headers.get("content-type", "").startswith("text/html"):
            assert "script-src" not in policy, kind
    for kind in ("answer", "refusal", "stream", "download", "no download", "unsubscribe"):
        assert "no-store" in answers[kind].headers["cache-control"], kind


async def test_only_production_insists_on_https(server):
    async with client_of(server) as client:
        assert "strict-transport-security" not in (await client.post("{ __typename }")).headers


async def test_the_cookie_is_out_of_reach_of_scripts_other_hosts_and_other_sites(site):
    (cookie,) = (await sign_up(site)).headers.get_list("set-cookie")
    name, *attributes = (part.strip().lower() for part in cookie.split(";"))
    assert name.startswith("__host-mintql=")
    assert {"secure", "httponly", "path=/", "samesite=lax"} <= set(attributes)
    assert not any(attribute.startswith("domain") for attribute in attributes)
    out = await site.http.post(site.url, json={"query": "mutation { signOut { __typename } }"}, headers=site.headers())
    (cleared,) = out.headers.get_list("set-cookie")
    assert {"secure", "httponly", "path=/", "samesite=lax"} <= {part.strip().lower() for part in cleared.split(";")}


async def test_what_a_form_of_another_site_can_send_is_refused_and_changes_nothing(site):
    await sign_up(site)
    body = b'{"query": "mutation { signOut(everywhere: true) { __typename } }"}'
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "application/graphql", ""):
        headers = {"content-type": content_type, "cookie": f"{COOKIE}={site.token}"}
        response = await site.http.post(site.url, content=body, headers=headers)
        assert response.status_code == 415
    assert (await site.ask("{ viewer { email } }"))["viewer"]["email"] == "ada@example.org"


async def test_a_link_changes_nothing(site):
    await sign_up(site)
    query = {"query": "mutation { signOut(everywhere: true) { __typename } }"}
    for accept in (RESPONSE_JSON, "text/event-stream"):
        response = await site.http.get(site.url, params=query, headers=site.headers() | {"accept": accept})
        assert response.status_code == 405 or "errors" in response.text
    assert (await site.ask("{ viewer { email } }"))["viewer"]["email"] == "ada@example.org"
