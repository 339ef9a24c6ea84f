"""The viewer, and what they say about themselves."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, TypeAlias

import strawberry

from mintql.api.context import Context, Info
from mintql.api.errors import InvalidInputError, NotSignedInError
from mintql.api.money import Money, MoneyInput, money, money_or_none
from mintql.api.nodes import Node, encode_id, register_node
from mintql.api.scalars import CurrencyCode
from mintql.domain.ids import UserId
from mintql.services import identity as service
from mintql.services.identity import ProfileChanges
from mintql.store import recurring, users
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


UpdateProfilePayload: TypeAlias = Annotated[
    UpdateProfileSuccess | InvalidInputError | NotSignedInError,
    strawberry.union("UpdateProfilePayload", description="What became of `updateProfile`."),
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
    """Changes of what is said about the viewer."""

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
