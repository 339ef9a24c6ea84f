"""Whether the process runs, and whether it is one to send requests to."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Final, TypeVar

import asyncpg
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from mintql.runtime import Runtime
from mintql.store import schema_versions

log = logging.getLogger(__name__)

T = TypeVar("T")

CHECK_SECONDS_MAX: Final = 2.0
OBJECTS_EVERY_SECONDS: Final = 30.0
"""Looking at the object store writes, reads and deletes a probe; what was found holds for so long."""


class Health:
    """The two pages. What they find is said in words; a log line tells when it changes."""

    def __init__(self) -> None:
        self._newest = schema_versions.newest_known()
        self._objects = (False, -OBJECTS_EVERY_SECONDS)
        self._status = ""

    def routes(self) -> list[Route]:
        """Return where they are."""
        return [Route("/livez", self.live), Route("/readyz", self.ready)]

    async def live(self, _request: Request) -> Response:
        """Say that the process runs, whatever it depends on. While its loop stands still it cannot, which says it."""
        return PlainTextResponse("live\n")

    async def ready(self, request: Request) -> Response:
        """Say whether requests can be answered.

        Without Redis they can, only slower, and without the object store all but imports and old months. A process that
        is about to end is not ready, however well it is, and neither is one whose database lacks migrations.
        """
        runtime: Runtime = request.app.state.runtime
        if runtime.draining:
            return self._answer("draining", {}, 503)
        database, redis, objects = await asyncio.gather(
            self._ask_database(runtime), _works("Redis", runtime.redis.ping), self._ask_objects(runtime)
        )
        words = {"database": database, "redis": _word(redis), "objects": _word(objects)}
        if database != "ok":
            return self._answer("unavailable", words, 503)
        return self._answer("ready" if redis and objects else "degraded", words, 200)

    def _answer(self, status: str, words: dict[str, str], code: int) -> Response:
        if status != self._status:
            level = logging.INFO if code == 200 else logging.WARNING  # noqa: PLR2004 - the status that says yes
            log.log(level, "this process is %s: %s", status, words)
            self._status = status
        return JSONResponse({"status": status, **words}, code)

    async def _ask_database(self, runtime: Runtime) -> str:
        try:
            applied = await _in_time(_newest_applied(runtime))
        except (asyncpg.UndefinedTableError, asyncpg.InsufficientPrivilegeError):
            return "lacks migrations"
        except Exception as error:  # noqa: BLE001 - whatever the reason, it does not answer
            log.warning("the database does not answer: %s: %s", type(error).__name__, error)
            return "down"
        return "ok" if applied >= self._newest else "lacks migrations"

    async def _ask_objects(self, runtime: Runtime) -> bool:
        works, asked_at = self._objects
        if monotonic() - asked_at >= OBJECTS_EVERY_SECONDS:
            works = await _works("the object store", runtime.objects.check)
            self._objects = (works, monotonic())
        return works


async def _works(what: str, check: Callable[[], Awaitable[object]]) -> bool:
    try:
        await _in_time(check())
    except Exception as error:  # noqa: BLE001 - whatever the reason, it does not work
        log.warning("%s does not answer: %s: %s", what, type(error).__name__, error)
        return False
    return True


async def _newest_applied(runtime: Runtime) -> int:
    async with runtime.statement() as conn:
        return await schema_versions.newest_applied(conn)


async def _in_time(check: Awaitable[T]) -> T:
    """Return what a check finds; raise `TimeoutError` after its time, and wait no longer until it has been cancelled.

    Whoever gives a connection back to the pool waits for a server that is silent once more.
    """
    checking = asyncio.ensure_future(check)
    done, _ = await asyncio.wait((checking,), timeout=CHECK_SECONDS_MAX)
    if not done:
        checking.cancel()
        raise TimeoutError
    return checking.result()


def _word(works: bool) -> str:
    return "ok" if works else "down"
