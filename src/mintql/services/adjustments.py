"""What a person sets on transactions beside notes, tags and splits: the name to show, whether budgets count them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mintql.domain.errors import InvalidInput
from mintql.domain.ids import TransactionId, UserId
from mintql.domain.months import first_day
from mintql.services import alerts
from mintql.services.annotations import TAGGED_MAX
from mintql.services.choices import find_transactions
from mintql.services.effects import Effects
from mintql.services.events import append_events, transactions_changed
from mintql.services.rules import DISPLAY_NAME_LENGTH_MAX, line
from mintql.store import annotations as store
from mintql.store.locks import lock_users
from mintql.store.queries import Conn
from mintql.store.transactions_read import TransactionRow

ADJUSTED_MAX = TAGGED_MAX
"""Transactions in one call: what is chosen to be tagged can be chosen for this."""


@dataclass(frozen=True, slots=True)
class Adjustment:
    """What is to be set; each is only looked at if `changes_...`, and None takes the person's or a rule's word away."""

    changes_name: bool = False
    display_name: str | None = None
    changes_excluded: bool = False
    excluded_from_budgets: bool | None = None


async def adjust(
    conn: Conn, user_id: UserId, transaction_ids: Sequence[TransactionId], wish: Adjustment, now: datetime
) -> tuple[list[TransactionRow], Effects]:
    """Set a name to show, or whether budgets leave them out, on all of these transactions; return them as they are.

    Rules that come later leave it as it is.

    Raises:
        InvalidInput: No ids or too many, nothing to set, or a name that cannot be.
        NotFound: An id is unknown, somebody else's, or of a transaction that was taken back.
    """
    if not 1 <= len(transaction_ids) <= ADJUSTED_MAX:
        raise InvalidInput(f"Name 1 to {ADJUSTED_MAX} transactions, not {len(transaction_ids)}.", field="ids")
    if not (wish.changes_name or wish.changes_excluded):
        raise InvalidInput("Give a name to show, or whether budgets leave the transactions out.")
    name = line(wish.display_name or "", DISPLAY_NAME_LENGTH_MAX, "displayName", "The name to show") or None
    await lock_users(conn, [user_id])
    wanted = [row.transaction_id for row in await find_transactions(conn, user_id, transaction_ids, "ids")]
    changed = await store.adjust(
        conn,
        user_id,
        wanted,
        name=(wish.changes_name, name),
        excluded=(wish.changes_excluded, wish.excluded_from_budgets),
        now=now,
    )
    effects = Effects()
    if changed:
        _, effects = await append_events(conn, [transactions_changed(user_id, changed=sorted(changed))])
        effects.changed.add(user_id)
        months = {first_day(posted_on) for posted_on in changed.values()}
        effects.merge(await alerts.evaluate(conn, {user_id: months}, now))
    return await find_transactions(conn, user_id, wanted, "ids"), effects
