"""What a sync run was given, untouched, and the rows of it that could not be read."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import strawberry

from mintql.api.accounts import Account, load_accounts
from mintql.api.context import Context, Info
from mintql.api.nodes import Node, encode_id, register_node
from mintql.domain.ids import AccountId, RawObjectId, SyncRunId
from mintql.store import runs_read as store
from mintql.store.runs_read import QuarantinedRow as BadRow
from mintql.store.runs_read import QuarantinePage, RawPageRow, RawPagesPage

if TYPE_CHECKING:
    from mintql.api.sync import SyncRun


@strawberry.enum(description="What became of a raw page.")
class RawPageState(Enum):
    """Values of `raw_objects.state`."""

    STORED = strawberry.enum_value("stored", description="Kept; its rows come next.")
    INGESTED = strawberry.enum_value("ingested", description="Kept, and its rows were read.")
    DEAD = strawberry.enum_value("dead", description="Kept, but it could not be read as a whole; the error says why.")
    ABANDONED = strawberry.enum_value(
        "abandoned", description="Kept, from an attempt that was given up; a later one fetched everything anew."
    )


@strawberry.type(
    description="One answer of an institution, or one imported file, as it came: kept in the object store for good, so "
    "that everything can be read from it again."
)
class RawPage(Node):
    """A raw page as shown; make it with `raw_page_node`."""

    run_id: strawberry.Private[SyncRunId]
    page: int = strawberry.field(description="Its place among the pages of its attempt, from 0.")
    attempt: int = strawberry.field(description="The attempt of the run that fetched it, from 1.")
    size_bytes: int = strawberry.field(description="Size of its content.")
    sha256: str = strawberry.field(description="Checksum of its content: SHA-256 in hexadecimal digits.")
    content_type: str = strawberry.field(description="The media type it came with.")
    stored_at: datetime = strawberry.field(description="When it was kept.")
    ingested_at: datetime | None = strawberry.field(description="When its rows were read.")
    state: RawPageState = strawberry.field(description="What became of it.")
    error: str | None = strawberry.field(description="Why it could not be read, in words.")

    @strawberry.field(description="The run that fetched it.")
    async def run(self, info: Info) -> Annotated[SyncRun, strawberry.lazy("mintql.api.sync")]:
        from mintql.api.sync import load_runs  # noqa: PLC0415 - the two types name each other

        found = await info.context.loader(load_runs).load(self.run_id)
        if found is None:
            raise LookupError(f"raw page {self.id} has no run")
        return found


def raw_page_node(row: RawPageRow) -> RawPage:
    """Return a raw page as GraphQL shows it."""
    return RawPage(
        id=encode_id("RawPage", row.object_id),
        run_id=row.run_id,
        page=row.page,
        attempt=row.attempt,
        size_bytes=row.size_bytes,
        sha256=row.sha256.hex(),
        content_type=row.content_type,
        stored_at=row.stored_at,
        ingested_at=row.ingested_at,
        state=RawPageState(row.state),
        error=row.error,
    )


@strawberry.type(description="A row that could not be read and was put aside; the rest of its page was taken.")
class QuarantinedRow:
    """A bad row as shown; make it with `quarantined_node`."""

    account_id: strawberry.Private[AccountId | None]
    raw_page_id: strawberry.ID = strawberry.field(description="The raw page it stands in.")
    page: int = strawberry.field(description="The place of that page among those of its attempt, from 0.")
    position: int = strawberry.field(
        description="Where in the page it stands: its place among the rows, or its line in a file."
    )
    reason: str = strawberry.field(description="What is wrong with it, in words.")
    excerpt: str = strawberry.field(description="How it begins.")

    @strawberry.field(description="The account it belongs to; null where that cannot be told.")
    async def account(self, info: Info) -> Account | None:
        return None if self.account_id is None else await info.context.loader(load_accounts).load(self.account_id)


def quarantined_node(row: BadRow) -> QuarantinedRow:
    """Return a bad row as GraphQL shows it."""
    return QuarantinedRow(
        account_id=row.account_id,
        raw_page_id=encode_id("RawPage", row.object_id),
        page=row.page,
        position=row.position,
        reason=row.reason,
        excerpt=row.excerpt,
    )


async def load_quarantined(context: Context, asked: list[QuarantinePage]) -> list[list[BadRow]]:
    """Return pages of bad rows of the viewer's runs."""
    async with context.person() as conn:
        return await store.quarantined(conn, context.user_id, asked)


async def load_raw_pages_of(context: Context, asked: list[RawPagesPage]) -> list[list[RawPageRow]]:
    """Return pages of the raw pages of the viewer's runs."""
    async with context.person() as conn:
        return await store.raw_pages(conn, context.user_id, asked)


async def load_raw_pages(context: Context, numbers: list[int]) -> list[RawPage | None]:
    """Return the viewer's raw pages in the order of the ids, None for ids that are not theirs."""
    wanted = [RawObjectId(number) for number in numbers]
    async with context.person() as conn:
        rows = await store.raw_pages_by_ids(conn, context.user_id, wanted)
    return [raw_page_node(rows[object_id]) if object_id in rows else None for object_id in wanted]


register_node("RawPage", load_raw_pages)
