"""Making, refreshing, mending and ending connections."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, TypeAlias

import strawberry

from mintql.api.connections import Connection, load_connections, pace_of
from mintql.api.context import Context, Info
from mintql.api.errors import (
    InstitutionError,
    InvalidInputError,
    NotFoundError,
    NotSignedInError,
    RateLimitedError,
)
from mintql.api.institutions import connector_of
from mintql.api.linking import confirmed
from mintql.api.nodes import decode_id
from mintql.api.sync import SyncRun, load_runs
from mintql.domain.errors import NotFound
from mintql.domain.ids import ConnectionId, SyncRunId
from mintql.institutions.base import Connector
from mintql.services import connections as service
from mintql.services.connections import Access
from mintql.services.logins import check_credentials, device_id


@strawberry.input(description="One of the things that an institution asks for beside address, login and password.")
class CredentialOptionInput:
    """An option and its value."""

    name: str = strawberry.field(description="The `name` of one of `Institution.fields`.")
    value: str = strawberry.field(description="What the person entered; empty is as if it were left out.")


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
InstitutionArgument = Annotated[strawberry.ID, strawberry.argument(description="One of `institutions`.")]
UrlArgument = Annotated[
    str, strawberry.argument(description="Where the institution answers; empty for the address it is known by.")
]
LoginArgument = Annotated[
    str, strawberry.argument(description="The login at the institution; empty where it asks for none.")
]
PasswordArgument = Annotated[
    str, strawberry.argument(description="The password or token at the institution. Kept encrypted, never shown.")
]
OptionsArgument = Annotated[
    list[CredentialOptionInput],
    strawberry.argument(
        description="What the institution asks for besides, of its `fields`. Kept encrypted with the password, so they "
        "are all given anew with a new login."
    ),
]


@strawberry.type
class ConnectionsMutation:
    """Changes of connections."""

    @strawberry.mutation(
        description="Connects an institution. The login is tried there first; nothing is stored unless it works. "
        "A login that is connected already, or was before, goes on with that connection and its history; another login "
        "that shows the accounts of an ended connection goes on with that one's history, and the ended one is gone."
    )
    async def connect_institution(
        self,
        info: Info,
        institution_id: InstitutionArgument,
        login: LoginArgument = "",
        password: PasswordArgument = "",
        url: UrlArgument = "",
        options: OptionsArgument = [],  # noqa: B006 - strawberry reads the default from the signature
    ) -> ConnectInstitutionPayload:
        context = info.context
        user_id = context.user_id
        connector = connector_of(context, institution_id, "institutionId")
        access = await _access(context, connector, url, login, password, options)
        async with context.person() as conn:
            connection_id, run_id, effects = await service.create(
                conn, user_id, access, context.runtime.vault, context.now()
            )
        await context.runtime.perform(effects)
        return await _success(context, connection_id, run_id)

    @strawberry.mutation(
        description="Brings a connection up to date now. Joins the run that is under way, if one is. One that waits "
        "for its person goes on when the latest visit to renew its login has ended with one."
    )
    async def refresh_connection(
        self,
        info: Info,
        id: ConnectionArgument,
        balances_only: Annotated[
            bool, strawberry.argument(description="Fetch accounts and balances alone, which is quicker.")
        ] = False,
    ) -> RefreshConnectionPayload:
        context = info.context
        user_id = context.user_id
        connection_id = ConnectionId(decode_id("Connection", id))
        async with context.preparing() as conn:
            found = await service.open_connection(conn, user_id, connection_id)
        connector = connector_of(context, found.institution_id, "id")
        if found.waits_for_login and await confirmed(context, connection_id, connector):
            return await _renew(context, connection_id)
        pace = pace_of(context, connector)
        async with context.person() as conn:
            run_id, effects = await service.refresh(
                conn, user_id, connection_id, pace, context.now(), balances_only=balances_only
            )
        await context.runtime.perform(effects)
        return await _success(context, connection_id, run_id)

    @strawberry.mutation(
        description="Gives a connection a new login, when the institution refuses the old one. Tried there first. With "
        "the token of a visit that has renewed the login in place as the password, the old one goes on."
    )
    async def update_credentials(
        self,
        info: Info,
        id: ConnectionArgument,
        login: LoginArgument = "",
        password: PasswordArgument = "",
        url: UrlArgument = "",
        options: OptionsArgument = [],  # noqa: B006 - strawberry reads the default from the signature
    ) -> UpdateCredentialsPayload:
        context = info.context
        user_id = context.user_id
        connection_id = ConnectionId(decode_id("Connection", id))
        async with context.preparing() as conn:
            found = await service.open_connection(conn, user_id, connection_id)
        connector = connector_of(context, found.institution_id, "id")
        if await confirmed(context, connection_id, connector, password.strip()):
            return await _renew(context, connection_id)
        access = await _access(context, connector, url, login, password, options)
        async with context.person() as conn:
            run_id, effects = await service.replace_credentials(
                conn, user_id, connection_id, access, context.runtime.vault, context.now()
            )
        await context.runtime.perform(effects)
        return await _success(context, connection_id, run_id)

    @strawberry.mutation(
        description="Ends a connection. Its login is forgotten at once; where the institution has to be told, that is "
        "done in the background with a sealed copy that is gone within the hour."
    )
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
        farewells = [item.institution_id for item in context.runtime.connectors.values() if item.capabilities.farewell]
        if not keep_history:
            await context.bring_back()
        async with context.person() as conn:
            effects = await service.disconnect(
                conn, context.user_id, connection_id, keep_history=keep_history, farewells=farewells, now=context.now()
            )
        await context.runtime.perform(effects)
        return DisconnectSuccess(connection=(await load_connections(context, [connection_id]))[0])


async def _access(
    context: Context, connector: Connector, url: str, login: str, password: str, options: list[CredentialOptionInput]
) -> Access:
    """Try a login at the institution; return what it is to be kept as."""
    given = [(option.name, option.value) for option in options]
    credentials = check_credentials(url, login, password, given, connector.fields)
    known_as = device_id(context.user_id, connector.institution_id, credentials, context.runtime.vault)
    credentials = replace(credentials, device_id=known_as)
    return Access.at(connector, await connector.connect(credentials))


async def _renew(context: Context, connection_id: ConnectionId) -> ConnectionRunSuccess:
    """Go on with a connection whose login was renewed at the institution."""
    async with context.person() as conn:
        run_id, effects = await service.renew(conn, context.user_id, connection_id, context.now())
    await context.runtime.perform(effects)
    return await _success(context, connection_id, run_id)


async def _success(context: Context, connection_id: ConnectionId, run_id: SyncRunId) -> ConnectionRunSuccess:
    connection = (await load_connections(context, [connection_id]))[0]
    run = (await load_runs(context, [run_id]))[0]
    if connection is None or run is None:
        raise NotFound("The connection was ended at the same moment.", field="id")
    return ConnectionRunSuccess(connection=connection, run=run)
