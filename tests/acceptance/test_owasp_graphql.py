"""The points of the OWASP GraphQL Cheat Sheet, each as something that is tried against a server.

https://cheatsheetseries.owasp.org/cheatsheets/GraphQL_Cheat_Sheet.html. That nobody finds another person's nodes is
tried in `test_docs_examples.py`, with every id that the examples of docs/api.md come upon.
"""

from __future__ import annotations

import base64
import json
import logging

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLUnionType,
    get_introspection_query,
    get_named_type,
)

from mintql.api.schema import build_schema
from mintql.app import create_app
from mintql.store import users
from support.clients import client_of
from support.factories import create_transaction
from support.servers import serving

SCHEMA = build_schema()._schema
INJECTED = (
    "'; DROP TABLE transactions; --1' OR '1'='1' UNION SELECT password_hash FROM users --",
    (
        'x") } mutation { signOut(everywhere: true) { __typename } } #\x00\ud7ff\U0001f600%s%n\\$(touch /tmp/x)`id`|id;'
        "../../../../etc/passwd%00{{7*7}}${7*7}<script>alert(1)</script>\r\nset-cookie: a=b"
    ),
)
LEAKS = (
    "traceback",
    "asyncpg",
    "syntax error at or near",
    "site-packages",
    '.py"',
    "postgres",
    "sqlstate",
    "argon2id$",
)
NOT_TRIED = {"signOut"}
"""It would end the session that the others are tried with."""
TEXTS = {"String", "ID", "Cursor", "CurrencyCode", "Month", "Date", "DateTime"}


def value_of(kind, text, depth=0):
    """Return a value for an input type with the text wherever there may be one."""
    if isinstance(kind, GraphQLNonNull):
        return value_of(kind.of_type, text, depth)
    if isinstance(kind, GraphQLList):
        return [value_of(kind.of_type, text, depth)]
    if isinstance(kind, GraphQLInputObjectType):
        return {
            name: value_of(field.type, text, depth + 1)
            for name, field in kind.fields.items()
            if depth < 3 and (isinstance(field.type, GraphQLNonNull) or is_text(field.type))
        }
    if isinstance(kind, GraphQLEnumType):
        return next(iter(kind.values))
    return {"Int": 1, "Float": 1.0, "Boolean": False, "BigInt": 1, "Upload": None}.get(kind.name, text)


def is_text(kind):
    named = get_named_type(kind)
    return named.name in TEXTS or isinstance(named, GraphQLInputObjectType)


def attempts():
    """Give each root field that takes a text with its operation, and the types of its arguments."""
    for operation, root in (("query", SCHEMA.query_type), ("mutation", SCHEMA.mutation_type)):
        for name, field in root.fields.items():
            taken = {
                key: argument.type
                for key, argument in field.args.items()
                if isinstance(argument.type, GraphQLNonNull) or is_text(argument.type)
            }
            if name in NOT_TRIED or not any(map(is_text, taken.values())):
                continue
            head = ", ".join(f"${key}: {kind}" for key, kind in taken.items())
            arguments = ", ".join(f"{key}: ${key}" for key in taken)
            composite = isinstance(get_named_type(field.type), GraphQLObjectType | GraphQLUnionType) or not hasattr(
                get_named_type(field.type), "values"
            )
            named = get_named_type(field.type)
            inner = (
                " { __typename }"
                if (composite and hasattr(named, "fields")) or isinstance(named, GraphQLUnionType)
                else ""
            )
            yield name, f"{operation} ({head}) {{ {name}({arguments}){inner} }}", taken


ATTEMPTS = list(attempts())


@pytest.fixture
async def production(settings):
    chosen = {"environment": "production", "heavy_per_hour": 0, "cost_per_minute": 0}
    async with serving(create_app(settings.model_copy(update=chosen))) as server, client_of(server) as opened:
        yield opened


async def code_of(client, query, variables=None):
    (error,) = (await client.post(query, variables)).json()["errors"]
    return error["extensions"]["code"]


async def test_texts_of_attackers_are_texts_in_every_argument(client, person, conn, caplog):
    assert len(ATTEMPTS) > 60
    await create_transaction(conn, person.user_id, person.account_id)
    before = await conn.fetchval("SELECT count(*) FROM transactions")
    tables = await conn.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
    answered = 0
    for name, document, taken in ATTEMPTS:
        for text in INJECTED:
            variables = {key: value_of(kind, text) for key, kind in taken.items()}
            response = await client.post(document, variables)
            assert response.status_code in (200, 400), (name, text, response.text)
            assert "INTERNAL_SERVER_ERROR" not in response.text, (name, text)
            assert not [
                leak for leak in LEAKS if leak in response.text.lower().replace(json.dumps(text).lower(), "")
            ], name
            assert "set-cookie" not in response.headers
            answered += 1
    assert answered == len(INJECTED) * len(ATTEMPTS)
    assert (await client.ask("{ viewer { email } }"))["viewer"]
    assert await conn.fetchval("SELECT count(*) FROM transactions") == before
    assert await conn.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == tables
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_values_of_the_wrong_kind_are_refused_before_anything_is_executed(client):
    for query, variables in (
        ("query ($first: Int!) { transactions(first: $first) { nodes { id } } }", {"first": "1"}),
        ("query ($first: Int!) { transactions(first: $first) { nodes { id } } }", {"first": 2**31}),
        ("query ($id: ID!) { node(id: $id) { id } }", {"id": {"$ne": None}}),
        ("mutation ($kind: ExportKind!) { createExport(kind: $kind) { __typename } }", {"kind": "EVERYTHING"}),
    ):
        response = await client.post(query, variables)
        assert response.status_code == 400
        assert "data" not in response.json()


@pytest.mark.parametrize(
    "document",
    [
        "{ accounts" + " { connection { accounts" * 8 + " { id }" + " } }" * 8 + " }",
        "{ transactions(first: 100) { nodes { account"
        + " { connection { accounts" * 3
        + " { id }"
        + " } }" * 3
        + " } } }",
        "{" + " ".join(f"a{n}: viewer {{ id }}" for n in range(31)) + "}",
        "{" + " ".join(["viewer { id }"] * 11) + "}",
        "{ viewer { id " + "@include(if: true) " * 31 + "} }",
        "{ ...A } " + " ".join(f"fragment F{n} on Query {{ __typename }}" for n in range(51)),
        "{" + " ".join(["__typename"] * 3_000) + "}",
        "mutation {" + " ".join(f"a{n}: signOut {{ __typename }}" for n in range(6)) + "}",
        "query A { ...F0 } "
        + " ".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(40))
        + " fragment F40 on Query { viewer { id } }",
    ],
    ids=["deep", "many", "aliases", "repeated", "directives", "fragments", "tokens", "mutations", "doubling"],
)
async def test_a_document_that_asks_for_too_much_is_refused(client, document):
    errors = (await client.post(document)).json()["errors"]
    assert {error["extensions"]["code"] for error in errors} == {"QUERY_TOO_COMPLEX"}


async def test_fragments_that_go_in_circles_are_refused(client):
    document = "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }"
    errors = (await client.post(document)).json()["errors"]
    assert {error["extensions"]["code"] for error in errors} == {"BAD_USER_INPUT"}
    assert "Cannot spread fragment" in errors[0]["message"]


async def test_pages_are_bounded_whatever_is_asked_for(client):
    for first in (101, 10**6, -1, 0):
        query = "query ($first: Int!) { transactions(first: $first) { nodes { id } } }"
        assert await code_of(client, query, {"first": first}) in ("BAD_USER_INPUT", "QUERY_TOO_COMPLEX")


async def test_statements_of_the_database_end_by_themselves(api_runtime):
    async with api_runtime.system() as conn:
        assert await conn.fetchval("SHOW statement_timeout") == "10s"


async def test_batches_of_requests_are_not_taken(client):
    batch = [{"query": "{ __typename }"}] * 2
    for body in (batch, batch[:1], []):
        response = await client.http.post(client.url, json=body, headers=client.headers())
        assert response.status_code == 400
        assert response.json()["errors"][0]["extensions"]["code"] == "BAD_REQUEST"


async def test_guessing_a_password_by_aliases_is_no_faster_than_one_by_one(client):
    email = client.viewer["email"]
    guess = 'signIn(email: "{}", password: "wrong{}") {{ __typename }}'
    batch = "mutation {" + " ".join(f"a{n}: {guess.format(email, n)}" for n in range(5)) + "}"
    client.token = None
    found = [kind["__typename"] for _ in range(3) for kind in (await client.ask(batch)).values()]
    assert found.count("BadCredentials") <= 6
    assert found[-5:] == ["TooManyAttempts"] * 5
    assert "SignInSuccess" not in found


async def test_nobody_else_reads_or_changes_what_an_id_names(client, person, conn, server):
    """Each of them by an edge or a mutation that takes an id; bare nodes are tried in `test_docs_examples.py`."""
    transaction = await create_transaction(conn, person.user_id, person.account_id)
    ids = {"t": _global("Transaction", transaction), "a": _global("Account", person.account_id),
           "c": _global("Connection", person.connection_id)}  # fmt: skip
    async with client_of(server) as thief:
        await thief.sign_up()
        found = await thief.ask(
            "query ($t: ID!, $a: ID!, $c: ID!) { t: node(id: $t) { id } a: node(id: $a) { id } c: node(id: $c) { id } "
            "transactions(filter: {accountIds: [$a]}) { nodes { id } } }",
            **ids,
        )
        assert found == {"t": None, "a": None, "c": None, "transactions": {"nodes": []}}
        for mutation in (
            'annotateTransaction(id: $t, note: "mine now") { __typename }',
            "disconnect(id: $c) { __typename }",
            "refreshConnection(id: $c) { __typename }",
        ):
            variable = "t" if "$t" in mutation else "c"
            result = await thief.ask(f"mutation (${variable}: ID!) {{ {mutation} }}", **{variable: ids[variable]})
            assert [kind["__typename"] for kind in result.values()] == ["NotFound"]
    assert (await conn.fetchrow("SELECT note FROM transactions"))["note"] in (None, "")
    assert await conn.fetchval("SELECT status FROM connections") == "active"


async def test_without_a_session_nothing_of_anybody_is_read(client, server):
    async with client_of(server) as nobody:
        for query in ("{ viewer { id } }", "{ accounts { id } }", "{ transactions(first: 1) { nodes { id } } }"):
            response = await nobody.post(query)
            assert "UNAUTHENTICATED" in response.text
            assert client.viewer["id"] not in response.text


async def test_by_itself_production_tells_neither_schema_nor_ide_nor_where_it_broke(production, monkeypatch, caplog):
    async def broken(*_):
        raise RuntimeError("secret of /srv/mintql/store/users.py")

    refused = await production.post(get_introspection_query())
    assert refused.status_code == 400
    assert "graphiql" not in (await production.http.get(production.url, headers={"accept": "text/html"})).text.lower()
    await production.sign_up()
    monkeypatch.setattr(users, "get", broken)
    response = await production.post("{ viewer { email } }")
    (error,) = response.json()["errors"]
    assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    for leak in ("secret", "/srv", "RuntimeError", "Traceback"):
        assert leak not in response.text
    assert "secret of /srv" in caplog.text


async def test_addresses_that_persons_name_are_never_inside(production):
    await production.sign_up()
    add = "mutation ($url: String!) { addWebhookEndpoint(url: $url) { __typename } }"
    connect = (
        'mutation ($password: String!) { connectInstitution(institutionId: "simplefin", login: "", password: $password) '
        "{ __typename } }"
    )
    # Names are looked up when something is sent there: tests/integration/test_http_guard.py.
    for host in ("127.0.0.1", "169.254.169.254", "10.0.0.8", "[::1]", "[::ffff:127.0.0.1]", "[fd00::1]", "0.0.0.0"):
        url = f"https://{host}/latest/meta-data"
        added = await production.ask(add, url=url)
        assert added["addWebhookEndpoint"]["__typename"] == "InvalidInput", host
        token = base64.b64encode(url.encode()).decode()
        connected = await production.ask(connect, password=token)
        assert connected["connectInstitution"]["__typename"] in ("InvalidInput", "InstitutionError"), host


def _global(kind, number):
    return base64.b64encode(f"{kind}:{number}".encode()).decode()
