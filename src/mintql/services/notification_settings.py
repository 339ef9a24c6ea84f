"""How persons want to be told: which kinds on which channels, and when not. Only what they changed is stored."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from mintql.domain.errors import InvalidInput, NotFound
from mintql.domain.ids import AccountId, UserId
from mintql.domain.low_balance import LIMITABLE
from mintql.domain.money import Money
from mintql.domain.notices import Channel, NoticeKind
from mintql.domain.quiet_hours import QuietHours
from mintql.services import examination
from mintql.services.effects import Effects
from mintql.store import balance_limits
from mintql.store import notification_settings as store
from mintql.store.locks import lock_users
from mintql.store.queries import Conn


async def set_enabled(
    conn: Conn, user_id: UserId, kind: NoticeKind, channel: Channel, enabled: bool, now: datetime
) -> Effects:
    """Switch one kind on one channel, e.g. off by the link in a mail."""
    return await switch(conn, user_id, {(kind, channel): enabled}, now)


async def switch(
    conn: Conn, user_id: UserId, wanted: Mapping[tuple[NoticeKind, Channel], bool], now: datetime
) -> Effects:
    """Switch kinds on channels. What is under way already goes out all the same."""
    await lock_users(conn, [user_id])
    await store.switch(conn, user_id, wanted, now)
    return Effects(changed={user_id})


async def set_quiet_hours(conn: Conn, user_id: UserId, quiet: QuietHours | None, now: datetime) -> Effects:
    """Set quiet hours, or take them away. Mail that waits for the end of earlier ones still waits for that."""
    await lock_users(conn, [user_id])
    await store.set_quiet_hours(conn, user_id, quiet, now)
    return Effects(changed={user_id})


async def set_large(conn: Conn, user_id: UserId, large: Money | None, now: datetime) -> Effects:
    """Set from which amount on a transaction is large, or go back to what the person's own history says.

    Raises:
        InvalidInput: It is not above zero, or not in the person's currency.
    """
    currency = (await store.preferences_of(conn, [user_id]))[user_id].currency
    if large is not None and large.currency != currency:
        raise InvalidInput(f"The limit is in {large.currency}, but has to be in {currency}.", field="limit")
    if large is not None and large.amount_minor <= 0:
        raise InvalidInput("The limit has to be above zero.", field="limit")
    await lock_users(conn, [user_id])
    await store.set_large(conn, user_id, large, now)
    return Effects(changed={user_id})


async def set_low_balance(
    conn: Conn, user_id: UserId, account_id: AccountId, limit: Money | None, *, never: bool, now: datetime
) -> Effects:
    """Set below which balance an account is low: a limit, never, or the default where neither is given.

    Raises:
        NotFound: There is no such account of this person.
        InvalidInput: The account owes money, or the limit is in another currency or both are given.
    """
    await lock_users(conn, [user_id])
    account = next(
        (item for item in await balance_limits.limits_of(conn, user_id) if item.account_id == account_id), None
    )
    if account is None:
        raise NotFound("There is no such account.", field="accountId")
    if never and limit is not None:
        raise InvalidInput("Give a limit, or say never, not both.", field="never")
    if limit is not None and account.kind not in LIMITABLE:
        raise InvalidInput(f"{account.name} is an account that owes money: it has no low balance.", field="accountId")
    if limit is not None and limit.currency != account.currency:
        raise InvalidInput(f"The limit is in {limit.currency}, but has to be in {account.currency}.", field="limit")
    if never or limit is not None:
        amount_minor = None if limit is None else limit.amount_minor
        await balance_limits.set_limit(conn, user_id, account_id, amount_minor, now)
    else:
        await balance_limits.unset_limit(conn, user_id, account_id)
    effects = await examination.mark(conn, [user_id], now)
    effects.changed.add(user_id)
    return effects
