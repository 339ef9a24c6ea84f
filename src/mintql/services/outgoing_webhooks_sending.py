"""Sending webhooks: endpoint by endpoint, so that a receiver that is slow or dead holds up nothing but itself.

PostgreSQL owns the state. A worker leases an endpoint, sends what is due there one after the other, notes each attempt
in a transaction of its own, and hands the endpoint back. If it dies in between, the lease runs out and the message that
was under way is sent once more, with the same id and body.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from mintql.domain import outgoing_webhooks as rules
from mintql.domain.audit import WEBHOOK_DISABLED
from mintql.domain.errors import InstitutionFailure, InvalidInput
from mintql.domain.ids import UserId
from mintql.domain.outgoing_webhooks import DeliveryState, DisabledReason
from mintql.gateways.http import Bounds, GuardedClient
from mintql.gateways.http_circuits import CircuitBounds
from mintql.gateways.http_retries import Retries, retry_after_seconds
from mintql.gateways.vault import Sealed, Vault
from mintql.observing import metrics
from mintql.observing.context import pseudonym
from mintql.services import audit
from mintql.services.extract import Begin, Clock
from mintql.services.outgoing_webhooks_bodies import write_body
from mintql.services.rounds import work_off
from mintql.store import outgoing_webhooks as endpoint_rows
from mintql.store import outgoing_webhooks_sending as store
from mintql.store.outgoing_webhooks_sending import Attempt, DueDelivery, EndpointKey
from mintql.store.queries import Conn

log = logging.getLogger(__name__)

ENDPOINTS_AT_ONCE_MAX: Final = 50
"""In one process. At each one message is under way at a time, so they come in order while all goes well."""
ATTEMPT_SECONDS_MAX: Final = 15.0
"""What the specification recommends at least: from the look-up of the name to the answer's status."""
TURN_SECONDS_MAX: Final = 30.0
"""How long a turn at one endpoint goes on beginning attempts; what is left waits for its next turn."""
DELIVERIES_PER_TURN_MAX: Final = 50
LEASE: Final = timedelta(seconds=90)
"""Longer than a turn with its last attempt, or another worker would begin one too."""
ANSWER_LIMIT_BYTES: Final = 1_000
ERROR_LENGTH_MAX: Final = 500
KEPT_DAYS: Final = 30
"""How long it is remembered what became of a delivery, which can be sent again for as long."""
TAKEN: Final = range(200, 300)
GONE: Final = 410

BOUNDS: Final = Bounds(
    retries=Retries(attempts_max=1),
    # Endpoints that fail are left alone by what the database knows of them, in all processes alike.
    circuits=CircuitBounds(
        failures_max=1_000_000, requests_at_once=2, requests_at_once_total=ENDPOINTS_AT_ONCE_MAX, turn_seconds=5.0
    ),
)


@dataclass(frozen=True, slots=True)
class _Outcome:
    attempt: Attempt
    taken: bool
    gone: bool = False
    asked: timedelta | None = None

    @property
    def word(self) -> str:
        return "taken" if self.taken else "unreachable" if self.attempt.status_code is None else "refused"


@dataclass(frozen=True, slots=True)
class _Turn:
    """What a turn at an endpoint begins with: where to, what signs, and what is to be sent in which words."""

    url: str
    secrets: list[bytes]
    messages: list[tuple[DueDelivery, bytes]]


class Sender:
    """Sends the webhooks of one process. Keep one: it bounds how many are under way."""

    def __init__(
        self, begin: Begin, http: GuardedClient, vault: Vault, clock: Clock, random: Callable[[], float]
    ) -> None:
        self._begin = begin
        self._http = http
        self._vault = vault
        self._clock = clock
        self._random = random
        self._woken: asyncio.Event | None = None

    async def run(self) -> int:
        """Send what is due; return how many attempts were made. May die anywhere: the leases run out.

        While an earlier call is at it, that one looks again, and this one does nothing.
        """
        if self._woken is not None:
            self._woken.set()
            return 0
        woken = self._woken = asyncio.Event()
        count = 0

        async def add(made: list[int]) -> None:
            nonlocal count
            count += sum(made)

        try:
            await work_off(self._take, self._turn, add, woken, ENDPOINTS_AT_ONCE_MAX)
        finally:
            self._woken = None
        return count

    async def _take(self, room: int) -> list[EndpointKey]:
        now = self._clock()
        async with self._begin() as conn:
            return await store.take_endpoints(conn, now, room, now + LEASE)

    async def _turn(self, key: EndpointKey) -> int:
        """Send what is due at an endpoint until one attempt fails or time is up; return how many were made."""
        count, until = 0, asyncio.get_running_loop().time() + TURN_SECONDS_MAX
        try:
            turn = await self._begin_turn(key)
            for delivery, body in turn.messages:
                outcome = await self._send(key, turn, delivery, body)
                metrics.WEBHOOK_ATTEMPTS.of(outcome.word).add()
                count += 1
                await self._settle(key, delivery, outcome)
                if not outcome.taken or asyncio.get_running_loop().time() >= until:
                    break
            async with self._begin() as conn:
                # Two statements: the second sees what was added by whoever the first had to wait for.
                await store.lock_endpoint(conn, key)
                await store.hand_back(conn, key)
        except Exception:
            log.exception(
                "webhooks of person %s, endpoint %s: the turn failed", pseudonym(key.user_id), key.endpoint_id
            )
        return count

    async def _begin_turn(self, key: EndpointKey) -> _Turn:
        """Read what is to be sent, in words that are written down before they are sent for the first time."""
        now = self._clock()
        async with self._begin() as conn:
            endpoint = await store.lock_endpoint(conn, key)
            if endpoint is None or not endpoint.enabled or (endpoint.paused_until and endpoint.paused_until > now):
                return _Turn("", [], [])
            secrets = [self._opened(key, sealed) for sealed in await store.secrets(conn, key, now)]
            messages: list[tuple[DueDelivery, bytes]] = []
            for delivery in await store.due(conn, key, now, DELIVERIES_PER_TURN_MAX):
                body = await _body(conn, key.user_id, delivery, now)
                if body is not None:
                    messages.append((delivery, body.encode()))
            return _Turn(endpoint.url, secrets, messages)

    def _opened(self, key: EndpointKey, sealed: store.SealedSecret) -> bytes:
        columns = Sealed(sealed.key_version, sealed.wrapped_key, sealed.ciphertext)
        return self._vault.open_webhook(key.user_id, key.endpoint_id, sealed.secret_no, columns)

    async def _send(self, key: EndpointKey, turn: _Turn, delivery: DueDelivery, body: bytes) -> _Outcome:
        """Make one attempt; whatever comes of it is an outcome."""
        at, loop = self._clock(), asyncio.get_running_loop()
        began = loop.time()

        def attempt(status_code: int | None = None, error: str | None = None, answer: bytes = b"") -> Attempt:
            milliseconds = round((loop.time() - began) * 1_000)
            return Attempt(at, milliseconds, status_code, error, _as_text(answer) if status_code else None)

        headers = rules.signed_headers(turn.secrets, delivery.message_id, int(at.timestamp()), body)
        try:
            answer = await self._http.request(
                "POST",
                turn.url,
                headers=headers,
                content=body,
                deadline_seconds=ATTEMPT_SECONDS_MAX,
                body_limit_bytes=ANSWER_LIMIT_BYTES,
                repeatable=False,
                redirects_max=0,
                circuit=f"webhook {key.user_id} {key.endpoint_id}",
                cut=True,
            )
        except (InstitutionFailure, InvalidInput) as error:
            return _Outcome(attempt(error=error.message[:ERROR_LENGTH_MAX]), taken=False)
        asked = retry_after_seconds(answer.headers, at)
        return _Outcome(
            attempt(answer.status, None, answer.content),
            taken=answer.status in TAKEN,
            gone=answer.status == GONE,
            asked=None if asked is None else timedelta(seconds=asked),
        )

    async def _settle(self, key: EndpointKey, delivery: DueDelivery, outcome: _Outcome) -> None:
        """Note an attempt and what follows from it, for the delivery and for its endpoint."""
        now = self._clock()
        async with self._begin() as conn:
            endpoint = await store.lock_endpoint(conn, key)
            if endpoint is None:
                return
            if outcome.taken:
                await store.settle(conn, key.user_id, delivery, outcome.attempt, DeliveryState.SENT, now)
                await store.note_success(conn, key)
                return
            again = rules.retry_at(now, delivery.tries + 1, outcome.asked, self._random())
            state = DeliveryState.DEAD if again is None or outcome.gone else DeliveryState.DUE
            await store.settle(conn, key.user_id, delivery, outcome.attempt, state, again or now)
            pause = rules.paused_until(now, endpoint.failures + 1, outcome.asked)
            await store.note_failure(conn, key, now, pause)
            since = endpoint.failing_since or now
            if outcome.gone or now - since >= rules.FAILING_MAX:
                await _switch_off(conn, key, DisabledReason.GONE if outcome.gone else DisabledReason.FAILING, now)


async def _body(conn: Conn, user_id: UserId, delivery: DueDelivery, now: datetime) -> str | None:
    """Return what a delivery says; give it up when what it tells of is gone before it was first sent."""
    if delivery.body is not None:
        return delivery.body
    written = await write_body(conn, user_id, delivery)
    if written is not None:
        return await store.write_body(conn, user_id, delivery.delivery_id, written)
    lost = Attempt(now, 0, error="What this message told of is gone.")
    await store.settle(conn, user_id, delivery, lost, DeliveryState.DEAD, now)
    return None


async def _switch_off(conn: Conn, key: EndpointKey, reason: DisabledReason, now: datetime) -> None:
    """Switch an endpoint off, give up what waits for it, and write that down for the person."""
    if await store.disable(conn, key, reason):
        await endpoint_rows.give_up(conn, key.user_id, key.endpoint_id, now)
        detail: dict[str, str | int] = {"webhook_endpoint_id": key.endpoint_id, "reason": reason.value}
        await audit.record(conn, key.user_id, WEBHOOK_DISABLED, now, detail)
        log.warning(
            "webhooks of person %s, endpoint %s: switched off, %s", pseudonym(key.user_id), key.endpoint_id, reason
        )


def _as_text(answer: bytes) -> str:
    """Return the beginning of an answer as PostgreSQL takes it: it has no NUL."""
    return answer.decode("utf-8", "replace").replace("\0", "\ufffd")
