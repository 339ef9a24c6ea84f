"""Who a login is: income, home, habits and accounts, all drawn from the login itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from mintql.sandbox import catalog
from mintql.sandbox.dice import Dice, digest

MIDDLE_INCOME_MINOR = 520_000
"""Monthly take-home pay, in cents, that the prices of the catalog are meant for."""

CURRENCY = "USD"


class AccountName(StrEnum):
    """The three accounts that every login has, as the control API calls them."""

    CHECKING = "checking"
    CARD = "card"
    SAVINGS = "savings"


@dataclass(frozen=True, slots=True)
class Account:
    """An account that never changes. `opening_minor` is its balance before the first day of the history."""

    account_id: str
    name: AccountName
    kind: str
    title: str
    mask: str
    opening_minor: int
    credit_limit_minor: int = 0


@dataclass(frozen=True, slots=True)
class Shop:
    """A seller with the shop that this person goes to."""

    descriptor: str
    mcc: str


@dataclass(frozen=True, slots=True)
class Bill:
    """Paid from checking on the same day each month; `swing` is how much the amount varies, in percent."""

    description: str
    day: int
    amount_minor: int
    swing_percent: int = 0
    winter_percent: int = 0


@dataclass(frozen=True, slots=True)
class Person:
    """Everything about a login that stays the same over the years. Amounts in cents."""

    login: str
    city: str
    employer: str
    monthly_pay_minor: int
    paid_biweekly: bool
    first_payday: date
    card_due_day: int
    scale: float
    bills: tuple[Bill, ...]
    subscriptions: tuple[tuple[int, catalog.Subscription], ...]
    shops: tuple[tuple[catalog.Habit, tuple[Shop, ...]], ...]
    accounts: dict[AccountName, Account]


def person(login: str) -> Person:
    """Return the person behind a login: always the same one."""
    dice = Dice(login, "person")
    pay = dice.between(380_000, 760_000)
    scale = pay / MIDDLE_INCOME_MINOR
    city = dice.pick(catalog.CITIES)
    return Person(
        login=login,
        city=city,
        employer=dice.pick(catalog.EMPLOYERS),
        monthly_pay_minor=pay,
        paid_biweekly=dice.chance(0.7),
        first_payday=date(2021, 12, dice.pick((3, 10))),
        card_due_day=dice.between(12, 22),
        scale=scale,
        bills=_bills(dice, city, pay),
        subscriptions=tuple(
            (dice.between(2, 26), subscription)
            for subscription in dice.sample(catalog.SUBSCRIPTIONS, dice.between(4, 7))
        ),
        shops=tuple((habit, _shops(dice, habit, city)) for habit in catalog.HABITS),
        accounts=_accounts(login, dice, pay),
    )


def _bills(dice: Dice, city: str, pay_minor: int) -> tuple[Bill, ...]:
    owner = dice.chance(0.35)
    home = dice.pick(catalog.LENDERS if owner else catalog.LANDLORDS)
    return (
        Bill(home, 1, int(pay_minor * dice.between(26, 32) / 100) // 500 * 500),
        Bill(
            dice.pick(catalog.ELECTRICITY),
            9,
            dice.between(7_000, 13_000),
            swing_percent=12,
            winter_percent=45,
        ),
        Bill(
            dice.pick(catalog.WATER).format(city=city.rpartition(" ")[0]),
            14,
            dice.between(3_500, 6_500),
            swing_percent=10,
        ),
        Bill(dice.pick(catalog.INTERNET), 17, dice.between(50, 90) * 100 - 1),
        Bill(dice.pick(catalog.PHONE), 21, dice.between(25, 75) * 100),
        Bill(dice.pick(catalog.INSURANCE), 24, dice.between(8_500, 16_500)),
    )


def _shops(dice: Dice, habit: catalog.Habit, city: str) -> tuple[Shop, ...]:
    return tuple(
        Shop(seller.descriptor.replace("{city}", city).replace("{store}", dice.digits(4)), seller.mcc)
        for seller in dice.sample(habit.sellers, habit.favourites)
    )


def _accounts(login: str, dice: Dice, pay_minor: int) -> dict[AccountName, Account]:
    tag = digest(login, "accounts")[:10]

    def account(name: AccountName, kind: str, title: str, opening_minor: int, limit_minor: int = 0) -> Account:
        return Account(f"{name}-{tag}", name, kind, title, dice.digits(4), opening_minor, limit_minor)

    return {
        AccountName.CHECKING: account(AccountName.CHECKING, "checking", "Everyday Checking", int(pay_minor * 1.2)),
        AccountName.CARD: account(AccountName.CARD, "credit_card", "Rewards Card", 0, dice.between(10, 25) * 100_000),
        AccountName.SAVINGS: account(
            AccountName.SAVINGS, "savings", "Rainy Day Savings", pay_minor * dice.between(2, 6)
        ),
    }
