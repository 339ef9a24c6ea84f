"""How many WebSockets a process holds open for one person, and for all who are nobody at one address.

Counted by each process for itself: what an open connection costs, it costs the process that holds it, and a count that
processes shared would have to be mended whenever one of them dies.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from mintql.api.admission import RATE_LIMITED, TOO_MANY_REQUESTS, Admission, address_of, error_of
from mintql.api.negotiation import JSON
from mintql.api.prices import Price
from mintql.api.requests import RefusedError
from mintql.api.responses import json_answer
from mintql.domain.ids import UserId
from mintql.settings import Settings

HANDSHAKE: Final = Price(0)
SEAT: Final = "mintql.seat"
RETRY_AFTER_SECONDS = 10


class Seat:
    """Who a WebSocket is counted for: at first an address, then the person that it turns out to be."""

    __slots__ = ("holder",)

    def __init__(self, holder: str | UserId) -> None:
        self.holder = holder


class Seats:
    """The places of one process. A limit of 0 is none."""

    def __init__(self, settings: Settings, admission: Admission) -> None:
        self._per_person = settings.sockets_per_person
        self._per_address = settings.sockets_per_address
        self._admission = admission
        self._taken: Counter[str | UserId] = Counter()

    async def serve(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a WebSocket by `app`; answer the handshake with 429 where it is one too many."""
        socket = WebSocket(scope, receive, send)
        try:
            await self._admission.admit(socket, None, HANDSHAKE)
            seat = scope[SEAT] = Seat(self._take(address_of(socket)))
        except RefusedError as refused:
            answer = {"errors": [error_of(refused).formatted]}
            await socket.send_denial_response(json_answer(answer, JSON, refused.status, refused.headers))
            return
        try:
            await app(scope, receive, send)
        finally:
            self._leave(seat.holder)

    def give(self, socket: WebSocket, user_id: UserId) -> bool:
        """Count a WebSocket for a person from now on; False when they have as many as they may."""
        if 0 < self._per_person <= self._taken[user_id]:
            return False
        seat: Seat = socket.scope[SEAT]
        self._leave(seat.holder)
        seat.holder = user_id
        self._taken[user_id] += 1
        return True

    def _take(self, address: str) -> str:
        if 0 < self._per_address <= self._taken[address]:
            raise RefusedError(
                TOO_MANY_REQUESTS,
                f"{self._per_address:,} connections without a session are open from your address; close some of them.",
                code=RATE_LIMITED,
                headers={"retry-after": str(RETRY_AFTER_SECONDS)},
                extensions={"retryAfterSeconds": RETRY_AFTER_SECONDS, "limit": self._per_address, "remaining": 0},
            )
        self._taken[address] += 1
        return address

    def _leave(self, holder: str | UserId) -> None:
        self._taken[holder] -= 1
        if not self._taken[holder]:
            del self._taken[holder]
