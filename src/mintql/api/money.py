"""Amounts of money as GraphQL shows and takes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import strawberry

from mintql.api.columns import Reading, composed, read_together
from mintql.api.scalars import BigInt, CurrencyCode, DecimalText
from mintql.domain.errors import InvalidInput
from mintql.domain.money import parse_minor, percent_text, to_decimal_text


@strawberry.type(
    description="An exact amount of one currency. Money that leaves an account is negative, unless the field "
    "that holds the amount says otherwise."
)
class Money:
    """An amount; make it with `money`."""

    amount_minor: BigInt = strawberry.field(
        description="The amount in minor units of the currency: cents for USD, yen for JPY."
    )
    currency: CurrencyCode = strawberry.field(description="The currency of the amount.")

    @strawberry.field(description='The same amount as an exact decimal text, e.g. "-12.50".')
    def amount(self) -> DecimalText:
        return DecimalText(to_decimal_text(self.amount_minor, self.currency))


@strawberry.input(description="An amount of money that a person enters.")
class MoneyInput:
    """An amount as sent."""

    amount: DecimalText = strawberry.field(
        description='The amount as a decimal text with no more decimals than the currency has, e.g. "12.50".'
    )
    currency: CurrencyCode = strawberry.field(description="The currency of the amount.")

    def minor_in(self, currency: str, *, field: str) -> int:
        """Return the amount in minor units; raise `InvalidInput` when it is in another currency."""
        if self.currency != currency:
            raise InvalidInput(f"The amount is in {self.currency}, but has to be in {currency}.", field=field)
        return parse_minor(self.amount, currency, field=field)


def money(amount_minor: int, currency: str) -> Money:
    """Return the amount as GraphQL shows it."""
    return Money(amount_minor=amount_minor, currency=currency)  # type: ignore[arg-type]


def money_field(minor_path: str, currency_path: str, description: str) -> Any:
    """Declare a field that is the amount which two paths lead to from the object, e.g. "row.amount_minor"."""
    return composed(Money, description, amount_minor=minor_path, currency=currency_path)


def money_or_none_field(minor_path: str, currency_path: str, description: str) -> Any:
    """Declare a field as `money_field` does, which is null where the first path leads to nothing."""
    minor_of, currency_of = Reading(minor_path), Reading(currency_path)

    def resolve(self: Any) -> Any:
        return money_or_none(minor_of.read(self), currency_of.read(self))

    def read_all(sources: Sequence[Any]) -> Sequence[Any]:
        return list(map(money_or_none, minor_of(sources), currency_of(sources)))

    resolve.__annotations__ = {"return": Money | None}
    return strawberry.field(resolver=read_together(read_all)(resolve), description=description)


def money_or_none(amount_minor: int | None, currency: str | None) -> Money | None:
    """Return the amount, or None where there is none or no currency of it."""
    return None if amount_minor is None or currency is None else money(amount_minor, currency)


def percent_or_none(part: int, whole: int) -> DecimalText | None:
    """Return what a part is of a whole, in percent; None of nothing."""
    text = percent_text(part, whole)
    return None if text is None else DecimalText(text)
