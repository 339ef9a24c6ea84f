"""Whom requests speak for: the token they show, whose it is, and what is kept for that person."""

from __future__ import annotations

import time
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Final, NamedTuple

from starlette.requests import HTTPConnection

from mintql.api.caching import Place
from mintql.api.context import Viewer, find_viewer
from mintql.api.cookies import bearer, cookie_token, origin_is_trusted
from mintql.api.known import Known, KnownPersons
from mintql.api.last_used import LastUsed
from mintql.api.requests import RefusedError
from mintql.api.scopes import reads_everything
from mintql.api.viewers import Viewers
from mintql.domain.ids import UserId
from mintql.domain.positions import Position
from mintql.gateways.answers import NOTHING
from mintql.runtime import Runtime
from mintql.store import users

FORBIDDEN_ORIGIN: Final = "FORBIDDEN_ORIGIN"
ACTIVE_REMEMBERED_MAX: Final = 100_000
"""How many persons a process remembers to have marked as active today."""
DAY_SECONDS: Final = 86_400


class Asker(NamedTuple):
    """Whom a request speaks for: the token it shows, and the viewer if that holds.

    `place` is where the answer is kept, where it is; `known` and `position` are for the context of an operation.
    """

    token: str | None = None
    viewer: Viewer | None = None
    place: Place | None = None
    known: Known | None = None
    position: Position | None = None


NOBODY: Final = Asker()


class Whose:
    """What one process knows of those who ask."""

    def __init__(self, allowed_origins: Collection[str]) -> None:
        self._allowed_origins = allowed_origins
        self._viewers = Viewers()
        self._known = KnownPersons()
        self._last_used = LastUsed()
        self._active: set[UserId] = set()
        self._active_day = 0

    def remembered(self, request: HTTPConnection) -> UserId | None:
        """Return whom a request speaks for, if this process knows that without asking."""
        token = bearer(request.headers.get("authorization")) or cookie_token(request)
        return None if token is None else self._viewers.remembered(token)

    def token_of(self, request: HTTPConnection, authorization: str | None) -> str | None:
        """Return the token of a request: that of the header, or the cookie's.

        Raises:
            RefusedError: The cookie is shown by a page that may not use it.
        """
        token = bearer(authorization)
        if token is None:
            token = cookie_token(request)
            if token is not None and not origin_is_trusted(request.headers, self._allowed_origins):
                raise RefusedError(403, "This page may not use the person's cookie.", code=FORBIDDEN_ORIGIN)
        return token

    async def find(
        self, runtime: Runtime, token: str | None, *, reading: bool, digest: str | None, known: bool = True
    ) -> Asker:
        """Return whom a token speaks for.

        A token that does not hold counts as none: signing in must work for a browser that still sends an old
        cookie. `digest` names a request that is `reading` where its answer may be kept; what is `known` of the person
        is no use to one that goes through a share.
        """
        if token is None:
            return NOBODY
        if reading:
            viewer, found = await self._viewers.find(runtime, token, digest)
        else:
            viewer, found = await find_viewer(runtime, token), NOTHING
        if viewer is None:
            return Asker(token)
        await self.note(runtime, viewer)
        if found.version is None or not known:
            return Asker(token, viewer)
        place, position = None, None
        if digest is not None:
            position = found.position
            if reads_everything(viewer):
                place = Place(viewer.user_id, found.version, digest, found.body)
        if place is not None and place.body is not None:
            return Asker(token, viewer, place)
        return Asker(token, viewer, place, self._known.of(viewer.user_id, found.version), position)

    async def note(self, runtime: Runtime, viewer: Viewer) -> None:
        """Note that a viewer is here, and once a day and process that the person is active, whom the day refreshes."""
        self._last_used.note(runtime, viewer)
        if viewer.user_id in self._active and int(time.time()) // DAY_SECONDS == self._active_day:
            return
        now = datetime.now(UTC)
        day = int(now.timestamp()) // DAY_SECONDS
        if self._active_day != day or len(self._active) > ACTIVE_REMEMBERED_MAX:
            self._active, self._active_day = set(), day
        self._active.add(viewer.user_id)  # Before it is so, for all that ask meanwhile.
        try:
            async with runtime.person(viewer.user_id) as conn:
                await users.mark_active(conn, viewer.user_id, now.date())
        except BaseException:
            self._active.discard(viewer.user_id)
            raise
