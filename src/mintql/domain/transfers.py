"""Which transactions are two sides of one transfer between a person's own accounts.

A transfer is money that leaves one account and reaches another: exactly opposite amounts of one currency, booked at
most a few days apart, each transaction a side of one transfer at most. That two amounts are opposite says little by
itself, as a purchase may cost what a refund brought back; so words, codes and kinds of accounts have to speak for it,
and nothing against it. What speaks clearly makes a transfer certain, what speaks weakly a suggestion.

Out of scope: transfers between currencies, whose amounts differ by a rate that no side tells.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import IntEnum, StrEnum
from typing import NamedTuple

from mintql.domain.categories import Category, CategoryKind, CategorySource, CategoryTree
from mintql.domain.ids import AccountId, CategoryId, ConnectionId, TransactionId
from mintql.domain.institutions import AccountKind

TRANSFER_DAYS_MAX = 5
"""How many days apart the two sides may be booked: two banking days, with a weekend and a holiday between them."""
PARTNERS_MAX = 40
"""How many partners of one transaction are weighed; more of one amount within days are no transfers of a person."""

LOAN_SLUGS = frozenset({"mortgage", "car-payment", "student-loan", "loan-payment"})
"""Categories of what is paid for loans. It is spending, also where the loan is an account of the person's own: the
money is gone, people set limits for it, and no bank tells how much of it is interest."""
_BETWEEN_PEOPLE = "person-to-person"
_NAMED_KINDS: Mapping[str, AccountKind] = {
    "credit-card-payment": AccountKind.CREDIT_CARD,
    "savings-transfer": AccountKind.SAVINGS,
    "investment-transfer": AccountKind.INVESTMENT,
}
"""Kinds of accounts that a category speaks of."""
_KEEPS = frozenset({CategorySource.MANUAL, CategorySource.RULE, CategorySource.MEMORY})
"""Reasons that are the person's own word; a transfer changes none of them."""


class TransferState(StrEnum):
    """What holds of a transfer. Only `applied` ones change categories; the last two are never found again."""

    APPLIED = "applied"
    SUGGESTED = "suggested"
    DISMISSED = "dismissed"
    UNDONE = "undone"


class Evidence(IntEnum):
    """What one side says of its being a transfer, from no to yes.

    `WEAKLY_OTHERWISE` is a mere keyword or a vague code, `NOTHING` no category at all, `HINTS` an account of a kind
    that hardly anything but transfers reaches.
    """

    OTHERWISE = 0
    WEAKLY_OTHERWISE = 1
    NOTHING = 2
    HINTS = 3
    SAYS = 4


class Reason(NamedTuple):
    """A category with why it was chosen, as a transaction keeps it."""

    category_id: CategoryId
    source: CategorySource
    detail: str


@dataclass(frozen=True, slots=True)
class OwnAccount:
    """An account of the person's, as far as it matters here. `mask` is its last digits, "" where unknown."""

    account_id: AccountId
    connection_id: ConnectionId
    kind: AccountKind
    mask: str


@dataclass(frozen=True, slots=True)
class Side:
    """A transaction that may be one side. `reason` is the one it has without being part of any transfer."""

    transaction_id: TransactionId
    external_id: str
    account: OwnAccount
    posted_on: date
    amount_minor: int
    currency: str
    reason: Reason

    @property
    def place(self) -> tuple[date, AccountId, str]:
        """An order that does not depend on what came first."""
        return (self.posted_on, self.account.account_id, self.external_id)


@dataclass(frozen=True, slots=True)
class Found:
    """A transfer that was found: certain ones are applied, others suggested."""

    out: Side
    into: Side
    certain: bool


@dataclass(frozen=True, slots=True)
class _Pair:
    out: Side
    into: Side
    strength: int
    certain: bool

    @property
    def rank(self) -> tuple[object, ...]:
        gap = abs((self.into.posted_on - self.out.posted_on).days)
        return (not self.certain, -self.strength, gap, self.out.place, self.into.place)


def match_transfers(
    tree: CategoryTree, sides: Iterable[Side], kept_apart: Collection[tuple[TransactionId, TransactionId]] = ()
) -> list[Found]:
    """Return the transfers among one person's transactions, each transaction in one at most.

    The best go first: certain before possible, with more evidence before less, nearer days before farther ones. The
    result depends on the transactions alone, not on their order.

    Args:
        tree: The person's categories.
        sides: Transactions that count and are whole, of any amounts and accounts.
        kept_apart: Pairs (out, in) that the person said are none.
    """
    by_amount: dict[tuple[str, int], list[Side]] = {}
    for side in sides:
        by_amount.setdefault((side.currency, abs(side.amount_minor)), []).append(side)
    found: list[Found] = []
    for (_, amount_minor), group in by_amount.items():
        if amount_minor:
            found += _match_group(tree, group, kept_apart)
    return sorted(found, key=lambda item: (item.out.place, item.into.place))


def _match_group(
    tree: CategoryTree, group: Sequence[Side], kept_apart: Collection[tuple[TransactionId, TransactionId]]
) -> list[Found]:
    """Match transactions of one amount."""
    outs = sorted((side for side in group if side.amount_minor < 0), key=lambda side: side.place)
    ins = sorted((side for side in group if side.amount_minor > 0), key=lambda side: side.place)
    pairs = [
        pair
        for out in outs
        for into in _near(out, ins)
        if (out.transaction_id, into.transaction_id) not in kept_apart and (pair := _pair(tree, out, into)) is not None
    ]
    taken: set[TransactionId] = set()
    chosen: list[_Pair] = []
    for pair in sorted(pairs, key=lambda pair: pair.rank):
        if taken.isdisjoint((pair.out.transaction_id, pair.into.transaction_id)):
            taken |= {pair.out.transaction_id, pair.into.transaction_id}
            chosen.append(pair)
    left = [pair for pair in pairs if (pair.out.transaction_id in taken) is not (pair.into.transaction_id in taken)]
    return [Found(pair.out, pair.into, pair.certain and not _contested(tree, pair, left, taken)) for pair in chosen]


def _near(out: Side, ins: Sequence[Side]) -> Sequence[Side]:
    margin = timedelta(days=TRANSFER_DAYS_MAX)
    first = bisect_left(ins, out.posted_on - margin, key=lambda side: side.posted_on)
    end = bisect_right(ins, out.posted_on + margin, key=lambda side: side.posted_on)
    return ins[first : min(end, first + PARTNERS_MAX)]


def _pair(tree: CategoryTree, out: Side, into: Side) -> _Pair | None:
    """Return two transactions of opposite amounts as a pair, None where they cannot be one transfer."""
    if are_one_account(out.account, into.account):
        return None
    said = (evidence(tree, out, into), evidence(tree, into, out))
    low, high = min(said), max(said)
    if low is Evidence.OTHERWISE:
        return None
    says = high is Evidence.SAYS
    hints = low is Evidence.NOTHING or (low is Evidence.HINTS and high is Evidence.HINTS)
    if not says and not hints:
        return None
    return _Pair(out, into, low + high, says and _fits(tree, out, into))


def are_one_account(one: OwnAccount, other: OwnAccount) -> bool:
    """Tell whether two accounts are one, or look like one that is read through two connections."""
    if one.account_id == other.account_id:
        return True
    looks_alike = one.kind is other.kind and one.mask != "" and one.mask == other.mask
    return looks_alike and one.connection_id != other.connection_id


def evidence(tree: CategoryTree, side: Side, other: Side) -> Evidence:
    """Return what a transaction says of its being a transfer to or from the account of another."""
    category, (_, source, detail) = tree.by_id[side.reason.category_id], side.reason
    is_in = side.amount_minor > 0
    if category.slug in LOAN_SLUGS:
        reached = side if is_in else other
        return Evidence.SAYS if reached.account.kind is AccountKind.LOAN else Evidence.OTHERWISE
    vague = detail.endswith(" vague")
    if category.kind is CategoryKind.TRANSFER:
        if source in _KEEPS:
            return Evidence.SAYS
        return Evidence.HINTS if vague or category.slug == _BETWEEN_PEOPLE else Evidence.SAYS
    if side.account.kind is AccountKind.CREDIT_CARD and not is_in:
        return Evidence.OTHERWISE  # What leaves a card buys something, unless words say that it does not.
    if source is CategorySource.NONE:
        return Evidence.HINTS if _hints(side.account.kind, is_in=is_in) else Evidence.NOTHING
    keyword = source is CategorySource.KEYWORD and not detail.startswith("bank: ")
    return Evidence.WEAKLY_OTHERWISE if keyword or vague else Evidence.OTHERWISE


def _hints(kind: AccountKind, *, is_in: bool) -> bool:
    if kind in (AccountKind.SAVINGS, AccountKind.INVESTMENT):
        return True
    return is_in and kind in (AccountKind.CREDIT_CARD, AccountKind.LOAN)


def _fits(tree: CategoryTree, out: Side, into: Side) -> bool:
    """Tell whether what each side names is one of the two accounts: a card is paid on a card's account."""
    kinds = (out.account.kind, into.account.kind)
    for side in (out, into):
        category = tree.by_id[side.reason.category_id]
        named = None if side.reason.source in _KEEPS else _NAMED_KINDS.get(category.slug)
        if named is None or AccountKind.OTHER in kinds:
            continue
        if named is AccountKind.CREDIT_CARD:
            if into.account.kind not in (named, AccountKind.LOAN):
                return False
        elif named not in kinds:
            return False
    return True


def _contested(tree: CategoryTree, pair: _Pair, left: Iterable[_Pair], taken: Collection[TransactionId]) -> bool:
    """Tell whether a transaction that is left over could as well be the side that does not say that it is one."""
    for side, other in ((pair.out, pair.into), (pair.into, pair.out)):
        if evidence(tree, side, other) is Evidence.SAYS:
            continue
        for rival in left:
            own, theirs = (rival.out, rival.into) if side is pair.out else (rival.into, rival.out)
            if (
                theirs is other
                and own.transaction_id not in taken
                and own.account.account_id != side.account.account_id
                and rival.certain is pair.certain
                and rival.strength >= pair.strength
            ):
                return True
    return False


def keeps(tree: CategoryTree, side: Side, into: OwnAccount) -> bool:
    """Tell whether a side's category stays as it is: by the person's own word, or because it pays for a loan."""
    category = tree.by_id[side.reason.category_id]
    if category.slug in LOAN_SLUGS:
        return into.kind is AccountKind.LOAN
    return side.reason.source in _KEEPS and category.kind is CategoryKind.TRANSFER


def may_be_side(category: Category, into: OwnAccount) -> bool:
    """Tell whether a side of a transfer into this account can be in the category."""
    paid_for_loan = category.slug in LOAN_SLUGS and into.kind is AccountKind.LOAN
    return category.kind is CategoryKind.TRANSFER or paid_for_loan


def side_categories(tree: CategoryTree, out: Side, into: Side) -> tuple[CategoryId | None, CategoryId | None]:
    """Return the categories that the two sides belong into, None for a side that keeps its own."""
    kinds = {out.account.kind, into.account.kind}
    if into.account.kind is AccountKind.CREDIT_CARD:
        slug = "credit-card-payment"
    elif AccountKind.LOAN in kinds:
        slug = "account-transfer"
    elif AccountKind.INVESTMENT in kinds:
        slug = "investment-transfer"
    elif AccountKind.SAVINGS in kinds:
        slug = "savings-transfer"
    else:
        slug = "account-transfer"
    moved = tree.by_slug[slug].category_id
    says_transfer = tree.by_id[out.reason.category_id].kind is CategoryKind.TRANSFER
    paid = moved
    if into.account.kind is AccountKind.LOAN and not says_transfer:
        paid = tree.redirect(tree.by_slug["loan-payment"].category_id) or moved
    return (
        None if keeps(tree, out, into.account) else paid,
        None if keeps(tree, into, into.account) else moved,
    )
