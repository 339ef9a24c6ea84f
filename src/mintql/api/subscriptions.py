"""What a client can follow live, from where it left off.

Each stream attaches to the wake-ups first, then sends what the database holds after the client's cursor,
then waits to be woken: by a wake-up, or by the poll that backs it, one for all streams (`api/stream_poll.py`).
The database alone decides what is sent, in its order, so that nothing is lost or repeated whatever happens to
wake-ups, connections or processes.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, TypeVar

import strawberry

from mintql.api.alerts import BudgetAlert, alert_nodes, decode_alert_cursor
from mintql.api.connections import Connection, load_connections
from mintql.api.context import Context, Info
from mintql.api.nodes import decode_id, encode_id
from mintql.api.paging import decode_seq, encode_seq
from mintql.api.scalars import Cursor
from mintql.api.sync import SyncError, SyncRun, SyncState, load_runs, percent_done, sync_error
from mintql.api.transactions import Transaction, load_transactions
from mintql.domain.errors import InvalidInput, RateLimited
from mintql.domain.ids import AlertId, EventSeq, TransactionId
from mintql.observing import metrics
from mintql.store import alerts_read, events
from mintql.store.events import Event
from mintql.store.queries import Conn

ROWS_PER_READ = 100
"""Rows a stream holds at a time. The next ones are read when the client has taken these."""

_SENT_SECONDS = metrics.EVENT_SENT_SECONDS.of()

ENDED_STATES = frozenset({SyncState.SUCCEEDED.value, SyncState.FAILED.value})

P = TypeVar("P", bound=int)
R = TypeVar("R")


async def follow(
    context: Context,
    after: P | None,
    latest: Callable[[Conn], Awaitable[P]],
    read: Callable[[Conn, P], Awaitable[list[tuple[P, R]]]],
) -> AsyncGenerator[R, None]:
    """Yield items after a position, for ever: first those that are there, then those that come.

    `latest` gives the newest position, `read` the next items after one with their positions, at most `ROWS_PER_READ`.

    Raises:
        NotSignedIn: The session has ended or run out.
        NotShared: The share has ended.
        InvalidInput: `after` lies beyond everything there is, so it cannot have been given out.
    """
    follower = context.signed_in().session_id
    session_id = follower if context.share is None else None
    with _counted(context), context.runtime.wakeups.listen(context.user_id, session_id, follower) as listener:
        position = after
        is_begun = False
        while True:
            listener.clear()
            context.forget()
            async with context.following(listener) as conn:
                items = [] if position is None else await read(conn, position)
                if not items and not is_begun:
                    position = await _begin(conn, position, latest)
            if is_begun:
                _note_sent(items, context.now())
            is_begun = True
            is_all = len(items) < ROWS_PER_READ
            for position, item in items:  # noqa: B007 - where the next read begins
                context.forget()  # Each item is answered from what holds now.
                yield item
            del items  # The next one may be days away.
            if is_all:
                await listener.wait()


def _note_sent(items: Sequence[tuple[int, Any]], now: datetime) -> None:
    """Note how old events are by the time a stream that waited for them hands them on."""
    for _, item in items:
        written_at: datetime | None = item.created_at
        if written_at is not None:
            _SENT_SECONDS.observe(max(0.0, (now - written_at).total_seconds()))


@contextmanager
def _counted(context: Context) -> Iterator[None]:
    """Count a stream for who follows it; raise `RateLimited` when it is one too many."""
    follows, user_id = context.runtime.follows, context.signed_in().user_id
    limit = context.runtime.settings.streams_per_person
    if 0 < limit <= follows[user_id]:
        raise RateLimited(f"You follow {limit:,} subscriptions already; end some of them first.")
    follows[user_id] += 1
    try:
        yield
    finally:
        follows[user_id] -= 1
        if not follows[user_id]:
            del follows[user_id]


async def _begin(conn: Conn, after: P | None, latest: Callable[[Conn], Awaitable[P]]) -> P:
    newest = await latest(conn)
    if after is not None and after > newest:
        raise InvalidInput("This cursor is none that was given to you; leave it out to begin now.", field="after")
    return newest if after is None else after


def follow_events(context: Context, after: EventSeq | None, *kinds: str) -> AsyncGenerator[Event, None]:
    """Yield events of these kinds after a cursor."""
    user_id = context.user_id

    async def read(conn: Conn, position: EventSeq) -> list[tuple[EventSeq, Event]]:
        return [(event.seq, event) for event in await events.list_after(conn, user_id, position, kinds, ROWS_PER_READ)]

    return follow(
        context,
        after,
        lambda conn: events.latest_seq(conn, user_id),
        read,
    )


def follow_alerts(context: Context, after: AlertId | None) -> AsyncGenerator[BudgetAlert, None]:
    """Yield alerts after a cursor. They are read from where they are kept for good, not from the events."""
    user_id = context.user_id

    async def read(conn: Conn, position: AlertId) -> list[tuple[AlertId, BudgetAlert]]:
        rows = await alerts_read.after(conn, user_id, position, ROWS_PER_READ)
        return list(zip((row.alert_id for row in rows), await alert_nodes(context, conn, rows), strict=True))

    return follow(context, after, lambda conn: alerts_read.latest_id(conn, user_id), read)


@strawberry.type(description="How far a sync run is.")
class SyncProgress:
    """One step of a run, as it was told."""

    cursor: Cursor = strawberry.field(description="The place of this step: go on after it when you come back.")
    run_id: strawberry.ID = strawberry.field(description="The run.")
    connection_id: strawberry.ID = strawberry.field(description="The connection the run is of.")
    state: SyncState = strawberry.field(description="How far the run is.")
    percent_done: int = strawberry.field(description="How far it is in percent, for a progress bar.")
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
    error: SyncError | None = strawberry.field(description="Why it failed, or why it has to be tried again.")
    created_at: datetime = strawberry.field(description="When this was so.")


def sync_progress_of(event: Event) -> SyncProgress:
    """Return a step of a run as GraphQL shows it."""
    told = event.payload
    rows_total, rows_done = told.get("rows_total", 0), told.get("rows_done", 0)  # What is nought may be left out.
    return SyncProgress(
        cursor=encode_seq(event.seq),
        run_id=encode_id("SyncRun", told["run_id"]),
        connection_id=encode_id("Connection", told["connection_id"]),
        state=SyncState(told["state"]),
        percent_done=percent_done(told["state"], rows_done, rows_total),
        pages=told.get("pages", 0),
        rows_total=rows_total,
        rows_done=rows_done,
        rows_added=told.get("rows_added", 0),
        rows_changed=told.get("rows_changed", 0),
        rows_removed=told.get("rows_removed", 0),
        rows_matched=told.get("rows_matched", 0),
        rows_quarantined=told.get("rows_quarantined", 0),
        error=sync_error(told.get("error_code"), told.get("error_message")),
        created_at=_moment(event),
    )


@strawberry.type(
    description="Transactions of the viewer have changed. At most 100 of each sort are named; where a count is larger, "
    "read the lists anew."
)
class TransactionsChanged:
    """What one write did, as it was told."""

    added_ids: strawberry.Private[list[TransactionId]]
    changed_ids: strawberry.Private[list[TransactionId]]
    cursor: Cursor = strawberry.field(description="The place of this change: go on after it when you come back.")
    removed_ids: list[strawberry.ID] = strawberry.field(
        description="Transactions that were taken back, or that another one has taken the place of."
    )
    added_count: int = strawberry.field(description="How many are new.")
    changed_count: int = strawberry.field(description="How many were changed.")
    removed_count: int = strawberry.field(description="How many are gone.")
    created_at: datetime = strawberry.field(description="When it happened.")

    @strawberry.field(description="New transactions, as they are now.")
    async def added(self, info: Info) -> list[Transaction]:
        return await _present(info.context, self.added_ids)

    @strawberry.field(description="Changed transactions, as they are now.")
    async def changed(self, info: Info) -> list[Transaction]:
        return await _present(info.context, self.changed_ids)


async def _present(context: Context, ids: list[TransactionId]) -> list[Transaction]:
    return [found for found in await context.loader(load_transactions).load_many(ids) if found is not None]


def transactions_changed_of(event: Event) -> TransactionsChanged:
    """Return a change as GraphQL shows it."""
    told: dict[str, Any] = event.payload
    return TransactionsChanged(
        cursor=encode_seq(event.seq),
        added_ids=told["added"],
        changed_ids=told["changed"],
        removed_ids=[encode_id("Transaction", number) for number in told["removed"]],
        added_count=told["added_count"],
        changed_count=told["changed_count"],
        removed_count=told["removed_count"],
        created_at=_moment(event),
    )


@strawberry.enum(description="What has happened to a connection.")
class ConnectionChange(Enum):
    """`what` of events of the kind `connection_changed`, and the end of a run."""

    CONNECTED = strawberry.enum_value("connected", description="It was made, or taken up again.")
    FAILING = strawberry.enum_value(
        "failing", description="It could not be refreshed; it is tried again, or the error says what to do."
    )
    ACTION_REQUIRED = strawberry.enum_value(
        "action_required", description="It waits for the person; the error says for what."
    )
    NOTICE = strawberry.enum_value("notice", description="The institution has something to tell the person.")
    RECOVERED = strawberry.enum_value("recovered", description="It works again.")
    RUN_ENDED = strawberry.enum_value("run_ended", description="A run of it has succeeded or was given up.")
    DISCONNECTED = strawberry.enum_value("disconnected", description="It was ended; its history was kept.")
    REMOVED = strawberry.enum_value("removed", description="It was removed together with its history.")


@strawberry.type(description="Something has happened to a connection of the viewer.")
class ConnectionChanged:
    """One change, as it was told."""

    connection_number: strawberry.Private[int]
    run_number: strawberry.Private[int | None]
    cursor: Cursor = strawberry.field(description="The place of this change: go on after it when you come back.")
    what: ConnectionChange = strawberry.field(description="What has happened.")
    connection_id: strawberry.ID = strawberry.field(description="The connection, also when it is gone.")
    created_at: datetime = strawberry.field(description="When it happened.")

    @strawberry.field(description="The connection as it is now; null when it is gone.")
    async def connection(self, info: Info) -> Connection | None:
        return await info.context.loader(load_connections).load(self.connection_number)

    @strawberry.field(description="The run that has ended; null for other changes.")
    async def run(self, info: Info) -> SyncRun | None:
        return None if self.run_number is None else await info.context.loader(load_runs).load(self.run_number)


def connection_changed_of(event: Event) -> ConnectionChanged | None:
    """Return a change as GraphQL shows it; None for a step of a run that is not its end."""
    told = event.payload
    ended = event.kind == "sync_progress"
    if ended and told["state"] not in ENDED_STATES:
        return None
    return ConnectionChanged(
        connection_number=told["connection_id"],
        run_number=told["run_id"] if ended else None,
        cursor=encode_seq(event.seq),
        what=ConnectionChange("run_ended" if ended else told["what"]),
        connection_id=encode_id("Connection", told["connection_id"]),
        created_at=_moment(event),
    )


def _moment(event: Event) -> datetime:
    if event.created_at is None:
        raise LookupError(f"event {event.seq} was not read from the database")
    return event.created_at


SubscriptionAfter = Annotated[
    Cursor | None,
    strawberry.argument(
        description="The cursor of the last item you have: everything after it is sent first, then what comes. "
        "Without it the stream begins now."
    ),
]


@strawberry.type
class SubscriptionsSubscription:
    """All streams."""

    @strawberry.subscription(description="Budget alerts of the viewer as they are raised. None is lost or repeated.")
    async def budget_alerts(self, info: Info, after: SubscriptionAfter = None) -> AsyncGenerator[BudgetAlert, None]:
        position = None if after is None else decode_alert_cursor(after)
        async with aclosing(follow_alerts(info.context, position)) as alerts:
            async for alert in alerts:
                yield alert

    @strawberry.subscription(description="Progress of the viewer's sync runs.")
    async def sync_progress(
        self,
        info: Info,
        connection_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="Only runs of this connection.")
        ] = None,
        after: SubscriptionAfter = None,
    ) -> AsyncGenerator[SyncProgress, None]:
        wanted = None if connection_id is None else decode_id("Connection", connection_id, field="connectionId")
        position = None if after is None else decode_seq(after)
        async with aclosing(follow_events(info.context, position, "sync_progress")) as steps:
            async for event in steps:
                if wanted is None or event.payload["connection_id"] == wanted:
                    yield sync_progress_of(event)

    @strawberry.subscription(description="Changes of the viewer's transactions, whoever made them.")
    async def transactions_changed(
        self, info: Info, after: SubscriptionAfter = None
    ) -> AsyncGenerator[TransactionsChanged, None]:
        position = None if after is None else decode_seq(after)
        async with aclosing(follow_events(info.context, position, "transactions_changed")) as changes:
            async for event in changes:
                yield transactions_changed_of(event)

    @strawberry.subscription(
        description="What happens to the viewer's connections: made, failing, waiting for the person, working again, "
        "a run ended, ended. None is lost or repeated."
    )
    async def connection_changed(
        self,
        info: Info,
        connection_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="Only what happens to this connection.")
        ] = None,
        after: SubscriptionAfter = None,
    ) -> AsyncGenerator[ConnectionChanged, None]:
        wanted = None if connection_id is None else decode_id("Connection", connection_id, field="connectionId")
        position = None if after is None else decode_seq(after)
        async with aclosing(follow_events(info.context, position, "connection_changed", "sync_progress")) as changes:
            async for event in changes:
                if wanted is None or event.payload["connection_id"] == wanted:
                    change = connection_changed_of(event)
                    if change is not None:
                        yield change
