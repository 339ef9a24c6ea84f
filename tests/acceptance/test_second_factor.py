"""Signing in with a second factor: in one step or two, with codes that are good once."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest

from mintql.services.guessing import HERE
from mintql.services.second_factor import RECOVERY_CODES
from support.clients import PASSWORD, client_of

RESULT = """{
    __typename
    ... on SignInSuccess { token }
    ... on SecondFactorRequired { challenge expiresAt }
    ... on TooManyAttempts { retryAfterSeconds }
    ... on Error { code field }
  }"""
SIGN_IN = f"""
mutation SignIn($email: String!, $password: String!, $code: String) {{
  signIn(email: $email, password: $password, code: $code) {RESULT}
}}
"""
COMPLETE = f"""
mutation Complete($challenge: String!, $code: String!) {{
  completeSignIn(challenge: $challenge, code: $code) {RESULT}
}}
"""
BEGIN = """
mutation Begin($password: String!) {
  beginSecondFactor(password: $password) {
    __typename ... on BeginSecondFactorSuccess { uri secret } ... on Error { code message field }
  }
}
"""
CONFIRM = """
mutation Confirm($code: String!) {
  confirmSecondFactor(code: $code) {
    __typename ... on RecoveryCodesSuccess { recoveryCodes } ... on Error { code field }
  }
}
"""
DISABLE = """
mutation Disable($password: String!, $code: String!) {
  disableSecondFactor(password: $password, code: $code) { __typename ... on Error { code field } }
}
"""
RENEW = """
mutation Renew($password: String!, $code: String!) {
  renewRecoveryCodes(password: $password, code: $code) {
    __typename ... on RecoveryCodesSuccess { recoveryCodes } ... on Error { code field }
  }
}
"""
STATE = "{ secondFactor { isOn since recoveryCodesLeft } }"
ADA = "ada@example.org"


@pytest.fixture
async def client(server):
    async with client_of(server) as opened:
        await opened.sign_up(ADA)
        yield opened


class Phone:
    """An app with the secret. Where codes were used, time passes in the database."""

    def __init__(self, owner, secret, recovery_codes):
        self.owner, self.totp, self.recovery_codes = owner, pyotp.TOTP(secret), recovery_codes

    def code(self):
        return self.totp.now()

    async def next_code(self):
        await self.owner.execute("UPDATE second_factors SET last_step = 0")
        return self.totp.now()


async def enrol(client, owner):
    begun = (await client.ask(BEGIN, password=PASSWORD))["beginSecondFactor"]
    confirmed = (await client.ask(CONFIRM, code=pyotp.TOTP(begun["secret"]).now()))["confirmSecondFactor"]
    return Phone(owner, begun["secret"], confirmed["recoveryCodes"])


@pytest.fixture
async def phone(client, owner):
    return await enrol(client, owner)


async def sign_in(client, code=None, password=PASSWORD):
    return (await client.ask(SIGN_IN, email=ADA, password=password, code=code))["signIn"]


async def complete(client, challenge, code):
    return (await client.ask(COMPLETE, challenge=challenge, code=code))["completeSignIn"]


def wrong(phone):
    return f"{(int(phone.totp.now()) + 500_000) % 1_000_000:06}"


async def test_a_second_factor_is_on_once_a_code_of_it_was_shown(client, owner):
    begun = (await client.ask(BEGIN, password=PASSWORD))["beginSecondFactor"]
    uri = urlsplit(begun["uri"])
    assert (uri.scheme, uri.netloc, uri.path) == ("otpauth", "totp", "/mintql:ada%40example.org")
    assert parse_qs(uri.query) == {"secret": [begun["secret"]], "issuer": ["mintql"]}
    assert (await sign_in(client))["__typename"] == "SignInSuccess", "nothing is asked for before it is confirmed"
    assert (await client.ask(STATE))["secondFactor"]["isOn"] is False
    refused = (await client.ask(CONFIRM, code="000000"))["confirmSecondFactor"]
    assert (refused["__typename"], refused["field"]) == ("BadCredentials", "code")
    confirmed = (await client.ask(CONFIRM, code=pyotp.TOTP(begun["secret"]).now()))["confirmSecondFactor"]
    assert len(set(confirmed["recoveryCodes"])) == RECOVERY_CODES
    state = (await client.ask(STATE))["secondFactor"]
    assert (state["isOn"], state["recoveryCodesLeft"]) == (True, RECOVERY_CODES)
    again = (await client.ask(BEGIN, password=PASSWORD))["beginSecondFactor"]
    assert (again["__typename"], "Switch it off" in again["message"]) == ("InvalidInput", True)
    assert (await sign_in(client))["__typename"] == "SecondFactorRequired"


async def test_signing_in_takes_the_code_at_once_or_in_a_second_step(client, phone):
    at_once = await sign_in(client, await phone.next_code())
    assert at_once["__typename"] == "SignInSuccess"
    asked = await sign_in(client)
    assert asked["__typename"] == "SecondFactorRequired"
    assert "token" not in asked
    done = await complete(client, asked["challenge"], await phone.next_code())
    client.token = done["token"]
    assert (await client.ask(STATE))["secondFactor"]["isOn"]


async def test_a_code_is_good_once_even_when_it_is_sent_many_times_at_once(client, phone):
    challenge = (await sign_in(client))["challenge"]
    code = await phone.next_code()
    answers = await asyncio.gather(*(complete(client, challenge, code) for _ in range(5)))
    kinds = sorted(answer["__typename"] for answer in answers)
    assert kinds == ["BadCredentials"] * 4 + ["SignInSuccess"]
    assert (await sign_in(client, code))["field"] == "code"


async def test_a_wrong_password_says_nothing_of_the_second_factor(client, phone):
    for code in (None, await phone.next_code()):
        refused = await sign_in(client, code, "not the password")
        assert (refused["__typename"], refused["field"]) == ("BadCredentials", None)


async def test_a_recovery_code_is_good_once(client, phone):
    code = phone.recovery_codes[0]
    shown = code.upper().replace("-", " ")
    assert (await sign_in(client, shown))["__typename"] == "SignInSuccess"
    assert (await sign_in(client, code))["__typename"] == "BadCredentials"
    assert (await client.ask(STATE))["secondFactor"]["recoveryCodesLeft"] == RECOVERY_CODES - 1
    acts = [entry["act"] for entry in (await client.ask("{ auditLog { nodes { act } } }"))["auditLog"]["nodes"]]
    assert acts[:3] == ["second_factor_refused", "signed_in", "recovery_code_used"]


@pytest.mark.usefixtures("standing_clock")
async def test_guesses_at_codes_make_wait_and_the_right_one_has_to_wait_too(client, phone, owner):
    challenge = (await sign_in(client))["challenge"]
    kinds = [(await complete(client, challenge, wrong(phone)))["__typename"] for _ in range(HERE.free)]
    kinds.append((await complete(client, challenge, "aaaa-aaaa-aaaa-aaaa"))["__typename"])
    assert kinds == ["BadCredentials"] * (HERE.free + 1)
    refused = await complete(client, challenge, await phone.next_code())
    assert (refused["__typename"], refused["retryAfterSeconds"]) == ("TooManyAttempts", 1)
    assert (await sign_in(client, phone.recovery_codes[0]))["__typename"] == "TooManyAttempts"
    await owner.execute("UPDATE guesses SET blocked_until = blocked_until - interval '1 hour'")
    assert (await complete(client, challenge, await phone.next_code()))["__typename"] == "SignInSuccess"


async def test_a_challenge_that_does_not_hold_signs_nobody_in(client, phone, server):
    challenge = (await sign_in(client))["challenge"]
    async with client_of(server) as bob:
        await bob.sign_up("bob@example.org")
        viewer = (await bob.ask("{ viewer { id } }"))["viewer"]
        assert viewer
    change = (
        "mutation ($a: String!, $b: String!) { changePassword(currentPassword: $a, newPassword: $b) { __typename } }"
    )
    await client.ask(change, a=PASSWORD, b="incorrect horse")
    for text in (challenge, "1.2.x", challenge[:-4] + "AAAA", f"{int(challenge.split('.')[0]) + 1}{challenge[1:]}"):
        refused = await complete(client, text, await phone.next_code())
        assert (refused["__typename"], refused["field"]) == ("BadCredentials", "challenge"), text


async def test_switching_it_off_needs_password_and_code(client, phone, owner):
    for password, code, field in (
        ("not the password", await phone.next_code(), "password"),
        (PASSWORD, wrong(phone), "code"),
    ):
        refused = (await client.ask(DISABLE, password=password, code=code))["disableSecondFactor"]
        assert (refused["__typename"], refused["field"]) == ("BadCredentials", field)
    assert (await sign_in(client))["__typename"] == "SecondFactorRequired"
    off = (await client.ask(DISABLE, password=PASSWORD, code=await phone.next_code()))["disableSecondFactor"]
    assert off["__typename"] == "DisableSecondFactorSuccess"
    assert (await sign_in(client))["__typename"] == "SignInSuccess"
    assert await owner.fetchval("SELECT count(*) FROM recovery_codes") == 0


async def test_recovery_codes_made_anew_make_earlier_ones_void(client, phone):
    renewed = (await client.ask(RENEW, password=PASSWORD, code=phone.recovery_codes[0]))["renewRecoveryCodes"]
    assert not set(renewed["recoveryCodes"]) & set(phone.recovery_codes)
    assert (await sign_in(client, phone.recovery_codes[1]))["__typename"] == "BadCredentials"
    assert (await sign_in(client, renewed["recoveryCodes"][1]))["__typename"] == "SignInSuccess"


async def test_neither_the_secret_nor_a_recovery_code_can_be_read_from_the_database(client, phone, owner):
    tables = ("second_factors", "recovery_codes", "audit_entries")
    kept = str([dict(row) for table in tables for row in await owner.fetch(f"SELECT * FROM {table}")])
    assert phone.totp.secret not in kept
    assert not [code for code in phone.recovery_codes if code in kept or code.replace("-", "") in kept]


async def test_a_secret_moved_to_another_person_opens_for_nobody(client, phone, owner, server):
    async with client_of(server) as bob:
        await bob.sign_up("bob@example.org")
        await owner.execute(
            "INSERT INTO second_factors SELECT (SELECT max(user_id) FROM users), key_version, wrapped_key, ciphertext, "
            "created_at, confirmed_at, 0 FROM second_factors"
        )
        answer = (
            await bob.post(SIGN_IN, {"email": "bob@example.org", "password": PASSWORD, "code": phone.code()})
        ).json()
    assert answer["errors"][0]["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert answer["data"] is None


async def test_signing_in_again_under_a_key_gives_the_same_session_though_the_code_is_used_up(client, phone, owner):
    asked = {"email": ADA, "password": PASSWORD, "code": await phone.next_code()}
    first = await client.post(SIGN_IN, asked, idempotency_key="in")
    assert (await client.post(SIGN_IN, asked, idempotency_key="in")).json()["data"] == first.json()["data"]
    assert (await client.post(SIGN_IN, asked, idempotency_key="other")).json()["data"]["signIn"]["field"] == "code"
    completing = {"challenge": (await sign_in(client))["challenge"], "code": await phone.next_code()}
    second = await client.post(COMPLETE, completing, idempotency_key="complete")
    assert second.json()["data"]["completeSignIn"]["token"] != first.json()["data"]["signIn"]["token"]
    again = await client.post(COMPLETE, completing, idempotency_key="complete")
    assert again.json()["data"] == second.json()["data"]
    assert await owner.fetchval("SELECT count(*) FROM sessions") == 3
