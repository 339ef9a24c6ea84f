"""Reading runs back from the object store: their pages, checked, parsed and folded into what the run says."""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from mintql.domain.errors import InternalFailure, ProtocolError
from mintql.domain.ids import AccountId, RawObjectId
from mintql.domain.ingest import Folded, fold
from mintql.domain.institutions import ParsedPage, RejectedRow, Window
from mintql.gateways.objects import ObjectMissing, ObjectStoreDown
from mintql.institutions.base import Connector
from mintql.institutions.imported import ImportedFile, parse_import
from mintql.observing.context import masked_key
from mintql.services.extract import Workplace, settle_failure
from mintql.services.raw_pages import unpack
from mintql.store.sync import Ingestion, RawObject, RunKey

log = logging.getLogger(__name__)

OBJECTS_AT_ONCE_MAX = 20


@dataclass(slots=True)
class Work:
    """A run under ingestion: its pages as read, and what cannot be read."""

    run: Ingestion
    folded: Folded
    objects: list[RawObject]
    dead: dict[RawObjectId, str] = field(default_factory=dict)
    new_accounts: int = 0
    bound: Mapping[str, AccountId] = field(default_factory=dict)
    covered: Mapping[str, tuple[date, date]] = field(default_factory=dict)

    @property
    def read_ids(self) -> list[RawObjectId]:
        """The pages that could be read, as the folded run numbers them."""
        return [item.object_id for item in self.objects if item.object_id not in self.dead]

    @property
    def quarantined(self) -> list[tuple[RawObjectId, RejectedRow]]:
        """Rows that cannot be read, with the page they came on."""
        return [(self.read_ids[number], row) for number, row in self.folded.rejected]


class PageUnreadable(Exception):  # noqa: N818
    """A stored page cannot be used; the message says why."""


async def read_runs(place: Workplace, runs: Sequence[Ingestion], objects: Sequence[RawObject]) -> list[Work | None]:
    """Read the stored pages of runs; None for one of which that fails at the moment, which is tried again."""
    slots = asyncio.Semaphore(OBJECTS_AT_ONCE_MAX)
    of_run: defaultdict[RunKey, list[RawObject]] = defaultdict(list)
    for item in objects:
        of_run[item.run].append(item)

    async def one(run: Ingestion) -> Work | None:
        async with slots:
            try:
                return await read_run(place, run, of_run[run.key])
            except Exception as error:
                # Whatever it is, it must not hold up the others of the job.
                log.exception("pages of run %s cannot be read now", run.key.run_id)
                away = isinstance(error, ObjectStoreDown)
                failure = InternalFailure(
                    "What was fetched cannot be read back at the moment; it is tried again."
                    if away
                    else "Something went wrong on our side while reading the result; it is tried again."
                )
                await settle_failure(place, run, failure, "extracted", run.ingest_attempt)
                return None

    return await asyncio.gather(*(one(run) for run in runs))


async def read_run(place: Workplace, run: Ingestion, objects: list[RawObject]) -> Work:
    """Read the stored pages of a run; a page that cannot be read is set aside with the reason."""
    if run.import_id is not None:
        return await _read_import(place, run, objects)
    connector = place.connectors.get(run.institution_id)
    dead: dict[RawObjectId, str] = {}
    pages: list[ParsedPage] = []
    digests: set[bytes] = set()
    contents = Contents(place)
    for item in objects:
        try:
            page = await _read_page(contents, connector, item)
            # The same bytes once more say nothing more, even of rows that have no ids to tell them apart by.
            pages.append(ParsedPage() if item.sha256 in digests else page)
            digests.add(item.sha256)
        except PageUnreadable as problem:
            dead[item.object_id] = str(problem)
            log.warning("page %s is dead: %s", masked_key(item.object_key), problem)
    folded = fold(pages, complete=not dead)
    if run.whole and not dead:
        _open_windows(run, folded)
    return Work(run, folded, objects, dead)


def _open_windows(run: Ingestion, folded: Folded) -> None:
    """Take a whole history, fetched from an empty cursor, for complete from its first row on."""
    unreadable = {rejected.account_external_id for _, rejected in folded.rejected}
    for account_id, said in folded.by_account.items():
        if said.rows and run.window_last is not None and not unreadable & {account_id, ""}:
            said.window = Window(account_id, min(row.posted_on for row in said.rows.values()), run.window_last)


async def _read_import(place: Workplace, run: Ingestion, objects: list[RawObject]) -> Work:
    """Read an imported file by the plan that lies beside it: its two pages belong together, or to nothing."""
    try:
        contents = Contents(place)
        plan, content = [await contents.of(item) for item in objects]
        # In a thread, because a large file takes its time.
        said, folded = await asyncio.to_thread(_fold_import, plan, content)
    except (PageUnreadable, ValueError, ProtocolError) as problem:
        return Work(run, fold([]), objects, {item.object_id: str(problem) for item in objects})
    return Work(run, folded, objects, bound=said.bound, covered=said.covered)


def _fold_import(plan: bytes, content: bytes) -> tuple[ImportedFile, Folded]:
    said = parse_import(plan, content)
    windows = tuple(Window(name, *days) for name, days in said.covered.items())
    # The plan is the first of the two pages and says nothing of rows.
    return said, fold([ParsedPage(), replace(said.page, windows=windows)])


async def _read_page(contents: Contents, connector: Connector | None, item: RawObject) -> ParsedPage:
    if connector is None:
        raise PageUnreadable("this server no longer offers the institution")
    content = await contents.of(item)
    try:
        return connector.parse(content)
    except ProtocolError as error:
        raise PageUnreadable(error.message) from None
    except Exception as error:
        log.exception("parser failed on page %s", masked_key(item.object_key))
        raise PageUnreadable(f"the parser failed on it ({type(error).__name__})") from error


class Contents:
    """The stored pages of one run; an object that holds several of them is read once."""

    def __init__(self, place: Workplace) -> None:
        self._place = place
        self._key = ""
        self._pages: dict[bytes, bytes] = {}

    async def of(self, item: RawObject) -> bytes:
        """Return a page as the institution sent it; raise `PageUnreadable` when it is not that any more."""
        fresh = self._place.fresh.take(item.sha256)
        if fresh is not None:
            return fresh
        if item.object_key != self._key:
            self._pages, self._key = await self._read(item.object_key), item.object_key
        try:
            return self._pages[item.sha256]
        except KeyError:
            raise PageUnreadable("its checksum is not the one recorded when it was stored") from None

    async def _read(self, key: str) -> dict[bytes, bytes]:
        try:
            return await unpack(await self._place.objects.get(key))
        except ObjectMissing:
            raise PageUnreadable("it is missing from the object store") from None
        except (OSError, EOFError, zlib.error) as error:
            raise PageUnreadable(f"it cannot be unpacked: {error}") from None
