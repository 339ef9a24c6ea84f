"""Who guesses at passwords and codes waits, longer each time, in whichever process they are answered.

Counted are guesses at one account from one network, at one account from anywhere, and from one network at any account.
A guess is counted before the secret is looked at, and given back when it was right: a thousand guesses sent at once are
a thousand guesses. Addresses that nobody signed up with count the same way, so that a wait tells nobody who has an
account.

The count is kept in PostgreSQL, without which nobody signs in anyway. So there is no moment at which guesses are free.

Nobody can be kept out for long by others: waits are bounded, a session that is there goes on, and on a network where a
person is signed in only what came from that network counts. Whoever asks while they have to wait is refused without
being counted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mintql.domain.backoff import Backoff, Guesses, network_of
from mintql.domain.errors import TooManyAttempts
from mintql.domain.ids import UserId
from mintql.gateways.vault import Vault
from mintql.services.audit import current_origin
from mintql.store import guesses as store
from mintql.store.queries import Conn

HERE = Backoff(
    free=5, wait_first=timedelta(seconds=1), wait_max=timedelta(minutes=15), forgiven_every=timedelta(hours=1)
)
"""At one account from one network, and at what is asked for within a session: 96 guesses a day at most."""
ANYWHERE = Backoff(
    free=20, wait_first=timedelta(seconds=1), wait_max=timedelta(minutes=5), forgiven_every=timedelta(minutes=5)
)
"""At one account from all networks where its person is not signed in: wider, because others can use it up."""
NETWORK = Backoff(
    free=100, wait_first=timedelta(seconds=1), wait_max=timedelta(minutes=5), forgiven_every=timedelta(seconds=30)
)
"""From one network at any account: many may share it, and of those some always mistype."""
NEVER = Guesses(0, datetime.fromtimestamp(0, UTC), datetime.fromtimestamp(0, UTC))
KEPT_DAYS = 1
"""How long what was guessed at is remembered."""


@dataclass(frozen=True, slots=True)
class Counted:
    """A guess that is counted as wrong until it is given back. `fresh` is forgotten entirely once a guess was right."""

    bounds: dict[bytes, Backoff]
    fresh: bytes


async def begin_sign_in(
    conn: Conn, vault: Vault, email: str, user_id: UserId | None, now: datetime, *, is_known: bool
) -> Counted:
    """Count a guess at the password of an account, or of nobody's; `is_known`: they are signed in on this network.

    Raises:
        TooManyAttempts: It is too soon; the guess was not counted.
    """
    account = email.casefold() if user_id is None else str(int(user_id))
    return await _begin(conn, vault, "password", account, now, from_anywhere=not is_known)


async def begin_code(conn: Conn, vault: Vault, user_id: UserId, now: datetime) -> Counted:
    """Count a guess at the second factor of somebody whose password was right; raise `TooManyAttempts`."""
    return await _begin(conn, vault, "code", str(int(user_id)), now, from_anywhere=True)


async def begin_prompt(conn: Conn, vault: Vault, user_id: UserId, now: datetime) -> Counted:
    """Count a guess at a secret that is asked for within a session; raise `TooManyAttempts`.

    Wherever it comes from, for only who has a session can guess here.
    """
    subject = vault.fingerprint("guess", "prompt", str(int(user_id)))
    return await _count(conn, Counted({subject: HERE}, subject), now)


async def give_back(conn: Conn, counted: Counted, now: datetime) -> None:
    """Take back what was counted: the guess was right."""
    rows = await store.lock(conn, counted.bounds)
    kept = {subject: one.given_back(counted.bounds[subject], now) for subject, one in rows.items()}
    await store.write(conn, kept | {counted.fresh: NEVER})


async def _begin(conn: Conn, vault: Vault, kind: str, account: str, now: datetime, *, from_anywhere: bool) -> Counted:
    network = network_of(current_origin().address)
    here = vault.fingerprint("guess", kind, "account here", account, network or "")
    bounds = {here: HERE}
    if from_anywhere:
        bounds[vault.fingerprint("guess", kind, "account", account)] = ANYWHERE
    if network is not None:
        bounds[vault.fingerprint("guess", kind, "network", network)] = NETWORK
    return await _count(conn, Counted(bounds, here), now)


async def _count(conn: Conn, counted: Counted, now: datetime) -> Counted:
    rows = await store.lock(conn, counted.bounds)
    blocked_until = max(one.blocked_until for one in rows.values())
    if blocked_until > now:
        seconds = math.ceil((blocked_until - now).total_seconds())
        raise TooManyAttempts(
            f"Too many attempts. Wait {seconds} {'second' if seconds == 1 else 'seconds'}, then try again.",
            retry_after_seconds=seconds,
        )
    await store.write(conn, {subject: one.counted(counted.bounds[subject], now) for subject, one in rows.items()})
    return counted
