"""Visits to the pages of institutions, where the person logs in: to make a connection, or to renew the login of one."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime
from typing import Annotated, TypeAlias

import strawberry

from mintql.api.context import Context, Info
from mintql.api.errors import InstitutionError, InvalidInputError, NotFoundError, NotSignedInError
from mintql.api.institutions import connector_of
from mintql.api.nodes import decode_id
from mintql.domain.errors import InvalidInput
from mintql.domain.ids import ConnectionId
from mintql.institutions.base import Connector, Linkable, LinkSession
from mintql.services import link_visits as service
from mintql.services.logins import link_reference
from mintql.store import link_visits as store

POLL_SECONDS = 0.5
"""How often the answer of a worker is looked for by itself, in case its wake-up was lost."""


@strawberry.type(description="A visit to the institution's own pages, where the person logs in.")
class LinkSessionSuccess:
    """What opening a visit gives when it worked."""

    token: str = strawberry.field(
        description="Names the visit. Once that has ended, this is the password: to connect with, unless the visit "
        "gave the client another token, or for `updateCredentials` of the connection that the visit renews."
    )
    url: str = strawberry.field(
        description="The page to send the person to; empty where the institution's own script opens the visit by the "
        "token."
    )
    expires_at: datetime = strawberry.field(description="Until when the visit has to begin.")


CreateLinkSessionPayload: TypeAlias = Annotated[
    LinkSessionSuccess | InstitutionError | InvalidInputError | NotFoundError | NotSignedInError,
    strawberry.union("CreateLinkSessionPayload", description="What became of `createLinkSession`."),
]


@strawberry.type
class LinkingMutation:
    """Visits."""

    @strawberry.mutation(
        description="Opens a visit to the pages of an institution that is `linkable`, where the person logs in. The "
        "visit ends with a token, which is the password to connect with. With a connection, it renews the login of "
        "that one in place: afterwards `updateCredentials` with the visit's token, or `refreshConnection`, goes on "
        "with it."
    )
    async def create_link_session(
        self,
        info: Info,
        institution_id: Annotated[strawberry.ID, strawberry.argument(description="One of `institutions`.")],
        connection_id: Annotated[
            strawberry.ID | None,
            strawberry.argument(description="The connection whose login is to be renewed; null for a new one."),
        ] = None,
    ) -> CreateLinkSessionPayload:
        context = info.context
        user_id = context.user_id
        connector = connector_of(context, institution_id, "institutionId")
        if not isinstance(connector, Linkable):
            raise InvalidInput(
                f"{connector.name} has no pages of its own to log in on; connect with what its `fields` ask for.",
                field="institutionId",
            )
        if connection_id is None:
            reference = link_reference(user_id, connector.institution_id, context.runtime.vault)
            session = await connector.open_link(reference)
        else:
            number = ConnectionId(decode_id("Connection", connection_id, field="connectionId"))
            session = await _renewing(context, number, connector.institution_id)
        return LinkSessionSuccess(token=session.token, url=session.url, expires_at=session.expires_at)


async def _renewing(context: Context, connection_id: ConnectionId, institution_id: str) -> LinkSession:
    """Have a worker, which alone can read the login, open a visit that renews it; wait for that a few seconds.

    Raises:
        InstitutionFailure: The visit could not be opened, or no worker has answered.
    """
    user_id = context.user_id
    with context.runtime.wakeups.listen(user_id) as woken:
        async with context.person() as conn:
            visit_id, effects = await service.ask(conn, user_id, connection_id, institution_id, context.now())
        await context.runtime.perform(effects)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + service.WAIT_SECONDS
        while (left := deadline - loop.time()) > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(woken.wait(), min(POLL_SECONDS, left))
            woken.clear()
            async with context.person() as conn:
                session = await service.answer_of(conn, user_id, visit_id)
            if session is not None:
                return session
    raise service.late()


async def confirmed(
    context: Context, connection_id: ConnectionId, connector: Connector, token: str | None = None
) -> bool:
    """Tell whether a visit has renewed the login of a connection: that of `token`, or else the latest one.

    False where there is no such visit.

    Raises:
        AuthRequired: There is one, and it has not ended with a login.
        InstitutionFailure: The institution could not be asked.
    """
    if not isinstance(connector, Linkable):
        return False
    async with context.person() as conn:
        tokens = await store.opened(conn, context.user_id, connection_id, context.now())
    wanted = token if token is not None else next(iter(tokens), None)
    if wanted not in tokens:
        return False
    await connector.confirm_link(wanted)
    return True
