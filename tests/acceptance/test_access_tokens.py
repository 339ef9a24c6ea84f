"""Access tokens: what they open, what they do not, and how they end."""

from __future__ import annotations

import pytest

from mintql.api import scopes
from mintql.api.schema import build_schema
from mintql.services.access_tokens import PREFIX, TOKENS_MAX
from support.clients import PASSWORD, client_of, eventually, socket_of

CREATE = """
mutation Create($name: String!, $scopes: [AccessScope!]!, $password: String!, $days: Int! = 30) {
  createAccessToken(name: $name, scopes: $scopes, password: $password, days: $days) {
    __typename
    ... on CreateAccessTokenSuccess { token accessToken { id name scopes createdAt expiresAt lastUsedAt } }
    ... on Error { code message field }
  }
}
"""
REVOKE = """
mutation Revoke($id: ID!) { revokeAccessToken(id: $id) { __typename ... on Error { code field } } }
"""
LISTED = "{ accessTokens { id name scopes lastUsedAt address } sessions { id } }"
VIEWER = "{ viewer { name } }"
TRANSACTIONS = "{ transactions(first: 1) { nodes { id } } }"
PROFILE = 'mutation { updateProfile(input: { name: "Countess" }) { __typename } }'
EXPORT = "mutation { createExport(kind: EVERYTHING_JSON) { __typename } }"
IMPORTS = "{ imports { __typename } }"
FOLLOW = "subscription { notifications { id } }"
ALL = ["READ", "WRITE", "IMPORT", "TRANSACTIONS_READ"]


@pytest.fixture
def settings(settings):
    """Whatever ends within the patience of a test ends by a wake-up: by itself the API looks far too seldom."""
    return settings.model_copy(update={"event_poll_seconds": 60})


@pytest.fixture
async def client(server):
    async with client_of(server) as opened:
        await opened.sign_up("ada@example.org")
        yield opened


@pytest.fixture
async def program(server):
    """A client that will have a token."""
    async with client_of(server) as opened:
        yield opened


async def create(client, *names, name="Spreadsheet", password=PASSWORD, days=30):
    asked = await client.ask(CREATE, name=name, scopes=list(names), password=password, days=days)
    return asked["createAccessToken"]


async def refused(program, document):
    """Return the scope that is missing, "session" where no scope is enough, None where it is answered."""
    answer = (await program.post(document)).json()
    if "errors" not in answer:
        return None
    (error,) = answer["errors"]
    assert error["extensions"]["code"] == "FORBIDDEN_SCOPE", error
    assert answer.get("data") is None
    return error["extensions"]["scope"] or "session"


async def test_a_token_is_told_once_and_cannot_be_read_from_the_database(client, owner):
    made = await create(client, "READ")
    assert made["token"].startswith(PREFIX)
    assert len(made["token"]) > len(PREFIX) + 40
    everything = " ".join(str(dict(row)) for row in await owner.fetch("SELECT * FROM sessions"))
    assert "Spreadsheet" in everything
    assert made["token"] not in everything
    listed = await client.ask(LISTED)
    assert [one["name"] for one in listed["accessTokens"]] == ["Spreadsheet"]
    assert len(listed["sessions"]) == 1, "a token is no session"


@pytest.mark.parametrize(
    ("granted", "answers"),
    [
        ("READ", {VIEWER: None, TRANSACTIONS: None, IMPORTS: None, PROFILE: "write", EXPORT: "session"}),
        ("WRITE", {VIEWER: "read", TRANSACTIONS: "transactions:read", IMPORTS: "import", PROFILE: None}),
        ("IMPORT", {VIEWER: "read", TRANSACTIONS: "transactions:read", IMPORTS: None, PROFILE: "write"}),
        ("TRANSACTIONS_READ", {VIEWER: "read", TRANSACTIONS: None, IMPORTS: "import", PROFILE: "write"}),
    ],
)
async def test_what_a_scope_opens_and_what_it_does_not(client, program, granted, answers):
    program.token = (await create(client, granted))["token"]
    for document, missing in answers.items():
        assert await refused(program, document) == missing, document
        async with socket_of(program) as socket:
            await socket.subscribe(document)
            told = (await socket.receive())["payload"]
            errors = told if isinstance(told, list) else told.get("errors", [])
            assert [error["extensions"]["scope"] or "session" for error in errors] == ([missing] if missing else [])
    if granted != "READ":
        events = await program.post(FOLLOW, accept="text/event-stream")
        assert '"code":"FORBIDDEN_SCOPE"' in events.text
    name = (await client.ask(VIEWER))["viewer"]["name"]
    assert name == ("Countess" if granted == "WRITE" else "Ada"), "what is refused changes nothing"


async def test_a_token_of_every_scope_opens_nothing_that_needs_a_session(client, program, owner):
    program.token = (await create(client, *ALL))["token"]
    fields = build_schema()._schema.mutation_type.fields
    for name in sorted(scopes.SESSION_MUTATIONS):
        arguments = ", ".join(f"{argument}: {sample(field)}" for argument, field in fields[name].args.items())
        document = f"mutation {{ {name}{f'({arguments})' if arguments else ''} {{ __typename }} }}"
        assert await refused(program, document) == "session", name
    file = await program.http.get(program.url.replace("/graphql", "/export/everything.json"), headers=program.headers())
    assert file.status_code == 401
    assert (
        await owner.fetchval("SELECT count(*) FROM audit_entries WHERE act NOT IN ('signed_up', 'access_token_made')")
        == 0
    )


def sample(argument):
    """Return a value that fits an argument's type well enough to be checked."""
    kind = str(argument.type)
    named = {"ID": '"x"', "Int": "1", "Boolean": "false", "String": '"x"', "CurrencyCode": '"USD"'}
    if kind.startswith("["):
        return "[]"
    if not kind.endswith("!") and kind.rstrip("!") not in named:
        return "null"
    bare = argument.type.of_type if kind.endswith("!") else argument.type
    if hasattr(bare, "fields"):
        return "{" + ", ".join(f"{name}: {sample(field)}" for name, field in bare.fields.items()) + "}"
    if hasattr(bare, "values"):
        return next(iter(bare.values))
    return named.get(kind.rstrip("!"), '"x"')


def test_every_mutation_is_decided_on():
    schema = build_schema()._schema
    decided = scopes.WRITE_MUTATIONS | scopes.SESSION_MUTATIONS
    undecided = set(schema.mutation_type.fields) - decided
    assert undecided == set(), "say in api/scopes.py whether WRITE opens it (or IMPORT as well), or it needs a session"
    assert decided <= set(schema.mutation_type.fields)
    assert not scopes.WRITE_MUTATIONS & scopes.SESSION_MUTATIONS
    assert set(schema.query_type.fields) >= scopes.TRANSACTIONS_QUERIES | scopes.IMPORT_QUERIES


async def test_a_kept_answer_is_given_to_no_token_that_may_not_ask_for_it(client, program):
    for _ in range(3):
        kept = await client.post(VIEWER)
    assert kept.headers["x-cache"] == "hit"
    program.token = (await create(client, "TRANSACTIONS_READ"))["token"]
    for _ in range(3):
        assert await refused(program, VIEWER) == "read"
    program.token = (await create(client, "READ"))["token"]
    assert [await refused(program, VIEWER) for _ in range(3)] == [None] * 3


async def test_many_fields_of_one_document_are_all_looked_at(client, program):
    program.token = (await create(client, "TRANSACTIONS_READ"))["token"]
    assert await refused(program, "{ tags { name } ... on Query { more: auditLog { nodes { id } } } }") == "read"
    assert await refused(program, "query Q { ...F } fragment F on Query { sessions { id } tags { name } }") == "read"
    assert await refused(program, "{ __typename __schema { queryType { name } } }") is None


async def test_a_revoked_token_is_cut_off_at_once_and_nothing_else_is(client, program):
    made, other = await create(client, "READ"), await create(client, "READ", name="Other")
    program.token = made["token"]
    async with socket_of(program) as socket, socket_of(client) as mine:
        await socket.subscribe(FOLLOW)
        program.token = other["token"]
        async with socket_of(program) as others:
            revoked = await client.ask(REVOKE, id=made["accessToken"]["id"])
            assert revoked["revokeAccessToken"]["__typename"] == "RevokeAccessTokenSuccess"
            assert await socket.closed() == 4403
            for still in (mine, others):
                await still.subscribe(VIEWER)
                assert (await still.next())["viewer"]["name"] == "Ada"
    program.token = made["token"]
    assert (await program.refusal(VIEWER))["extensions"]["code"] == "UNAUTHENTICATED"
    assert [one["name"] for one in (await client.ask(LISTED))["accessTokens"]] == ["Other"]


async def test_a_token_ends_on_its_day_and_shows_its_use(client, program, owner):
    program.token = (await create(client, "READ"))["token"]
    await program.ask(VIEWER)

    async def seen():
        (listed,) = (await client.ask(LISTED))["accessTokens"]
        return listed["lastUsedAt"] is not None and listed["address"] == "127.0.0.1"

    await eventually(seen)
    await owner.execute("UPDATE sessions SET expires_at = now() - interval '1 second' WHERE scopes IS NOT NULL")
    assert (await program.refusal(VIEWER))["extensions"]["code"] == "UNAUTHENTICATED"
    assert (await client.ask(LISTED))["accessTokens"] == []


@pytest.mark.parametrize(
    ("change", "kind", "field"),
    [
        ({"name": " "}, "InvalidInput", "name"),
        ({"name": "x" * 101}, "InvalidInput", "name"),
        ({"days": 0}, "InvalidInput", "days"),
        ({"days": 367}, "InvalidInput", "days"),
        ({"password": "not the password"}, "BadCredentials", "password"),
    ],
)
async def test_a_token_that_cannot_be_made_is_not(client, owner, change, kind, field):
    answer = await create(client, "READ", **change)
    assert (answer["__typename"], answer["field"]) == (kind, field)
    answer = await create(client)
    assert (answer["__typename"], answer["field"]) == ("InvalidInput", "scopes")
    assert await owner.fetchval("SELECT count(*) FROM sessions") == 1


async def test_tokens_are_few_and_one_s_own(client, program, owner):
    await owner.execute(
        "INSERT INTO sessions (user_id, token_hash, expires_at, name, scopes) "
        "SELECT user_id, sha256(n::text::bytea), now() + interval '1 day', 'x', '{read}' "
        "FROM users, generate_series(1, $1::int) AS n",
        TOKENS_MAX,
    )
    assert "revoke one" in (await create(client, "READ"))["message"]
    (one, *_) = (await client.ask(LISTED))["accessTokens"]
    await program.sign_up("bob@example.org")
    assert (await program.ask(LISTED))["accessTokens"] == []
    assert (await program.ask(REVOKE, id=one["id"]))["revokeAccessToken"]["code"] == "NOT_FOUND"
    assert len((await client.ask(LISTED))["accessTokens"]) == TOKENS_MAX


async def test_signing_out_leaves_tokens_and_a_new_password_ends_them_when_told(client, program):
    program.token = (await create(client, "READ"))["token"]
    change = """mutation ($old: String!, $new: String!, $end: Boolean!) {
      changePassword(currentPassword: $old, newPassword: $new, endAccessTokens: $end) { __typename } }"""
    await client.ask(change, old=PASSWORD, new="incorrect horse", end=False)
    assert await refused(program, VIEWER) is None
    await client.ask(change, old="incorrect horse", new=PASSWORD, end=True)
    assert (await program.refusal(VIEWER))["extensions"]["code"] == "UNAUTHENTICATED"


async def test_tokens_made_and_revoked_are_written_down_without_the_token(client):
    made = await create(client, "READ", "WRITE")
    await client.ask(REVOKE, id=made["accessToken"]["id"])
    log = (await client.post("{ auditLog { nodes { act detail { name value } } } }")).text
    assert made["token"] not in log
    nodes = (await client.ask("{ auditLog { nodes { act detail { name value } } } }"))["auditLog"]["nodes"]
    assert nodes[:2] == [
        {"act": "access_token_revoked", "detail": [{"name": "name", "value": "Spreadsheet"}]},
        {
            "act": "access_token_made",
            "detail": [{"name": "name", "value": "Spreadsheet"}, {"name": "scopes", "value": "read write"}],
        },
    ]
