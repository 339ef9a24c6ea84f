"""Telling of balances that are low: once for each time that an account falls below its limit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from mintql.domain.ids import UserId
from mintql.domain.low_balance import low_balance_limit, spendable_minor
from mintql.domain.money import Money
from mintql.domain.months import local_date
from mintql.domain.notice_texts import low_balance_words
from mintql.domain.notices import NewNotice, NoticeKind
from mintql.domain.recurring import Expected
from mintql.services.effects import Effects
from mintql.services.notices import raise_notices
from mintql.services.recurring import expected_between
from mintql.store import balance_limits as store
from mintql.store import notification_settings
from mintql.store.balance_limits import BalanceLimit
from mintql.store.queries import Conn

BALANCE_DAYS_MAX = 7
"""An older balance says nothing of today."""
BILLS_DAYS = 14
"""How far ahead bills are named."""


async def look(conn: Conn, user_id: UserId, now: datetime) -> Effects:
    """Raise notifications for accounts that have become low, and note those that are low no longer."""
    preferences = (await notification_settings.preferences_of(conn, [user_id])).get(user_id)
    if preferences is None:
        return Effects()
    fallen: list[tuple[BalanceLimit, Money, Money]] = []
    recovered: list[BalanceLimit] = []
    for account in await store.limits_of(conn, user_id):
        limit_minor = low_balance_limit(account.kind, is_set=account.is_set, limit_minor=account.limit_minor)
        spendable = spendable_minor(account.balance_minor, account.available_minor)
        if limit_minor is None or (spendable is not None and spendable >= limit_minor):
            recovered += [account] * (account.since is not None)
        elif spendable is not None and account.since is None and _is_recent(account, now):
            fallen.append((account, Money(spendable, account.currency), Money(limit_minor, account.currency)))
    if recovered:
        await store.end_dips(conn, user_id, [account.account_id for account in recovered])
    if not fallen:
        return Effects()
    await store.begin_dips(conn, user_id, [account.account_id for account, _, _ in fallen], now)
    today = local_date(now, preferences.time_zone)
    until = today + timedelta(days=BILLS_DAYS)
    bills = await expected_between(conn, user_id, today, until)
    raised = [_notice(user_id, *item, bills, (today, until), now) for item in fallen]
    return await raise_notices(conn, raised, now)


def _is_recent(account: BalanceLimit, now: datetime) -> bool:
    return account.balance_at is not None and now - account.balance_at <= timedelta(days=BALANCE_DAYS_MAX)


def _notice(
    user_id: UserId,
    account: BalanceLimit,
    spendable: Money,
    limit: Money,
    bills: Sequence[Expected],
    days: tuple[date, date],
    now: datetime,
) -> NewNotice:
    today, until = days
    coming = [
        (bill.merchant, Money(-bill.amount_minor, bill.currency))
        for bill in bills
        if bill.account_id == account.account_id and bill.amount_minor < 0 and bill.currency == account.currency
    ]
    words = low_balance_words(account.name, spendable, limit, today, coming, until)
    return NewNotice(
        user_id=user_id,
        kind=NoticeKind.LOW_BALANCE,
        subject=f"account {account.account_id} since {now.isoformat()}",
        title=words.title,
        body=words.body,
        account_id=account.account_id,
        amount_minor=spendable.amount_minor,
        limit_minor=limit.amount_minor,
        currency=account.currency,
        period_first=today,
        period_last=until,
    )
