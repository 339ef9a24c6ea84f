"""Connections, and how they are; `api.connecting` has what can be done with them."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import Enum
from functools import partial

import strawberry

from mintql.api.accounts import Account, load_connection_accounts
from mintql.api.context import Context, Info
from mintql.api.institutions import Institution, imported_files, institution_of
from mintql.api.nodes import Node, encode_id, register_node
from mintql.api.paging import (
    AfterArgument,
    FirstArgument,
    build_connection,
    decode_number,
    encode_number,
    page_request,
)
from mintql.api.paging import Connection as Page
from mintql.api.sync import SyncRun, load_history, run_node
from mintql.domain.errors import InstitutionRateLimited
from mintql.domain.ids import ConnectionId
from mintql.institutions.base import Connector
from mintql.services.imports_targets import FILES
from mintql.services.pace import Pace
from mintql.store import connections as store
from mintql.store.connections import ConnectionRow
from mintql.store.runs_read import NEWEST, HistoryPage

NOTICE_HOLDS = timedelta(days=14)
"""How long a notice is shown: institutions give one a week ahead, and take none back."""


@strawberry.enum(description="Whether a connection works.")
class ConnectionStatus(Enum):
    """Values of `connections.status`."""

    ACTIVE = strawberry.enum_value("active", description="It is refreshed by itself.")
    ACTION_REQUIRED = strawberry.enum_value(
        "action_required", description="It waits for the person: `sync.error.action` says for what."
    )
    DISCONNECTED = strawberry.enum_value("disconnected", description="It was ended; its history was kept.")


@strawberry.type(description="Why a connection was not refreshed.")
class ConnectionError:
    """An error of a connection."""

    code: str = strawberry.field(description="Stable code for programs, e.g. AUTH_REQUIRED or INSTITUTION_DOWN.")
    message: str = strawberry.field(description="What went wrong, as a sentence to show.")
    action: str = strawberry.field(description="What only the person can do about it; empty when nothing.")


@strawberry.type(description="How up to date a connection is, said honestly.")
class SyncStatus:
    """The sync state of a connection."""

    last_success_at: datetime | None = strawberry.field(
        description="When it was last brought up to date; null when never yet."
    )
    last_attempt_at: datetime | None = strawberry.field(description="When that was last tried.")
    next_attempt_at: datetime | None = strawberry.field(
        description="When it is tried next; null when it waits for the person."
    )
    error: ConnectionError | None = strawberry.field(description="What went wrong since the last success.")
    latest_run: SyncRun | None = strawberry.field(description="The latest run, perhaps still under way.")
    refreshable_at: datetime | None = strawberry.field(
        description="From when on `refreshConnection` fetches anew; a moment that has passed means now. Null while the "
        "connection waits for the person, or when it cannot be refreshed."
    )
    requests_left_today: int | None = strawberry.field(
        description="How often the institution can still be asked today (UTC); null where that is unlimited."
    )


@strawberry.type(description="What an institution had to tell the person of itself, apart from any run.")
class ConnectionNotice:
    """The last notice of a connection."""

    message: str = strawberry.field(description="What it is, as a sentence to show.")
    at: datetime = strawberry.field(description="When it was told.")


@strawberry.type(description="A person's access to one institution.")
class Connection(Node):
    """A connection as shown; make it with `connection_node`."""

    connection_id: strawberry.Private[ConnectionId]
    institution: Institution | None = strawberry.field(
        description="The institution, or what stands in its place for imported files; null when this server offers it "
        "no more."
    )
    login_hint: str = strawberry.field(description="Enough of the login to tell two connections apart.")
    status: ConnectionStatus = strawberry.field(description="Whether it works.")
    notice: ConnectionNotice | None = strawberry.field(
        description="What the institution told of itself lately: that the permission ends soon, say."
    )
    sync: SyncStatus = strawberry.field(description="How up to date it is.")
    created_at: datetime = strawberry.field(description="When it was made.")
    disconnected_at: datetime | None = strawberry.field(description="When it was ended.")

    @strawberry.field(description="Its runs, newest first.")
    async def runs(self, info: Info, first: FirstArgument = None, after: AfterArgument = None) -> Page[SyncRun]:
        request = page_request(partial(decode_number, "run"), first=first, after=after)
        asked = HistoryPage(self.connection_id, request.limit, NEWEST if request.after is None else request.after)
        rows = await info.context.loader(load_history).load(asked)
        return build_connection(rows, request, run_node, lambda row: encode_number("run", row.run_id))

    @strawberry.field(description="The accounts it brings, oldest first.")
    async def accounts(self, info: Info) -> list[Account]:
        return await info.context.loader(load_connection_accounts).load(self.connection_id)


def connection_node(context: Context, row: ConnectionRow) -> Connection:
    """Return a connection as GraphQL shows it."""
    return Connection(
        id=encode_id("Connection", row.connection_id),
        connection_id=row.connection_id,
        institution=_institution(context, row.institution_id),
        login_hint=row.login_hint,
        status=ConnectionStatus(row.status),
        notice=_notice(row, context.now()),
        sync=_sync_status(context, row),
        created_at=row.created_at,
        disconnected_at=row.disconnected_at,
    )


def _institution(context: Context, institution_id: str) -> Institution | None:
    if institution_id == FILES:
        return imported_files()
    connector = context.runtime.connectors.get(institution_id)
    return None if connector is None else institution_of(connector)


def _notice(row: ConnectionRow, now: datetime) -> ConnectionNotice | None:
    if row.notice is None or row.noticed_at is None or row.noticed_at + NOTICE_HOLDS < now:
        return None
    return ConnectionNotice(message=row.notice, at=row.noticed_at)


def _sync_status(context: Context, row: ConnectionRow) -> SyncStatus:
    connector = context.runtime.connectors.get(row.institution_id)
    error = None
    if row.error_code is not None:
        error = ConnectionError(code=row.error_code, message=row.error_message or "", action=row.error_action or "")
    refreshable_at, requests_left = None, None
    if connector is not None and row.status != "disconnected":
        now = context.now()
        pace = pace_of(context, connector)
        requests_left = pace.requests_left(row.requests_on, row.requests, now)
        if row.status == "active":
            refreshable_at = pace.next_refresh_at(row.last_started_at, row.requests_on, row.requests, now)
            if row.error_code == InstitutionRateLimited.code and row.next_attempt_at is not None:
                refreshable_at = max(refreshable_at, row.next_attempt_at)
    return SyncStatus(
        last_success_at=row.last_success_at,
        last_attempt_at=row.last_attempt_at,
        next_attempt_at=row.next_attempt_at,
        error=error,
        latest_run=None if row.latest_run is None else run_node(row.latest_run),
        refreshable_at=refreshable_at,
        requests_left_today=requests_left,
    )


def pace_of(context: Context, connector: Connector) -> Pace:
    """Return how often connections to an institution may be refreshed here."""
    return Pace.of(connector.capabilities, context.runtime.settings.refresh_pause_seconds)


async def load_connections(context: Context, numbers: list[int]) -> list[Connection | None]:
    """Return the viewer's connections in the order of the ids, None for ids that are not theirs."""
    wanted = [ConnectionId(number) for number in numbers]
    async with context.person() as conn:
        rows = await store.list_by_user(conn, context.user_id, wanted)
    found = {row.connection_id: connection_node(context, row) for row in rows}
    return [found.get(connection_id) for connection_id in wanted]


register_node("Connection", load_connections)


@strawberry.type
class ConnectionsQuery:
    """Reads of connections."""

    @strawberry.field(description="The viewer's connections, oldest first, ended ones included.")
    async def connections(self, info: Info) -> list[Connection]:
        async with info.context.person() as conn:
            rows = await store.list_by_user(conn, info.context.user_id)
        return [connection_node(info.context, row) for row in rows]
