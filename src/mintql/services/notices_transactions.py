"""Telling of charges that are large or not as usual: looked for in the last days, by the person's own history."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from mintql.domain.ids import AccountId, UserId
from mintql.domain.low_balance import LIMITABLE, spendable_minor
from mintql.domain.money import Money
from mintql.domain.months import local_date
from mintql.domain.notable import (
    HISTORY_CHARGES_MIN,
    SPREAD_FLOOR_MINOR,
    Charge,
    Duplicate,
    Earlier,
    Spread,
    duplicates,
    is_large,
    is_new_seller,
    large_limit,
    outlier,
)
from mintql.domain.notice_texts import (
    AccountLeft,
    Words,
    duplicate_words,
    large_words,
    new_seller_words,
    outlier_words,
)
from mintql.domain.notices import NewNotice, NoticeKind
from mintql.domain.recurring_categories import left_out
from mintql.services.effects import Effects
from mintql.services.notices import raise_notices
from mintql.services.personal_categories import tree_of
from mintql.store import balance_limits, notification_settings
from mintql.store import notable as store
from mintql.store.queries import Conn

NEWS_DAYS = 7
"""Charges of earlier days are history, also where they come in only now."""
AHEAD_DAYS = 31
"""Banks book some charges ahead."""
SPREAD_DAYS = 182
SPREAD_MAX = 2_000
"""So many of the newest charges of those days say how charges are."""
EARLIER_DAYS = 400
EARLIER_MAX = 100
CHARGES_MAX = 2_000
"""Charges of one person in a week; of more the first are looked at."""
KINDS = (NoticeKind.LARGE_TRANSACTION, NoticeKind.UNUSUAL_TRANSACTION)


@dataclass(frozen=True, slots=True)
class _Known:
    """What a person's charges are measured by."""

    user_id: UserId
    spreads: Mapping[str, Spread]
    history: Mapping[store.Seller, Sequence[Earlier]]
    accounts: Mapping[AccountId, AccountLeft]
    large: Money | None

    def earlier(self, charge: Charge) -> list[Earlier]:
        """Return the seller's charges before this one."""
        place = (charge.posted_on, charge.transaction_id)
        of_seller = self.history.get((charge.merchant_key, charge.currency), ()) if charge.merchant_key else ()
        return [item for item in of_seller if (item.posted_on, item.root_id) < place]

    def account(self, charge: Charge) -> AccountLeft:
        return self.accounts.get(charge.account_id, AccountLeft("The account"))


async def look(conn: Conn, user_id: UserId, now: datetime, only: Collection[str] | None = None) -> Effects:
    """Raise notifications for charges of the last days that are large or not as usual.

    Of the sellers `only`, by their keys, where they are given: those with changes since the last look.
    """
    preferences = (await notification_settings.preferences_of(conn, [user_id])).get(user_id)
    if preferences is None:
        return Effects()
    today = local_date(now, preferences.time_zone)
    recent, tree = today - timedelta(days=NEWS_DAYS), await tree_of(conn, user_id)
    transfers = left_out(tree)
    last = today + timedelta(days=AHEAD_DAYS)
    charges = await store.charges(conn, user_id, recent, last, transfers, CHARGES_MAX, only)
    if not any(charge.is_news for charge in charges):
        return Effects()
    before = recent - timedelta(days=1)
    spreads: dict[str, Spread] = {}
    if any(charge.is_news and charge.amount_minor >= SPREAD_FLOOR_MINOR for charge in charges):
        since = before - timedelta(days=SPREAD_DAYS)
        spreads = await store.spreads(conn, user_id, since, before, transfers, SPREAD_MAX)
    known = _Known(
        user_id,
        spreads,
        await store.earlier(
            conn,
            user_id,
            [(charge.merchant_key, charge.currency) for charge in charges],
            today - timedelta(days=EARLIER_DAYS),
            EARLIER_MAX,
        ),
        await _accounts(conn, user_id),
        preferences.large,
    )
    found = {notice.subject: notice for notice in _notices(charges, known)}
    told = await store.told_subjects(conn, user_id, KINDS, found)
    return await raise_notices(conn, [notice for subject, notice in found.items() if subject not in told], now)


async def _accounts(conn: Conn, user_id: UserId) -> dict[AccountId, AccountLeft]:
    accounts: dict[AccountId, AccountLeft] = {}
    for item in await balance_limits.limits_of(conn, user_id):
        left_minor = spendable_minor(item.balance_minor, item.available_minor) if item.kind in LIMITABLE else None
        left = None if left_minor is None else Money(left_minor, item.currency)
        accounts[item.account_id] = AccountLeft(item.name, left)
    return accounts


def _notices(charges: Sequence[Charge], known: _Known) -> Iterator[NewNotice]:
    """Give a notification for each charge that is worth one: what is not as usual says more than what is large."""
    for found in duplicates(charges, known.history):
        yield _duplicate(found, known)
    for charge in charges:
        if charge.is_news:
            yield from _of_charge(charge, known)


def _of_charge(charge: Charge, known: _Known) -> Iterator[NewNotice]:
    earlier, spread = known.earlier(charge), known.spreads.get(charge.currency)
    account = known.account(charge)
    chosen = known.large is not None and known.large.currency == charge.currency
    limit_minor = large_limit(spread, known.large.amount_minor if chosen and known.large is not None else None)
    unusual = outlier(charge, earlier)
    if unusual is not None:
        yield _notice(
            charge, known, NoticeKind.UNUSUAL_TRANSACTION, outlier_words(unusual, account), unusual.usual_minor
        )
    elif is_new_seller(charge, earlier, spread):
        yield _notice(charge, known, NoticeKind.UNUSUAL_TRANSACTION, new_seller_words(charge, account), None)
    elif is_large(charge, limit_minor, earlier, chosen=chosen):
        has_history = spread is not None and spread.count >= HISTORY_CHARGES_MIN
        words = large_words(charge, Money(limit_minor, charge.currency), account, chosen=chosen, known=has_history)
        yield _notice(charge, known, NoticeKind.LARGE_TRANSACTION, words, limit_minor)


def _notice(charge: Charge, known: _Known, kind: NoticeKind, words: Words, limit_minor: int | None) -> NewNotice:
    return NewNotice(
        user_id=known.user_id,
        kind=kind,
        subject=f"transaction {charge.root_id}",
        title=words.title,
        body=words.body,
        category_id=charge.category_id,
        account_id=charge.account_id,
        transaction_ids=(charge.transaction_id,),
        amount_minor=charge.amount_minor,
        limit_minor=limit_minor,
        currency=charge.currency,
        period_first=charge.posted_on,
        period_last=charge.posted_on,
    )


def _duplicate(found: Duplicate, known: _Known) -> NewNotice:
    charge, first = found.charge, found.first
    words = duplicate_words(found, known.account(charge))
    return NewNotice(
        user_id=known.user_id,
        kind=NoticeKind.UNUSUAL_TRANSACTION,
        subject=f"duplicate {first.root_id} {charge.root_id}",
        title=words.title,
        body=words.body,
        category_id=charge.category_id,
        account_id=charge.account_id,
        transaction_ids=(charge.transaction_id, first.transaction_id),
        amount_minor=charge.amount_minor,
        currency=charge.currency,
        period_first=first.posted_on,
        period_last=charge.posted_on,
    )
