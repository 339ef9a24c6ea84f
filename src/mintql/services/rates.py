"""Exchange rates: loading published ones, a person's own, and sums in one currency."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import date, timedelta

from mintql.domain.errors import InvalidInput, NotFound
from mintql.domain.ids import UserId
from mintql.domain.rates import (
    RATE_AGE_DAYS_MAX,
    ManualRate,
    Rate,
    RateBook,
    check_pair,
    check_rate,
)
from mintql.gateways.rates import fetch_rates
from mintql.services.effects import Effects
from mintql.settings import Settings
from mintql.store import rates as store
from mintql.store.locks import lock_users
from mintql.store.queries import Conn

MANUAL_RATES_MAX = 1_000
SAVED_AT_ONCE_MAX = 20_000
"""Rates of one statement: the whole history since 1999 has some two hundred thousand."""


async def save_rates(conn: Conn, rates: Sequence[Rate], source: str) -> int:
    """Keep published rates; return how many were new or are other ones now. The same ones again change nothing."""
    told = {(rate.currency, rate.on): rate for rate in rates}
    kept = list(told.values())
    starts = range(0, len(kept), SAVED_AT_ONCE_MAX)
    return sum([await store.save(conn, kept[start : start + SAVED_AT_ONCE_MAX], source) for start in starts])


async def fetch_published(settings: Settings, opened: Callable[[], AbstractAsyncContextManager[Conn]]) -> int | None:
    """Fetch the rates of the operator's source and keep them; return how many were new, None where there is no source.

    Raises:
        InstitutionFailure: The source does not answer as it should.
        InvalidInput: What it answers cannot be read.
    """
    if settings.exchange_rates_url is None:
        return None
    found = await fetch_rates(settings, settings.exchange_rates_url)
    async with opened() as conn:
        return await save_rates(conn, found, "feed")


async def rate_book(conn: Conn, user_id: UserId, currencies: Iterable[str], first: date, last: date) -> RateBook:
    """Return what is needed to convert between currencies on days, both included."""
    manual = await store.manual(conn, user_id)
    wanted = sorted({*currencies, *(said.currency for said in manual), *(said.quote for said in manual)})
    earliest = first - timedelta(days=RATE_AGE_DAYS_MAX)
    return RateBook(await store.between(conn, wanted, earliest, last), manual)


async def set_manual_rate(conn: Conn, user_id: UserId, currency: str, quote: str, on: date, rate: str) -> Effects:
    """Keep a person's own rate from a day on; the one they gave for that day before is replaced.

    Raises:
        InvalidInput: The currencies or the rate cannot be used, or there are `MANUAL_RATES_MAX` others.
    """
    pair = check_pair(currency, quote)
    said = ManualRate(*pair, on, check_rate(rate))
    await lock_users(conn, [user_id])
    if not await store.set_manual(conn, user_id, said, MANUAL_RATES_MAX):
        raise InvalidInput(f"{MANUAL_RATES_MAX:,} rates of one's own are the most; remove some first.", field="on")
    return Effects(changed={user_id})


async def remove_manual_rate(conn: Conn, user_id: UserId, currency: str, quote: str, on: date) -> Effects:
    """Remove a person's own rate of a day.

    Raises:
        NotFound: There is none.
    """
    pair = check_pair(currency, quote)
    await lock_users(conn, [user_id])
    if not await store.remove_manual(conn, user_id, *pair, on):
        raise NotFound(f"You gave no rate of {pair[0]} in {pair[1]} for {on}.")
    return Effects(changed={user_id})
