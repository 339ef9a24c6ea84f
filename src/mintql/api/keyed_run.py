"""One mutation that runs under an idempotency key: what its resolver's transactions have to do with that."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import orjson
from graphql import GraphQLError

from mintql.api.context import Context
from mintql.api.errors import Error
from mintql.domain.errors import EmailTaken, Failure
from mintql.domain.idempotency import KeyInUse
from mintql.domain.ids import UserId
from mintql.services import idempotency as service
from mintql.services.idempotency import WAIT_SECONDS_MAX, Applied, KeyedRequest
from mintql.store import users
from mintql.store.queries import Conn

log = logging.getLogger(__name__)

POLL_SECONDS = 0.05
REPLAYED_HEADER = "idempotent-replayed"


class _Replayed(Exception):  # noqa: N818 - no fault: it leads past the resolver
    """What a resolver was about to do is done."""

    def __init__(self, user_id: UserId, applied: Applied) -> None:
        super().__init__()
        self.user_id = user_id
        self.applied = applied


class KeyedRun:
    """One mutation that runs under a key, from looking for what was done before to keeping its answer.

    `user_id` is None while it is not known who that is. `replayed` tells whether the answer is an earlier one.
    """

    def __init__(self, context: Context, request: KeyedRequest, user_id: UserId | None) -> None:
        self._context = context
        self._runtime = context.runtime
        self._request = request
        self._user_id = user_id
        self.replayed = False
        self._is_open = True
        self._recorded = self._succeeded = self._within = False

    @asynccontextmanager
    async def person(self, user_id: UserId) -> AsyncIterator[Conn]:
        """Open a person's transaction as `Runtime.person` does. The first that writes writes the key down too.

        Raises:
            KeyInUse: Another transaction is at the key.
        """
        async with self._runtime.person(user_id) as conn:
            if not self._is_open or self._recorded or self._within:
                yield conn
                return
            now = self._context.now()
            applied = await service.begin(conn, self._runtime.vault, user_id, self._request, now)
            if applied is not None:
                raise _Replayed(user_id, applied)
            self._within = True
            try:
                yield conn
            finally:
                self._within = False
            recorded = await service.record(conn, user_id, self._request, self._context.now())
        self._user_id, self._recorded = user_id, recorded

    async def resolve(self, resolver: Callable[[], Awaitable[Any]], arguments: dict[str, Any]) -> Any:
        """Let a resolver run, and note how it ended. What is read for its answer afterwards has no part in this."""
        try:
            result = await resolver()
        except EmailTaken:
            await self._raise_own_sign_up(arguments.get("email", ""))
            raise
        finally:
            self._is_open = False
        self._succeeded = not isinstance(result, Error)
        return result

    async def _raise_own_sign_up(self, email: str) -> None:
        """Find out whether the address is taken because this very request signed its person up before."""
        async with self._runtime.system() as conn:
            user_id = (await users.credentials_of(conn, email.strip())).user_id
        if user_id is None:
            return
        with suppress(Failure):  # Another request: it must learn no more than that the address is taken.
            await self.raise_done(user_id)

    async def raise_done(self, user_id: UserId) -> None:
        """Lead past the resolver where a person who has said who they are finds the change made."""
        applied = await self._look(user_id)
        if applied is not None:
            raise _Replayed(user_id, applied)

    async def _look(self, user_id: UserId) -> Applied | None:
        async with self._runtime.person(user_id) as conn:
            return await service.find(conn, self._runtime.vault, user_id, self._request, self._context.now())

    async def answer(self, execute: Callable[[], Awaitable[Any]], was_faulty: Callable[[], bool]) -> Any:
        """Return the field's answer: what was answered before, or what `execute` gives.

        Raises:
            KeyInUse: Another request is at the key, and did not end within seconds.
            KeyReused: The key stands for something else.
            AlreadyApplied: It is done, and the answer got lost.
            GraphQLError: What `execute` raises.
        """
        if self._user_id is not None and (applied := await self._look(self._user_id)) is not None:
            return await self._replay(self._user_id, applied)
        self._context.keyed = self
        cookies = len(self._cookies())
        try:
            value = await execute()
        except GraphQLError as error:
            return await self._instead(error)
        finally:
            self._context.keyed = None
        if self._user_id is not None and (self._recorded or self._succeeded) and not was_faulty():
            await self._keep(self._user_id, {"data": value, "cookies": self._cookies()[cookies:]})
        return value

    async def _instead(self, error: GraphQLError) -> Any:
        """Return what is to be answered where a transaction found the key used, or in use; raise any other error."""
        cause = error.original_error
        if isinstance(cause, _Replayed):
            return await self._replay(cause.user_id, cause.applied)
        if isinstance(cause, KeyInUse) and self._user_id is not None:
            applied = await self._wait(self._user_id, lambda found: found is not None)
            if applied is not None:
                return await self._replay(self._user_id, applied)
        raise error

    async def _replay(self, user_id: UserId, applied: Applied) -> Any:
        if applied.answer is None:
            # It may be on its way: another process has committed the change a moment ago.
            if (self._context.now() - applied.at).total_seconds() < WAIT_SECONDS_MAX:
                applied = await self._wait(user_id, lambda found: found is None or found.answer is not None) or applied
            log.info("key of person %s: done before, %s an answer", user_id, "with" if applied.answer else "without")
        kept = orjson.loads(applied.told())
        self.replayed = True
        response = self._context.response
        if response is not None:
            response.headers[REPLAYED_HEADER] = "true"
            for cookie in kept["cookies"]:
                response.headers.append("set-cookie", cookie)
        return kept["data"]

    async def _wait(self, user_id: UserId, is_enough: Callable[[Applied | None], bool]) -> Applied | None:
        """Look again and again, holding no connection meanwhile, for as long as a request may wait."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + WAIT_SECONDS_MAX
        applied = await self._look(user_id)
        while not is_enough(applied) and loop.time() < deadline:
            await asyncio.sleep(POLL_SECONDS)
            applied = await self._look(user_id)
        return applied

    async def _keep(self, user_id: UserId, answer: dict[str, Any]) -> None:
        """Keep the answer. Should that fail, the change stands and its person has the answer all the same."""
        try:
            body, now = orjson.dumps(answer), self._context.now()
            async with self._runtime.person(user_id) as conn:
                await service.keep_answer(conn, self._runtime.vault, user_id, self._request, body, now)
        except Exception:
            log.exception("the answer to a keyed mutation of person %s was not kept", user_id)

    def _cookies(self) -> list[str]:
        response = self._context.response
        return [] if response is None else response.headers.getlist("set-cookie")
