"""The audit log: security-relevant acts, written in the transaction of the act, for the person to read.

Where the request came from is known at the door and wanted here, while every use case between the two has no use for
it. So the door says it once (`heard_from`), for whatever is done for that request.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta

from mintql.domain.audit import NOWHERE, SIGN_IN_FAILED, Origin
from mintql.domain.ids import UserId
from mintql.store import audit as store
from mintql.store.queries import Conn

KEPT_DAYS = 400
"""How long an act stays written down."""
FAILURES_PER_HOUR_MAX = 20
"""Failed attempts of one person written down in an hour: who guesses passwords cannot fill the log with it."""

_origin: ContextVar[Origin] = ContextVar("origin of the request", default=NOWHERE)


@contextmanager
def heard_from(origin: Origin) -> Iterator[None]:
    """Let what is done within be written down as asked for from there."""
    token = _origin.set(origin)
    try:
        yield
    finally:
        _origin.reset(token)


def begin_hearing(origin: Origin) -> None:
    """Say where everything that this task goes on to do is asked for from: for a connection that stays open."""
    _origin.set(origin)


def current_origin() -> Origin:
    """Return where the present request came from."""
    return _origin.get()


async def record(
    conn: Conn, user_id: UserId, act: str, now: datetime, detail: Mapping[str, str | int] | None = None
) -> None:
    """Write down what was done, e.g. `webhook_added`. `detail` says to what, never a secret and never an amount."""
    await store.record(conn, user_id, act, detail or {}, _origin.get(), now)


async def record_failure(conn: Conn, user_id: UserId, now: datetime, act: str = SIGN_IN_FAILED) -> None:
    """Write down that a password was wrong, unless as many were written down in the last hour as are kept.

    Attempts are written down one after another, so that those that come at once are counted as well.
    """
    await store.take_turn(conn, user_id)
    since = now - timedelta(hours=1)
    await store.record(conn, user_id, act, {}, _origin.get(), now, since=since, at_most=FAILURES_PER_HOUR_MAX)
