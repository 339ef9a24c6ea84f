"""Deleting one's account, and watching it go, which needs no session any more."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, TypeAlias

import strawberry

from mintql.api.context import Info
from mintql.api.cookies import clear_cookie
from mintql.api.errors import BadCredentialsError, NotSignedInError, RateLimitedError, TooManyAttemptsError
from mintql.api.passwords import check_own_password
from mintql.api.scalars import BigInt
from mintql.domain.audit import DELETION_REFUSED
from mintql.domain.deletion import STEPS_TOTAL, DeletionStep, steps_done
from mintql.services import deletion as service
from mintql.store.deletions import DeletionEntry as EntryRow
from mintql.store.deletions import DeletionState

strawberry.enum(
    DeletionStep,
    description="What a deletion is at. ROWS: rows of the database. OBJECTS: what institutions and files said. LOG: "
    "lines among those of others. CACHE: cached answers and waiting jobs. INSTITUTIONS: those that have to be told, "
    "for an hour at most. WAITING: until work that was under way has had its time, 15 minutes; ROWS_AGAIN to "
    "CACHE_AGAIN then look once more. PERSON: the last row. DONE.",
)


@strawberry.type(description="Something that was removed.")
class DeletionEntry:
    """An entry of the proof."""

    position: int = strawberry.field(description="Its place in the proof, from 1.")
    what: str = strawberry.field(description='A table, or "raw objects", "lines of the raw log" and the like.')
    removed: BigInt = strawberry.field(description="How many went.")
    done_at: datetime = strawberry.field(description="When.")
    digest: str = strawberry.field(
        description="SHA-256, in hexadecimal, over the bytes of the digest before (first: the SHA-256 of the token) "
        'and the line "position what removed doneAt" with a line feed at its end.'
    )


@strawberry.type(description="The deletion of an account, as who holds its token can watch it.")
class Deletion:
    """A deletion as shown; make it with `deletion_node`."""

    requested_at: datetime = strawberry.field(description="When it was asked for.")
    step: DeletionStep = strawberry.field(description="What it is at.")
    steps_done: int = strawberry.field(description="How many steps are done.")
    steps_total: int = strawberry.field(description="How many there are.")
    continues_at: datetime | None = strawberry.field(
        description="When it goes on, where it waits for something; null when it is done."
    )
    finished_at: datetime | None = strawberry.field(description="When it was done; null while it is under way.")
    removed: list[DeletionEntry] = strawberry.field(
        description="What was removed, in order: the proof. It names nobody, and is kept. At most 1,000 entries."
    )
    digest: str = strawberry.field(description="The digest of the last entry: keep it, and no entry can be changed.")


def deletion_node(row: DeletionState, entries: list[EntryRow]) -> Deletion:
    """Return a deletion as GraphQL shows it."""
    step = DeletionStep(row.step)
    return Deletion(
        requested_at=row.requested_at,
        step=step,
        steps_done=steps_done(step),
        steps_total=STEPS_TOTAL,
        continues_at=None if row.finished_at else row.due_at,
        finished_at=row.finished_at,
        removed=[
            DeletionEntry(
                position=one.position,
                what=one.what,
                removed=BigInt(one.removed),
                done_at=one.done_at,
                digest=one.digest.hex(),
            )
            for one in entries
        ],
        digest=row.digest.hex(),
    )


@strawberry.type(description="The account is being deleted.")
class DeleteAccountSuccess:
    """What asking for it gives when it worked."""

    token: str = strawberry.field(
        description="By this `deletion` shows how far it is, without a session. It is told once; it opens nothing else."
    )
    requested_at: datetime = strawberry.field(description="When it was asked for.")


DeleteAccountPayload: TypeAlias = Annotated[
    DeleteAccountSuccess | BadCredentialsError | TooManyAttemptsError | NotSignedInError | RateLimitedError,
    strawberry.union("DeleteAccountPayload", description="What became of `deleteAccount`."),
]


@strawberry.type
class DeletionQuery:
    """Watching."""

    @strawberry.field(
        description="How far the deletion of an account is. Needs no session: the token says which. Null for a token "
        "that was never given out."
    )
    async def deletion(
        self,
        info: Info,
        token: Annotated[str, strawberry.argument(description="The token that `deleteAccount` gave.")],
    ) -> Deletion | None:
        async with info.context.runtime.system() as conn:
            found = await service.find(conn, token)
        return None if found is None else deletion_node(*found)


@strawberry.type
class DeletionMutation:
    """Asking."""

    @strawberry.mutation(
        description="Deletes the viewer's account with everything there is of them, at once and for good: nothing "
        "brings it back. Sessions end, bank logins are forgotten, shares end before this answers; the rest goes "
        "within minutes."
    )
    async def delete_account(
        self,
        info: Info,
        password: Annotated[str, strawberry.argument(description="The viewer's password, once more.")],
    ) -> DeleteAccountPayload:
        context = info.context
        viewer, runtime, now = context.signed_in(), context.runtime, context.now()
        await check_own_password(context, password, refused=DELETION_REFUSED, so="nothing was deleted")
        farewells = [one.institution_id for one in runtime.connectors.values() if one.capabilities.farewell]
        async with runtime.person(viewer.user_id) as conn:
            token, effects = await service.ask(conn, viewer.user_id, viewer.session_id, farewells, now)
        await runtime.perform(effects)
        if context.response is not None:
            clear_cookie(context.response)
        return DeleteAccountSuccess(token=token, requested_at=now)
