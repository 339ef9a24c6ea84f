"""What happened on a person's accounts: a pure function of login, account and day.

A month is drawn as a whole from a seed of its own, so any window can be had without the years before it.
Only two entries look back: the card is paid off with what was spent on it the month before, and what was
left over (or missing) the month before moves between checking and savings.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from mintql.domain.months import add_months, first_day, last_day
from mintql.sandbox.catalog import FRIENDS, Habit
from mintql.sandbox.dice import Dice
from mintql.sandbox.people import AccountName, Bill, Person, Shop, person

HISTORY_FIRST_DAY = date(2022, 1, 1)
PENDING_DAYS_MAX = 3
"""A card purchase is pending for one to this many days."""
SWEEP_STEP_MINOR = 2_500
SWEEP_DAY = 3
REFUND_DAYS = (3, 9)
BIWEEKLY_DAYS = 14
WINTER_MONTHS = (11, 12, 1, 2)
FRIDAY = 4


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that happened, whichever way it shows today.

    It is pending from `day` until `settles_on` (None: until somebody posts it), then posted. The amount
    can differ between the two: a tip. `entry_id` is its id when posted.
    """

    entry_id: str
    account: AccountName
    day: date
    settles_on: date | None
    amount_minor: int
    pending_amount_minor: int
    description: str
    mcc: str
    second: int

    @property
    def pending_id(self) -> str:
        """Its id while it is pending."""
        return self.entry_id + ".pending"

    @property
    def occurred_at(self) -> datetime:
        """The moment of the purchase, as the institution's local time."""
        return datetime.combine(self.day, time()) + timedelta(seconds=self.second)


class _Draft(NamedTuple):
    day: date
    second: int
    account: AccountName
    amount_minor: int
    description: str
    mcc: str = ""
    pending_days: int = 0
    pending_amount_minor: int = 0


Month = dict[AccountName, tuple[Entry, ...]]


class History:
    """The entries of one login, drawn month by month when first asked for, and kept."""

    def __init__(self, login: str) -> None:
        self.person: Person = person(login)
        self._drafts: dict[date, list[_Draft]] = {}
        self._months: dict[date, Month] = {}
        self._totals: dict[tuple[AccountName, date], int] = {}

    def entries(self, account: AccountName, first: date, last: date) -> Iterator[Entry]:
        """Yield what happened on the days `first` to `last`, both included, oldest first."""
        month = max(first_day(first), HISTORY_FIRST_DAY)
        while month <= last:
            yield from (entry for entry in self._month(month)[account] if first <= entry.day <= last)
            month = add_months(month, 1)

    def find(self, entry_id: str) -> Entry | None:
        """Return the entry of this id, which names its account and day; None when there is none."""
        account_id, _, rest = entry_id.partition(".")
        day = _day_of(rest.partition(".")[0])
        for account in self.person.accounts.values():
            if account.account_id == account_id and day is not None:
                return next((e for e in self.entries(account.name, day, day) if e.entry_id == entry_id), None)
        return None

    def posted_minor(self, account: AccountName, today: date) -> int:
        """Return the sum of all that is posted by `today`, in cents."""
        # Whatever was bought before last month has settled, so those months have one sum for good.
        recent = add_months(first_day(today), -1)
        unsettled = self.entries(account, recent, today)
        return self._total_before(account, recent) + sum(
            entry.amount_minor for entry in unsettled if entry.settles_on is not None and entry.settles_on <= today
        )

    def _total_before(self, account: AccountName, month: date) -> int:
        if month <= HISTORY_FIRST_DAY:
            return 0
        key = (account, month)
        if key not in self._totals:
            before = add_months(month, -1)
            own = sum(entry.amount_minor for entry in self._month(before)[account])
            self._totals[key] = self._total_before(account, before) + own
        return self._totals[key]

    def _month(self, month: date) -> Month:
        if month not in self._months:
            drafts = sorted([*self._own(month), *self._settlements(month)])
            self._months[month] = _numbered(self.person, drafts)
        return self._months[month]

    def _own(self, month: date) -> list[_Draft]:
        """Return what does not depend on other months."""
        if month < HISTORY_FIRST_DAY:
            return []
        if month not in self._drafts:
            self._drafts[month] = _draw(self.person, month)
        return self._drafts[month]

    def _settlements(self, month: date) -> Iterator[_Draft]:
        """Yield card payment and transfer between checking and savings: two equal, opposite legs each."""
        who = self.person
        owed = self._spent_on_card(add_months(month, -1))
        if owed > 0:
            day, second = date(month.year, month.month, who.card_due_day), 4 * 3600
            mask = who.accounts[AccountName.CARD].mask
            yield _Draft(day, second, AccountName.CHECKING, -owed, f"CREDIT CARD AUTOPAY PYMT ...{mask}")
            yield _Draft(day, second, AccountName.CARD, owed, "AUTOMATIC PAYMENT - THANK YOU")
        left = self._left_over(add_months(month, -1))
        if left:
            day, second = date(month.year, month.month, SWEEP_DAY), 5 * 3600
            way = ("TO", "FROM") if left > 0 else ("FROM", "TO")
            savings, checking = (
                who.accounts[AccountName.SAVINGS].mask,
                who.accounts[AccountName.CHECKING].mask,
            )
            yield _Draft(day, second, AccountName.CHECKING, -left, f"ONLINE TRANSFER {way[0]} SAV ...{savings}")
            yield _Draft(day, second, AccountName.SAVINGS, left, f"ONLINE TRANSFER {way[1]} CHK ...{checking}")

    def _spent_on_card(self, month: date) -> int:
        return -sum(draft.amount_minor for draft in self._own(month) if draft.account is AccountName.CARD)

    def _left_over(self, month: date) -> int:
        """Return what checking gained in a month, towards zero to whole steps."""
        own = sum(draft.amount_minor for draft in self._own(month) if draft.account is AccountName.CHECKING)
        gained = own - max(0, self._spent_on_card(add_months(month, -1)))
        whole = abs(gained) // SWEEP_STEP_MINOR * SWEEP_STEP_MINOR
        return whole if gained > 0 else -whole


def _draw(who: Person, month: date) -> list[_Draft]:
    dice = Dice(who.login, month.isoformat())
    days = [month + timedelta(days=number) for number in range(last_day(month).day)]
    drafts = [*_paychecks(who, days), *_bills(who, dice, month), *_subscriptions(who, dice, month)]
    for day in days:
        for habit, shops in who.shops:
            if dice.chance(habit.weekday_chance if day.weekday() < FRIDAY + 1 else habit.weekend_chance):
                drafts.extend(_purchase(who, dice, day, habit, dice.pick(shops)))
        drafts.extend(_checking_now_and_then(dice, day))
    interest = dice.between(900, 2_600)
    drafts.append(_Draft(days[-1], 23 * 3600, AccountName.SAVINGS, interest, "INTEREST PAYMENT"))
    return [draft for draft in drafts if draft.day <= days[-1]]


def _paychecks(who: Person, days: list[date]) -> Iterator[_Draft]:
    if who.paid_biweekly:
        paydays = [day for day in days if (day - who.first_payday).days % BIWEEKLY_DAYS == 0]
        pay = who.monthly_pay_minor * 12 // 26
    else:
        paydays = [max(day for day in days if day.weekday() <= FRIDAY)]
        pay = who.monthly_pay_minor
    for day in paydays:
        yield _Draft(day, 6 * 3600, AccountName.CHECKING, pay, f"{who.employer} PAYROLL DIR DEP")


def _bills(who: Person, dice: Dice, month: date) -> Iterator[_Draft]:
    for bill in who.bills:
        amount = _bill_amount(bill, dice, month)
        yield _Draft(month.replace(day=bill.day), 3 * 3600, AccountName.CHECKING, -amount, bill.description)


def _bill_amount(bill: Bill, dice: Dice, month: date) -> int:
    percent = 100 + dice.between(-bill.swing_percent, bill.swing_percent)
    if month.month in WINTER_MONTHS:
        percent += bill.winter_percent
    return bill.amount_minor * percent // 100


def _subscriptions(who: Person, dice: Dice, month: date) -> Iterator[_Draft]:
    for day, subscription in who.subscriptions:
        price = -subscription.price_minor
        text = _noisy(subscription.seller.descriptor.replace("{city}", who.city), dice)
        mcc = subscription.seller.mcc
        yield _Draft(month.replace(day=day), 2 * 3600, AccountName.CARD, price, text, mcc, 1, price)


def _purchase(who: Person, dice: Dice, day: date, habit: Habit, shop: Shop) -> Iterator[_Draft]:
    """Yield one purchase; now and then the same again within the hour, or its refund some days later."""
    price = int(dice.low_mostly(habit.low_minor, habit.high_minor) * who.scale)
    tip = price * dice.between(15, 22) // 100 if habit.tip_chance and dice.chance(habit.tip_chance) else 0
    second = dice.between(habit.first_hour * 3600, habit.last_hour * 3600)
    waits = dice.between(1, PENDING_DAYS_MAX)
    text = _noisy(shop.descriptor, dice)
    bought = _Draft(day, second, AccountName.CARD, -price - tip, text, shop.mcc, waits, -price)
    yield bought
    if habit.twice_chance and dice.chance(habit.twice_chance):
        yield bought._replace(second=second + 1_500)
    if habit.refund_chance and dice.chance(habit.refund_chance):
        later = day + timedelta(days=dice.between(*REFUND_DAYS))
        yield _Draft(later, second, AccountName.CARD, price + tip, text, shop.mcc)


def _checking_now_and_then(dice: Dice, day: date) -> Iterator[_Draft]:
    if dice.chance(0.05):
        cash = dice.between(2, 8) * 2_000
        yield _Draft(day, 12 * 3600, AccountName.CHECKING, -cash, f"ATM WITHDRAWAL {dice.digits(6)}", "6011")
    if dice.chance(0.05):
        amount = dice.low_mostly(800, 9_000)
        outgoing = dice.chance(0.6)
        way = "TO" if outgoing else "FROM"
        text = f"ZELLE PAYMENT {way} {dice.pick(FRIENDS)}"
        yield _Draft(day, 19 * 3600, AccountName.CHECKING, -amount if outgoing else amount, text)


def _noisy(descriptor: str, dice: Dice) -> str:
    while "{n4}" in descriptor:
        descriptor = descriptor.replace("{n4}", dice.digits(4), 1)
    return descriptor.replace("{code}", dice.code(9)) if "{code}" in descriptor else descriptor


def _numbered(who: Person, drafts: list[_Draft]) -> Month:
    """Give each draft the id made of account, day and its number on that day."""
    months: dict[AccountName, list[Entry]] = {name: [] for name in AccountName}
    previous: dict[AccountName, tuple[date | None, int]] = dict.fromkeys(AccountName, (None, 0))
    for draft in drafts:
        day, number = previous[draft.account]
        number = number + 1 if day == draft.day else 1
        previous[draft.account] = (draft.day, number)
        months[draft.account].append(
            Entry(
                entry_id=f"{who.accounts[draft.account].account_id}.{draft.day:%Y%m%d}.{number}",
                account=draft.account,
                day=draft.day,
                settles_on=draft.day + timedelta(days=draft.pending_days),
                amount_minor=draft.amount_minor,
                pending_amount_minor=draft.pending_amount_minor or draft.amount_minor,
                description=draft.description,
                mcc=draft.mcc,
                second=draft.second,
            )
        )
    return {name: tuple(entries) for name, entries in months.items()}


def _day_of(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
