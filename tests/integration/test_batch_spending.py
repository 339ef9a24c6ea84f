"""Sums from the raw log are the stored ones, whatever happened to the rows; wrong ones are named and mended."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Sequence
from contextlib import asynccontextmanager
from datetime import date

import pytest

from mintql.domain.months import month_text
from mintql.gateways.objects import ObjectStoreDown, open_object_store
from mintql.gateways.objects_disk import DiskObjectStore
from mintql.services import archive, connections, ingest
from mintql.settings import Settings
from support.importer import Importer
from support.people import category
from support.pipeline import open_pipeline
from support.s3 import BUCKET
from support.scripted import page, row
from support.uploads import CSV

pytest.importorskip("daft", reason="the extra `batch` is not installed: ./dev test installs it where it can be had")
from mintql.batch.partitions import PERSONS_PER_PARTITION
from mintql.batch.spending import Batch, SumDifference, open_place, prepare, rebuild

DAY = date(2026, 11, 10)
WINDOW = (date(2026, 10, 1), date(2026, 11, 12))


@pytest.fixture
async def bank(database_url, tmp_path):
    async with open_pipeline(database_url, tmp_path / "objects") as pipeline:
        yield pipeline


@asynccontextmanager
async def batch_of(bank, user_id=None):
    async with open_place(bank.place.objects, f"file:{bank.folder}", None) as place:
        async with bank.begin() as conn:
            batch = await prepare(conn, place, user_id)
        yield batch


async def differences(bank, user_id=None) -> Sequence[SumDifference]:
    async with batch_of(bank, user_id) as batch:
        return await asyncio.to_thread(batch.differences)


def listed(batch: Batch) -> list[tuple[str, str, int, int, int, int]]:
    return [
        (
            month_text(item.month),
            item.currency,
            item.posted_minor,
            item.pending_minor,
            item.posted_count,
            item.pending_count,
        )
        for item in batch.rows()
    ]


async def month_by_month(bank, user_id=None):
    async with batch_of(bank, user_id) as batch:
        return await asyncio.to_thread(listed, batch)


async def test_rows_that_were_posted_corrected_moved_and_taken_back_count_as_they_are(bank):
    user_id, connection_id = await bank.person()
    first = [
        row("p1", -2_000, DAY, pending=True),
        row("p2", -300, DAY, pending=True),
        row("t0", -100, DAY),
        row("t1", -700, date(2026, 10, 30)),
        row("t2", -55, DAY),
    ]
    await bank.refresh(user_id, connection_id, page(*first, window=WINDOW))
    second = [
        row("t9", -2_400, DAY, pending_external_id="p1"),  # With a tip.
        row("p2", -300, DAY, pending=True),
        row("t0", -120, DAY),
        row("t1", -700, date(2026, 11, 1)),
        row("t3", 1_000, DAY, currency="EUR"),
    ]
    await bank.refresh(user_id, connection_id, page(*second, removed=(("card", "t2"),), window=WINDOW))
    assert await month_by_month(bank) == [
        ("2026-11", "EUR", 1_000, 0, 1, 0),
        ("2026-11", "USD", -3_220, -300, 3, 1),
    ]
    assert await differences(bank) == []
    await bank.refresh(user_id, connection_id, page(*second[:1], *second[2:], window=WINDOW))
    assert (await month_by_month(bank))[1] == ("2026-11", "USD", -3_220, 0, 3, 0)
    assert await differences(bank) == []


async def test_a_row_whose_last_word_has_no_code_any_more_stays_in_the_category_of_the_earlier_one(bank):
    user_id, connection_id = await bank.person()
    for old in (DAY, date(2026, 3, 5)):
        name = f"t{old.month}"
        told = row(name, -450, old, description="STARBUCKS STORE 00123", merchant_category_code="5411")
        await bank.refresh(user_id, connection_id, page(told))
        await bank.refresh(user_id, connection_id, page(told | {"amount_minor": -460, "merchant_category_code": ""}))
    assert await bank.fetch("SELECT DISTINCT category_id, institution_code, amount_minor FROM transactions") == [
        (category("groceries"), "mcc:5411", -460)
    ]
    assert await differences(bank) == []
    await archive.archive_due(bank.place, [user_id], 3)  # It is only announced.
    bank.now += 2 * archive.ANNOUNCED
    assert await archive.archive_due(bank.place, [user_id], 3) == 1
    assert await differences(bank) == []


async def test_what_the_person_said_of_rows_holds(bank):
    user_id, connection_id = await bank.person()
    said = [row(f"t{number}", -1_000 * number, DAY, description="SHELL OIL 123") for number in range(1, 5)]
    await bank.refresh(user_id, connection_id, page(*said, window=WINDOW))
    for sql in (
        "category_id = 603, category_source = 'manual' WHERE external_id = 't1'",
        (
            "part_category_ids = '{401,503}', part_amounts_minor = '{-500,-600}', part_notes = '{\"\",\"\"}' "
            "WHERE external_id = 't2'"
        ),
        "excluded_from_budgets = true WHERE external_id = 't3'",
    ):
        await bank.fetch(f"UPDATE transactions SET {sql}")
    async with batch_of(bank) as batch:
        found = {item.category_id: item.values for item in await asyncio.to_thread(lambda: list(batch.rows()))}
    fuel = await bank.value("SELECT category_id FROM transactions WHERE external_id = 't4'")
    assert found == {
        603: (-1_000, 0, 1, 0, 0, 0),
        401: (-500, 0, 1, 0, 0, 0),
        503: (-600, 0, 1, 0, 0, 0),
        fuel: (-900 - 3_000 - 4_000, 0, 3, 0, -3_000, 0),
    }
    assert batch.decided.reasons["category by manual"] == 1
    assert batch.decided.reasons["split"] == 1
    assert await differences(bank) == []


async def test_texts_and_ids_are_what_they_were_to_the_character(bank):
    user_id, connection_id = await bank.person()
    ids = ['two  spaces "and" quotes', "tab\there", "back\\slash\\n", "line\nend", "\u2028", "#", "NULL", "ünïcode"]
    said = [row(name, -(10**place), DAY, description=f"STARBUCKS  {name}") for place, name in enumerate(ids)]
    await bank.refresh(user_id, connection_id, page(*said, window=WINDOW))
    await bank.fetch("UPDATE transactions SET category_id = 603, category_source = 'manual'")
    async with batch_of(bank) as batch:
        (found,) = await asyncio.to_thread(lambda: list(batch.rows()))
    assert (found.category_id, found.posted_minor, found.posted_count) == (603, -11_111_111, 8)
    assert await differences(bank) == []


async def test_wrong_sums_are_named_and_mended_while_others_write(bank):
    user_id, connection_id = await bank.person()
    await bank.refresh(user_id, connection_id, page(row("t1", -450, DAY), window=WINDOW))
    await bank.fetch("UPDATE monthly_spending SET posted_minor = posted_minor - 7")
    await bank.fetch(
        "INSERT INTO monthly_spending (user_id, month, category_id, currency, posted_minor, posted_count) "
        "VALUES ($1, '2026-09-01', 401, 'USD', -5, 1)",
        user_id,
    )
    found = await differences(bank)
    assert [(month_text(item.stored.month), item.missing.posted_minor) for item in found] == [
        ("2026-09", 5),
        ("2026-11", 7),
    ]
    assert "stored -457 in 1, pending 0 in 0, by the raw log -450 in 1" in str(found[1])
    # A purchase lands between the batch and the mending of it.
    await bank.refresh(user_id, connection_id, page(row("t1", -450, DAY), row("t2", -50, DAY), window=WINDOW))
    async for effects in rebuild(bank.begin, found, bank.now):
        assert effects.changed == {user_id}
    assert await bank.value("SELECT sum(posted_minor)::bigint FROM monthly_spending") == -500
    assert await differences(bank) == []
    recorded = await bank.fetch("SELECT stored_minor, computed_minor FROM reconcile_findings ORDER BY month")
    assert [tuple(item) for item in recorded] == [(-5, 0), (-457, -450)]


async def test_sums_are_left_alone_of_whom_a_run_was_taken_in_by_half(bank, monkeypatch):
    """The connection was ended before the rest could be: the log has all of it, and the database the first part."""
    user_id, connection_id = await bank.person()
    written = ingest.write_slices

    async def dies_second(conn, *what):
        if await conn.fetchval("SELECT count(*) FROM transactions"):
            raise ConnectionError("killed")
        return await written(conn, *what)

    monkeypatch.setattr(ingest, "ROWS_PER_TRANSACTION_MAX", 1)
    monkeypatch.setattr(ingest, "write_slices", dies_second)
    await bank.refresh(user_id, connection_id, page(row("t1", -450, DAY), row("t2", -99, DAY), window=WINDOW))
    async with bank.begin() as conn:
        await connections.disconnect(conn, user_id, connection_id, keep_history=True, farewells=(), now=bank.now)
    (found,) = await differences(bank)
    assert (found.stored.posted_minor, found.by_log.posted_minor) == (-450, -549)
    assert [effects async for effects in rebuild(bank.begin, [found], bank.now)] == []


async def test_files_of_the_first_kind_are_read_as_well(bank):
    user_id, connection_id = await bank.person()
    await bank.refresh(user_id, connection_id, page(row("t1", -450, DAY), row("t2", -99, DAY), window=WINDOW))
    (path,) = (bank.folder / "log" / "v2").glob("*/*")
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    old = bank.folder / "log" / "v1" / "month=2026-11" / "a.tsv.gz"
    old.parent.mkdir(parents=True)
    old.write_bytes(gzip.compress("".join("\t".join(line.split("\t")[:13]) + "\n" for line in lines).encode()))
    path.unlink()
    assert await month_by_month(bank) == [("2026-11", "USD", -549, 0, 2, 0)]
    assert await differences(bank) == []


async def test_files_that_were_imported_merged_and_undone_count_as_they_do_in_the_database(bank):
    user_id, connection_id = await bank.person()
    ada = Importer(bank, user_id)
    import_id = await ada.take_in(CSV)
    assert sum(line[2] for line in await month_by_month(bank)) == 250_000 - 8_210 - 450 - 450
    await bank.refresh(user_id, connection_id, page(row("t1", -8_210, date(2026, 11, 2)), window=WINDOW))
    filed, live = await ada.account(), await ada.account(connection_id)
    assert await differences(bank) == []
    await ada.merge(filed, live)
    assert await differences(bank) == []
    await ada.undo(import_id)
    assert await differences(bank) == []
    assert await month_by_month(bank) == [("2026-11", "USD", -8_210, 0, 1, 0)]


async def test_months_in_the_archive_say_what_was_decided_of_their_rows(bank):
    user_id, connection_id = await bank.person()
    old = date(2026, 3, 5)
    said = [row("t1", -450, old), row("t2", -99, old), row("t3", -1, DAY)]
    await bank.refresh(user_id, connection_id, page(*said, window=(old, DAY)))
    await bank.fetch("UPDATE transactions SET category_id = 603, category_source = 'manual' WHERE external_id = 't2'")
    assert await archive.archive_due(bank.place, [user_id], 3) == 0  # It is only announced.
    bank.now += 2 * archive.ANNOUNCED
    assert await archive.archive_due(bank.place, [user_id], 3) == 2
    assert sorted(line[2] for line in await month_by_month(bank)) == [-450, -99, -1]
    assert await differences(bank) == []


async def test_one_person_can_be_asked_for_and_gets_nothing_of_others(bank):
    ada, connection_id = await bank.person(email="ada@example.org")
    await bank.refresh(ada, connection_id, page(row("t1", -450, DAY), window=WINDOW))
    bob, other = await bank.person(email="bob@example.org")
    await bank.refresh(bob, other, page(row("t1", -99, DAY), window=WINDOW))
    assert await month_by_month(bank, bob) == [("2026-11", "USD", -99, 0, 1, 0)]
    assert await differences(bank, bob) == []
    assert len(await month_by_month(bank)) == 2


async def test_a_file_of_one_person_that_was_noted_and_never_written_is_left_out(bank, monkeypatch):
    """The object store is away for a moment, and the runs of the batch are then tried one by one."""
    put, died = DiskObjectStore.put, list[str]()

    async def dies_once(store, key, *content):
        if key.startswith("log/") and not died:
            died.append(key)
            raise ObjectStoreDown("away")
        await put(store, key, *content)

    monkeypatch.setattr(DiskObjectStore, "put", dies_once)
    persons = [await bank.person(email=f"{name}@example.org") for name in ("ada", "bob")]
    bank.carry, bank.institution.pages = False, [page(row("t1", -450, DAY), window=WINDOW)]
    runs = [list(await bank.refresh(*person)) for person in persons]
    for job in ("extract", "ingest"):
        await bank.run_job(job, runs)
    assert await bank.value("SELECT count(*) FROM raw_log_files WHERE object_key = $1", died[0]) == 2
    assert await month_by_month(bank, persons[0][0]) == [("2026-11", "USD", -450, 0, 1, 0)]
    assert await differences(bank, persons[0][0]) == []


async def test_persons_of_several_partitions_are_added_up_each(bank):
    numbers = (1, PERSONS_PER_PARTITION - 1, PERSONS_PER_PARTITION, 7 * PERSONS_PER_PARTITION + 3)
    for place, number in enumerate(numbers):
        await bank.fetch("SELECT setval(pg_get_serial_sequence('users', 'user_id'), $1, false)", number)
        user_id, connection_id = await bank.person()
        assert user_id == number
        await bank.refresh(user_id, connection_id, page(row("t1", -(10**place), DAY), window=WINDOW))
    async with batch_of(bank) as batch:
        found = await asyncio.to_thread(lambda: [(item.user_id, item.posted_minor) for item in batch.rows()])
    assert found == [(number, -(10**place)) for place, number in enumerate(numbers)]
    assert await differences(bank) == []


async def test_the_log_and_the_scratch_folder_may_be_in_s3(bank, s3_endpoint):
    user_id, connection_id = await bank.person()
    await bank.refresh(user_id, connection_id, page(row("t1", -450, DAY), row("t2", -99, DAY), window=WINDOW))
    await bank.fetch("UPDATE transactions SET category_id = 603, category_source = 'manual' WHERE external_id = 't2'")
    name, scratch = f"s3://{BUCKET}/all/objects", f"s3://{BUCKET}/scratch"
    async with open_object_store(Settings(object_store=name, s3_endpoint_url=s3_endpoint)) as objects:
        for path in bank.folder.glob("log/**/*.gz"):
            await objects.put(str(path.relative_to(bank.folder)), path.read_bytes(), "application/gzip")
        async with open_place(objects, name, s3_endpoint, scratch) as place:
            async with bank.begin() as conn:
                batch = await prepare(conn, place)
            found = {item.category_id: item.posted_minor for item in await asyncio.to_thread(lambda: [*batch.rows()])}
            assert await asyncio.to_thread(batch.differences) == []
    async with open_object_store(Settings(object_store=f"s3://{BUCKET}", s3_endpoint_url=s3_endpoint)) as bucket:
        assert [key async for key in bucket.list("scratch/") if key != "scratch/"] == []
    assert found[603] == -99
    assert sum(found.values()) == -549


async def test_lines_of_a_run_that_never_came_to_its_end_say_nothing(bank, monkeypatch):
    user_id, connection_id = await bank.person()
    await bank.refresh(user_id, connection_id, page(row("t1", -450, DAY), window=WINDOW))

    async def dies(*_):
        raise ConnectionError("killed")

    monkeypatch.setattr("mintql.services.ingest.write_slices", dies)
    await bank.refresh(user_id, connection_id, page(row("t2", -99, DAY), window=WINDOW))
    assert await month_by_month(bank) == [("2026-11", "USD", -450, 0, 1, 0)]
    assert await differences(bank) == []
