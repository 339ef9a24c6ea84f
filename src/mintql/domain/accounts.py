"""Whether the accounts that two connections show are the same ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from mintql.domain.institutions import AccountKind, ProviderAccount

Look = tuple[AccountKind, str, str, str]
"""Kind, currency, name and last digits of an account: what is said of it beside its id."""


def _look(account: ProviderAccount) -> Look:
    return account.kind, account.currency, account.name, account.mask


def _is_same(one: ProviderAccount, other: ProviderAccount) -> bool:
    """Tell whether accounts of one id are the same: ids are short at some places, and begin at 1 everywhere."""
    named_alike = one.name == other.name or (one.mask != "" and one.mask == other.mask)
    return one.kind == other.kind and one.currency == other.currency and named_alike


def count_same(shown: Sequence[ProviderAccount], known: Sequence[ProviderAccount]) -> int:
    """Return how many accounts of an institution that are `shown` are among those `known` there.

    The same have the same id, or else the same kind, currency, name and last digits, with no second one like it on
    either side. None are where an id stands for two accounts that differ, or where less than half of the fewer
    agree: then other accounts are shown, of another person perhaps, and one that agrees does so by chance.
    """
    by_id = {account.external_id: account for account in known}
    same = 0
    for account in shown:
        other = by_id.get(account.external_id)
        if other is not None and not _is_same(account, other):
            return 0
        same += other is not None
    shown_ids = {account.external_id for account in shown}
    mine = _looks(account for account in shown if account.external_id not in by_id)
    theirs = _looks(account for account in known if account.external_id not in shown_ids)
    same += sum(1 for look, number in mine.items() if number == theirs.get(look) == 1)
    return same if 2 * same >= min(len(shown), len(known)) else 0


def _looks(accounts: Iterable[ProviderAccount]) -> Counter[Look]:
    """Count accounts that look alike; one without last digits looks like none."""
    return Counter(_look(account) for account in accounts if account.mask)
