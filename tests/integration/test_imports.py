"""Imports through the pipeline: whole files of many banks, taken back, taken in again, and beside each other."""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path

import pytest

from mintql.domain.errors import InvalidInput
from mintql.institutions.files.base import FileUnreadable
from mintql.institutions.imported import ImportPlan
from mintql.services import imports
from support.factories import create_user
from support.importer import Importer
from support.pipeline import open_pipeline
from support.uploads import ofx

FIRST = b"Date,Description,Amount\n2026-11-02,CORNER COFFEE,-4.50\n2026-11-03,BOOKS,-9.00\n"
SECOND = b"Date,Description,Amount\n2026-11-02,CORNER COFFEE,-4.50\n2026-11-13,CINEMA,-19.00\n"


@pytest.fixture
async def importer(database_url, tmp_path):
    async with open_pipeline(database_url, tmp_path / "objects") as pipe:
        async with pipe.begin() as conn:
            user_id = await create_user(conn)
        yield Importer(pipe, user_id)


async def account_of(importer: Importer) -> int:
    return await importer.pipe.value("SELECT account_id FROM accounts WHERE user_id = $1", importer.user_id)


async def test_what_another_file_told_of_too_stays_when_one_is_taken_back(importer):
    first = await importer.take_in(FIRST)
    second = await importer.take_in(SECOND, account_id=await account_of(importer))
    assert await importer.counted() == [-1900, -900, -450]

    assert await importer.undo(first) == 2
    assert await importer.counted() == [-1900, -450]
    assert await importer.undo(second) == 2
    assert await importer.counted() == []
    assert await importer.pipe.fetch("SELECT FROM accounts") == []


async def test_a_file_that_was_taken_back_is_taken_in_and_back_again(importer):
    first = await importer.take_in(FIRST)
    other = await importer.take_in(SECOND, account_id=await account_of(importer))
    await importer.undo(first)

    again = await importer.take_in(FIRST, account_id=await account_of(importer))
    assert await importer.counted() == [-1900, -900, -450]
    assert await importer.undo(again) == 1
    assert await importer.counted() == [-1900, -450]
    assert await importer.undo(other) == 2
    assert (await importer.pipe.replay(importer.user_id)).differences == []


async def test_a_row_of_another_file_that_gave_way_counts_again(importer):
    first = await importer.take_in(FIRST)
    account_id = await account_of(importer)
    told = ofx([("x1", "20261103", "-9.00", "BOOKSHOP")])
    await importer.take_in(told, "b.ofx", account_id)
    assert await importer.counted() == [-900, -450]

    await importer.undo(first)
    assert await importer.counted() == [-900]

    await importer.take_in(FIRST, account_id=account_id)
    assert await importer.counted() == [-900, -450]


async def test_a_file_that_went_missing_fails_in_words_and_can_be_taken_in_once_it_is_back(importer):
    previewed = await importer.preview(FIRST)
    key = previewed.row.object_key
    kept = await importer.place.objects.get(key)
    await importer.place.objects.delete(key)
    failed = await importer.confirm(previewed.row.import_id)
    assert failed["state"] == "failed"

    await importer.place.objects.put(key, kept, "application/gzip")
    again = await importer.confirm(previewed.row.import_id)

    assert (again["state"], again["rows_added"]) == ("succeeded", 2)
    assert await importer.counted() == [-900, -450]


async def test_an_import_that_is_being_read_is_not_undone(importer):
    importer.pipe.carry = False
    previewed = await importer.preview(FIRST)
    await importer.confirm(previewed.row.import_id)

    with pytest.raises(InvalidInput, match="The file is just being read; undo it when that is done"):
        await importer.undo(previewed.row.import_id)


async def test_the_plan_beside_the_file_is_the_one_that_was_confirmed(importer):
    previewed = await importer.preview(FIRST)
    stale = imports.plan_key(previewed.row.object_key)
    await importer.place.objects.put(stale, b"left by a process that died", "application/gzip")

    await importer.confirm(previewed.row.import_id)

    kept = await imports.unpack(await importer.place.objects.get(stale))
    (stored,) = await importer.pipe.fetch("SELECT plan FROM file_imports")
    plan = json.loads(stored["plan"])
    assert ImportPlan.from_json(plan).to_bytes() == kept


async def test_reading_a_large_file_leaves_the_event_loop_free(importer):
    rows = "".join(f"2026-{1 + n % 12:02d}-{1 + n % 28:02d},SHOP {n},-{n % 90}.25\n" for n in range(20_000))
    longest = 0.0

    async def beat() -> None:
        nonlocal longest
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.01)
            longest = max(longest, time.perf_counter() - before)

    beating = asyncio.create_task(beat())
    began = time.perf_counter()
    previewed = await importer.preview(f"Date,Description,Amount\n{rows}".encode())
    beating.cancel()
    took = time.perf_counter() - began

    assert previewed.statements[0].new_rows == 20_000
    # Not a bound in seconds: however busy the machine, the loop turns many times while the file is read.
    assert longest < took / 3, (longest, took)


SHARED = os.environ.get("MINTQL_SHARED_DATA")
REAL_FILES = sorted(Path(SHARED, "bank-files").glob("*/*")) if SHARED else []


@pytest.mark.skipif(SHARED is None, reason="needs the real files, which are not part of the project")
async def test_every_real_file_goes_in_once_and_out_again(importer):
    outcomes = {"taken": 0, "nothing": 0, "refused": 0}
    for path in REAL_FILES:
        async with importer.pipe.begin() as conn:
            one = Importer(importer.pipe, await create_user(conn))
        content = await asyncio.to_thread(path.read_bytes)
        try:
            previewed = await one.preview(content, path.name)
        except FileUnreadable:
            outcomes["refused"] += 1
            continue
        if not any(statement.plan.take for statement in previewed.statements):
            outcomes["nothing"] += 1
            continue
        outcomes["taken"] += 1
        wanted = sum(statement.new_rows for statement in previewed.statements)
        assert (await one.confirm(previewed.row.import_id))["rows_added"] == wanted, path.name
        again = await one.preview(content, path.name)
        assert sum(statement.new_rows for statement in again.statements) == 0, path.name
        run = await one.confirm(again.row.import_id)
        assert (run["rows_added"], run["rows_changed"]) == (0, 0), path.name
        assert (await one.pipe.replay(one.user_id)).differences == [], path.name
        await one.undo(previewed.row.import_id)
        await one.undo(again.row.import_id)
        assert await one.counted() == [], path.name
    assert sum(outcomes.values()) == len(REAL_FILES)
    assert outcomes["taken"] >= 39
