"""Who may ask how much: each request is charged to the person it speaks for, else to the address it came from.

What is refused costs next to nothing, and is looked at before its text is read or its token looked up: who has spent
everything cannot make this server parse or ask the database. Refusals say when to come again (RFC 6585, section 4), and
every answer says what is left (IETF draft-ietf-httpapi-ratelimit-headers).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Final

from graphql import GraphQLError
from starlette.requests import HTTPConnection

from mintql.api.prices import REQUEST_COST, SIGN_UPS, Price
from mintql.api.requests import RefusedError
from mintql.domain.audit import origin_of
from mintql.domain.backoff import network_of
from mintql.domain.ids import UserId
from mintql.gateways.rate_limits import COST_WINDOW_SECONDS, CostLimiter, Counters, CountLimiter, Standing
from mintql.observing import metrics
from mintql.runtime import Runtime
from mintql.settings import Settings

RATE_LIMITED = "RATE_LIMITED"
TOO_MANY_REQUESTS = 429
ADDRESSES_KEPT_MAX = 4_096
POLICIES_KEPT_MAX = 16
NO_ADDRESS = "-"
"""Clients on a local socket."""
EXPOSED_HEADERS: Final = ("ratelimit", "ratelimit-policy", "retry-after", "x-request-id")


@lru_cache(maxsize=ADDRESSES_KEPT_MAX)
def payer_of(address: str | None) -> str:
    """Return the address as it is charged: the network of one subscriber."""
    return network_of(origin_of(address, None).address) or NO_ADDRESS


def address_of(request: HTTPConnection) -> str:
    """Return the address a request is charged to; a proxy's word for it counts where the server trusts the proxy."""
    client = request.scope.get("client")
    return payer_of(None if client is None else client[0])


class Admission:
    """The limits of one process; closed outside `running`, where nothing may be asked."""

    _persons: CostLimiter
    _addresses: CostLimiter
    _counts: CountLimiter

    def __init__(self, settings: Settings) -> None:
        self._per_person = settings.cost_per_minute
        self._per_address = settings.cost_per_minute_of_address
        self._sign_ups = settings.sign_ups_per_hour
        self._heavy = settings.heavy_per_hour

    @asynccontextmanager
    async def running(self, runtime: Runtime) -> AsyncIterator[None]:
        """Count in the Redis of this process for the length of the block."""
        counters = Counters(runtime.redis)
        self._persons = CostLimiter("person", self._per_person, counters)
        self._addresses = CostLimiter("address", self._per_address, counters)
        self._counts = CountLimiter(counters)
        try:
            yield
        finally:
            await self._persons.close()
            await self._addresses.close()

    def check_address(self, request: HTTPConnection, whose: Callable[[HTTPConnection], UserId | None]) -> None:
        """Refuse an address that has nothing left, unless `whose` knows the person who asks; raises `RefusedError`."""
        address = address_of(request)
        if self._addresses.is_spent(address, REQUEST_COST) and whose(request) is None:
            raise _too_much(self._addresses.standing(address))

    def check_person(self, user_id: UserId | None) -> None:
        """Refuse a person who has nothing left; raises `RefusedError`."""
        if user_id is not None and self._persons.is_spent(user_id, REQUEST_COST):
            raise _too_much(self._persons.standing(user_id))

    async def admit(self, request: HTTPConnection, user_id: UserId | None, price: Price) -> Standing | None:
        """Charge an operation, and count what of it is limited by the hour; as `charge`, and as `count`."""
        standing = self.charge(request, user_id, REQUEST_COST + price.cost)
        if price.counted:
            await self.count(request, user_id, price.counted)
        return standing

    def charge(self, request: HTTPConnection, user_id: UserId | None, cost: int = REQUEST_COST) -> Standing | None:
        """Charge so much, of which a kept answer costs the request alone; return what is left, None without a limit.

        Raises:
            RefusedError: It is more than what is left.
        """
        limiter = self._addresses if user_id is None else self._persons
        if not limiter.limit:
            return None
        payer = address_of(request) if user_id is None else user_id
        standing = limiter.charge(payer, cost)
        if not standing.admitted:
            limiter.charge(payer, REQUEST_COST)  # So that what is left is too little for any, some time.
            raise _too_much(standing)
        return standing

    async def count(self, request: HTTPConnection, user_id: UserId | None, things: Iterable[str]) -> None:
        """Count what is limited by the hour; raises `RefusedError`. Only signing up is open to who is nobody yet."""
        for what, count in Counter(things).items():
            if what == SIGN_UPS:
                standing = await self._counts.take(what, address_of(request), self._sign_ups, count)
            elif user_id is not None:
                standing = await self._counts.take(what, user_id, self._heavy, count)
            else:
                continue
            if not standing.admitted:
                raise _too_often(what, standing)


def headers_of(standing: Standing) -> list[tuple[bytes, bytes]]:
    """Return the headers that tell a client where it stands."""
    name, _, limit, remaining, reset_seconds = standing
    left = f'"{name}";r={remaining};t={reset_seconds}'
    return [(b"ratelimit-policy", _policy(name, limit)), (b"ratelimit", left.encode())]


@lru_cache(maxsize=POLICIES_KEPT_MAX)
def _policy(name: str, limit: int) -> bytes:
    return f'"{name}";q={limit};w={COST_WINDOW_SECONDS}'.encode()


def _too_much(standing: Standing) -> RefusedError:
    message = (
        f"You have asked for more than {standing.limit:,} values within a minute, each request counting as "
        f"{REQUEST_COST} more; try again in {standing.reset_seconds} seconds."
    )
    refusal = _refusal(message, standing)
    refusal.headers |= {name.decode(): value.decode() for name, value in headers_of(standing)}
    return refusal


def _too_often(what: str, standing: Standing) -> RefusedError:
    minutes = -(-standing.reset_seconds // 60)
    message = f"No more than {standing.limit:,} {what} are taken within an hour; try again in {minutes} minutes."
    return _refusal(message, standing)


def _refusal(message: str, standing: Standing) -> RefusedError:
    metrics.RATE_LIMITED.of(standing.name).add()
    return RefusedError(
        TOO_MANY_REQUESTS,
        message,
        code=RATE_LIMITED,
        headers={"retry-after": str(standing.reset_seconds)},
        extensions={
            "retryAfterSeconds": standing.reset_seconds,
            "limit": standing.limit,
            "remaining": standing.remaining,
        },
    )


def error_of(refused: RefusedError) -> GraphQLError:
    """Return a refusal as clients see it."""
    return GraphQLError(refused.message, extensions=refused.extensions)
