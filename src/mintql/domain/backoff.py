"""How long somebody who guesses at a secret has to wait: growing waits, bounded, and forgiven with time."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta

IPV6_NETWORK_BITS = 64
"""What one subscriber is given at least (RFC 6177): who has it has all of its addresses."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """The first `free` wrong guesses cost nothing, the next one `wait_first`, each further one twice as much.

    No wait is longer than `wait_max`. A guess is forgiven for each `forgiven_every` without one.
    """

    free: int
    wait_first: timedelta
    wait_max: timedelta
    forgiven_every: timedelta

    def wait_after(self, count: int) -> timedelta:
        """Return how long nobody may guess again after so many wrong guesses."""
        doublings = count - self.free - 1
        if doublings < 0:
            return timedelta(0)
        longest = (self.wait_max / self.wait_first).__ceil__().bit_length()
        return min(self.wait_max, self.wait_first * (1 << min(doublings, longest)))


@dataclass(frozen=True, slots=True)
class Guesses:
    """How many wrong guesses count, as of the last one at `guessed_at`; until `blocked_until` none is taken."""

    count: int
    guessed_at: datetime
    blocked_until: datetime

    def counted(self, backoff: Backoff, now: datetime) -> Guesses:
        """Return what is so after one more guess, counted as wrong until it turns out to be right."""
        quiet = max(now - self.guessed_at, timedelta(0))
        count = max(0, self.count - quiet // backoff.forgiven_every) + 1
        # A free guess moves nothing: others that began a moment earlier may still be on their way.
        wait = backoff.wait_after(count)
        return Guesses(count, max(now, self.guessed_at), now + wait if wait else self.blocked_until)

    def given_back(self, backoff: Backoff, now: datetime) -> Guesses:
        """Return what is so when one of them was right."""
        count = max(0, self.count - 1)
        return Guesses(count, self.guessed_at, min(self.blocked_until, now + backoff.wait_after(count)))


def network_of(address: str) -> str | None:
    """Return the network that an address speaks for: itself, or the /64 of IPv6; None for no address."""
    if not address:
        return None
    found = ipaddress.ip_address(address)
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped  # As a socket for both protocols names clients with IPv4.
    bits = IPV6_NETWORK_BITS if found.version == 6 else found.max_prefixlen  # noqa: PLR2004 - the protocol's number
    return str(ipaddress.ip_network(f"{found}/{bits}", strict=False))
