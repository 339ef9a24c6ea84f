"""Circuit breakers and bulkheads: whoever does not answer is left alone for a while, and nobody takes all slots.

A circuit is what fails together, commonly one institution. After several failures in a row it opens: requests
fail at once, with the time of the next try. Then one request is let through as a probe; an answer closes
the circuit, another failure opens it for longer. Circuits are kept per process, see `docs/decisions/guarded-http.md`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from mintql.domain.errors import InstitutionDown, ProtocolError

log = logging.getLogger(__name__)

PAUSE_JITTER_MIN = 0.5
"""A pause is between this share of its length and the whole, so that processes do not ask again in step."""

Clock = Callable[[], datetime]
Random = Callable[[], float]
"""From 0 to below 1."""


@dataclass(frozen=True, slots=True)
class CircuitBounds:
    """Limits of one circuit, and of all together."""

    failures_max: int = 5
    """Failures in a row that open a circuit: more than the attempts of one request, fewer than a second one's."""
    pause_seconds_first: float = 10.0
    pause_seconds_max: float = 300.0
    """A bank that is back is found out within five minutes."""
    requests_at_once: int = 20
    """Of one circuit, out of the `requests_at_once_total`: two dead banks together leave room for the others."""
    requests_at_once_total: int = 50
    turn_seconds: float = 60.0
    """How long a request waits for its turn, before its own deadline begins."""
    circuits_max: int = 1000
    """Remembered; the one that was used longest ago is forgotten first. A few hundred bytes each."""


class Attempt:
    """One attempt: whoever makes it says what came of it."""

    def __init__(self) -> None:
        self.failed = False


class Circuit:
    """The memory of one circuit. Not shared between threads."""

    def __init__(self, bounds: CircuitBounds, clock: Clock, random: Random) -> None:
        self.users = 0
        self.slots = asyncio.Semaphore(bounds.requests_at_once)
        self._bounds = bounds
        self._clock = clock
        self._random = random
        self._failures = 0
        self._openings = 0
        self._asked_again_at: datetime | None = None
        self._probing = False

    @property
    def is_open(self) -> bool:
        """Whether it is too early to ask again."""
        return self._waits(self._clock())

    def refuse_while_open(self, name: str) -> None:
        """Let a request pass, unless it is too early to ask again or another request is finding out.

        Raises:
            InstitutionDown: With the time at which it is asked again.
        """
        now = self._clock()
        if self._asked_again_at is None or (not self._probing and not self._waits(now)):
            return
        # While a probe is under way, nobody knows yet; the shortest pause is a fair guess.
        at = self._asked_again_at if self._waits(now) else now + self._jittered(self._bounds.pause_seconds_first)
        raise InstitutionDown(
            f"{name} has not answered {self._failures} times in a row;"
            f" it is asked again at {at:%Y-%m-%d %H:%M:%S} UTC.",
            retry_at=at,
        )

    @contextmanager
    def attempt(self, name: str) -> Iterator[Attempt]:
        """Count what comes of an attempt: `failed`, or answered.

        An answer out of bounds is an answer. What ends otherwise (a refused address, a cancelled request) says
        nothing of the institution and counts as neither.

        Raises:
            InstitutionDown: The circuit is open.
        """
        self.refuse_while_open(name)
        probe = self._asked_again_at is not None
        self._probing = self._probing or probe
        attempt = Attempt()
        try:
            yield attempt
        except ProtocolError:
            self._note(name, failed=False, probe=probe)
            raise
        else:
            self._note(name, failed=attempt.failed, probe=probe)
        finally:
            if probe:
                self._probing = False

    def _note(self, name: str, *, failed: bool, probe: bool) -> None:
        if not failed:
            if self._asked_again_at is not None:
                log.info("%s answers again", name)
            self._failures = self._openings = 0
            self._asked_again_at = None
            return
        if self._asked_again_at is not None and not probe:
            # Begun before the circuit opened, which has taken the likes of it into account.
            return
        self._failures += 1
        if probe or self._failures >= self._bounds.failures_max:
            self._open(name)

    def _open(self, name: str) -> None:
        seconds = min(self._bounds.pause_seconds_max, self._bounds.pause_seconds_first * 2.0 ** min(self._openings, 30))
        self._openings += 1
        pause = self._jittered(seconds)
        self._asked_again_at = self._clock() + pause
        # The name and not the key, which a connector may have made of an address with a secret in it.
        log.warning("%s is not asked for %.1f s after %d failures", name, pause.total_seconds(), self._failures)

    def _waits(self, now: datetime) -> bool:
        if self._asked_again_at is None:
            return False
        left = self._asked_again_at - now
        # No pause is longer than the longest: if one seems to be, the clock was set back.
        return timedelta() < left <= timedelta(seconds=self._bounds.pause_seconds_max)

    def _jittered(self, seconds: float) -> timedelta:
        return timedelta(seconds=seconds * (PAUSE_JITTER_MIN + (1 - PAUSE_JITTER_MIN) * self._random()))


class Circuits:
    """All circuits of a client, and the slots they share."""

    def __init__(self, bounds: CircuitBounds, clock: Clock, random: Random) -> None:
        self._bounds = bounds
        self._clock = clock
        self._random = random
        self._slots = asyncio.Semaphore(bounds.requests_at_once_total)
        self._circuits: OrderedDict[str, Circuit] = OrderedDict()

    def __len__(self) -> int:
        return len(self._circuits)

    @asynccontextmanager
    async def turn(self, key: str, name: str) -> AsyncIterator[Circuit]:
        """Wait for a slot of the circuit and one of all, and hold both for the body.

        Raises:
            InstitutionDown: The circuit is open, or there was no slot in time.
        """
        circuit = self._of(key)
        circuit.users += 1
        try:
            circuit.refuse_while_open(name)
            async with AsyncExitStack() as held:
                try:
                    async with asyncio.timeout(self._bounds.turn_seconds):
                        await held.enter_async_context(circuit.slots)
                        await held.enter_async_context(self._slots)
                except TimeoutError:
                    raise self._no_turn(name) from None
                yield circuit
        finally:
            circuit.users -= 1

    def _no_turn(self, name: str) -> InstitutionDown:
        at = self._clock() + timedelta(seconds=self._bounds.turn_seconds * self._random())
        return InstitutionDown(
            f"{name} could not be asked: too many other requests are under way."
            f" It is asked again at {at:%Y-%m-%d %H:%M:%S} UTC.",
            retry_at=at,
        )

    def _of(self, key: str) -> Circuit:
        circuit = self._circuits.get(key)
        if circuit is None:
            circuit = self._circuits[key] = Circuit(self._bounds, self._clock, self._random)
            if len(self._circuits) > self._bounds.circuits_max:
                idle = next(
                    (old for old, other in self._circuits.items() if other is not circuit and not other.users), None
                )
                if idle is not None:
                    del self._circuits[idle]
        self._circuits.move_to_end(key)
        return circuit
