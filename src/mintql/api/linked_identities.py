"""Providers by which one can sign in, and the viewer's identities there."""

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
from mintql.api.oidc import START_PATH, address_of, keep_visit
from mintql.api.passwords import check_own_password
from mintql.domain.errors import InvalidInput
from mintql.services import oidc as service
from mintql.store import oidc as store
from mintql.store.oidc import LinkedIdentityRow

PasswordArgument = Annotated[
    str,
    strawberry.argument(
        description="The viewer's password, once more; empty for who has none and has signed in within ten minutes."
    ),
]


@strawberry.type(description="A provider by which one can sign in, which the operator named.")
class SignInProvider:
    """A provider as shown before anybody is signed in."""

    name: str = strawberry.field(description="What the button says.")
    url: str = strawberry.field(description="Where the button leads: a path on this server that a browser opens.")


@strawberry.type(description="An identity at a provider by which the viewer can sign in.")
class LinkedIdentity:
    """An identity as shown; make it with `identity_of`."""

    id: strawberry.ID = strawberry.field(description="Names it, for `unlinkIdentity`. Opaque.")
    issuer: str = strawberry.field(description="The provider.")
    email: str | None = strawberry.field(description="The address that the provider verified when it was linked.")
    linked_at: datetime = strawberry.field(description="Since when.")


def identity_of(row: LinkedIdentityRow) -> LinkedIdentity:
    """Return an identity as GraphQL shows it."""
    return LinkedIdentity(
        id=encode_id("LinkedIdentity", row.identity_id),
        issuer=row.issuer,
        email=row.email or None,
        linked_at=row.linked_at,
    )


@strawberry.type(description="The way to the provider, to come back from with an identity that is linked then.")
class LinkIdentitySuccess:
    """What beginning to link gives when it worked."""

    url: str = strawberry.field(
        description="Where to send the browser that got this answer, and its cookie, within ten minutes."
    )


@strawberry.type(description="The identity is linked no more.")
class UnlinkIdentitySuccess:
    """What unlinking gives when it worked."""

    linked_identities: list[LinkedIdentity] = strawberry.field(description="Those that are left.")


LinkIdentityPayload: TypeAlias = Annotated[
    LinkIdentitySuccess
    | BadCredentialsError
    | InvalidInputError
    | TooManyAttemptsError
    | NotSignedInError
    | RateLimitedError,
    strawberry.union("LinkIdentityPayload", description="What became of `linkIdentity`."),
]
UnlinkIdentityPayload: TypeAlias = Annotated[
    UnlinkIdentitySuccess
    | BadCredentialsError
    | InvalidInputError
    | NotFoundError
    | TooManyAttemptsError
    | NotSignedInError
    | RateLimitedError,
    strawberry.union("UnlinkIdentityPayload", description="What became of `unlinkIdentity`."),
]


@strawberry.type
class LinkedIdentitiesQuery:
    """Reads of providers and identities."""

    @strawberry.field(description="The providers by which one can sign in. Needs no session.")
    async def sign_in_providers(self, info: Info) -> list[SignInProvider]:
        runtime = info.context.runtime
        return [] if runtime.oidc is None else [SignInProvider(name=runtime.settings.oidc_name, url=START_PATH)]

    @strawberry.field(description="The viewer's identities at providers, the oldest first.")
    async def linked_identities(self, info: Info) -> list[LinkedIdentity]:
        async with info.context.person() as conn:
            return [identity_of(row) for row in await store.listed(conn, info.context.user_id)]


@strawberry.type
class LinkedIdentitiesMutation:
    """Linking and unlinking identities."""

    @strawberry.mutation(
        description="Begins to link an identity at the provider: by it the viewer can sign in from then on. Over HTTP, "
        "from a browser."
    )
    async def link_identity(self, info: Info, password: PasswordArgument) -> LinkIdentityPayload:
        context = info.context
        viewer, provider = context.signed_in(), context.runtime.oidc
        if provider is None:
            raise InvalidInput("There is no sign-in provider here.")
        if context.response is None:
            raise InvalidInput("A browser has to keep a cookie for this: send it over HTTP.")
        await check_own_password(context, password)
        visit = service.begin(context.runtime.vault, context.now(), (viewer.user_id, viewer.session_id))
        url = await address_of(provider, visit)
        keep_visit(context.response, visit)
        return LinkIdentitySuccess(url=url)

    @strawberry.mutation(description="Takes an identity away: nobody signs in by it any more.")
    async def unlink_identity(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The linked identity.")],
        password: PasswordArgument,
    ) -> UnlinkIdentityPayload:
        context = info.context
        identity_id = decode_id("LinkedIdentity", id)
        await check_own_password(context, password)
        async with context.person() as conn:
            await service.unlink(conn, context.user_id, identity_id, context.now())
            left = await store.listed(conn, context.user_id)
        return UnlinkIdentitySuccess(linked_identities=[identity_of(row) for row in left])
