"""Signing up, in and out, and the viewer."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, TypeAlias

import strawberry

from mintql.api.context import Context, Info
from mintql.api.cookies import clear_cookie, set_cookie
from mintql.api.errors import (
    BadCredentialsError,
    EmailTakenError,
    InvalidInputError,
    NotSignedInError,
    RateLimitedError,
)
from mintql.api.money import Money, MoneyInput, money, money_or_none
from mintql.api.nodes import Node, encode_id, register_node
from mintql.api.scalars import CurrencyCode
from mintql.domain.audit import SIGNED_IN, SIGNED_OUT, SIGNED_OUT_EVERYWHERE, SIGNED_UP
from mintql.domain.errors import InvalidInput
from mintql.domain.ids import UserId
from mintql.services import audit
from mintql.services import identity as service
from mintql.services.effects import Effects
from mintql.services.identity import PASSWORD_LENGTH_MAX, PASSWORD_LENGTH_MIN, ProfileChanges
from mintql.store import recurring, sessions, users
from mintql.store.users import UserRow


@strawberry.type(description="A person who uses this server. Only ever the viewer.")
class User(Node):
    """A person as shown to themselves; make it with `user_node`."""

    email: str = strawberry.field(description="The e-mail address they sign in with.")
    name: str = strawberry.field(description="What to call them.")
    time_zone: str = strawberry.field(
        description='Their time zone (IANA name, e.g. "Europe/Berlin"): it decides which day and month it is.'
    )
    currency: CurrencyCode = strawberry.field(description="The currency of their budgets.")
    annual_income: Money | None = strawberry.field(
        description="What they earn in a year, if they said so. It decides the budget template."
    )
    created_at: datetime = strawberry.field(description="When they signed up.")

    @strawberry.field(
        description="What their paychecks come to in a year, in their currency: net pay, as it arrives. It decides the "
        "budget template where they said no annual income. Null where no paychecks recur, and in answers to signing up "
        "and in."
    )
    async def detected_income(self, info: Info) -> Money | None:
        found = await _income(info.context)
        return None if found is None else money(found.annual_minor, found.currency)

    @strawberry.field(description="What the detected income was found from, in words; null where there is none.")
    async def detected_income_basis(self, info: Info) -> str | None:
        found = await _income(info.context)
        return None if found is None else found.basis


async def _income(context: Context) -> recurring.Income | None:
    # Who signs in has no session yet that their rows could be read by.
    return None if context.viewer is None else await context.loader(_load_incomes).load(context.user_id)


async def _load_incomes(context: Context, user_ids: list[UserId]) -> list[recurring.Income | None]:
    async with context.person() as conn:
        return [await recurring.income(conn, user_id) for user_id in user_ids]


def user_node(row: UserRow) -> User:
    """Return a person as GraphQL shows them."""
    return User(
        id=encode_id("User", row.user_id),
        email=row.email,
        name=row.name,
        time_zone=row.time_zone,
        currency=CurrencyCode(row.currency),
        annual_income=money_or_none(row.annual_income_minor, row.currency),
        created_at=row.created_at,
    )


async def _nodes(context: Context, numbers: list[int]) -> list[User | None]:
    async with context.person() as conn:
        found = {number: await users.get(conn, UserId(number)) for number in numbers}
    return [user_node(row) if (row := found[number]) else None for number in numbers]


register_node("User", _nodes)


@strawberry.type(description="A session has begun.")
class SignInSuccess:
    """What signing up and in give when they worked."""

    token: str = strawberry.field(
        description='The session\'s token, told only now. Send it as "Authorization: Bearer <token>", and on a '
        'WebSocket in the payload of connection_init as {"authorization": "Bearer <token>"}.'
    )
    expires_at: datetime = strawberry.field(description="When the session ends by itself.")
    viewer: User = strawberry.field(description="Who signed in.")


@strawberry.type(description="The session has ended.")
class SignOutSuccess:
    """What signing out gives when it worked."""

    signed_out: bool = strawberry.field(description="Always true.")


@strawberry.type(description="The profile is changed.")
class UpdateProfileSuccess:
    """What changing the profile gives when it worked."""

    viewer: User = strawberry.field(description="The viewer as they are now.")


@strawberry.input(description="What to change about the viewer; what is left out stays.")
class UpdateProfileInput:
    """The changes as sent."""

    name: str | None = strawberry.field(default=None, description="What to call them.")
    time_zone: str | None = strawberry.field(default=None, description="Their time zone (IANA name).")
    currency: CurrencyCode | None = strawberry.field(
        default=None, description="The currency of their budgets. With an income stated, state that anew as well."
    )
    annual_income: MoneyInput | None = strawberry.field(
        default=strawberry.UNSET, description="What they earn in a year; null takes it back."
    )


SignUpPayload: TypeAlias = Annotated[
    SignInSuccess | InvalidInputError | EmailTakenError | RateLimitedError,
    strawberry.union("SignUpPayload", description="What became of `signUp`."),
]
SignInPayload: TypeAlias = Annotated[
    SignInSuccess | BadCredentialsError | RateLimitedError,
    strawberry.union("SignInPayload", description="What became of `signIn`."),
]
SignOutPayload: TypeAlias = Annotated[
    SignOutSuccess | NotSignedInError,
    strawberry.union("SignOutPayload", description="What became of `signOut`."),
]
UpdateProfilePayload: TypeAlias = Annotated[
    UpdateProfileSuccess | InvalidInputError | NotSignedInError,
    strawberry.union("UpdateProfilePayload", description="What became of `updateProfile`."),
]

CURRENCY_DEFAULT = CurrencyCode("USD")

EmailArgument = Annotated[str, strawberry.argument(description="The e-mail address to sign in with.")]
SetCookieArgument = Annotated[
    bool,
    strawberry.argument(
        description="Whether to set the token as the cookie __Host-mintql too, for pages in a browser. Over HTTP only."
    ),
]


@strawberry.type
class IdentityQuery:
    """Reads of the viewer."""

    @strawberry.field(description="Who is signed in. Fails with UNAUTHENTICATED when nobody is.")
    async def viewer(self, info: Info) -> User | None:
        async with info.context.person() as conn:
            return user_node(await service.get_user(conn, info.context.user_id))


@strawberry.type
class IdentityMutation:
    """Changes of who is signed in."""

    @strawberry.mutation(description="Signs a new person up and in.")
    async def sign_up(
        self,
        info: Info,
        email: EmailArgument,
        password: Annotated[
            str,
            strawberry.argument(
                description=f"The password, {PASSWORD_LENGTH_MIN} to {PASSWORD_LENGTH_MAX} characters."
            ),
        ],
        name: Annotated[str, strawberry.argument(description="What to call them.")],
        time_zone: Annotated[str, strawberry.argument(description='Their time zone, as in "Europe/Berlin".')] = "UTC",
        currency: Annotated[
            CurrencyCode, strawberry.argument(description="The currency of their budgets.")
        ] = CURRENCY_DEFAULT,
        annual_income: Annotated[
            MoneyInput | None, strawberry.argument(description="What they earn in a year, if they like to say.")
        ] = None,
        set_cookie: SetCookieArgument = False,
    ) -> SignUpPayload:
        context = info.context
        _check_cookie(context, set_cookie)
        income = None if annual_income is None else annual_income.minor_in(currency, field="annualIncome")
        new = service.check_new_user(email, password, name, time_zone, currency, income)
        password_hash = await context.runtime.passwords.hash(password)
        now = context.now()
        async with context.runtime.system() as conn:
            user_id = await users.new_id(conn)
        async with context.runtime.person(user_id) as conn:
            await service.sign_up(conn, user_id, new, password_hash, now)
        return await _begin_session(context, user_id, SIGNED_UP, with_cookie=set_cookie)

    @strawberry.mutation(description="Signs a person in.")
    async def sign_in(
        self,
        info: Info,
        email: EmailArgument,
        password: Annotated[str, strawberry.argument(description="The password.")],
        set_cookie: SetCookieArgument = False,
    ) -> SignInPayload:
        context, passwords = info.context, info.context.runtime.passwords
        _check_cookie(context, set_cookie)
        # PostgreSQL cannot even look for U+0000, nor for half a surrogate pair.
        if len(password) > PASSWORD_LENGTH_MAX or not email.strip().isprintable():
            raise service.bad_credentials()
        async with context.runtime.system() as conn:
            found = await users.credentials_by_email(conn, email.strip())
        user_id, stored = found or (None, None)
        if not await passwords.verify(stored, password) or user_id is None or stored is None:
            context.runtime.soon(_note_failure(context, user_id))
            raise service.bad_credentials()
        if passwords.is_outdated(stored):
            renewed = await passwords.hash(password)
            async with context.runtime.person(user_id) as conn:
                await users.update_password_hash(conn, user_id, renewed)
        return await _begin_session(context, user_id, SIGNED_IN, with_cookie=set_cookie)

    @strawberry.mutation(description="Ends the session, at once and everywhere it is used.")
    async def sign_out(
        self,
        info: Info,
        everywhere: Annotated[
            bool, strawberry.argument(description="Whether to end all sessions of the viewer.")
        ] = False,
    ) -> SignOutPayload:
        context = info.context
        viewer = context.signed_in()
        async with context.person() as conn:
            if everywhere:
                await sessions.delete_all(conn, viewer.user_id)
            else:
                await sessions.delete(conn, viewer.user_id, viewer.session_id)
            act = SIGNED_OUT_EVERYWHERE if everywhere else SIGNED_OUT
            await audit.record(conn, viewer.user_id, act, context.now())
        # The new version lets no process trust the ended session, and the wake-up lets its live subscriptions notice.
        await context.runtime.perform(Effects(changed={viewer.user_id}, told={viewer.user_id}))
        if context.response is not None:
            clear_cookie(context.response)
        return SignOutSuccess(signed_out=True)

    @strawberry.mutation(
        description="Changes what the viewer said about themselves. A new income or currency gives new budgets where "
        "they follow the template."
    )
    async def update_profile(
        self,
        info: Info,
        input: Annotated[UpdateProfileInput, strawberry.argument(description="What to change.")],
    ) -> UpdateProfilePayload:
        context = info.context
        user_id = context.user_id
        async with context.person() as conn:
            current = await service.get_user(conn, user_id)
            user, effects = await service.update_profile(
                conn, user_id, _changes(input, input.currency or current.currency), context.now()
            )
        await context.runtime.perform(effects)
        return UpdateProfileSuccess(viewer=user_node(user))


def _changes(input: UpdateProfileInput, currency: str) -> ProfileChanges:
    given = None if input.annual_income is strawberry.UNSET else input.annual_income
    return ProfileChanges(
        name=input.name,
        time_zone=input.time_zone,
        currency=input.currency,
        annual_income_minor=None if given is None else given.minor_in(currency, field="annualIncome"),
        clear_income=input.annual_income is None,
    )


def _check_cookie(context: Context, with_cookie: bool) -> None:
    """Refuse a wish for a cookie that cannot be set, before anything is done."""
    if with_cookie and context.response is None:
        raise InvalidInput("A cookie can be set over HTTP only.", field="setCookie")


async def _note_failure(context: Context, user_id: UserId | None) -> None:
    """Write down that a password was wrong, for who has an account: after the answer, whose time must not tell it."""
    if user_id is not None:
        async with context.runtime.person(user_id) as conn:
            await audit.record_failure(conn, user_id, context.now())


async def _begin_session(context: Context, user_id: UserId, act: str, *, with_cookie: bool) -> SignInSuccess:
    days, agent = context.runtime.settings.session_days, audit.current_origin().user_agent
    async with context.runtime.person(user_id) as conn:
        token, expires_at = await service.begin_session(conn, user_id, context.now(), days, agent)
        await audit.record(conn, user_id, act, context.now())
        user = await service.get_user(conn, user_id)
    if with_cookie and context.response is not None:
        set_cookie(context.response, token, days)
    return SignInSuccess(token=token, expires_at=expires_at, viewer=user_node(user))
