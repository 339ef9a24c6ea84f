"""Sync runs: one fetch of a connection's accounts and transactions, from the institution into the sums."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from functools import partial

import strawberry

from mintql.api.context import Context, Info
from mintql.api.nodes import Node, encode_id, register_node
from mintql.api.paging import (
    AfterArgument,
    FirstArgument,
    build_connection,
    decode_pair,
    encode_pair,
    page_request,
)
from mintql.api.paging import Connection as Page
from mintql.api.raw_pages import (
    QuarantinedRow,
    RawPage,
    load_quarantined,
    load_raw_pages_of,
    quarantined_node,
    raw_page_node,
)
from mintql.domain.ids import SyncRunId
from mintql.store import runs_read as store
from mintql.store.runs_read import HistoryPage, QuarantinePage, RawPagesPage, RunRow

PERCENT_DONE = 100


@strawberry.enum(description="Why a run was opened.")
class SyncReason(Enum):
    """Values of `sync_runs.reason`."""

    LINK = strawberry.enum_value("link", description="The connection was made.")
    REQUEST = strawberry.enum_value("request", description="The person asked for it.")
    DAILY = strawberry.enum_value("daily", description="The refresh that happens every day.")
    WEBHOOK = strawberry.enum_value("webhook", description="The institution said that it has something new.")
    IMPORT = strawberry.enum_value("import", description="The person imported a file.")


@strawberry.enum(description="How far a run is.")
class SyncState(Enum):
    """Values of `sync_runs.state`."""

    QUEUED = strawberry.enum_value("queued", description="Waiting for its turn or for the next attempt.")
    EXTRACTING = strawberry.enum_value("extracting", description="Fetching pages from the institution.")
    EXTRACTED = strawberry.enum_value("extracted", description="All pages are kept; their rows come next.")
    INGESTING = strawberry.enum_value("ingesting", description="Reading rows, categorizing and summing them.")
    SUCCEEDED = strawberry.enum_value("succeeded", description="Done.")
    FAILED = strawberry.enum_value("failed", description="Given up; the error says why.")


@strawberry.type(description="Why a run, or the latest attempt of one, did not work.")
class SyncError:
    """An error of a run."""

    code: str = strawberry.field(description="Stable code for programs, e.g. AUTH_REQUIRED or INSTITUTION_DOWN.")
    message: str = strawberry.field(description="What went wrong, as a sentence to show.")


@strawberry.type(description="One fetch of a connection's accounts and transactions.")
class SyncRun(Node):
    """A run as shown; make it with `run_node`."""

    run_id: strawberry.Private[SyncRunId]
    reason: SyncReason = strawberry.field(description="Why it was opened.")
    state: SyncState = strawberry.field(description="How far it is.")
    balances_only: bool = strawberry.field(description="Whether it fetches accounts and balances alone.")
    created_at: datetime = strawberry.field(description="When it was opened.")
    started_at: datetime | None = strawberry.field(description="When work on it began.")
    finished_at: datetime | None = strawberry.field(description="When it succeeded or failed.")
    pages: int = strawberry.field(description="Pages fetched from the institution.")
    rows_total: int = strawberry.field(description="Rows found in the pages read so far.")
    rows_done: int = strawberry.field(description="Rows dealt with.")
    rows_added: int = strawberry.field(description="Transactions that are new.")
    rows_changed: int = strawberry.field(description="Transactions that were changed.")
    rows_removed: int = strawberry.field(description="Transactions the institution took back.")
    rows_matched: int = strawberry.field(
        description="Rows that were found to be transactions that are there already, or that took the place of such."
    )
    rows_quarantined: int = strawberry.field(description="Rows that could not be read and were put aside.")
    notices: list[str] = strawberry.field(description="What the institution had to say to the person, in its words.")
    percent_done: int = strawberry.field(description="How far it is in percent, for a progress bar.")
    error: SyncError | None = strawberry.field(description="Why it failed, or why it has to be tried again.")

    @strawberry.field(description="Rows that could not be read and were put aside, page by page.")
    async def quarantined(
        self, info: Info, first: FirstArgument = None, after: AfterArgument = None
    ) -> Page[QuarantinedRow]:
        request = page_request(partial(decode_pair, "quarantined"), first=first, after=after)
        asked = QuarantinePage(self.run_id, request.limit, *(request.after or (-1, -1)))
        rows = await info.context.loader(load_quarantined).load(asked)
        return build_connection(
            rows, request, quarantined_node, lambda row: encode_pair("quarantined", row.object_id, row.position)
        )

    @strawberry.field(description="What the institution answered, as it was kept: attempt by attempt, page by page.")
    async def raw_pages(self, info: Info, first: FirstArgument = None, after: AfterArgument = None) -> Page[RawPage]:
        request = page_request(partial(decode_pair, "raw-page"), first=first, after=after)
        asked = RawPagesPage(self.run_id, request.limit, *(request.after or (-1, -1)))
        rows = await info.context.loader(load_raw_pages_of).load(asked)
        return build_connection(
            rows, request, raw_page_node, lambda row: encode_pair("raw-page", row.attempt, row.page)
        )


def run_node(row: RunRow) -> SyncRun:
    """Return a run as GraphQL shows it."""
    return SyncRun(
        id=encode_id("SyncRun", row.run_id),
        run_id=row.run_id,
        reason=SyncReason(row.reason),
        state=SyncState(row.state),
        balances_only=row.balances_only,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        pages=row.pages,
        rows_total=row.rows_total,
        rows_done=row.rows_done,
        rows_added=row.rows_added,
        rows_changed=row.rows_changed,
        rows_removed=row.rows_removed,
        rows_matched=row.rows_matched,
        rows_quarantined=row.rows_quarantined,
        notices=list(row.notices),
        percent_done=percent_done(row.state, row.rows_done, row.rows_total),
        error=sync_error(row.error_code, row.error_message),
    )


def sync_error(code: str | None, message: str | None) -> SyncError | None:
    """Return an error of a run, None where there is none."""
    return None if code is None else SyncError(code=code, message=message or "")


def percent_done(state: str, rows_done: int, rows_total: int) -> int:
    """Return a run's progress: fetching is taken as the first tenth, rows are the rest."""
    if state == "succeeded":
        return PERCENT_DONE
    share = {"queued": 0, "extracting": 5, "extracted": 10, "ingesting": 10}.get(state, 0)
    if state in ("extracted", "ingesting") and rows_total:  # The job that fetched goes on at once, without saying so.
        share += 89 * min(rows_done, rows_total) // rows_total
    return share


async def load_runs(context: Context, numbers: list[int]) -> list[SyncRun | None]:
    """Return the viewer's runs in the order of the ids, None for ids that are not theirs."""
    wanted = [SyncRunId(number) for number in numbers]
    async with context.person() as conn:
        rows = await store.runs(conn, context.user_id, wanted)
    return [run_node(rows[run_id]) if run_id in rows else None for run_id in wanted]


async def load_history(context: Context, asked: list[HistoryPage]) -> list[list[RunRow]]:
    """Return pages of the histories of the viewer's connections."""
    async with context.person() as conn:
        return await store.history(conn, context.user_id, asked)


register_node("SyncRun", load_runs)
