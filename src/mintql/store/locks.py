"""The order in which writers lock, so that none can wait for another in a circle.

0. the idempotency key that the transaction stands for (`store/idempotency.py`), which nobody waits for; or, for who
   writes down a failed attempt, the turn to count them (`store/audit.take_turn`)
1. advisory locks of the persons, ascending (`lock_users`)
2. rows of connections, then of sync_runs, each ascending by person and id
3. rows of transactions
4. rows of monthly_spending, in the order of their key (the triggers sort)
5. rows of user_counters, ascending, then what is appended under them: alerts, events, outbox
6. buckets of sellers that votes are counted for, ascending, all of a transaction at once (`store/crowd.py`)
7. rows of webhook_endpoints, then of webhook_deliveries; a worker that sends holds one endpoint at a time, and no
   person's lock

A trigger appends the event that a connection's state or error has changed: whoever writes those holds the person's
lock already, so that step 5 before step 3 can meet nobody who goes the other way.

Two writers of one person never get past step 1 together; the later steps are ordered all the same, for
writers (deletion of a person, say) that come without step 1.
"""

from __future__ import annotations

from collections.abc import Iterable

from mintql.domain.ids import UserId
from mintql.store.queries import Conn, load

SQL = load("locks")


async def lock_users(conn: Conn, user_ids: Iterable[UserId]) -> None:
    """Take the write locks of these persons until the transaction ends."""
    await conn.fetch(SQL.lock_users, sorted(set(user_ids)))
