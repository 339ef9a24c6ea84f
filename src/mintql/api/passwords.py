"""What is asked for once more before what matters most: the password; and changing it."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, TypeAlias

import strawberry

from mintql.api.context import Context, Info
from mintql.api.errors import (
    BadCredentialsError,
    InvalidInputError,
    NotSignedInError,
    RateLimitedError,
    TooManyAttemptsError,
)
from mintql.domain.audit import PASSWORD_CHANGED, PASSWORD_REFUSED
from mintql.domain.errors import BadCredentials
from mintql.services import audit, guessing
from mintql.services.effects import Effects
from mintql.services.identity import PASSWORD_LENGTH_MAX, PASSWORD_LENGTH_MIN, check_password
from mintql.store import access_tokens, sessions, users

FRESH = timedelta(minutes=10)
"""How long a session stands in for the password of who has none, because they sign in by a provider."""


async def check_own_password(
    context: Context,
    password: str,
    *,
    refused: str = PASSWORD_REFUSED,
    field: str = "password",
    so: str = "nothing was changed",
) -> None:
    """Make sure that whoever has the viewer's session knows their password too; a wrong one is written down.

    Who has no password has to have signed in a moment ago.

    Raises:
        BadCredentials: It is another one.
        TooManyAttempts: It was tried too often.
        RateLimited: Too many are signing in at this moment.
    """
    runtime, viewer = context.runtime, context.signed_in()
    user_id = viewer.user_id
    async with runtime.person(user_id) as conn:
        stored = await users.get_password_hash(conn, user_id)
        if not stored and await sessions.began_after(conn, user_id, viewer.session_id, context.now() - FRESH):
            return
        counted = await guessing.begin_prompt(conn, runtime.vault, user_id, context.now())
    is_right = len(password) <= PASSWORD_LENGTH_MAX and await runtime.passwords.verify(stored, password)
    async with runtime.person(user_id) as conn:
        if is_right:
            await guessing.give_back(conn, counted, context.now())
        else:
            await audit.record_failure(conn, user_id, context.now(), refused)
    if not stored:
        raise BadCredentials("You have no password here. Sign in anew, then do this within ten minutes.", field=field)
    if not is_right:
        raise BadCredentials(f"This is not your password; {so}.", field=field)


@strawberry.type(description="The password is another one now.")
class ChangePasswordSuccess:
    """What changing it gives when it worked."""

    sessions_ended: int = strawberry.field(description="How many other sessions were ended by it.")


ChangePasswordPayload: TypeAlias = Annotated[
    ChangePasswordSuccess
    | BadCredentialsError
    | InvalidInputError
    | TooManyAttemptsError
    | NotSignedInError
    | RateLimitedError,
    strawberry.union("ChangePasswordPayload", description="What became of `changePassword`."),
]


@strawberry.type
class PasswordsMutation:
    """Changing the password."""

    @strawberry.mutation(
        description="Changes the viewer's password and ends all of their other sessions, at once and everywhere they "
        "are used."
    )
    async def change_password(
        self,
        info: Info,
        current_password: Annotated[str, strawberry.argument(description="The password as it is.")],
        new_password: Annotated[
            str,
            strawberry.argument(
                description=f"What it is to be, {PASSWORD_LENGTH_MIN} to {PASSWORD_LENGTH_MAX} characters."
            ),
        ],
        end_access_tokens: Annotated[
            bool, strawberry.argument(description="Whether to revoke all access tokens as well.")
        ] = False,
    ) -> ChangePasswordPayload:
        context = info.context
        viewer, runtime = context.signed_in(), context.runtime
        check_password(new_password, field="newPassword")
        await check_own_password(context, current_password, field="currentPassword")
        password_hash = await runtime.passwords.hash(new_password)
        async with runtime.person(viewer.user_id) as conn:
            await users.update_password_hash(conn, viewer.user_id, password_hash)
            ended = await sessions.delete_others(conn, viewer.user_id, viewer.session_id)
            tokens = await access_tokens.delete_all(conn, viewer.user_id) if end_access_tokens else set()
            await audit.record(conn, viewer.user_id, PASSWORD_CHANGED, context.now(), {"sessions_ended": len(ended)})
        await runtime.perform(Effects.of_ended(viewer.user_id, ended | tokens))
        return ChangePasswordSuccess(sessions_ended=len(ended))
