"""A standby answers reads that it has the data for, and takes over when the primary dies: nothing is lost or old.

All tests share one pair of servers, which the last one takes apart.
"""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from mintql.api.context import Context, Viewer
from mintql.app import create_app
from mintql.domain.ids import SessionId
from mintql.embedded.places import remove_home
from mintql.runtime import open_runtime
from mintql.store import replicas, servers
from mintql.store.migrate import migrate
from mintql.store.positions import Replayed
from mintql.store.reconcile import differences
from support.clients import PATIENCE_SECONDS, client_of, eventually
from support.factories import create_account, create_transaction, create_user
from support.replication import psql, running_pair
from support.servers import serving

NAME = "{ viewer { name } }"
RENAME = "mutation($name: String!) { updateProfile(input: { name: $name }) { __typename } }"
WRITES = 15
NOW = datetime.now(UTC)
WRITES_BACK_SECONDS = 10.0
"""What takes a thirtieth of that where nothing else runs."""


def prepare(primary):
    psql(primary, "postgres", "CREATE DATABASE mintql")
    asyncio.run(migrate(primary.url("mintql")))


@pytest.fixture(scope="module")
def pair(cluster):
    home = cluster.home / "failover"
    with running_pair(home, prepare=prepare) as running:
        yield running
    remove_home(home)


@pytest.fixture(autouse=True)
def _patience(monkeypatch):
    """Ask the standby also where the machine is so busy that it is slow: an API in earnest would go on without it."""
    for module, name in (
        (servers, "REPLICA_ACQUIRE_TIMEOUT_SECONDS"),
        (servers, "REPLICA_CONNECT_TIMEOUT_SECONDS"),
        (replicas, "POLL_TIMEOUT_SECONDS"),
        (replicas, "CATCH_UP_SECONDS"),
    ):
        monkeypatch.setattr(module, name, PATIENCE_SECONDS)


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
            await eventually(lambda: sum(map(reads_of, runtimes)) > before)
            done.set()
            await limping


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


async def test_a_replica_that_is_down_is_left_alone_and_reads_go_where_writes_go(settings, primary, tmp_path):
    down = type(settings.database_url)(f"postgresql://mintql@/mintql?host={tmp_path}")
    async with processes(settings.model_copy(update={"database_replica_url": down}), 1) as ((runtime,), (client,)):
        assert await client.ask(NAME) == {"viewer": {"name": "Ada"}}
        position = await runtime.servers.replicas.written()
        (replica,) = runtime.servers.replicas
        async with replica.reading(await create_user(primary), position) as conn:
            assert conn is None
        replica.replayed, replica.fresh_at = Replayed(position, gives_feedback=True), time.monotonic()
        assert runtime.servers.replicas.at(position) is None  # It failed, so that nobody tries for a while.


async def test_without_redis_reads_go_where_writes_go(settings):
    without = settings.model_copy(update={"redis_url": type(settings.redis_url)("redis://127.0.0.1:1/0")})
    async with processes(without, 1) as ((runtime,), (client,)):
        for number in range(5):
            await client.ask(in_other_words(number))
        assert reads_of(runtime) == 0


async def test_an_export_is_read_from_a_replica_only_if_that_keeps_what_is_read(settings, pair, primary, standby):
    async with open_runtime(settings, role="api") as runtime:
        user_id = await create_user(primary)
        (replica,) = runtime.servers.replicas
        await eventually(lambda: replica.replayed)
        async with runtime.snapshot(user_id) as conn:
            assert await conn.fetchval("SELECT pg_is_in_recovery()") is False  # It could be cancelled half way.
        await standby.execute("ALTER SYSTEM SET hot_standby_feedback = on")
        await standby.execute("SELECT pg_reload_conf()")
        await eventually(lambda: replica.replayed and replica.replayed.gives_feedback)
        user_id = await create_user(primary)
        async with runtime.snapshot(user_id) as conn:
            assert await conn.fetchval("SELECT pg_is_in_recovery()") is True
            assert await conn.fetchval("SELECT count(*) FROM users WHERE user_id = $1", user_id) == 1


async def test_what_may_have_been_brought_back_is_read_where_that_was_written(settings, primary):
    async with open_runtime(settings, role="api") as runtime:
        viewer = Viewer(await create_user(primary), SessionId(1), NOW + timedelta(days=1))
        position = await runtime.servers.replicas.written()
        await eventually(lambda: runtime.servers.replicas.at(position))
        for in_use in (False, True):
            context = Context(runtime, viewer, position=position)
            if in_use:
                await primary.execute("INSERT INTO archive_use VALUES (true, now())")
                runtime.archive._asked_at = -1000.0
            async with context.one_connection():
                await context.bring_back()
                async with context.person() as conn:
                    assert await conn.fetchval("SELECT pg_is_in_recovery()") is not in_use
        await primary.execute("DELETE FROM archive_use")


async def pooled_is_read_only(runtime):
    async with runtime.statement() as conn:
        return await conn.fetchval("SELECT current_setting('default_transaction_read_only')::boolean")


async def test_a_change_waits_for_a_server_that_takes_writes(settings, primary):
    """As after a demotion that leaves connections open: nothing is sent on them that would only fail."""
    async with open_runtime(settings, role="api") as runtime:
        user_id = await create_user(primary)
        async with runtime.person(user_id) as conn:
            await conn.execute("UPDATE users SET name = 'One'")
        await primary.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        await primary.execute("SELECT pg_reload_conf()")

        await eventually(lambda: pooled_is_read_only(runtime))

        async def change():
            async with runtime.person(user_id) as conn:
                await conn.execute("UPDATE users SET name = 'Two'")

        waiting = asyncio.create_task(change())
        try:
            await eventually(lambda: runtime.pool._generation > 0)  # All connections are given up.
            assert not waiting.done()
        finally:
            await primary.execute("ALTER SYSTEM RESET default_transaction_read_only")
            await primary.execute("SELECT pg_reload_conf()")
        await waiting
        assert await primary.fetchval("SELECT name FROM users WHERE user_id = $1", user_id) == "Two"


class Writer:
    """A person who spends all the time, and what of it was acknowledged, with when."""

    def __init__(self, runtime, user_id, account_id):
        self.runtime, self.user_id, self.account_id = runtime, user_id, account_id
        self.acknowledged = []
        self.failures = 0

    async def write(self, done):
        while not done.is_set():
            try:
                async with self.runtime.system() as conn:
                    found = await create_transaction(conn, self.user_id, self.account_id, amount_minor=-100)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                self.failures += 1
            else:
                self.acknowledged.append((found, time.monotonic()))
            await asyncio.sleep(0.01)

    def has_written_since(self, moment):
        return any(at > moment for _, at in self.acknowledged)


async def ask_all_the_time(client, done, asked):
    while not done.is_set():
        answer = (await client.post(in_other_words(len(asked)))).json()
        asked.append("errors" not in answer)
        await asyncio.sleep(0.01)


async def test_nothing_acknowledged_is_lost_when_the_primary_dies_under_load(settings, pair, primary):
    """The last test: it leaves one server."""
    await primary.execute("ALTER DATABASE mintql SET synchronous_commit = on")
    await primary.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
    await primary.execute("SELECT pg_reload_conf()")
    synchronous = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
    await eventually(lambda: primary.fetchval(synchronous))
    people = [
        (user_id, await create_account(primary, user_id)) for user_id in [await create_user(primary) for _ in "abc"]
    ]
    asked: list[bool] = []
    async with (
        processes(settings, 1) as ((api,), (client,)),
        open_runtime(settings, role="worker") as one,
        open_runtime(settings, role="worker") as other,
        asyncio.TaskGroup() as group,
    ):
        done = asyncio.Event()
        writers = [Writer(runtime, *person) for person in people for runtime in (one, other)]
        for writer in writers:
            group.create_task(writer.write(done))
        group.create_task(ask_all_the_time(client, done, asked))
        await eventually(lambda: all(len(writer.acknowledged) > 10 for writer in writers))
        pair.kill_primary()
        killed = time.monotonic()
        await asyncio.to_thread(psql, pair.standby, "mintql", "SELECT pg_promote()")
        promoted = time.monotonic()
        await eventually(lambda: all(writer.has_written_since(promoted) for writer in writers))
        back = min(at for writer in writers for _, at in writer.acknowledged if at > promoted)
        await eventually(lambda: reads_of(api) and asked[-1])
        done.set()
    async with open_runtime(settings, role="worker") as after, after.system() as conn:
        kept = {row[0] for row in await conn.fetch("SELECT transaction_id FROM transactions")}
        acknowledged = {found for writer in writers for found, _ in writer.acknowledged}
        assert acknowledged <= kept
        assert await differences(conn, [user_id for user_id, _ in people]) == []
        spent = await conn.fetchval("SELECT sum(posted_minor)::bigint FROM monthly_spending")
        assert spent == await conn.fetchval("SELECT sum(amount_minor)::bigint FROM transactions") == -100 * len(kept)
    assert back - promoted < WRITES_BACK_SECONDS
    sys.stdout.write(
        f"{len(acknowledged)} writes acknowledged, {len(acknowledged - kept)} lost,"
        f" {len(kept - acknowledged)} there without an answer, {sum(w.failures for w in writers)} refused;"
        f" {asked.count(False)} of {len(asked)} queries failed; promoted {promoted - killed:.2f} s after the kill,"
        f" writes back {back - promoted:.2f} s later\n"
    )
