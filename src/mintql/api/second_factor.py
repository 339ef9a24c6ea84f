"""The second factor: codes that are asked for beside the password."""

from __future__ import annotations

from datetime import datetime
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
from mintql.api.passwords import check_own_password
from mintql.domain.audit import SECOND_FACTOR_REFUSED
from mintql.domain.errors import BadCredentials
from mintql.domain.ids import UserId
from mintql.services import audit, guessing
from mintql.services import identity as persons
from mintql.services import second_factor as service
from mintql.store import second_factors as store

PasswordArgument = Annotated[str, strawberry.argument(description="The viewer's password, once more.")]
CodeArgument = Annotated[
    str, strawberry.argument(description="The code that the app shows now, or one of the recovery codes.")
]


async def check_code(context: Context, user_id: UserId, code: str) -> None:
    """Make sure that a code is right, which uses it up; a wrong one is written down.

    Raises:
        BadCredentials: It is wrong, or was used.
        TooManyAttempts: Wrong ones came too often.
    """
    runtime, now = context.runtime, context.now()
    async with runtime.person(user_id) as conn:
        right = await service.is_code_right(conn, runtime.vault, user_id, code, now)
        if not right:
            await audit.record_failure(conn, user_id, now, SECOND_FACTOR_REFUSED)
    if not right:
        raise wrong_code()


def wrong_code() -> BadCredentials:
    """Return the answer to a code that is wrong, too old or used."""
    return BadCredentials("This code is wrong or was used already. Take the one that is shown next.", field="code")


@strawberry.type(description="The viewer's second factor.")
class SecondFactor:
    """Its state as shown."""

    is_on: bool = strawberry.field(description="Whether a code is asked for beside the password.")
    since: datetime | None = strawberry.field(description="Since when; null while it is off.")
    recovery_codes_left: int = strawberry.field(description="How many recovery codes have not been used.")


@strawberry.type(description="A secret that a first code has to confirm; until then nothing is asked for.")
class BeginSecondFactorSuccess:
    """What beginning gives when it worked."""

    uri: str = strawberry.field(
        description="The address that apps take, as a QR code for example: `otpauth://totp/…` with the secret in it. "
        "Told only now."
    )
    secret: str = strawberry.field(description="The secret alone, in base 32, for typing it in. Told only now.")


@strawberry.type(description="There are recovery codes that were not there before.")
class RecoveryCodesSuccess:
    """What switching it on, and making new codes, give when it worked."""

    recovery_codes: list[str] = strawberry.field(
        description="Codes for the day on which the device is lost, each good once. Told only now; earlier ones are "
        "void."
    )


@strawberry.type(description="No code is asked for any more.")
class DisableSecondFactorSuccess:
    """What switching it off gives when it worked."""

    second_factor: SecondFactor = strawberry.field(description="The state as it is now.")


BeginSecondFactorPayload: TypeAlias = Annotated[
    BeginSecondFactorSuccess
    | BadCredentialsError
    | InvalidInputError
    | TooManyAttemptsError
    | NotSignedInError
    | RateLimitedError,
    strawberry.union("BeginSecondFactorPayload", description="What became of `beginSecondFactor`."),
]
RecoveryCodesPayload: TypeAlias = Annotated[
    RecoveryCodesSuccess
    | BadCredentialsError
    | InvalidInputError
    | TooManyAttemptsError
    | NotSignedInError
    | RateLimitedError,
    strawberry.union(
        "RecoveryCodesPayload", description="What became of `confirmSecondFactor` or `renewRecoveryCodes`."
    ),
]
DisableSecondFactorPayload: TypeAlias = Annotated[
    DisableSecondFactorSuccess | BadCredentialsError | TooManyAttemptsError | NotSignedInError | RateLimitedError,
    strawberry.union("DisableSecondFactorPayload", description="What became of `disableSecondFactor`."),
]


@strawberry.type
class SecondFactorQuery:
    """Reads of the second factor."""

    @strawberry.field(description="Whether the viewer is asked for a code beside the password.")
    async def second_factor(self, info: Info) -> SecondFactor:
        async with info.context.person() as conn:
            found = await store.state(conn, info.context.user_id)
        if found is None:
            return SecondFactor(is_on=False, since=None, recovery_codes_left=0)
        return SecondFactor(is_on=True, since=found.confirmed_at, recovery_codes_left=found.recovery_codes)


@strawberry.type
class SecondFactorMutation:
    """Changes of the second factor."""

    @strawberry.mutation(
        description="Makes the secret of a second factor: codes by time (RFC 6238) that an app shows. A first code "
        "switches it on, with `confirmSecondFactor`."
    )
    async def begin_second_factor(self, info: Info, password: PasswordArgument) -> BeginSecondFactorPayload:
        context, vault = info.context, info.context.runtime.vault
        await check_own_password(context, password)
        async with context.person() as conn:
            person = await persons.get_user(conn, context.user_id)
            secret, uri = await service.begin(conn, vault, person.user_id, person.email, context.now())
        return BeginSecondFactorSuccess(uri=uri, secret=secret)

    @strawberry.mutation(description="Switches the second factor on by a first code, and gives recovery codes.")
    async def confirm_second_factor(
        self, info: Info, code: Annotated[str, strawberry.argument(description="The code that the app shows now.")]
    ) -> RecoveryCodesPayload:
        context, vault = info.context, info.context.runtime.vault
        async with context.person() as conn:
            counted = await guessing.begin_code(conn, vault, context.user_id, context.now())
            codes = await service.confirm(conn, vault, context.user_id, code, context.now())
            if codes is not None:
                await guessing.give_back(conn, counted, context.now())
        if codes is None:
            raise wrong_code()
        return RecoveryCodesSuccess(recovery_codes=codes)

    @strawberry.mutation(description="Makes recovery codes anew; those that are left are void.")
    async def renew_recovery_codes(
        self, info: Info, password: PasswordArgument, code: CodeArgument
    ) -> RecoveryCodesPayload:
        context = info.context
        await check_own_password(context, password)
        await check_code(context, context.user_id, code)
        async with context.person() as conn:
            codes = await service.renew_recovery_codes(conn, context.user_id, context.now())
        return RecoveryCodesSuccess(recovery_codes=codes)

    @strawberry.mutation(description="Switches the second factor off. Needs the password and a code.")
    async def disable_second_factor(
        self, info: Info, password: PasswordArgument, code: CodeArgument
    ) -> DisableSecondFactorPayload:
        context = info.context
        await check_own_password(context, password)
        await check_code(context, context.user_id, code)
        async with context.person() as conn:
            await service.switch_off(conn, context.user_id, context.now())
        state = SecondFactor(is_on=False, since=None, recovery_codes_left=0)
        return DisableSecondFactorSuccess(second_factor=state)
