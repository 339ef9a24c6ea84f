"""Where the viewer is signed in, and ending a session from another one."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, TypeAlias

import strawberry

from mintql.api.context import Info
from mintql.api.cookies import clear_cookie
from mintql.api.errors import InvalidInputError, NotFoundError, NotSignedInError
from mintql.api.nodes import decode_id, encode_id
from mintql.domain.audit import SESSION_ENDED
from mintql.domain.errors import NotFound
from mintql.domain.ids import SessionId
from mintql.services import audit
from mintql.services.effects import Effects
from mintql.store import sessions as store
from mintql.store.sessions import SessionListed

SESSIONS_SHOWN_MAX = 100


@strawberry.type(description="A session of the viewer: one sign-in, on one device or in one program.")
class Session:
    """A session as shown; make it with `session_of`."""

    id: strawberry.ID = strawberry.field(description="Names the session, for `revokeSession`. Opaque.")
    created_at: datetime = strawberry.field(description="When it began.")
    expires_at: datetime = strawberry.field(description="When it ends by itself.")
    last_used_at: datetime = strawberry.field(description="When it was used last, to within five minutes.")
    address: str | None = strawberry.field(
        description="The network address it was used from last, as far as the server could know it."
    )
    user_agent: str | None = strawberry.field(description="The program that signed in, by its own words.")
    is_current: bool = strawberry.field(description="Whether this request is of it.")


def session_of(row: SessionListed, current: SessionId) -> Session:
    """Return a session as GraphQL shows it."""
    return Session(
        id=encode_id("Session", row.session_id),
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at or row.created_at,
        address=row.address or None,
        user_agent=row.user_agent or None,
        is_current=row.session_id == current,
    )


@strawberry.type(description="The session has ended.")
class RevokeSessionSuccess:
    """What ending a session gives when it worked."""

    sessions: list[Session] = strawberry.field(description="The sessions that are left.")


RevokeSessionPayload: TypeAlias = Annotated[
    RevokeSessionSuccess | NotFoundError | InvalidInputError | NotSignedInError,
    strawberry.union("RevokeSessionPayload", description="What became of `revokeSession`."),
]


@strawberry.type
class SessionsQuery:
    """Reads of sessions."""

    @strawberry.field(description="Where the viewer is signed in, the newest first, at most 100.")
    async def sessions(self, info: Info) -> list[Session]:
        viewer = info.context.signed_in()
        async with info.context.person() as conn:
            rows = await store.listed(conn, viewer.user_id, info.context.now(), SESSIONS_SHOWN_MAX)
        return [session_of(row, viewer.session_id) for row in rows]


@strawberry.type
class SessionsMutation:
    """Ending sessions."""

    @strawberry.mutation(description="Ends one session of the viewer, at once and everywhere it is used.")
    async def revoke_session(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The session.")]
    ) -> RevokeSessionPayload:
        context = info.context
        viewer, session_id = context.signed_in(), SessionId(decode_id("Session", id))
        async with context.person() as conn:
            if not await store.delete(conn, viewer.user_id, session_id):
                raise NotFound("There is no such session, or it has ended.", field="id")
            await audit.record(conn, viewer.user_id, SESSION_ENDED, context.now())
            rows = await store.listed(conn, viewer.user_id, context.now(), SESSIONS_SHOWN_MAX)
        await context.runtime.perform(Effects.of_ended(viewer.user_id, {session_id}))
        if session_id == viewer.session_id and context.response is not None:
            clear_cookie(context.response)
        return RevokeSessionSuccess(sessions=[session_of(row, viewer.session_id) for row in rows])
