"""When the balance of an account is low."""

from __future__ import annotations

from mintql.domain.institutions import AccountKind

LIMIT_DEFAULT_MINOR = 10_000
"""In minor units of the account's currency: 100 dollars or euros, 10,000 yen. About a week's food anywhere."""

_BY_DEFAULT = frozenset({AccountKind.CHECKING})
"""Kinds from which bills are paid. A savings account may be empty, and what is owed is never plenty."""

LIMITABLE = frozenset({AccountKind.CHECKING, AccountKind.SAVINGS, AccountKind.INVESTMENT, AccountKind.OTHER})
"""Kinds that hold money rather than owe it."""


def low_balance_limit(kind: AccountKind, *, is_set: bool, limit_minor: int | None) -> int | None:
    """Return below which balance an account is low, None for never; `limit_minor` counts when it is set."""
    if is_set:
        return limit_minor
    return LIMIT_DEFAULT_MINOR if kind in _BY_DEFAULT else None


def spendable_minor(balance_minor: int | None, available_minor: int | None) -> int | None:
    """Return what can be spent: what the institution calls available, else the balance; None when it says neither."""
    return balance_minor if available_minor is None else available_minor
