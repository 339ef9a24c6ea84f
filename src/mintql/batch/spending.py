"""Spending by person, month, category and currency from the raw log: computed, compared with what is stored, mended."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import daft
from pyarrow import fs

from mintql.batch import decisions, program
from mintql.batch.decisions import Decisions
from mintql.batch.log import Wanted, currency_code
from mintql.batch.partitions import FIGURES, KEY, PERSONS_PER_PARTITION, SUMS, Tables, partition_of
from mintql.domain.ids import CategoryId, UserId
from mintql.domain.months import month_text
from mintql.gateways.objects import ObjectStore
from mintql.services import alerts
from mintql.services.effects import Effects
from mintql.services.rawlog import ROOT
from mintql.store import batch as store
from mintql.store import raw_log, reconcile
from mintql.store.batch import BatchSum
from mintql.store.locks import lock_users
from mintql.store.queries import Conn

USERS_PER_CORRECTION = 50
FILES_OF_PERSON_MAX = 1_000_000


@dataclass(frozen=True, slots=True)
class Place:
    """Where a batch reads: the object store, the same as a pyarrow file system with its root, and a scratch folder.

    `scratch` is a folder of `files` or of `scratch_files` that everybody who computes can read.
    """

    objects: ObjectStore
    files: Any
    root: str
    scratch_files: Any
    scratch: str


@dataclass(frozen=True, slots=True)
class SumDifference:
    """A sum that is stored otherwise than the raw log gives it.

    `moving`: a run of the person's was under way, or ended before all of it was taken in, which the log has.
    """

    stored: BatchSum
    by_log: BatchSum
    moving: bool

    @property
    def missing(self) -> BatchSum:
        """What has to be added to the stored sum to make it right."""
        values = (one - other for one, other in zip(self.by_log.values, self.stored.values, strict=True))
        return BatchSum(*self.stored.key, *values)

    def __str__(self) -> str:
        user_id, month, category_id, currency = self.stored.key
        words = f"person {user_id}, {month_text(month)}, category {category_id}, {currency}"
        note = "; a run of this person was under way or ended half-way" if self.moving else ""
        return f"{words}: stored {_words(self.stored)}, by the raw log {_words(self.by_log)}{note}"


@dataclass(slots=True)
class Batch:
    """A computation that is ready to run, made at one moment of the database."""

    sums: daft.DataFrame
    stored: daft.DataFrame
    decided: Decisions
    moving: frozenset[UserId] = field(default_factory=frozenset)

    def rows(self) -> Iterator[BatchSum]:
        """Run it and yield the sums by their key."""
        names = [item.name for item in SUMS]
        for batch in self.sums.select(*names).sort(list(KEY)).to_arrow_iter():
            for row in batch.to_pylist():
                yield _sum(row)

    def differences(self) -> list[SumDifference]:
        """Run it and return where the stored sums differ, by their key."""
        found = program.differences(self.sums, self.stored).sort(list(KEY)).to_pylist()
        return [SumDifference(_sum(row, "stored_"), one := _sum(row), one.user_id in self.moving) for row in found]


@asynccontextmanager
async def open_place(
    objects: ObjectStore, object_store: str, endpoint_url: str | None, scratch: str | None = None
) -> AsyncIterator[Place]:
    """Open the object store that `object_store` names for the engine as well, with a scratch folder that goes again.

    `scratch` is a folder or `s3://bucket/prefix` that all who compute can read; without it a temporary one of this
    machine.
    """
    files, root = _named(object_store, endpoint_url)
    if scratch is None:
        shared, folder = fs.LocalFileSystem(), await asyncio.to_thread(tempfile.mkdtemp, prefix="mintql-batch-")
    else:
        shared, parent = _named(scratch if scratch.startswith("s3:") else f"file:{scratch}", endpoint_url)
        folder = f"{parent}/{uuid4().hex}"
        await asyncio.to_thread(shared.create_dir, folder)
    try:
        yield Place(objects, files, root, shared, folder)
    finally:
        await asyncio.to_thread(shared.delete_dir, folder)


def _named(name: str, endpoint_url: str | None) -> tuple[Any, str]:
    """Return the file system and path of `file:/a/folder` or `s3://bucket/prefix`."""
    url = urlsplit(name)
    if url.scheme == "file":
        return fs.LocalFileSystem(), str(Path(unquote(url.path)).absolute())
    path = f"{url.netloc}{url.path}".rstrip("/")
    if endpoint_url is None:
        return fs.S3FileSystem(), path
    server = urlsplit(endpoint_url)
    return fs.S3FileSystem(endpoint_override=server.netloc, scheme=server.scheme), path


async def prepare(conn: Conn, place: Place, user_id: UserId | None = None) -> Batch:
    """Take from the database what no institution said, and name the files: what is left to do needs no database.

    `conn` is read from only; give it a repeatable-read transaction, so that all of it is of one moment.
    """
    last_run = await store.last_run(conn)
    made = Decisions()
    stored: list[str] = []
    moving: set[UserId] = set()
    async for page in _persons(conn, user_id):
        await decisions.export(conn, place.objects, place.scratch_files, place.scratch, page, made)
        there = await store.stored(conn, page)
        stored.append(decisions.write_stored(place.scratch_files, place.scratch, there, len(stored)))
        moving.update(await store.moving(conn, page))
    # After that moment, so that no file is missing of what the database had then.
    paths = await _paths(conn, place, user_id)
    wanted = Wanted(user_id, tuple(made.runs_left_out), last_run)
    lines = program.log_lines(place.files, paths, wanted)
    return Batch(
        program.sums(lines, Tables(place.scratch_files, place.scratch, made.partitions)),
        program.parquet_table(place.scratch_files, stored, program.STORED),
        made,
        frozenset(moving),
    )


async def rebuild(
    begin: Callable[[], AbstractAsyncContextManager[Conn]], found: Sequence[SumDifference], now: datetime
) -> AsyncIterator[Effects]:
    """Make stored sums what the raw log says, some persons in a transaction, and record what was wrong.

    What differs is added, not overwritten: whatever was written since the batch began keeps counting. Persons of whom a
    run was under way are left for the next time, and those of whom one ended half-way to `reconcile`.
    """
    settled = [item for item in found if not item.moving]
    by_person = [list(items) for _, items in groupby(settled, lambda item: item.stored.user_id)]
    for start in range(0, len(by_person), USERS_PER_CORRECTION):
        part = [item for items in by_person[start : start + USERS_PER_CORRECTION] for item in items]
        user_ids = sorted({item.stored.user_id for item in part})
        async with begin() as conn:
            await lock_users(conn, user_ids)
            await store.correct(conn, [item.missing for item in part])
            wrong = [(*item.stored.key, _total(item.stored), _total(item.by_log)) for item in part]
            await reconcile.record(conn, wrong)
            effects = Effects(changed=set(user_ids))
            touched: dict[UserId, set[date]] = {}
            for item in part:
                touched.setdefault(item.stored.user_id, set()).add(item.stored.month)
            effects.merge(await alerts.evaluate(conn, touched, now))
        yield effects


async def _persons(conn: Conn, user_id: UserId | None) -> AsyncIterator[list[UserId]]:
    """Yield the persons of each partition."""
    if user_id is not None:
        yield [user_id]
        return
    after = UserId(0)
    while page := await reconcile.users_after(conn, after, PERSONS_PER_PARTITION):
        together = [user_id for user_id in page if partition_of(user_id) == partition_of(page[0])]
        yield together
        after = together[-1]


async def _paths(conn: Conn, place: Place, user_id: UserId | None) -> list[str]:
    """Return the files of the raw log, of one person those that the index names and that are there.

    A file is noted before it is written, and the worker that was to write it may be gone.
    """
    if user_id is None:
        return [f"{place.root}/{key}" async for key in place.objects.list(f"{ROOT}/") if key.endswith(".tsv.gz")]
    noted = [f"{place.root}/{key}" for key in await raw_log.files_of_person(conn, user_id, FILES_OF_PERSON_MAX)]
    found = await asyncio.to_thread(place.files.get_file_info, noted)
    return [path for path, info in zip(noted, found, strict=True) if info.type is fs.FileType.File]


def _sum(row: dict[str, Any], before: str = "") -> BatchSum:
    figures = (row[f"{before}{name}"] or 0 for name in FIGURES)
    month = date(row["month"] // 12, row["month"] % 12 + 1, 1)
    return BatchSum(
        UserId(row["user_id"]), month, CategoryId(row["category_id"]), currency_code(row["currency"]), *figures
    )


def _total(item: BatchSum) -> int:
    return item.posted_minor + item.pending_minor


def _words(item: BatchSum) -> str:
    return f"{item.posted_minor} in {item.posted_count}, pending {item.pending_minor} in {item.pending_count}"
