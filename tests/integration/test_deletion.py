"""A deletion goes on to its end whatever dies on the way, and takes nothing of others along."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from mintql.domain.deletion import ORDER, DeletionStep
from mintql.gateways.objects import ObjectStoreDown
from mintql.gateways.objects_disk import DiskObjectStore
from mintql.jobs import workplace
from mintql.services import deletion, rawlog_removal
from mintql.services.archive import archive_due
from mintql.services.deletion import LEASE, RETRY_PAUSE, Desk
from mintql.services.effects import Job
from mintql.services.rawlog import pack, put_file
from mintql.services.removal import WRITERS_GONE
from mintql.store import deletions as store
from support.factories import create_person, create_transactions
from support.people import acting_as, category
from support.traces import in_objects, in_redis, in_tables

ADA_ID, BOB_ID, EVE_ID = 7_777_000_000_001, 7_777_000_000_002, 7_777_000_000_003
LOG_KEY = "log/v2/month=2026-11/" + "a" * 32 + ".tsv.gz"
INDEX = "SELECT user_id, object_key FROM raw_log_files ORDER BY 1, 2"


@dataclass
class Scene:
    """Persons in a database, and a desk whose clock is moved by hand."""

    runtime: Any
    conn: Any
    now: datetime
    objects: Any
    tokens: dict[int, str] = field(default_factory=dict)
    numbers: dict[int, int] = field(default_factory=dict)

    @property
    def desk(self) -> Desk:
        place = replace(workplace(self.runtime), clock=lambda: self.now, objects=self.objects)
        return Desk(place, self.runtime.cache, self.runtime.queue)

    async def ask(self, user_id: int) -> int:
        session_id = await self.conn.fetchval(
            "INSERT INTO sessions (user_id, token_hash, expires_at) VALUES ($1, sha256($2), now() + interval '1 day') "
            "RETURNING session_id",
            user_id,
            str(user_id).encode(),
        )
        async with acting_as(self.conn, user_id):
            token, effects = await deletion.ask(self.conn, user_id, session_id, ["sandbox"], self.now)
        (job,) = [job for job in effects.jobs if job.name == "delete_person"]
        self.tokens[user_id], self.numbers[user_id] = token, job.args[0]
        return job.args[0]

    async def drive(self, user_id: int) -> str:
        await deletion.drive(self.desk, self.numbers[user_id])
        return await self.step(user_id)

    async def step(self, user_id: int) -> str:
        return await self.conn.fetchval("SELECT step FROM deletions WHERE deletion_id = $1", self.numbers[user_id])

    async def finish(self, user_id: int) -> None:
        """Drive to the end, moving the clock over every pause."""
        for _ in range(60):
            if await self.drive(user_id) == DeletionStep.DONE:
                return
            self.now += timedelta(minutes=5)
        raise AssertionError(f"the deletion is still at {await self.step(user_id)}")

    async def write_log(self, *user_ids: int, key: str = LOG_KEY, indexed: bool = True) -> None:
        packed = await pack([f"{user_id}\t2026-11-02\tshop {user_id}\n" for user_id in user_ids])
        if indexed:
            await put_file(self.desk.place, key, packed, user_ids)
        else:
            await self.objects.put(key, packed, "application/gzip")

    async def log_lines(self) -> list[str]:
        found = []
        async for key in self.objects.list("log/"):
            found += gzip.decompress(await self.objects.get(key)).decode().splitlines()[1:]
        return sorted(found)


@pytest.fixture
async def scene(runtime, database_url, tmp_path):
    conn = await asyncpg.connect(database_url)
    await conn.execute("SELECT setval(pg_get_serial_sequence('users', 'user_id'), $1, false)", ADA_ID)
    for name in ("ada", "bob", "eve"):
        person = await create_person(conn, email=f"{name}@example.org")
        rows = [(datetime(2026, 11, day, tzinfo=UTC).date(), -100 * day, category("groceries")) for day in range(1, 8)]
        await create_transactions(conn, person.user_id, person.account_id, rows)
    yield Scene(runtime, conn, datetime.now(UTC), DiskObjectStore(tmp_path / "objects"))
    await conn.close()


async def test_whoever_dies_in_any_step_is_followed_by_another_who_goes_on(scene, monkeypatch):
    await scene.objects.put(f"raw/{ADA_ID}/1/1/1/00000.gz", b"page", "application/gzip")
    await scene.write_log(ADA_ID, BOB_ID)
    await scene.ask(ADA_ID)
    died = []
    for step in ORDER[:-1]:
        work = deletion._STEPS[step]

        async def dying(desk, claimed, work=work, step=step):
            if step not in died:
                died.append(step)
                raise KeyboardInterrupt  # As good as a killed process: nothing of ours catches it.
            await work(desk, claimed)

        monkeypatch.setitem(deletion._STEPS, step, dying)
    for _ in range(100):
        try:
            if await scene.drive(ADA_ID) == DeletionStep.DONE:
                break
        except KeyboardInterrupt:
            # Nobody takes it up while the one who died might still be at it.
            assert await store.due(scene.conn, scene.now, 10) == []
        scene.now += LEASE + timedelta(seconds=1)
    assert died == list(ORDER[:-1])
    assert await scene.step(ADA_ID) == DeletionStep.DONE
    assert await in_tables(scene.conn, [str(ADA_ID), "ada@example.org"]) == {}
    assert await scene.conn.fetchval("SELECT count(*) FROM transactions WHERE user_id = $1", BOB_ID) == 7


async def test_rows_go_in_bounded_transactions_and_sums_follow(scene, monkeypatch):
    monkeypatch.setattr(deletion, "ROWS_MAX", 3)
    await scene.ask(ADA_ID)
    await scene.drive(ADA_ID)
    entries = await store.entries_by_token(scene.conn, deletion.hash_token(scene.tokens[ADA_ID]), 0, 100)
    assert [entry.removed for entry in entries if entry.what == "transactions"] == [3, 3, 1]
    assert max(entry.removed for entry in entries) <= 3
    assert await scene.conn.fetchval("SELECT count(*) FROM monthly_spending WHERE user_id = $1", ADA_ID) == 0
    sums = "SELECT sum(posted_minor)::bigint FROM monthly_spending WHERE user_id = $1"
    assert await scene.conn.fetchval(sums, BOB_ID) == -2_800


async def test_archived_months_of_a_person_go_with_their_objects_and_those_of_others_stay(scene):
    await scene.conn.execute("INSERT INTO archive_use VALUES (true, $1)", scene.now - timedelta(days=1))
    await archive_due(scene.desk.place, [ADA_ID, BOB_ID], months_kept=-1)
    assert len([key async for key in scene.objects.list("archive/")]) == 2
    assert await scene.conn.fetchval("SELECT count(*) FROM transactions WHERE user_id = $1", ADA_ID) == 0
    await scene.ask(ADA_ID)
    await scene.finish(ADA_ID)
    assert [key.split("/")[1] async for key in scene.objects.list("archive/")] == [str(BOB_ID)]
    assert await in_tables(scene.conn, [str(ADA_ID)]) == {}
    entries = await store.entries_by_token(scene.conn, deletion.hash_token(scene.tokens[ADA_ID]), 0, 100)
    assert [entry.removed for entry in entries if "archived" in entry.what] == [1, 1]


async def test_an_object_store_that_is_down_is_asked_again(scene, monkeypatch):
    await scene.objects.put(f"raw/{ADA_ID}/1/1/1/00000.gz", b"page", "application/gzip")
    await scene.ask(ADA_ID)
    down = True

    async def delete(key):
        if down:
            raise ObjectStoreDown("it is down")
        await DiskObjectStore.delete(scene.objects, key)

    monkeypatch.setattr(scene.objects, "delete", delete)
    assert await scene.drive(ADA_ID) == DeletionStep.OBJECTS
    assert await scene.drive(ADA_ID) == DeletionStep.OBJECTS
    scene.now += RETRY_PAUSE
    down = False
    assert await scene.drive(ADA_ID) == DeletionStep.WAITING


async def test_what_comes_in_late_is_found_by_the_second_look(scene, tmp_path):
    await scene.ask(ADA_ID)
    assert await scene.drive(ADA_ID) == DeletionStep.WAITING
    # A worker that was at it when the deletion was asked for ends only now.
    await scene.objects.put(f"raw/{ADA_ID}/9/9/9/00000.gz", gzip.compress(b"late"), "application/gzip")
    await scene.write_log(BOB_ID, ADA_ID)
    await scene.conn.execute("INSERT INTO user_counters (user_id) VALUES ($1)", ADA_ID)
    scene.now += WRITERS_GONE - timedelta(seconds=1)
    assert await scene.drive(ADA_ID) == DeletionStep.WAITING
    scene.now += timedelta(seconds=1)
    assert await scene.drive(ADA_ID) == DeletionStep.DONE
    assert in_objects(tmp_path / "objects", [str(ADA_ID)]) == []
    assert await scene.log_lines() == [f"{BOB_ID}\t2026-11-02\tshop {BOB_ID}"]
    assert await in_tables(scene.conn, [str(ADA_ID)]) == {}


async def test_two_who_share_a_file_of_the_log_both_leave_it(scene):
    await scene.write_log(ADA_ID, BOB_ID, EVE_ID)
    await scene.ask(BOB_ID)
    await scene.ask(ADA_ID)
    await scene.conn.execute("UPDATE deletions SET step = 'log'")
    # The later one waits its turn.
    assert await scene.drive(ADA_ID) == DeletionStep.LOG
    assert len(await scene.log_lines()) == 3
    await scene.finish(BOB_ID)
    await scene.finish(ADA_ID)
    assert await scene.log_lines() == [f"{EVE_ID}\t2026-11-02\tshop {EVE_ID}"]
    ((user_id, key),) = await scene.conn.fetch(INDEX)
    assert user_id == EVE_ID
    assert await scene.objects.get(key)


async def test_files_from_before_the_index_are_looked_through(scene, monkeypatch):
    monkeypatch.setattr(rawlog_removal, "FILES_SCANNED_MAX", 2)
    for number in range(5):
        key = f"log/v1/month=2026-0{number + 1}/{number}" + "b" * 31 + ".tsv.gz"
        await scene.write_log(ADA_ID, BOB_ID, key=key, indexed=False)
    await scene.conn.execute("UPDATE users SET created_at = '2020-01-01' WHERE user_id = $1", ADA_ID)
    await scene.ask(ADA_ID)
    await scene.finish(ADA_ID)
    assert await scene.log_lines() == [f"{BOB_ID}\t2026-11-02\tshop {BOB_ID}"] * 5
    # What was written anew is found by the index from now on.
    assert [row["user_id"] for row in await scene.conn.fetch(INDEX)] == [BOB_ID] * 5
    await scene.ask(BOB_ID)
    await scene.finish(BOB_ID)
    assert await scene.log_lines() == []


async def test_a_file_of_the_log_that_cannot_be_read_holds_nothing_up(scene):
    await put_file(scene.desk.place, LOG_KEY, b"no gzip at all", [ADA_ID, BOB_ID])
    await scene.ask(ADA_ID)
    assert await scene.drive(ADA_ID) == DeletionStep.WAITING
    assert [key async for key in scene.objects.list("log/")] == []


async def test_an_institution_is_told_before_the_last_of_the_person_goes(scene):
    secret = (1, b"wrapped", b"sealed")
    await scene.conn.execute(
        "INSERT INTO connection_secrets SELECT user_id, connection_id, $2, $3, $4 FROM connections WHERE user_id = $1",
        ADA_ID,
        *secret,
    )
    await scene.ask(ADA_ID)
    assert await scene.conn.fetchval("SELECT count(*) FROM connection_secrets WHERE user_id = $1", ADA_ID) == 0
    assert await scene.conn.fetchval("SELECT count(*) FROM farewells WHERE user_id = $1", ADA_ID) == 1
    assert await scene.drive(ADA_ID) == DeletionStep.INSTITUTIONS
    # All else is gone meanwhile.
    assert set(await in_tables(scene.conn, [str(ADA_ID)])) == {"deletions", "farewells", "users"}
    scene.now += timedelta(minutes=1)
    assert await scene.drive(ADA_ID) == DeletionStep.INSTITUTIONS
    await scene.conn.execute("DELETE FROM farewells")  # As when it was told, or its hour is over.
    await scene.finish(ADA_ID)
    assert await in_tables(scene.conn, [str(ADA_ID)]) == {}


async def test_waiting_jobs_and_cached_answers_of_a_person_go_and_those_of_others_stay(scene, redis_url):
    queue, cache = scene.runtime.queue, scene.runtime.cache
    for user_id in (ADA_ID, BOB_ID):
        version = await cache.version(user_id)
        await cache.put(user_id, version, "digest", b"answer")
    await queue.enqueue("extract", [[ADA_ID, 1], [BOB_ID, 2]])
    await queue.enqueue("extract", [[ADA_ID, 3]], defer_seconds=60)
    await queue.enqueue("open_link", ADA_ID, 4)
    await queue.enqueue("notify")
    assert await queue.forget(ADA_ID) == 3
    assert await cache.forget(ADA_ID) == 2
    assert in_redis(redis_url, [str(ADA_ID)]) == []
    assert await cache.get(BOB_ID, await cache.version(BOB_ID), "digest") == b"answer"
    jobs = await scene.runtime.redis.queued_jobs(queue_name=scene.runtime.settings.queue_name)
    assert sorted((job.function, job.args) for job in jobs) == [("extract", [[[BOB_ID, 2]]]), ("notify", [])]


async def test_rows_that_are_left_stop_the_end_rather_than_being_forgotten(scene, monkeypatch):
    await scene.ask(ADA_ID)
    assert await scene.drive(ADA_ID) == DeletionStep.WAITING

    async def remnants(conn, user_id):
        return ["a_table_of_tomorrow"]

    monkeypatch.setattr(store, "remnants", remnants)
    scene.now += WRITERS_GONE
    assert await scene.drive(ADA_ID) == DeletionStep.PERSON
    assert await scene.conn.fetchval("SELECT count(*) FROM users WHERE user_id = $1", ADA_ID) == 1
    monkeypatch.undo()
    await scene.finish(ADA_ID)


async def test_what_was_shared_ends_at_once_in_both_directions(scene):
    share = (
        "INSERT INTO household_shares (user_id, email, role, state, member_id, created_at, expires_at, accepted_at) "
        "VALUES ($1, 'someone@example.org', 'viewer', 'accepted', $2, now(), now(), now())"
    )
    for owner_id, member_id in ((ADA_ID, BOB_ID), (BOB_ID, ADA_ID), (BOB_ID, EVE_ID)):
        await scene.conn.execute(share, owner_id, member_id)
    await scene.ask(ADA_ID)
    left = await scene.conn.fetch("SELECT user_id, member_id FROM household_shares")
    assert [tuple(row) for row in left] == [(BOB_ID, EVE_ID)]


async def test_the_sweeper_sends_what_nobody_is_at(scene):
    number = await scene.ask(ADA_ID)
    assert await deletion.due_jobs(scene.conn, scene.now) == [Job("delete_person", (number,))]
    assert await scene.drive(ADA_ID) == DeletionStep.WAITING
    assert await deletion.due_jobs(scene.conn, scene.now) == []
    await scene.finish(ADA_ID)
    assert await deletion.due_jobs(scene.conn, scene.now + timedelta(days=1)) == []


async def test_the_api_cannot_read_whose_a_deletion_is(scene):
    await scene.ask(ADA_ID)
    for role in ("mintql_api", "mintql_household"):
        async with scene.conn.transaction():
            await scene.conn.execute(f"SET LOCAL ROLE {role}")
            try:
                async with scene.conn.transaction():
                    seen = await scene.conn.fetchval("SELECT count(*) FROM deletions")
            except asyncpg.InsufficientPrivilegeError:
                seen = 0
        assert seen == 0


async def test_a_file_of_the_log_keeps_its_own_columns_and_the_texts_of_others(scene):
    old = "user_id\ttimestamp\tseller\n"
    kept = f"{BOB_ID}\t2026-11-02\tone line\u2028that is two for Unicode\n"
    await put_file(
        scene.desk.place, LOG_KEY, await pack([f"{ADA_ID}\t2026-11-02\tgone\n", kept], old), [ADA_ID, BOB_ID]
    )
    await scene.ask(ADA_ID)
    await scene.finish(ADA_ID)
    (key,) = [key async for key in scene.objects.list("log/")]
    assert gzip.decompress(await scene.objects.get(key)).decode() == old + kept
