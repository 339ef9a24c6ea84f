"""Deleting an account: at once for whoever could get in, and in the end without a trace but the proof."""

from __future__ import annotations

import gzip
import hashlib
from collections import Counter
from pathlib import Path

import asyncpg
import pytest
from redis.asyncio import Redis

from mintql.domain.deletion import STEPS_TOTAL
from support.clients import PASSWORD, client_of, eventually, socket_of
from support.traces import in_objects, in_redis, in_tables

ADA_ID, BOB_ID = 7_777_000_000_001, 7_777_000_000_002
CANARY = "canary4711"
DELETE = """
mutation Delete($password: String!) {
  deleteAccount(password: $password) {
    __typename
    ... on DeleteAccountSuccess { token requestedAt }
    ... on Error { code message field }
  }
}
"""
WATCH = """
query Watch($token: String!) {
  deletion(token: $token) {
    step stepsDone stepsTotal continuesAt finishedAt digest removed { position what removed doneAt digest }
  }
}
"""
SIGN_IN = "mutation ($email: String!, $password: String!) { signIn(email: $email, password: $password) { __typename } }"
VIEWER = "{ viewer { email } }"
ACCOUNTS = "{ accounts { id name } }"
ALERTS = "subscription { budgetAlerts { cursor } }"
TRANSACTIONS = "{ transactions(first: 5) { nodes { id description } } }"
SUCCEEDED = "SELECT count(*) = $1 FROM sync_runs WHERE state = 'succeeded'"
COUNTS_OF_BOB = """
SELECT (SELECT count(*) FROM transactions WHERE user_id = $1) AS transactions,
    (SELECT sum(amount_minor)::bigint FROM transactions WHERE user_id = $1) AS amount_minor,
    (SELECT sum(posted_minor)::bigint FROM monthly_spending WHERE user_id = $1) AS spent_minor,
    (SELECT count(*) FROM raw_objects WHERE user_id = $1) AS pages
"""


@pytest.fixture
async def owner(database_url):
    conn = await asyncpg.connect(database_url)
    await conn.execute("SELECT setval(pg_get_serial_sequence('users', 'user_id'), $1, false)", ADA_ID)
    yield conn
    await conn.close()


@pytest.fixture
async def ada(owner, server):
    async with client_of(server) as client:
        await client.sign_up(f"{CANARY}@example.org")
        yield client


@pytest.fixture
async def bob(ada, server):
    async with client_of(server) as client:
        await client.sign_up("bob@example.org")
        yield client


async def delete(client, password=PASSWORD):
    return (await client.ask(DELETE, password=password))["deleteAccount"]


async def watch(client, token):
    return (await client.ask(WATCH, token=token))["deletion"]


async def reaches(client, token, step):
    """Wait until a deletion is at a step."""

    async def at():
        found = await watch(client, token)
        return found if found["step"] == step else None

    return await eventually(at, seconds=90)


async def let_time_pass(owner):
    """Let work that was under way when the deletion was asked for have had its time, once a worker has put it off."""
    put_off = "SELECT bool_and(lease_until IS NULL AND due_at > now() + interval '5 minutes') FROM deletions"
    await eventually(lambda: owner.fetchval(put_off))
    await owner.execute("UPDATE deletions SET requested_at = requested_at - interval '1 hour', due_at = now()")


def log_lines(objects: Path, user_id: int) -> Counter[str]:
    lines: Counter[str] = Counter()
    for path in (objects / "log").rglob("*.gz"):
        lines.update(line for line in gzip.decompress(path.read_bytes()).decode().splitlines()[1:])
    return Counter({line: count for line, count in lines.items() if line.startswith(f"{user_id}\t")})


async def live_through(client, owner, runs):
    """Leave traces: rows of many tables, objects, log lines, cached answers."""
    await client.connect()
    await eventually(lambda: owner.fetchval(SUCCEEDED, runs), seconds=40)
    assert (await client.ask(TRANSACTIONS))["transactions"]["nodes"]


async def test_a_deleted_person_leaves_nothing_but_the_proof(
    bank, worker, server, ada, bob, owner, redis_url, tmp_path
):
    objects = tmp_path / "objects"
    await live_through(ada, owner, 1)
    await live_through(bob, owner, 2)
    await owner.execute(
        "UPDATE transactions SET note = $2, tags = ARRAY[$2::text] WHERE user_id = $1 AND transaction_id % 3 = 0",
        ADA_ID,
        CANARY,
    )
    await owner.execute("INSERT INTO seller_votes VALUES ($1, 'whole foods', 11, now())", ADA_ID)
    await owner.execute("INSERT INTO seller_memories VALUES ($1, $2, 11)", ADA_ID, CANARY)
    await ada.ask(ACCOUNTS)
    async with Redis.from_url(redis_url) as redis:
        await redis.delete(f"version:{ADA_ID}")  # What is asked for again after a change is kept in Redis.
        await ada.ask(ACCOUNTS)
        await eventually(lambda: redis.keys(f"{ADA_ID}:*"))
    words = [str(ADA_ID), CANARY]
    traces = await in_tables(owner, words)
    assert len(traces) > 15
    assert len(in_objects(objects, words)) > 2
    assert any(key.startswith(f"{ADA_ID}:") for key in in_redis(redis_url, words))
    bobs, bobs_lines = await owner.fetchrow(COUNTS_OF_BOB, BOB_ID), log_lines(objects, BOB_ID)
    adas_lines = log_lines(objects, ADA_ID).total()
    assert bobs_lines.total() > 50

    token = (await delete(ada))["token"]
    ada.token = None
    waiting = await reaches(ada, token, "WAITING")
    assert (waiting["finishedAt"], waiting["stepsDone"], waiting["stepsTotal"]) == (None, 5, STEPS_TOTAL)
    await let_time_pass(owner)
    done = await reaches(ada, token, "DONE")

    assert await in_tables(owner, words) == {}
    assert in_objects(objects, words) == []
    assert in_redis(redis_url, words) == []
    assert await owner.fetchrow(COUNTS_OF_BOB, BOB_ID) == bobs
    assert log_lines(objects, BOB_ID) == bobs_lines
    assert await owner.fetchval("SELECT count(*) FROM crowd_counts") == 0
    removed: Counter[str] = Counter()
    for entry in done["removed"]:
        removed[entry["what"]] += entry["removed"]
    assert removed["transactions"] == len(traces["transactions"])
    assert removed["lines of the raw log"] == adas_lines
    assert (removed["raw objects"] > 0, removed["person"], done["stepsDone"]) == (True, 1, STEPS_TOTAL)
    check_proof(done, token)


def check_proof(done, token):
    """Every entry follows from the one before, the first from the token, as the API says."""
    digest = hashlib.sha256(token.encode()).digest()
    for number, entry in enumerate(done["removed"], 1):
        assert entry["position"] == number
        line = f"{number} {entry['what']} {entry['removed']} {entry['doneAt']}\n"
        digest = hashlib.sha256(digest + line.encode()).digest()
        assert entry["digest"] == digest.hex()
    assert done["digest"] == digest.hex()


async def test_every_way_in_is_closed_before_the_answer(bank, worker, server, ada, owner):
    await ada.connect()
    await eventually(lambda: owner.fetchval(SUCCEEDED, 1))
    async with client_of(server) as second, socket_of(ada) as socket, socket_of(ada) as quiet:
        second.token = ada.token
        await socket.subscribe(ALERTS)
        worker.allow_pick_jobs = False
        assert (await delete(ada))["__typename"] == "DeleteAccountSuccess"
        assert await owner.fetchval("SELECT count(*) FROM connection_secrets") == 0
        assert await owner.fetchval("SELECT count(*) FROM sessions") == 0
        assert await in_tables(owner, [CANARY]) == {}
        for client in (ada, second):
            assert (await client.refusal(VIEWER))["extensions"]["code"] == "UNAUTHENTICATED"
        signed_in = await ada.ask(SIGN_IN, email=f"{CANARY}@example.org", password=PASSWORD)
        assert signed_in["signIn"]["__typename"] == "BadCredentials"
        assert await quiet.closed() == 4403
        assert await socket.closed() == 4403
    # The address is free, and the new account is another one.
    async with client_of(server) as again:
        await again.sign_up(f"{CANARY}@example.org")
        assert (await again.ask(ACCOUNTS))["accounts"] == []


async def test_a_wrong_password_deletes_nothing_and_is_written_down(ada, owner):
    answer = await delete(ada, "not the password")
    assert (answer["__typename"], answer["field"]) == ("BadCredentials", "password")
    assert "nothing was deleted" in answer["message"]
    assert (await ada.ask(VIEWER))["viewer"]["email"] == f"{CANARY}@example.org"
    assert await owner.fetchval("SELECT count(*) FROM deletions") == 0
    (entry, _) = (await ada.ask("{ auditLog { nodes { act } } }"))["auditLog"]["nodes"]
    assert entry["act"] == "deletion_refused"
    ada.token = None
    assert (await delete(ada))["__typename"] == "NotSignedIn"


async def test_only_who_has_the_token_sees_how_far_it_is(ada, owner):
    token = (await delete(ada))["token"]
    ada.token = None
    assert (await watch(ada, token))["step"] == "ROWS"
    for wrong in ("", token[:-1], token + "x", "x" * 500, "\0"):
        assert await watch(ada, wrong) is None
    stored = await owner.fetchrow("SELECT * FROM deletions")
    assert token not in str(dict(stored))
