"""A person's own word on which category transactions and sellers belong to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from mintql.domain.categories import check_leaf
from mintql.domain.errors import InvalidInput, NotFound
from mintql.domain.ids import CategoryId, TransactionId, UserId
from mintql.domain.months import first_day
from mintql.services import alerts
from mintql.services.effects import Effects
from mintql.services.events import append_events, transactions_changed
from mintql.services.personal_categories import tree_of
from mintql.store import categories as store
from mintql.store import transactions_read
from mintql.store.locks import lock_users
from mintql.store.queries import Conn
from mintql.store.transactions_read import TransactionRow

RECATEGORIZED_MAX = 500


class Scope(StrEnum):
    """What a choice of category is meant for."""

    ONCE = "once"
    SELLER_FROM_NOW_ON = "seller_from_now_on"


async def recategorize(
    conn: Conn,
    user_id: UserId,
    transaction_ids: Sequence[TransactionId],
    category_id: CategoryId,
    scope: Scope,
    now: datetime,
) -> tuple[list[TransactionRow], Effects]:
    """Put transactions into a category by hand: all of them or, when one cannot be, none.

    With `SELLER_FROM_NOW_ON` transactions of the same sellers that come later go there too; those that are
    there already and are not named stay as they are. The id of a pending transaction that was posted stands
    for the posted one. Returns the transactions in the order they were named, each once.

    Raises:
        InvalidInput: No ids or too many, or a category that transactions cannot carry.
        NotFound: An id is unknown, somebody else's, or of a transaction that was taken back.
    """
    if not 1 <= len(transaction_ids) <= RECATEGORIZED_MAX:
        raise InvalidInput(f"Name 1 to {RECATEGORIZED_MAX} transactions, not {len(transaction_ids)}.", field="ids")
    await lock_users(conn, [user_id])
    check_leaf(await tree_of(conn, user_id), category_id)
    found = await transactions_read.resolve(conn, user_id, transaction_ids)
    missing = next((asked for asked in transaction_ids if asked not in found), None)
    if missing is not None:
        place = transaction_ids.index(missing) + 1
        raise NotFound(f"There is no transaction with the id at place {place}; nothing was changed.", field="ids")
    wanted = list(dict.fromkeys(found[asked].transaction_id for asked in transaction_ids))
    if scope is Scope.SELLER_FROM_NOW_ON:
        keys = sorted({row.merchant_key for row in found.values() if row.merchant_key})
        await store.remember_sellers(conn, user_id, keys, category_id)
    changed = await store.recategorize(conn, user_id, wanted, category_id, now)
    effects = Effects()
    if changed:
        effects.merge(await _tell(conn, user_id, sorted(changed)))
        months = {first_day(posted_on) for posted_on in changed.values()}
        effects.merge(await alerts.evaluate(conn, {user_id: months}, now))
    current = await transactions_read.resolve(conn, user_id, wanted)
    return [current[transaction_id] for transaction_id in wanted], effects


async def _tell(conn: Conn, user_id: UserId, changed: Sequence[TransactionId]) -> Effects:
    _, effects = await append_events(conn, [transactions_changed(user_id, changed=changed)])
    effects.changed.add(user_id)
    return effects
