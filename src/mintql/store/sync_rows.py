"""What the rows of runs and raw pages say, as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from mintql.domain.ids import ConnectionId, ImportId, RawObjectId, SyncRunId, UserId


class RunKey(NamedTuple):
    """A run, named by its person and its id."""

    user_id: UserId
    run_id: SyncRunId


class Hold(NamedTuple):
    """What a run looks like for as long as a worker holds it: whoever takes it over changes that."""

    state: str
    attempt: int
    ingest_attempt: int


@dataclass(frozen=True, slots=True)
class Extraction:
    """A run that this worker may extract, with what it needs to reach the institution."""

    key: RunKey
    connection_id: ConnectionId
    attempt: int
    ingest_attempt: int
    reason: str
    institution_id: str
    sync_cursor: str
    synced_through: date | None
    key_version: int | None
    wrapped_key: bytes
    ciphertext: bytes
    balances_only: bool = False
    import_id: ImportId | None = None

    @property
    def hold(self) -> Hold:
        """How this worker holds it."""
        return Hold("extracting", self.attempt, self.ingest_attempt)


@dataclass(frozen=True, slots=True)
class Extracted:
    """What an extraction brought, beside its pages.

    `window` is the days that were asked for, `whole` that a run without windows brought the whole history,
    `failures` the accounts that could not be fetched: account, code, message and action of each.
    """

    window: tuple[date, date] | None
    cursor: str
    whole: bool = False
    failures: Sequence[Mapping[str, str]] = ()


@dataclass(frozen=True, slots=True)
class StoredPage:
    """A raw page that lies in the object store. `sha256` is of the untouched content."""

    page: int
    object_key: str
    sha256: bytes
    size_bytes: int
    content_type: str


@dataclass(frozen=True, slots=True)
class Finished:
    """An extraction whose pages are all stored, with them and what else it brought."""

    run: Extraction
    pages: Sequence[StoredPage]
    brought: Extracted


@dataclass(frozen=True, slots=True)
class Ingestion:
    """A run that this worker may ingest: by a claim, or since the job that fetched it goes on with it at once."""

    key: RunKey
    connection_id: ConnectionId
    attempt: int
    ingest_attempt: int
    reason: str
    institution_id: str
    window_first: date | None
    window_last: date | None
    synced_through: date | None = None
    import_id: ImportId | None = None
    whole: bool = False
    balances_only: bool = False
    account_failures: Sequence[Mapping[str, str]] = ()
    background: bool = False
    is_claimed: bool = True

    @property
    def hold(self) -> Hold:
        """How this worker holds it; an attempt that is not claimed is written down when it ends."""
        if self.is_claimed:
            return Hold("ingesting", self.attempt, self.ingest_attempt)
        return Hold("extracted", self.attempt, self.ingest_attempt - 1)


Claim = Extraction | Ingestion
"""A run that this worker holds: by its key, its state and the two attempt numbers, which a later claim raises."""


@dataclass(frozen=True, slots=True)
class RawObject:
    """A raw page as recorded."""

    run: RunKey
    object_id: RawObjectId
    page: int
    object_key: str
    sha256: bytes
    state: str


@dataclass(frozen=True, slots=True)
class RowCounts:
    """What one transaction of an ingestion did to a run's rows."""

    run: RunKey
    total: int
    done: int
    added: int
    changed: int
    removed: int
    quarantined: int
    matched: int = 0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a run is wanted for: why, whether balances are enough, and which file it is the import of.

    In the `background` where nobody waits for it.
    """

    reason: str
    balances_only: bool = False
    import_id: ImportId | None = None
    background: bool = False
