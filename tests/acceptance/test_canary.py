"""No secret turns up anywhere: logs, answers, Redis, the database, the object store, or what objects say of themselves.

Persons, banks of every protocol and the operator have secrets that can be recognized. Everything is used as it is meant,
and fails as it may; then everything that was kept or said is looked through.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

import asyncpg
import pyotp
import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from mintql.api.context import Context
from mintql.domain.credentials import Credentials
from mintql.gateways.mail import Letter, open_mailer
from mintql.gateways.vault import Sealed, Vault
from mintql.sandbox import app as bank_app
from mintql.sandbox import create_bank
from mintql.sandbox import plaid as bank_plaid
from mintql.sandbox import simplefin as bank_simplefin
from mintql.settings import MailServer, Settings, parse_mail_server
from support.canaries import Finder, LogKeeper, canary, files_of, keys_of, rows_of
from support.clients import Client, client_of, eventually
from support.local import local_client
from support.servers import BankServer, serving

SIGN_UP = """
mutation ($email: String!, $password: String!) {
  signUp(email: $email, password: $password, name: "Ada") { __typename ... on SignInSuccess { token } }
}
"""
SIGN_IN = """
mutation ($email: String!, $password: String!, $code: String) {
  signIn(email: $email, password: $password, code: $code) {
    __typename ... on SignInSuccess { token } ... on SecondFactorRequired { challenge }
  }
}
"""
CHANGE = """
mutation ($old: String!, $new: String!) {
  changePassword(currentPassword: $old, newPassword: $new) { __typename }
}
"""
CONNECT = """
mutation ($institution: ID!, $url: String! = "", $login: String! = "", $password: String!) {
  connectInstitution(institutionId: $institution, url: $url, login: $login, password: $password) {
    __typename
    ... on ConnectionRunSuccess { connection { id } }
    ... on Error { code message }
  }
}
"""
REFRESH = "mutation ($id: ID!) { refreshConnection(id: $id) { __typename } }"
CONNECTIONS = "{ connections { id institution { id } status loginHint sync { lastSuccessAt error { code } } } }"
READ = """
{ connections { id } accounts { id } transactions(first: 50) { nodes { id } } auditLog { nodes { act detail { value } } }
  sessions { id } accessTokens { id } secondFactor { isOn } webhookEndpoints { id url } notifications { nodes { id } } }
"""


class Recording(Client):
    """A client that keeps every answer, and what was asked for in it."""

    def __init__(self, client: Client, answers: list[tuple[str, str]]) -> None:
        super().__init__(client.http, client.url.removesuffix("/graphql"))
        self.answers = answers

    async def post(self, query, variables=None, **headers):
        response = await super().post(query, variables, **headers)
        self.answers.append(("answer", f"{response.headers.raw!r} {response.text}"))
        return response


@pytest.fixture
def secrets():
    return Finder()


@pytest.fixture
async def bank(tmp_path, monkeypatch, secrets):
    """The sandbox bank, whose password is one that can be recognized."""
    password = secrets.add("bank password", canary("bank-password"))
    for module in (bank_app, bank_plaid, bank_simplefin):
        monkeypatch.setattr(module, "PASSWORD", password)
    monkeypatch.setattr(bank_plaid, "_check_keys", lambda *_: None)
    async with serving(create_bank(tmp_path / "bank.sqlite")) as running, local_client(base_url=running.url) as control:
        yield BankServer(running.url, control)


@pytest.fixture
def settings(settings, bank, secrets):
    """Settings whose secrets can be recognized as well."""
    key = (canary("master-key") + "x" * 32)[:32]
    secrets.add("master key", key)
    return Settings(
        **settings.model_dump(
            exclude={"database_url", "redis_url", "secret_keys", "history_days", "refresh_pause_seconds"}
        ) | {
            "DATABASE_URL": settings.database_url,
            "REDIS_URL": settings.redis_url,
            "history_days": 5,
            "refresh_pause_seconds": 0,
            "secret_keys": SecretStr(f"1:{base64.b64encode(key.encode()).decode()}"),
            "plaid_url": f"{bank.url}/plaid",
            "plaid_client_id": "sandbox",
            "plaid_secret": SecretStr(secrets.add("plaid secret", canary("plaid-secret"))),
            "smtp_url": SecretStr(
                f"smtp://mintql:{secrets.add('smtp password', canary('smtp'))}@127.0.0.1:9?starttls=never"
            ),
            "oidc_issuer": "http://127.0.0.1:9",
            "oidc_client_id": "mintql",
            "oidc_client_secret": SecretStr(secrets.add("oidc secret", canary("oidc"))),
            "mail_from": "mintql <budgets@example.org>",
            "public_url": "https://budget.example.org",
        }
    )  # fmt: skip


@pytest.fixture
def log():
    keeper, root = LogKeeper(), logging.getLogger()
    level, ours = root.level, logging.getLogger("mintql")
    root.addHandler(keeper)
    root.setLevel(logging.INFO)
    ours.setLevel(logging.DEBUG)
    yield keeper
    root.removeHandler(keeper)
    root.setLevel(level)
    ours.setLevel(logging.NOTSET)


@asynccontextmanager
async def monitored(url):
    """Every command that Redis is sent, as it comes."""
    seen: list[tuple[str, str]] = []
    redis = Redis.from_url(url)

    async def watch(monitor):
        with suppress(Exception):
            while True:
                seen.append(("redis", str(await monitor.next_command())))

    async with redis.monitor() as monitor:
        task = asyncio.create_task(watch(monitor))
        yield seen
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await redis.aclose()


async def use_identity(client: Recording, secrets: Finder) -> None:
    """Sign up and in, rightly and wrongly, with everything there is to sign in with."""
    password, email = secrets.add("first password", canary("password")), "ada@example.org"
    wrong = secrets.add("wrong password", canary("wrong"))
    client.token = (await client.ask(SIGN_UP, email=email, password=password))["signUp"]["token"]
    session = client.token
    for given in (wrong, password):
        await client.ask(SIGN_IN, email=email, password=given)
    changed = secrets.add("second password", canary("changed"))
    await client.ask(CHANGE, old=wrong, new=changed)
    await client.ask(CHANGE, old=password, new=changed)
    begun = await client.ask(
        "mutation ($p: String!) { beginSecondFactor(password: $p) { ... on BeginSecondFactorSuccess { secret } } }",
        p=changed,
    )
    secret = begun["beginSecondFactor"]["secret"]
    confirmed = await client.ask(
        "mutation ($c: String!) { confirmSecondFactor(code: $c) { ... on RecoveryCodesSuccess { recoveryCodes } } }",
        c=pyotp.TOTP(secret).now(),
    )
    codes = confirmed["confirmSecondFactor"]["recoveryCodes"]
    challenged = (await client.ask(SIGN_IN, email=email, password=changed))["signIn"]["challenge"]
    await client.ask(SIGN_IN, email=email, password=changed, code=secrets.add("wrong code", canary("code")))
    await client.ask(SIGN_IN, email=email, password=changed, code=codes[0])
    made = await client.ask(
        """mutation ($p: String!) { createAccessToken(name: "x", scopes: [READ], password: $p) {
        ... on CreateAccessTokenSuccess { token } } }""",
        p=changed,
    )
    token = made["createAccessToken"]["token"]
    client.token = token
    await client.post(READ)
    await client.post("mutation { createExport(kind: EVERYTHING_JSON) { __typename } }")
    client.token = secrets.add("wrong token", canary("token"))
    await client.post(READ)
    client.token = session
    hook = await client.ask(
        """mutation { addWebhookEndpoint(url: "https://hooks.example.org/x") {
        ... on AddWebhookEndpointSuccess { secret endpoint { id } } ... on Error { message } } }"""
    )
    client.answers.clear()  # Those that are told once were told; from here on nothing is.
    secrets.add("session", session)
    secrets.add("access token", token)
    secrets.add("second factor", secret)
    secrets.add("challenge", challenged)
    for code in codes:
        secrets.add("recovery code", code)
    if "secret" in hook["addWebhookEndpoint"]:
        secrets.add("webhook secret", hook["addWebhookEndpoint"]["secret"])


async def connect(client: Recording, bank: BankServer, secrets: Finder, institution: str) -> str | None:
    """Connect a bank by its protocol, first with a wrong password; return the connection."""
    password = next(form for form in secrets.wanted["bank password"] if form.startswith("canary-bank"))
    wrong = secrets.add(f"wrong password at {institution}", canary("no-password"))
    url, login, right = "", "ada", password
    if institution == "ofx":
        url = f"{bank.url}/ofx"
    if institution == "simplefin":
        login = ""
        right = (await bank.control.post("/simplefin/create", data={"login": "ada", "password": password})).text
        secrets.add("simplefin token", right)
    if institution == "plaid":
        login, right = "", await public_token(bank, password)
        secrets.add("plaid public token", right)
    for given in (wrong, right):
        answer = (await client.ask(CONNECT, institution=institution, url=url, login=login, password=given))[
            "connectInstitution"
        ]
    assert answer["__typename"] == "ConnectionRunSuccess", (institution, answer)
    return answer["connection"]["id"]


async def public_token(bank: BankServer, password: str) -> str:
    body = {
        "institution_id": "ins_sandbox",
        "initial_products": ["transactions"],
        "options": {"override_username": "ada", "override_password": password},
    }
    keys = {"PLAID-CLIENT-ID": "sandbox", "PLAID-SECRET": "any"}
    answer = await bank.control.post("/plaid/sandbox/public_token/create", json=body, headers=keys)
    return answer.json()["public_token"]


async def remember_what_connectors_got(owner, settings, secrets: Finder) -> None:
    """What institutions gave for logins, access tokens and addresses with passwords in them, is secret as well."""
    vault = Vault(settings.keyring())
    for row in await owner.fetch("SELECT * FROM connection_secrets"):
        sealed = Sealed(row["key_version"], row["wrapped_key"], row["ciphertext"])
        opened = vault.open(row["user_id"], row["connection_id"], sealed)
        for part in ("password", "url"):
            value = getattr(opened, part)
            if part == "url" and "@" in value:
                value = value.partition("//")[2].partition("@")[0].partition(":")[2]
            elif part == "url":
                continue
            if len(value) >= 8:
                secrets.add(f"{part} of connection {row['connection_id']}", value)


async def let_things_fail(client: Recording, bank: BankServer, owner, connections) -> None:
    """Outages, nonsense and refusals at the bank, and exceptions that nobody expects on our side."""
    for name in ("garbage", "login_expired"):
        (await bank.control.put("/control/ada/scenario", json={"name": name})).raise_for_status()
        for connection_id in connections:
            await client.post(REFRESH, {"id": connection_id})
        await eventually(lambda: owner.fetchval("SELECT NOT EXISTS (SELECT FROM sync_runs WHERE state = 'extracting')"))
        await bank.control.delete("/control/ada/scenario")
    await owner.execute("UPDATE connection_secrets SET ciphertext = ciphertext || '\\x00'")
    await owner.execute("UPDATE connections SET status = 'active'")
    for connection_id in connections:
        await client.post(REFRESH, {"id": connection_id})
    await owner.execute("ALTER TABLE connection_secrets RENAME TO mislaid")
    await owner.execute("ALTER TABLE sessions RENAME TO mislaid_too")
    await client.post(CONNECT, {"institution": "sandbox", "login": "ada", "password": "unimportant"})
    await owner.execute("ALTER TABLE mislaid_too RENAME TO sessions")
    await client.post(CONNECT, {"institution": "sandbox", "login": "eve", "password": "sandbox"})
    await owner.execute("ALTER TABLE mislaid RENAME TO connection_secrets")
    await client.post('mutation { signIn(email: "ada@example.org", password: 7) { __typename } }')


async def let_mail_fail(settings: Settings) -> None:
    letter = Letter(
        recipient="ada@example.org",
        recipient_name="Ada",
        subject="x",
        text="x",
        html="x",
        key="1",
        written_at=datetime.now(UTC),
        unsubscribe_url="https://budget.example.org/x",
    )
    with pytest.raises(Exception) as failed:  # noqa: PT011 - which one is the gateway's business
        await open_mailer(settings).send(letter)
    logging.getLogger("mintql.test").error("mail failed", exc_info=failed.value)


def objects_of(settings: Settings, runtime, client: Recording) -> list[tuple[str, str]]:
    """What objects say of themselves that hold secrets."""
    server = parse_mail_server(settings.smtp_url.get_secret_value())
    assert isinstance(server, MailServer)
    vault = Vault(settings.keyring())
    sealed = vault.seal(1, 1, Credentials("https://x.test", "ada", next(iter(settings.keyring().values())).decode()))
    held = [
        settings,
        runtime,
        server,
        vault,
        sealed,
        *runtime.connectors.values(),
        runtime.passwords,
        open_mailer(settings),
    ]
    held += [vault.open(1, 1, sealed), Context(runtime, token=client.token), settings.model_dump()]
    held += [settings.model_dump_json(), vars(runtime.connectors["plaid"])]
    return [(f"repr of {type(one).__name__}", f"{one!r} {one!s}") for one in held]


async def test_no_secret_turns_up_anywhere(
    bank, settings, secrets, log, database_url, tmp_path, server, runtime, worker
):
    owner, answers = await asyncpg.connect(database_url), []
    async with monitored(settings.redis_url.get_secret_value()) as commands, client_of(server) as opened:
        client = Recording(opened, answers)
        await use_identity(client, secrets)
        connections = [await connect(client, bank, secrets, one) for one in ("sandbox", "simplefin", "ofx", "plaid")]
        await remember_what_connectors_got(owner, settings, secrets)
        await eventually(
            lambda: owner.fetchval(
                "SELECT count(DISTINCT connection_id) >= 4 FROM transactions JOIN accounts USING (user_id, account_id)"
            )
        )
        await client.post(READ)
        await client.post(CONNECTIONS)
        kept = await rows_of(owner) + list(files_of(tmp_path / "objects"))
        await let_things_fail(client, bank, owner, connections)
        await client.post(READ)
        await client.post(CONNECTIONS)
        assert (await client.http.get(f"{server.url}/oidc/start")).status_code == 400
        await let_mail_fail(settings)
        redis = Redis.from_url(settings.redis_url.get_secret_value())
        kept += await keys_of(redis) + await rows_of(owner) + list(files_of(tmp_path / "objects"))
        await redis.aclose()
        kept += objects_of(settings, runtime, client)
    await owner.close()
    assert len(secrets.wanted) > 20
    assert len(log.lines) > 20
    assert len(commands) > 100
    assert {place for place, _ in kept} >= {"table sessions", "table connection_secrets", "file .gz", "redis"}
    assert secrets.found_in([*log.lines, *answers, *commands, *kept]) == set()


@pytest.mark.parametrize("place", ["log", "table", "file", "redis", "argument"])
async def test_a_secret_that_is_left_somewhere_is_found(place, log, tmp_path, database_url, redis_url):
    secrets, owner, redis = Finder(), await asyncpg.connect(database_url), Redis.from_url(redis_url)
    secret = secrets.add("planted", canary("planted"))
    if place == "log":
        failure = ValueError(f"https://ada:{secret}@bank.test")
        logging.getLogger("mintql.planted").error("something failed", exc_info=failure)
    if place == "argument":
        logging.getLogger("mintql.planted").info("basic %s", base64.b64encode(f"ada:{secret}".encode()).decode())
    if place == "table":
        await owner.execute(
            "INSERT INTO users (email, password_hash, name) VALUES ('a@example.org', 'x', $1)", f"Ada {secret}"
        )
    if place == "file":
        (tmp_path / "objects").mkdir()
        (tmp_path / "objects" / "page").write_text(f'{{"token": "{secret}"}}')
    if place == "redis":
        await redis.set("job", f'{{"password": "{secret}"}}')
    kept = [*log.lines, *await rows_of(owner), *files_of(tmp_path / "objects"), *await keys_of(redis)]
    await owner.close()
    await redis.aclose()
    assert {name for name, _ in secrets.found_in(kept)} == {"planted"}
