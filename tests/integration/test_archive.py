"""Old months move to the object store and back, every value as it was, whatever dies on the way."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from mintql.domain.archive import kept_from
from mintql.domain.errors import InvalidInput
from mintql.domain.recurring_cycles import Frequency
from mintql.gateways.objects import ObjectStoreDown
from mintql.nightly import archive_all
from mintql.services import archive, category_moves, connections, reconcile, recurring_detection, recurring_said
from mintql.services.archive import ArchiveDamaged
from mintql.services.recurring_said import SeriesWish
from mintql.store import recurring_read
from mintql.store.archive import PersonMonth
from mintql.store.recurring_read import Wanted
from support.factories import create_account, create_person, create_transaction
from support.importer import Importer
from support.people import category
from support.pipeline import Pipeline
from support.scripted import page, row

NOW = datetime(2026, 11, 12, 10, 0, tzinfo=UTC)
KEPT = 6
MAY, APRIL, MARCH = date(2026, 5, 1), date(2026, 4, 1), date(2026, 3, 1)
TABLES = {
    "transactions": "transaction_id",
    "transfers": "transfer_id",
    "transaction_matches": "from_id",
    "monthly_spending": "month, category_id, currency",
    "transaction_changes": "seq",
    "user_counters": "user_id",
}


@pytest.fixture
async def pipeline(database_url: str, tmp_path: Path):
    async with asyncpg.create_pool(database_url, min_size=1, max_size=4) as pool:
        yield Pipeline(pool, tmp_path / "objects", now=NOW)


@pytest.fixture
async def ada(pipeline: Pipeline):
    """A person with rows of all sorts in March and April, and some that have to stay."""
    async with pipeline.begin() as conn:
        await conn.execute("INSERT INTO archive_use (begun_at) VALUES ($1)", NOW - timedelta(days=1))
        person = await create_person(conn)
        savings = await create_account(conn, person.user_id, person.connection_id, currency="EUR")
        add = lambda **said: create_transaction(conn, person.user_id, said.pop("account", person.account_id), **said)  # noqa: E731
        groceries = category("groceries")
        rows = {
            "plain": await add(posted_on=MARCH, amount_minor=-1_234, category_id=groceries),
            "euros": await add(posted_on=date(2026, 3, 9), amount_minor=-99, currency="EUR", account=savings),
            "noted": await add(posted_on=date(2026, 3, 31), amount_minor=-5_000, category_id=groceries),
            "removed": await add(posted_on=date(2026, 3, 12), removed_at=NOW - timedelta(days=200)),
            "posted": await add(posted_on=date(2026, 3, 14), amount_minor=-700, external_id="posted"),
            "out": await add(posted_on=date(2026, 4, 2), amount_minor=-10_000),
            "in": await add(posted_on=date(2026, 4, 3), amount_minor=10_000, account=savings),
            "over": await add(posted_on=date(2026, 4, 30), amount_minor=-300),
            "next": await add(posted_on=date(2026, 5, 1), amount_minor=300, account=savings),
            "waits": await add(posted_on=date(2026, 4, 8), amount_minor=-44, pending=True),
            "recent": await add(posted_on=date(2026, 11, 2), amount_minor=-800, category_id=groceries),
        }
        rows["gave_way"] = await add(posted_on=date(2026, 3, 13), pending=True, successor_id=rows["posted"])
        await conn.execute(
            "UPDATE transactions SET note = $3, tags = '{trip,Öl}', part_category_ids = $4, excluded_from_budgets = true,"
            " part_amounts_minor = '{-1000,-500}', part_notes = $5, display_name = 'Mine'"
            " WHERE user_id = $1 AND transaction_id = $2",
            person.user_id, rows["noted"], "line\nend \U0001f9fe", [category("restaurants"), groceries],
                ["", 'half, "quoted"'],
        )  # fmt: skip
        for out, came in (("out", "in"), ("over", "next")):
            await conn.execute(
                "INSERT INTO transfers (user_id, out_id, in_id, state, out_category_id, out_category_source,"
                " out_category_detail) VALUES ($1, $2, $3, 'applied', 7, 'manual', 'x')",
                person.user_id, rows[out], rows[came],
            )  # fmt: skip
        await conn.execute(
            "INSERT INTO transaction_matches (user_id, from_id, to_id, kind, state) "
            "VALUES ($1, $2, $3, 'pending_link', 'applied')",
            person.user_id, rows["gave_way"], rows["posted"],
        )  # fmt: skip
    return person, rows


async def picture(pipeline: Pipeline, user_id: int) -> dict[str, list[Any]]:
    """All that a person has in the tables that moving could touch."""
    return {
        table: [
            dict(row)
            for row in await pipeline.fetch(f"SELECT * FROM {table} WHERE user_id = $1 ORDER BY {key}", user_id)
        ]
        for table, key in TABLES.items()
    }


async def ids_left(pipeline: Pipeline, user_id: int) -> set[int]:
    rows = await pipeline.fetch("SELECT transaction_id FROM transactions WHERE user_id = $1", user_id)
    return {row["transaction_id"] for row in rows}


async def objects(pipeline: Pipeline) -> list[str]:
    return [key async for key in pipeline.place.objects.list("archive/")]


async def bring_back(pipeline: Pipeline, user_id: int, **asked: Any) -> int:
    async with pipeline.begin() as conn:
        return await archive.bring_back(conn, pipeline.place.objects, user_id, pipeline.now, **asked)


async def test_old_months_leave_the_database_and_come_back_as_they_were(pipeline, ada):
    person, rows = ada
    before = await picture(pipeline, person.user_id)
    assert await archive.archive_due(pipeline.place, [person.user_id], KEPT) == 8
    stay = {rows[name] for name in ("over", "next", "waits", "recent")}
    assert await ids_left(pipeline, person.user_id) == stay
    during = await picture(pipeline, person.user_id)
    assert [row["out_id"] for row in during["transfers"]] == [rows["over"]]
    assert during["transaction_matches"] == []
    for table in ("monthly_spending", "transaction_changes", "user_counters"):
        assert during[table] == before[table]
    assert len(await objects(pipeline)) == 2
    assert await bring_back(pipeline, person.user_id) == 2
    assert await picture(pipeline, person.user_id) == before


async def test_moving_is_done_once_and_again_a_week_after_a_month_came_back(pipeline, ada):
    person, _ = ada
    assert await archive.archive_due(pipeline.place, [person.user_id], KEPT) == 8
    assert await archive.archive_due(pipeline.place, [person.user_id], KEPT) == 0
    assert await bring_back(pipeline, person.user_id, first=MARCH, last=MARCH) == 1
    assert await bring_back(pipeline, person.user_id, first=MARCH, last=MARCH) == 0
    assert await archive.archive_due(pipeline.place, [person.user_id], KEPT) == 0
    pipeline.now += timedelta(hours=2)
    await archive.tidy(pipeline.place)
    assert [key.split("/")[2][:7] for key in await objects(pipeline)] == ["2026-04"]
    pipeline.now += timedelta(days=archive.RESTORED_DAYS)
    assert await archive.archive_due(pipeline.place, [person.user_id], KEPT) == 6
    assert len(await objects(pipeline)) == 2


async def test_nothing_moves_while_a_run_is_open_that_may_tell_of_it(pipeline, ada):
    person, rows = ada
    async with pipeline.place.begin() as conn:
        run_id = await conn.fetchval(
            "INSERT INTO sync_runs (user_id, connection_id, reason, day, state) "
            "SELECT user_id, connection_id, 'request', '2026-11-26', 'ingesting' FROM connections "
            "WHERE user_id = $1 LIMIT 1 "
            "RETURNING run_id",
            person.user_id,
        )
    assert await archive.archive_due(pipeline.place, [person.user_id], KEPT) == 0
    assert len(await ids_left(pipeline, person.user_id)) == len(rows)
    async with pipeline.place.begin() as conn:
        await conn.execute("UPDATE sync_runs SET state = 'succeeded' WHERE run_id = $1", run_id)
    assert await archive.archive_due(pipeline.place, [person.user_id], KEPT) == 8


async def test_reconciling_counts_what_is_archived(pipeline, ada):
    person, _ = ada
    await archive.archive_due(pipeline.place, [person.user_id], KEPT)
    async with pipeline.begin() as conn:
        assert (await reconcile.reconcile_page(conn, 0))[1] == []
        await conn.execute("UPDATE archived_months SET sum_minor[1] = sum_minor[1] + 1 WHERE month = $1", MARCH)
        assert len((await reconcile.reconcile_page(conn, 0))[1]) == 1


async def test_the_nightly_job_goes_through_everybody_and_leaves_all_where_nothing_is_to_move(pipeline, ada):
    person, _ = ada
    async with pipeline.begin() as conn:
        bob = await create_person(conn)
        await create_transaction(conn, bob.user_id, bob.account_id, posted_on=MARCH)
    assert await archive_all(pipeline.place, 0) == 0
    assert await archive_all(pipeline.place, KEPT) == 9
    assert await archive_all(pipeline.place, KEPT) == 0
    assert len(await objects(pipeline)) == 3
    assert len(await ids_left(pipeline, person.user_id)) == 4


class Dying:
    """An object store that dies in one operation, before or after it is done."""

    def __init__(self, store: Any, operation: str, *, after: bool) -> None:
        self._store, self._operation, self._after = store, operation, after

    def __getattr__(self, name: str) -> Any:
        done = getattr(self._store, name)
        if name != self._operation:
            return done

        async def die(*args: Any) -> Any:
            if self._after:
                await done(*args)
            raise ObjectStoreDown("killed")

        return die


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("operation", ["put", "get", "delete"])
async def test_whoever_dies_at_the_object_store_loses_nothing(pipeline, ada, operation, after):
    person, _ = ada
    before = await picture(pipeline, person.user_id)
    stray = f"archive/{person.user_id}/2026-03-{'0' * 32}.parquet"
    await pipeline.place.objects.put(stray, b"of a move that was broken off", "")
    dying = Dying(pipeline.place.objects, operation, after=after)
    await archive.archive_due(_with(pipeline.place, dying), [person.user_id], KEPT)
    await archive.archive_due(pipeline.place, [person.user_id], KEPT)
    assert len(await ids_left(pipeline, person.user_id)) == 4
    await bring_back(pipeline, person.user_id)
    assert await picture(pipeline, person.user_id) == before


def _with(place: Any, store: Any) -> Any:
    return replace(place, objects=store)


@pytest.mark.parametrize("step", ["delete_rows", "note_archived"])
async def test_whoever_dies_in_the_database_moves_nothing(pipeline, ada, monkeypatch, step):
    person, _ = ada
    before = await picture(pipeline, person.user_id)
    done = getattr(archive.store, step)

    async def die(*args: Any) -> None:
        await done(*args)
        raise ConnectionError("killed")

    monkeypatch.setattr(archive.store, step, die)
    assert await archive.archive_due(pipeline.place, [person.user_id], KEPT) == 0
    assert await picture(pipeline, person.user_id) == before
    assert await pipeline.fetch("SELECT FROM archived_months") == []
    monkeypatch.undo()
    assert await archive.archive_due(pipeline.place, [person.user_id], KEPT) == 8
    assert len(await objects(pipeline)) == 2


async def test_rows_that_change_while_their_object_is_written_are_not_lost(pipeline, ada, monkeypatch):
    person, rows = ada
    encode = archive.parquet.encode

    async def slow(contents: Any) -> bytes:
        packed = await encode(contents)
        await pipeline.fetch("UPDATE transactions SET note = 'late' WHERE transaction_id = $1", rows["plain"])
        return packed

    monkeypatch.setattr(archive.parquet, "encode", slow)
    assert await archive.archive_month(pipeline.place, PersonMonth(person.user_id, MARCH)) == 0
    monkeypatch.undo()
    assert await archive.archive_month(pipeline.place, PersonMonth(person.user_id, MARCH)) == 6
    await bring_back(pipeline, person.user_id)
    assert await pipeline.value("SELECT note FROM transactions WHERE transaction_id = $1", rows["plain"]) == "late"
    assert len(await objects(pipeline)) == 1


async def test_an_object_that_holds_other_rows_takes_nothing_out_and_puts_nothing_back(pipeline, ada):
    person, _ = ada
    before = await picture(pipeline, person.user_id)
    get = pipeline.place.objects.get

    async def other(key: str) -> bytes:
        contents = await archive.parquet.decode(await get(key))
        contents.transactions[0]["amount_minor"] += 1
        return await archive.parquet.encode(contents)

    lying = Dying(pipeline.place.objects, "nothing", after=False)
    lying.get = other
    lied_to = _with(pipeline.place, lying)
    with pytest.raises(ArchiveDamaged, match="where the database has"):
        await archive.archive_month(lied_to, PersonMonth(person.user_id, MARCH))
    assert await picture(pipeline, person.user_id) == before
    await archive.archive_due(pipeline.place, [person.user_id], KEPT)
    with pytest.raises(ArchiveDamaged, match="does not hold the 6 rows"):
        async with pipeline.begin() as conn:
            await archive.bring_back(conn, lying, person.user_id, NOW, first=MARCH, last=MARCH)
    assert len(await ids_left(pipeline, person.user_id)) == 4


async def test_a_file_has_every_column_of_transactions(pipeline):
    columns = await pipeline.fetch(
        "SELECT attname::text AS name FROM pg_attribute WHERE attrelid = 'transactions'::regclass AND attnum > 0"
        " AND NOT attisdropped"
    )
    assert {row["name"] for row in columns} == set(archive.parquet.COLUMNS)


def test_so_many_whole_months_and_the_present_one_are_kept():
    assert kept_from(date(2026, 11, 30), 6) == MAY
    assert kept_from(date(2026, 1, 1), 24) == date(2024, 1, 1)


async def test_what_does_not_count_comes_back_as_well_where_its_category_is_asked_for(pipeline, ada):
    """Else it would stay in a category that is merged into another, and count there where it is told of again."""
    person, rows = ada
    pets, groceries = category("pet-supplies"), category("groceries")
    await pipeline.fetch("UPDATE transactions SET category_id = $1 WHERE transaction_id = $2", pets, rows["removed"])
    await archive.archive_due(pipeline.place, [person.user_id], KEPT)
    assert await bring_back(pipeline, person.user_id, category_ids=[pets]) == 1
    async with pipeline.begin() as conn:
        await category_moves.merge(conn, person.user_id, pets, groceries, NOW)
        assert (await reconcile.reconcile_page(conn, 0))[1] == []
    query = "SELECT category_id FROM transactions WHERE transaction_id = $1"
    assert await pipeline.value(query, rows["removed"]) == groceries


async def test_a_history_with_months_that_were_archived_meanwhile_is_not_removed_by_half(pipeline, ada):
    """The months of a connection were brought back to be removed, and a worker was archiving one."""
    person, _ = ada
    await archive.archive_due(pipeline.place, [person.user_id], KEPT)

    async def remove():
        async with pipeline.begin() as conn:
            await connections.disconnect(
                conn, person.user_id, person.connection_id, keep_history=False, farewells=(), now=NOW
            )

    before = await picture(pipeline, person.user_id)
    with pytest.raises(InvalidInput, match="just being archived"):
        await remove()
    assert await picture(pipeline, person.user_id) == before
    await bring_back(pipeline, person.user_id)
    await remove()
    assert await pipeline.value("SELECT sum(posted_count)::int FROM monthly_spending") == 0
    assert await ids_left(pipeline, person.user_id) == set()


async def test_no_account_is_merged_while_months_of_it_are_away(pipeline):
    """The months were brought back to be merged, and a worker was archiving one. They would name an account that is gone."""
    user_id, connection_id = await pipeline.person()
    bob = Importer(pipeline, user_id)
    await bob.take_in(b"Date,Description,Amount\n2026-03-02,BLUE BOTTLE,-4.50\n2026-03-03,SHELL OIL,-20.00\n")
    await pipeline.refresh(user_id, connection_id, page(row("t1", -99, date(2026, 11, 2))))
    filed, live = await bob.account(), await bob.account(connection_id)
    await pipeline.fetch("INSERT INTO archive_use (begun_at) VALUES ($1)", NOW - timedelta(days=1))
    assert await archive.archive_due(pipeline.place, [user_id], KEPT) == 2
    with pytest.raises(InvalidInput, match="just being archived"):
        await bob.merge(filed, live)
    await bring_back(pipeline, user_id, account_ids=[filed, live])
    await bob.merge(filed, live)
    query = "SELECT count(*) FROM transactions WHERE user_id = $1 AND account_id = $2"
    assert await pipeline.value(query, user_id, live) == 3


async def test_what_the_person_said_recurs_is_not_forgotten_while_its_months_are_archived(pipeline, ada):
    person, _ = ada
    async with pipeline.begin() as conn:
        charges = [
            await create_transaction(conn, person.user_id, person.account_id, posted_on=day, merchant="Club")
            for day in (date(2025, 3, 10), date(2026, 3, 10))
        ]
        wish = SeriesWish(frequency=Frequency.YEARLY)
        recurring_id, _ = await recurring_said.mark(conn, person.user_id, charges[1], wish, NOW)
    await archive.archive_due(pipeline.place, [person.user_id], KEPT)
    async with pipeline.begin() as conn:
        await recurring_detection.look(conn, person.user_id, NOW)
    await bring_back(pipeline, person.user_id)
    async with pipeline.begin() as conn:
        await recurring_detection.look(conn, person.user_id, NOW)
        (found,) = await recurring_read.shown(conn, person.user_id, Wanted())
    assert (found.recurring_id, found.series.occurrences) == (recurring_id, 2)
    await pipeline.fetch("DELETE FROM transactions WHERE transaction_id = ANY ($1)", charges)
    async with pipeline.begin() as conn:
        await recurring_detection.look(conn, person.user_id, NOW)
    assert await pipeline.value("SELECT count(*) FROM recurring_series") == 0


async def test_a_transaction_whose_category_was_chosen_by_hand_stays_with_what_undoes_the_choice(pipeline, ada):
    person, rows = ada
    async with pipeline.begin() as conn:
        await conn.execute(
            "INSERT INTO category_choices (user_id, transaction_id, merchant_key, category_id, chosen_at,"
            " before_category_id, before_source, before_detail) VALUES ($1, $2, 'x', $3, $4, 1, 'none', '')",
            person.user_id, rows["plain"], category("groceries"), NOW,
        )  # fmt: skip
    assert await archive.archive_month(pipeline.place, PersonMonth(person.user_id, MARCH)) > 0
    left = await ids_left(pipeline, person.user_id)
    assert rows["plain"] in left
    assert rows["euros"] not in left
    assert await pipeline.value("SELECT count(*) FROM category_choices") == 1
