"""A standby answers reads that it has the data for, and takes over when the primary dies: nothing is lost or old.

All tests share one pair of servers, which the last one takes apart.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg
import pytest

from mintql.app import create_app
from mintql.embedded.places import remove_home
from mintql.runtime import open_runtime
from mintql.store.migrate import migrate
from support.clients import client_of, eventually
from support.factories import create_account, create_user
from support.replication import psql, running_pair
from support.servers import serving

NAME = "{ viewer { name } }"
RENAME = "mutation($name: String!) { updateProfile(input: { name: $name }) { __typename } }"
WRITES = 15


def prepare(primary):
    psql(primary, "postgres", "CREATE DATABASE mintql")
    psql(primary, "postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'")
    asyncio.run(migrate(primary.url("mintql")))


@pytest.fixture(scope="module")
def pair(cluster):
    home = cluster.home / "failover"
    with running_pair(home, prepare=prepare) as running:
        yield running
    remove_home(home)


@pytest.fixture
def settings(settings, pair):
    return settings.model_copy(
        update={
            "database_url": type(settings.database_url)(pair.url("mintql")),
            "database_replica_url": type(settings.database_url)(pair.standby.url("mintql")),
        }
    )


@pytest.fixture
async def primary(pair):
    conn = await asyncpg.connect(pair.primary.url("mintql"))
    yield conn
    await conn.close()


@pytest.fixture
async def standby(pair):
    conn = await asyncpg.connect(pair.standby.url("mintql"))
    yield conn
    await conn.execute("SELECT pg_wal_replay_resume()")
    await conn.close()


@asynccontextmanager
async def processes(settings, count):
    """Several of the API, each with a client, all signed in as one person."""
    async with AsyncExitStack() as stack:
        apps = [create_app(settings) for _ in range(count)]
        clients = [
            await stack.enter_async_context(client_of(await stack.enter_async_context(serving(app)))) for app in apps
        ]
        await clients[0].sign_up()
        for client in clients[1:]:
            client.token = clients[0].token
        yield [app.state.runtime for app in apps], clients


def in_other_words(number):
    """Return the same question as a request that was never answered before."""
    return f"query Q{number} {{ viewer {{ name }} }}"


def reads_of(runtime):
    (replica,) = runtime.servers.replicas
    return replica.reads


async def asked_until_replica_answers(runtime, client):
    """Ask, each time in other words, until the replica answers."""
    before = reads_of(runtime)
    number = 0

    async def answered():
        nonlocal number
        number += 1
        await client.ask(in_other_words(number))
        return reads_of(runtime) > before

    await eventually(answered)


async def test_reads_go_to_the_replica_once_it_has_what_they_need(settings):
    async with processes(settings, 1) as ((runtime,), (client,)):
        await asked_until_replica_answers(runtime, client)


async def test_who_has_written_reads_it_at_once_wherever_the_replica_is(settings, standby):
    async with processes(settings, 2) as (runtimes, clients):
        for runtime, client in zip(runtimes, clients, strict=True):
            await asked_until_replica_answers(runtime, client)
        await standby.execute("SELECT pg_wal_replay_pause()")
        await eventually(lambda: standby.fetchval("SELECT pg_get_wal_replay_pause_state() = 'paused'"))
        reads = [reads_of(runtime) for runtime in runtimes]
        await clients[0].ask(RENAME, name="Countess")
        for turn in range(3):  # From both processes, kept and not kept, before and after the version is placed.
            for client in clients:
                for query in (NAME, in_other_words(turn)):
                    assert await client.ask(query) == {"viewer": {"name": "Countess"}}
            await asyncio.gather(*(runtime.cache._placing.finish() for runtime in runtimes))
        assert [reads_of(runtime) for runtime in runtimes] == reads
        assert await standby.fetchval("SELECT count(*) FROM users WHERE name = 'Countess'") == 0
        await standby.execute("SELECT pg_wal_replay_resume()")
        await asked_until_replica_answers(runtimes[1], clients[1])
        assert await clients[1].ask(NAME) == {"viewer": {"name": "Countess"}}


async def test_no_read_is_older_than_the_last_write_while_replay_stops_and_goes_on(settings, standby):
    """Both processes ask all the time, in words that are kept and in others, while a person writes and replay limps."""
    async with processes(settings, 2) as (runtimes, clients):
        await clients[0].ask(RENAME, name="0")
        done, last = asyncio.Event(), 0

        async def read(client, kept):
            number = 0
            while not done.is_set():
                number += 1
                query = NAME if kept else in_other_words(number)
                known = last
                answer = await client.ask(query)
                assert int(answer["viewer"]["name"]) >= known

        async def limp():
            while not done.is_set():
                await standby.execute("SELECT pg_wal_replay_pause()")
                await asyncio.sleep(0.08)
                await standby.execute("SELECT pg_wal_replay_resume()")
                await asyncio.sleep(0.25)

        before = sum(map(reads_of, runtimes))
        async with asyncio.TaskGroup() as group:
            for client in clients:
                group.create_task(read(client, kept=True))
                group.create_task(read(client, kept=False))
            limping = group.create_task(limp())
            for number in range(1, WRITES + 1):
                await clients[number % 2].ask(RENAME, name=str(number))
                last = number
                await asyncio.sleep(0.1 if number % 3 else 0.4)
            done.set()
            await limping
        assert sum(map(reads_of, runtimes)) > before


async def test_a_replica_that_lags_too_far_is_not_asked(settings, primary, standby):
    impatient = settings.model_copy(update={"database_replica_lag_seconds": 1.0})
    async with processes(impatient, 1) as ((runtime,), (client,)):
        await asked_until_replica_answers(runtime, client)
        await standby.execute("SELECT pg_wal_replay_pause()")
        user_id = await primary.fetchval("SELECT max(user_id) FROM users")
        (replica,) = runtime.servers.replicas
        position = replica.replayed.position
        await create_account(primary, user_id)  # By somebody whose bump is on its way: the version still holds.
        await eventually(lambda: runtime.servers.replicas.at(position) is None)
        async with runtime.reading(user_id, position) as conn:
            assert await conn.fetchval("SELECT pg_is_in_recovery()") is False


async def test_a_transaction_finds_out_by_itself_that_a_replica_is_behind(settings, primary, standby):
    async with open_runtime(settings, role="api") as runtime:
        user_id = await create_user(primary)
        position = await runtime.servers.replicas.written()
        replica = await eventually(lambda: runtime.servers.replicas.at(position))
        async with runtime.reading(user_id, position) as conn:
            assert await conn.fetchval("SELECT pg_is_in_recovery()") is True
            assert await conn.fetchval("SELECT count(*) FROM users") == 1
            with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
                await conn.execute("UPDATE users SET name = 'x'")
        too_far = position._replace(lsn=position.lsn + 2**30)
        async with replica.reading(user_id, too_far) as conn:
            assert conn is None


async def test_without_redis_reads_go_where_writes_go(settings):
    without = settings.model_copy(update={"redis_url": type(settings.redis_url)("redis://127.0.0.1:1/0")})
    async with processes(without, 1) as ((runtime,), (client,)):
        for number in range(5):
            await client.ask(in_other_words(number))
        assert reads_of(runtime) == 0


async def test_an_export_is_read_from_a_replica_that_keeps_what_it_reads(settings, primary, standby):
    async with open_runtime(settings, role="api") as runtime:
        user_id = await create_user(primary)
        async with runtime.snapshot(user_id) as conn:
            assert await conn.fetchval("SELECT pg_is_in_recovery()") is False  # Its reads could be cancelled.
