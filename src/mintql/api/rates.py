"""Exchange rates as the viewer sees them, their own ones, and amounts of several currencies as one."""

from __future__ import annotations

from datetime import date
from typing import Annotated, TypeAlias

import strawberry

from mintql.api.context import Info
from mintql.api.errors import InvalidInputError, NotFoundError, NotSignedInError
from mintql.api.money import Money, money
from mintql.api.scalars import CurrencyCode, DecimalText
from mintql.domain.rates import RATE_AGE_DAYS_MAX, Conversion, shown_rate
from mintql.services import rates as service
from mintql.store import rates as store

InCurrencyArgument = Annotated[
    CurrencyCode | None,
    strawberry.argument(
        description="A currency in which to give totals as well, beside those of each currency. Each amount is "
        f"converted at the rate of its day, else at the latest one before that is at most {RATE_AGE_DAYS_MAX} days "
        "older; the viewer's own rates go before published ones."
    ),
]


@strawberry.type(description="The days of the rates that amounts of one currency were converted at.")
class RateUse:
    """Rates used, as shown."""

    currency: CurrencyCode = strawberry.field(description="The currency that was converted.")
    first_on: date = strawberry.field(description="The day of the earliest rate used.")
    last_on: date = strawberry.field(description="The day of the latest rate used.")
    manual: bool = strawberry.field(description="Whether one of the viewer's own rates was used.")


@strawberry.type(
    description="A total of several currencies in one. The sum is exact and rounded once, half to even; what had no "
    "rate is not in it and named beside it."
)
class ConvertedTotal:
    """A conversion as shown; make it with `converted`."""

    total: Money = strawberry.field(description="What could be converted, and what is in the currency already.")
    rates: list[RateUse] = strawberry.field(description="The rates used, for each other currency.")
    not_converted: list[Money] = strawberry.field(
        description="What no rate was found for, by currency; empty when the total is all there is."
    )


def converted_or_none(found: Conversion | None) -> ConvertedTotal | None:
    """Return a conversion as GraphQL shows it, None where none was asked for."""
    return None if found is None else converted(found)


def converted(found: Conversion) -> ConvertedTotal:
    """Return a conversion as GraphQL shows it."""
    return ConvertedTotal(
        total=money(found.amount_minor, found.currency),
        rates=[
            RateUse(currency=CurrencyCode(use.currency), first_on=use.first_on, last_on=use.last_on, manual=use.manual)
            for use in found.rates
        ],
        not_converted=[money(amount_minor, currency) for currency, amount_minor in found.not_converted],
    )


@strawberry.type(description="What one unit of a currency is worth in another one on a day.")
class ExchangeRate:
    """A rate as shown."""

    currency: CurrencyCode = strawberry.field(description="The currency.")
    quote: CurrencyCode = strawberry.field(description="The currency that it is given in.")
    rate: DecimalText = strawberry.field(
        description="How many units of `quote` one unit is worth; rounded to ten digits where it has more. Sums are "
        "made with the exact one."
    )
    on: date = strawberry.field(description="The day the rate is of; where two were needed, the earlier one.")
    manual: bool = strawberry.field(description="Whether it is, or rests on, one of the viewer's own rates.")


@strawberry.type(description="A rate that the viewer gave. It holds from its day on until the next one of the pair.")
class ManualRate:
    """An own rate as shown."""

    currency: CurrencyCode = strawberry.field(description="The currency.")
    quote: CurrencyCode = strawberry.field(description="The currency that it is given in.")
    on: date = strawberry.field(description="From which day on it holds.")
    rate: DecimalText = strawberry.field(description="How many units of `quote` one unit of `currency` is worth.")


@strawberry.type(description="The viewer's own rates were changed.")
class ManualRateSuccess:
    """What setting and removing give when they worked."""

    manual_rates: list[ManualRate] = strawberry.field(description="All of the viewer's own rates as they are now.")


SetManualRatePayload: TypeAlias = Annotated[
    ManualRateSuccess | InvalidInputError | NotSignedInError,
    strawberry.union("SetManualRatePayload", description="What became of `setManualRate`."),
]
RemoveManualRatePayload: TypeAlias = Annotated[
    ManualRateSuccess | InvalidInputError | NotFoundError | NotSignedInError,
    strawberry.union("RemoveManualRatePayload", description="What became of `removeManualRate`."),
]
CurrencyArgument = Annotated[CurrencyCode, strawberry.argument(description="The currency that is worth something.")]
QuoteArgument = Annotated[CurrencyCode, strawberry.argument(description="The currency that it is given in.")]


@strawberry.type
class RatesQuery:
    """Reads of rates."""

    @strawberry.field(
        description="What a unit of one currency is worth in another on a day, as totals are converted; null where "
        "neither a published rate nor one of the viewer's own tells."
    )
    async def exchange_rate(
        self,
        info: Info,
        currency: CurrencyArgument,
        quote: QuoteArgument,
        on: Annotated[date, strawberry.argument(description="The day.")],
    ) -> ExchangeRate | None:
        async with info.context.person() as conn:
            book = await service.rate_book(conn, info.context.user_id, [currency, quote], on, on)
        found = book.find(currency, quote, on)
        if found is None:
            return None
        return ExchangeRate(
            currency=currency, quote=quote, rate=DecimalText(shown_rate(found.factor)), on=found.on, manual=found.manual
        )

    @strawberry.field(
        description=f"The viewer's own rates by pair, newest first; {service.MANUAL_RATES_MAX:,} at most."
    )
    async def manual_rates(self, info: Info) -> list[ManualRate]:
        return await _manual_rates(info)


@strawberry.type
class RatesMutation:
    """The viewer's own rates."""

    @strawberry.mutation(
        description="Gives a rate of the viewer's own, for a currency that no bank publishes one of, or instead of the "
        "published one. It holds from its day on; one given for that day before is replaced."
    )
    async def set_manual_rate(
        self,
        info: Info,
        currency: CurrencyArgument,
        quote: QuoteArgument,
        on: Annotated[date, strawberry.argument(description="From which day on it holds.")],
        rate: Annotated[
            DecimalText,
            strawberry.argument(
                description='How many units of `quote` one unit of `currency` is worth, e.g. "1.0842".'
            ),
        ],
    ) -> SetManualRatePayload:
        context = info.context
        async with context.person() as conn:
            effects = await service.set_manual_rate(conn, context.user_id, currency, quote, on, rate)
        await context.runtime.perform(effects)
        return ManualRateSuccess(manual_rates=await _manual_rates(info))

    @strawberry.mutation(description="Removes one of the viewer's own rates.")
    async def remove_manual_rate(
        self,
        info: Info,
        currency: CurrencyArgument,
        quote: QuoteArgument,
        on: Annotated[date, strawberry.argument(description="The day it was given for.")],
    ) -> RemoveManualRatePayload:
        context = info.context
        async with context.person() as conn:
            effects = await service.remove_manual_rate(conn, context.user_id, currency, quote, on)
        await context.runtime.perform(effects)
        return ManualRateSuccess(manual_rates=await _manual_rates(info))


async def _manual_rates(info: Info) -> list[ManualRate]:
    async with info.context.person() as conn:
        found = await store.manual(conn, info.context.user_id)
    return [
        ManualRate(
            currency=CurrencyCode(said.currency),
            quote=CurrencyCode(said.quote),
            on=said.on,
            rate=DecimalText(f"{said.rate:f}"),
        )
        for said in found
    ]
