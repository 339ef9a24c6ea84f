"""Connections: making, refreshing and ending them, and how they are."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Annotated, TypeAlias

import strawberry

from mintql.api.accounts import Account, load_connection_accounts
from mintql.api.context import Context, Info
from mintql.api.errors import (
    InstitutionError,
    InvalidInputError,
    NotFoundError,
    NotSignedInError,
    RateLimitedError,
)
from mintql.api.institutions import Institution, institution_of
from mintql.api.nodes import Node, decode_id, encode_id, register_node
from mintql.api.sync import SyncRun, load_runs, run_node
from mintql.domain.errors import NotFound
from mintql.domain.ids import ConnectionId, SyncRunId
from mintql.institutions.base import Connector
from mintql.services import connections as service
from mintql.store import connections as store
from mintql.store.connections import ConnectionRow


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


@strawberry.type(description="A person's access to one institution.")
class Connection(Node):
    """A connection as shown; make it with `connection_node`."""

    connection_id: strawberry.Private[ConnectionId]
    institution: Institution | None = strawberry.field(
        description="The institution; null when this server offers it no more."
    )
    login_hint: str = strawberry.field(description="Enough of the login to tell two connections apart.")
    status: ConnectionStatus = strawberry.field(description="Whether it works.")
    sync: SyncStatus = strawberry.field(description="How up to date it is.")
    created_at: datetime = strawberry.field(description="When it was made.")
    disconnected_at: datetime | None = strawberry.field(description="When it was ended.")

    @strawberry.field(description="The accounts it brings, oldest first.")
    async def accounts(self, info: Info) -> list[Account]:
        return await info.context.loader(load_connection_accounts).load(self.connection_id)


def connection_node(context: Context, row: ConnectionRow) -> Connection:
    """Return a connection as GraphQL shows it."""
    connector = context.runtime.connectors.get(row.institution_id)
    error = None
    if row.error_code is not None:
        error = ConnectionError(code=row.error_code, message=row.error_message or "", action=row.error_action or "")
    return Connection(
        id=encode_id("Connection", row.connection_id),
        connection_id=row.connection_id,
        institution=None if connector is None else institution_of(connector),
        login_hint=row.login_hint,
        status=ConnectionStatus(row.status),
        sync=SyncStatus(
            last_success_at=row.last_success_at,
            last_attempt_at=row.last_attempt_at,
            next_attempt_at=row.next_attempt_at,
            error=error,
            latest_run=None if row.latest_run is None else run_node(row.latest_run),
        ),
        created_at=row.created_at,
        disconnected_at=row.disconnected_at,
    )


async def load_connections(context: Context, numbers: list[int]) -> list[Connection | None]:
    """Return the viewer's connections in the order of the ids, None for ids that are not theirs."""
    wanted = [ConnectionId(number) for number in numbers]
    async with context.person() as conn:
        rows = await store.list_by_user(conn, context.user_id, wanted)
    found = {row.connection_id: connection_node(context, row) for row in rows}
    return [found.get(connection_id) for connection_id in wanted]


register_node("Connection", load_connections)


@strawberry.type(description="The connection works, and a run of it is under way.")
class ConnectionRunSuccess:
    """What connecting, refreshing and a new login give when they worked."""

    connection: Connection = strawberry.field(description="The connection as it is now.")
    run: SyncRun = strawberry.field(description="The run; `syncProgress` follows it.")


@strawberry.type(description="The connection has ended, and its login is forgotten.")
class DisconnectSuccess:
    """What disconnecting gives when it worked."""

    connection: Connection | None = strawberry.field(
        description="The connection as it is now; null when its history was removed with it."
    )


ConnectInstitutionPayload: TypeAlias = Annotated[
    ConnectionRunSuccess | InstitutionError | InvalidInputError | NotFoundError | NotSignedInError,
    strawberry.union("ConnectInstitutionPayload", description="What became of `connectInstitution`."),
]
RefreshConnectionPayload: TypeAlias = Annotated[
    ConnectionRunSuccess | InstitutionError | RateLimitedError | InvalidInputError | NotFoundError | NotSignedInError,
    strawberry.union("RefreshConnectionPayload", description="What became of `refreshConnection`."),
]
UpdateCredentialsPayload: TypeAlias = Annotated[
    ConnectionRunSuccess | InstitutionError | InvalidInputError | NotFoundError | NotSignedInError,
    strawberry.union("UpdateCredentialsPayload", description="What became of `updateCredentials`."),
]
DisconnectPayload: TypeAlias = Annotated[
    DisconnectSuccess | InvalidInputError | NotFoundError | NotSignedInError,
    strawberry.union("DisconnectPayload", description="What became of `disconnect`."),
]

ConnectionArgument = Annotated[strawberry.ID, strawberry.argument(description="The connection.")]
UrlArgument = Annotated[
    str, strawberry.argument(description="Where the institution answers; empty for the address it is known by.")
]
LoginArgument = Annotated[str, strawberry.argument(description="The login at the institution.")]
PasswordArgument = Annotated[
    str, strawberry.argument(description="The password or token at the institution. Kept encrypted, never shown.")
]


@strawberry.type
class ConnectionsQuery:
    """Reads of connections."""

    @strawberry.field(description="The viewer's connections, oldest first, ended ones included.")
    async def connections(self, info: Info) -> list[Connection]:
        async with info.context.person() as conn:
            rows = await store.list_by_user(conn, info.context.user_id)
        return [connection_node(info.context, row) for row in rows]


@strawberry.type
class ConnectionsMutation:
    """Changes of connections."""

    @strawberry.mutation(
        description="Connects an institution. The login is tried there first; nothing is stored unless it works. "
        "A login that is connected already, or was before, goes on with that connection and its history."
    )
    async def connect_institution(
        self,
        info: Info,
        institution_id: Annotated[strawberry.ID, strawberry.argument(description="One of `institutions`.")],
        login: LoginArgument,
        password: PasswordArgument,
        url: UrlArgument = "",
    ) -> ConnectInstitutionPayload:
        context = info.context
        user_id = context.user_id
        credentials = service.check_credentials(url, login, password)
        kept = await _connector(context, institution_id, "institutionId").connect(credentials)
        async with context.person() as conn:
            connection_id, run_id, effects = await service.create(
                conn, user_id, institution_id, kept, context.runtime.vault, context.now()
            )
        await context.runtime.perform(effects)
        return await _success(context, connection_id, run_id)

    @strawberry.mutation(description="Brings a connection up to date now. Joins the run that is under way, if one is.")
    async def refresh_connection(self, info: Info, id: ConnectionArgument) -> RefreshConnectionPayload:
        context = info.context
        user_id = context.user_id
        connection_id = ConnectionId(decode_id("Connection", id))
        async with context.person() as conn:
            found = await service.open_connection(conn, user_id, connection_id)
        connector = _connector(context, found.institution_id, "id")
        async with context.person() as conn:
            pause = max(
                connector.capabilities.refresh_interval_seconds_min, context.runtime.settings.refresh_pause_seconds
            )
            run_id, effects = await service.refresh(conn, user_id, connection_id, pause, context.now())
        await context.runtime.perform(effects)
        return await _success(context, connection_id, run_id)

    @strawberry.mutation(
        description="Gives a connection a new login, when the institution refuses the old one. Tried there first."
    )
    async def update_credentials(
        self,
        info: Info,
        id: ConnectionArgument,
        login: LoginArgument,
        password: PasswordArgument,
        url: UrlArgument = "",
    ) -> UpdateCredentialsPayload:
        context = info.context
        user_id = context.user_id
        connection_id = ConnectionId(decode_id("Connection", id))
        credentials = service.check_credentials(url, login, password)
        async with context.person() as conn:
            found = await service.open_connection(conn, user_id, connection_id)
        kept = await _connector(context, found.institution_id, "id").connect(credentials)
        async with context.person() as conn:
            run_id, effects = await service.replace_credentials(
                conn, user_id, connection_id, kept, context.runtime.vault, context.now()
            )
        await context.runtime.perform(effects)
        return await _success(context, connection_id, run_id)

    @strawberry.mutation(description="Ends a connection. Its login is forgotten at once.")
    async def disconnect(
        self,
        info: Info,
        id: ConnectionArgument,
        keep_history: Annotated[
            bool,
            strawberry.argument(
                description="Whether to keep its accounts and transactions. If not, they are removed for good, also "
                "from the sums; that can be asked for later too."
            ),
        ] = True,
    ) -> DisconnectPayload:
        context = info.context
        connection_id = ConnectionId(decode_id("Connection", id))
        async with context.person() as conn:
            effects = await service.disconnect(
                conn, context.user_id, connection_id, keep_history=keep_history, now=context.now()
            )
        await context.runtime.perform(effects)
        return DisconnectSuccess(connection=(await load_connections(context, [connection_id]))[0])


def _connector(context: Context, institution_id: str, field: str) -> Connector:
    connector = context.runtime.connectors.get(institution_id)
    if connector is None:
        raise NotFound(f"This server offers no institution {institution_id[:40]!r}.", field=field)
    return connector


async def _success(context: Context, connection_id: ConnectionId, run_id: SyncRunId) -> ConnectionRunSuccess:
    connection = (await load_connections(context, [connection_id]))[0]
    run = (await load_runs(context, [run_id]))[0]
    if connection is None or run is None:
        raise NotFound("The connection was ended at the same moment.", field="id")
    return ConnectionRunSuccess(connection=connection, run=run)
