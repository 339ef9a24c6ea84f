"""What notifications say: a line, and sentences with what happened, why, and what is left until when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from mintql.domain.money import Money
from mintql.domain.notable import Charge, Duplicate, Outlier

CAUSES_NAMED_MAX = 3
NAMES_MAX = 2


@dataclass(frozen=True, slots=True)
class Words:
    """A line to show, and whole sentences."""

    title: str
    body: str


@dataclass(frozen=True, slots=True)
class AccountLeft:
    """What an account holds after a charge; `left` is None where that is not known, or it owes money."""

    name: str
    left: Money | None = None


def day_text(day: date) -> str:
    """Write a day as "12 November"."""
    return f"{day.day} {day:%B}"


def large_words(charge: Charge, limit: Money, account: AccountLeft, *, chosen: bool, known: bool) -> Words:
    """Say that a charge is large: by the person's choice, by their own history, or where that is still too short."""
    if chosen:
        why = f"You asked to be told from {limit} on."
    elif known:
        why = f"That is {limit} or more, which hardly any of your purchases in the last half year was."
    else:
        why = f"You are told from {limit} on until there is more history of yours to go by."
    return Words(
        f"Large charge: {charge.merchant}, {_amount(charge)}",
        _joined(f"{charge.merchant} took {_amount(charge)} on {_when(charge)}.", why, _left(account)),
    )


def outlier_words(found: Outlier, account: AccountLeft) -> Words:
    """Say that a seller took far more than usual."""
    charge = found.charge
    usual = Money(found.usual_minor, charge.currency)
    return Words(
        f"More than usual: {charge.merchant}, {_amount(charge)}",
        _joined(
            f"{charge.merchant} took {_amount(charge)} on {_when(charge)}.",
            f"Its last {found.earlier} charges were mostly about {usual}. Have a look whether this one is right.",
            _left(account),
        ),
    )


def new_seller_words(charge: Charge, account: AccountLeft) -> Words:
    """Say that a seller who is new to the person took much."""
    return Words(
        f"Large charge of a new seller: {charge.merchant}, {_amount(charge)}",
        _joined(
            f"{charge.merchant} took {_amount(charge)} on {_when(charge)}.",
            "You never paid there before, and it is more than 95 of 100 of your purchases in the last half year.",
            "If you do not know it, ask your bank.",
            _left(account),
        ),
    )


def duplicate_words(found: Duplicate, account: AccountLeft) -> Words:
    """Say that a seller took the same amount twice."""
    charge, first = found.charge, found.first
    if charge.posted_on == first.posted_on:
        when = f"on {_when(charge)}"
    else:
        when = f"on {day_text(first.posted_on)} and on {_when(charge)}"
    return Words(
        f"Charged twice? {charge.merchant}, {_amount(charge)}",
        _joined(
            f"{charge.merchant} took {_amount(charge)} from {account.name} twice: {when}.",
            f"If you bought once only, ask {charge.merchant} for the second charge back.",
            _left(account),
        ),
    )


def low_balance_words(
    account: str, spendable: Money, limit: Money, as_of: date, bills: Sequence[tuple[str, Money]], bills_until: date
) -> Words:
    """Say that an account is low. `bills` are those expected from it until a day, the next one first; spending > 0."""
    below = f"That is below your limit of {limit}."
    if not bills:
        coming = f"No bills are known to come until {day_text(bills_until)}."
    else:
        due = Money(sum(amount.amount_minor for _, amount in bills), spendable.currency)
        named = ", ".join(f"{seller} {amount}" for seller, amount in bills[:CAUSES_NAMED_MAX])
        coming = f"Until {day_text(bills_until)} about {due} of bills are expected from it: {named}"
        coming += "." if len(bills) <= CAUSES_NAMED_MAX else " and others."
        after = Money(spendable.amount_minor - due.amount_minor, spendable.currency)
        coming += f" That leaves about {after}."
    return Words(
        f"Low balance: {account}, {spendable}",
        _joined(f"{account} has {spendable} left, as of {day_text(as_of)}.", below, coming),
    )


def sync_attention_words(names: Sequence[str], message: str, action: str, complete_until: date | None) -> Words:
    """Say that a connection waits for the person.

    `names` are those of its accounts, `message` and `action` the failure's own words, `complete_until` is the day of
    the last success.
    """
    if complete_until is None:
        missing = "Nothing of it was read so far."
    else:
        missing = f"Transactions after {day_text(complete_until)} may be missing until then."
    return Words(f"{_few(names)}: your help is needed", _joined(message, action, missing))


def _few(names: Sequence[str]) -> str:
    if len(names) <= NAMES_MAX:
        return " and ".join(names)
    return f"{names[0]} and {len(names) - 1} more accounts"


def causes_words(causes: Sequence[tuple[str, Money]]) -> str:
    """Name the purchases that most of it was, the largest first; nothing where none is known."""
    if not causes:
        return ""
    named = ", ".join(f"{seller} {amount}" for seller, amount in causes[:CAUSES_NAMED_MAX])
    return f"Most of it: {named}."


def period_end_words(today: date, last: date) -> str:
    """Say until when a budget runs and how long that is; nothing when its period is over."""
    days = (last - today).days
    if days < 0:
        return ""
    if days == 0:
        return "Today is the budget's last day."
    return f"The budget runs until {day_text(last)}: {days} more {'day' if days == 1 else 'days'}."


def _amount(charge: Charge) -> Money:
    return Money(charge.amount_minor, charge.currency)


def _when(charge: Charge) -> str:
    return f"{day_text(charge.posted_on)} (pending)" if charge.pending else day_text(charge.posted_on)


def _left(account: AccountLeft) -> str:
    return "" if account.left is None else f"{account.name} has {account.left} left."


def _joined(*sentences: str) -> str:
    return " ".join(sentence.strip() for sentence in sentences if sentence.strip())
