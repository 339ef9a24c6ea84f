"""Personal access tokens: for programs of the viewer's own, which may do less than the viewer."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, TypeAlias

import strawberry

from mintql.api.context import Info
from mintql.api.errors import (
    BadCredentialsError,
    InvalidInputError,
    NotFoundError,
    NotSignedInError,
    RateLimitedError,
    TooManyAttemptsError,
)
from mintql.api.nodes import decode_id, encode_id
from mintql.api.passwords import check_own_password
from mintql.domain.ids import SessionId
from mintql.domain.scopes import Scope
from mintql.services import access_tokens as service
from mintql.services.access_tokens import DAYS_DEFAULT, DAYS_MAX, NAME_LENGTH_MAX, TOKENS_MAX
from mintql.store.access_tokens import AccessTokenRow

strawberry.enum(
    Scope,
    name="AccessScope",
    description="What an access token may do. READ: all queries and subscriptions. WRITE: mutations, but for those on "
    "who one is, logins at institutions, exports, households, webhooks' addresses and deletion, which need a session. "
    "IMPORT: bring in files, and read what became of them. TRANSACTIONS_READ: read accounts, transactions, their "
    "changes, categories and tags.",
)


@strawberry.type(description="An access token of the viewer, for a program. The token itself is shown once, when made.")
class AccessToken:
    """A token as shown; make it with `access_token_of`."""

    id: strawberry.ID = strawberry.field(description="Names it, for `revokeAccessToken`. Opaque.")
    name: str = strawberry.field(description="What the viewer called it.")
    scopes: list[Scope] = strawberry.field(description="What it may do.")
    created_at: datetime = strawberry.field(description="When it was made.")
    expires_at: datetime = strawberry.field(description="When it ends by itself.")
    last_used_at: datetime | None = strawberry.field(
        description="When it was used last, to within five minutes; null until it was."
    )
    address: str | None = strawberry.field(
        description="The network address it was used from last, as far as the server could know it."
    )


def access_token_of(row: AccessTokenRow) -> AccessToken:
    """Return a token as GraphQL shows it."""
    return AccessToken(
        id=encode_id("AccessToken", row.token_id),
        name=row.name,
        scopes=[scope for scope in Scope if scope in row.scopes],
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        address=row.address or None,
    )


@strawberry.type(description="There is a new access token.")
class CreateAccessTokenSuccess:
    """What making one gives when it worked."""

    token: str = strawberry.field(
        description='The token, told only now. Send it as "Authorization: Bearer <token>", as a session\'s.'
    )
    access_token: AccessToken = strawberry.field(description="How it is listed.")


@strawberry.type(description="The access token has ended.")
class RevokeAccessTokenSuccess:
    """What ending one gives when it worked."""

    access_tokens: list[AccessToken] = strawberry.field(description="The tokens that are left.")


CreateAccessTokenPayload: TypeAlias = Annotated[
    CreateAccessTokenSuccess
    | BadCredentialsError
    | InvalidInputError
    | TooManyAttemptsError
    | NotSignedInError
    | RateLimitedError,
    strawberry.union("CreateAccessTokenPayload", description="What became of `createAccessToken`."),
]
RevokeAccessTokenPayload: TypeAlias = Annotated[
    RevokeAccessTokenSuccess | NotFoundError | InvalidInputError | NotSignedInError,
    strawberry.union("RevokeAccessTokenPayload", description="What became of `revokeAccessToken`."),
]


@strawberry.type
class AccessTokensQuery:
    """Reads of access tokens."""

    @strawberry.field(description=f"The viewer's access tokens that hold, the newest first, at most {TOKENS_MAX}.")
    async def access_tokens(self, info: Info) -> list[AccessToken]:
        async with info.context.person() as conn:
            rows = await service.listed(conn, info.context.signed_in().user_id, info.context.now())
        return [access_token_of(row) for row in rows]


@strawberry.type
class AccessTokensMutation:
    """Making and ending access tokens."""

    @strawberry.mutation(description="Makes an access token for a program of the viewer's. Needs the password.")
    async def create_access_token(
        self,
        info: Info,
        name: Annotated[str, strawberry.argument(description=f"What to call it, 1 to {NAME_LENGTH_MAX} characters.")],
        scopes: Annotated[list[Scope], strawberry.argument(description="What it may do.")],
        password: Annotated[str, strawberry.argument(description="The viewer's password, once more.")],
        days: Annotated[
            int, strawberry.argument(description=f"After how many days it ends, 1 to {DAYS_MAX}.")
        ] = DAYS_DEFAULT,
    ) -> CreateAccessTokenPayload:
        context = info.context
        await check_own_password(context, password, so="no token was made")
        async with context.person() as conn:
            token, row = await service.create(conn, context.user_id, name, scopes, days, context.now())
        return CreateAccessTokenSuccess(token=token, access_token=access_token_of(row))

    @strawberry.mutation(description="Ends an access token, at once and everywhere it is used.")
    async def revoke_access_token(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The access token.")]
    ) -> RevokeAccessTokenPayload:
        context = info.context
        token_id = SessionId(decode_id("AccessToken", id))
        async with context.person() as conn:
            effects = await service.revoke(conn, context.user_id, token_id, context.now())
            rows = await service.listed(conn, context.user_id, context.now())
        await context.runtime.perform(effects)
        return RevokeAccessTokenSuccess(access_tokens=[access_token_of(row) for row in rows])
