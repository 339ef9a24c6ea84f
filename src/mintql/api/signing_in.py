"""Signing up, in and out."""

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
    TooManyAttemptsError,
)
from mintql.api.identity import User, user_node
from mintql.api.money import MoneyInput
from mintql.api.scalars import CurrencyCode
from mintql.api.second_factor import CodeArgument, check_code
from mintql.domain.audit import SIGNED_IN, SIGNED_OUT, SIGNED_OUT_EVERYWHERE, SIGNED_UP
from mintql.domain.backoff import network_of
from mintql.domain.errors import InvalidInput
from mintql.domain.ids import UserId
from mintql.services import audit, guessing
from mintql.services import identity as service
from mintql.services.effects import Effects
from mintql.services.identity import EMAIL_LENGTH_MAX, PASSWORD_LENGTH_MAX, PASSWORD_LENGTH_MIN
from mintql.services.second_factor import check_challenge, issue_challenge, subject_of
from mintql.store import second_factors, sessions, users


@strawberry.type(description="A session has begun.")
class SignInSuccess:
    """What signing up and in give when they worked."""

    token: str = strawberry.field(
        description='The session\'s token, told only now. Send it as "Authorization: Bearer <token>", and on a '
        'WebSocket in the payload of connection_init as {"authorization": "Bearer <token>"}.'
    )
    expires_at: datetime = strawberry.field(description="When the session ends by itself.")
    viewer: User = strawberry.field(description="Who signed in.")


@strawberry.type(description="The password is right, and a code is needed beside it.")
class SecondFactorRequired:
    """What signing in gives to who has a second factor and sent no code."""

    challenge: str = strawberry.field(
        description="What stands for the password: send it with the code to `completeSignIn`."
    )
    expires_at: datetime = strawberry.field(description="Until when it does.")


@strawberry.type(description="The session has ended.")
class SignOutSuccess:
    """What signing out gives when it worked."""

    signed_out: bool = strawberry.field(description="Always true.")


SignUpPayload: TypeAlias = Annotated[
    SignInSuccess | InvalidInputError | EmailTakenError | RateLimitedError,
    strawberry.union("SignUpPayload", description="What became of `signUp`."),
]
SignInPayload: TypeAlias = Annotated[
    SignInSuccess | SecondFactorRequired | BadCredentialsError | TooManyAttemptsError | RateLimitedError,
    strawberry.union("SignInPayload", description="What became of `signIn` or `completeSignIn`."),
]
SignOutPayload: TypeAlias = Annotated[
    SignOutSuccess | NotSignedInError,
    strawberry.union("SignOutPayload", description="What became of `signOut`."),
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
class SigningInMutation:
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
        async with context.acting(user_id) as conn:
            await service.sign_up(conn, user_id, new, password_hash, now)
        return await begin_session(context, user_id, SIGNED_UP, with_cookie=set_cookie)

    @strawberry.mutation(description="Signs a person in.")
    async def sign_in(
        self,
        info: Info,
        email: EmailArgument,
        password: Annotated[str, strawberry.argument(description="The password.")],
        code: Annotated[
            str | None,
            strawberry.argument(
                description="The code of the second factor, or a recovery code, where there is one. Without it the "
                "answer is `SecondFactorRequired`."
            ),
        ] = None,
        set_cookie: SetCookieArgument = False,
    ) -> SignInPayload:
        context = info.context
        _check_cookie(context, set_cookie)
        user_id, password_hash = await _check_password(context, email.strip(), password)
        async with context.runtime.person(user_id) as conn:
            needs_code = await second_factors.is_on(conn, user_id)
        if needs_code and code is None:
            challenge, until = issue_challenge(context.runtime.vault, user_id, password_hash, context.now())
            return SecondFactorRequired(challenge=challenge, expires_at=until)
        if needs_code:
            await context.answer_as_before(user_id)  # The code was used up by what was done then.
            await check_code(context, user_id, code or "")
        return await begin_session(context, user_id, SIGNED_IN, with_cookie=set_cookie)

    @strawberry.mutation(description="Signs a person in whose password was right, by the code of their second factor.")
    async def complete_sign_in(
        self,
        info: Info,
        challenge: Annotated[str, strawberry.argument(description="What `signIn` gave; it holds for five minutes.")],
        code: CodeArgument,
        set_cookie: SetCookieArgument = False,
    ) -> SignInPayload:
        context, runtime = info.context, info.context.runtime
        _check_cookie(context, set_cookie)
        user_id = subject_of(challenge)
        async with runtime.person(user_id) as conn:
            password_hash = await users.get_password_hash(conn, user_id)
        check_challenge(runtime.vault, challenge, password_hash, context.now())
        await context.answer_as_before(user_id)
        await check_code(context, user_id, code)
        return await begin_session(context, user_id, SIGNED_IN, with_cookie=set_cookie)

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
                ended = await sessions.delete_others(conn, viewer.user_id, None)
            else:
                await sessions.delete(conn, viewer.user_id, viewer.session_id)
                ended = {viewer.session_id}
            act = SIGNED_OUT_EVERYWHERE if everywhere else SIGNED_OUT
            await audit.record(conn, viewer.user_id, act, context.now())
        await context.runtime.perform(Effects.of_ended(viewer.user_id, ended))
        if context.response is not None:
            clear_cookie(context.response)
        return SignOutSuccess(signed_out=True)


def _check_cookie(context: Context, with_cookie: bool) -> None:
    """Refuse a wish for a cookie that cannot be set, before anything is done."""
    if with_cookie and context.response is None:
        raise InvalidInput("A cookie can be set over HTTP only.", field="setCookie")


async def _check_password(context: Context, email: str, password: str) -> tuple[UserId, str]:
    """Return who has this address and password, and its hash.

    Anything else takes the same work, wait and answer, whoever has them.

    Raises:
        BadCredentials: Nobody does.
        TooManyAttempts: It was tried too often.
        RateLimited: Too many are signing in at this moment.
    """
    runtime = context.runtime
    # PostgreSQL cannot even look for U+0000, nor for half a surrogate pair.
    if len(password) > PASSWORD_LENGTH_MAX or len(email) > EMAIL_LENGTH_MAX or not email.isprintable():
        raise service.bad_credentials()
    async with runtime.system() as conn:
        found = await users.credentials_of(conn, email, network_of(audit.current_origin().address))
        counted = await guessing.begin_sign_in(
            conn, runtime.vault, email, found.user_id, context.now(), is_known=found.is_known
        )
    if not await runtime.passwords.verify(found.password_hash, password) or found.user_id is None:
        runtime.soon(_note_failure(context, found.user_id))
        raise service.bad_credentials()
    async with runtime.system() as conn:
        await guessing.give_back(conn, counted, context.now())
    password_hash = found.password_hash
    if runtime.passwords.is_outdated(password_hash):
        password_hash = await runtime.passwords.hash(password)
        async with runtime.person(found.user_id) as conn:
            await users.update_password_hash(conn, found.user_id, password_hash)
    return found.user_id, password_hash


async def _note_failure(context: Context, user_id: UserId | None) -> None:
    """Write down that a password was wrong, for who has an account: after the answer, whose time must not tell it."""
    if user_id is not None:
        async with context.runtime.person(user_id) as conn:
            await audit.record_failure(conn, user_id, context.now())


async def begin_session(context: Context, user_id: UserId, act: str, *, with_cookie: bool) -> SignInSuccess:
    """Begin a session of somebody who proved who they are, and write it down; with the cookie, where HTTP takes one."""
    days = context.runtime.settings.session_days
    async with context.acting(user_id) as conn:
        token, expires_at = await service.begin_session(conn, user_id, context.now(), days, audit.current_origin())
        await audit.record(conn, user_id, act, context.now())
        user = await service.get_user(conn, user_id)
    if with_cookie and context.response is not None:
        set_cookie(context.response, token, days)
    return SignInSuccess(token=token, expires_at=expires_at, viewer=user_node(user))
