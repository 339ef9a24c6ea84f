"""Notifications say what happened, why, and what is left until when."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from mintql.domain.ids import AccountId, CategoryId, TransactionId
from mintql.domain.money import Money
from mintql.domain.notable import Charge, Duplicate, Outlier
from mintql.domain.notice_texts import (
    AccountLeft,
    causes_words,
    duplicate_words,
    large_words,
    low_balance_words,
    new_seller_words,
    outlier_words,
    period_end_words,
    sync_attention_words,
)

DAY = date(2026, 11, 12)
CHARGE = Charge(
    TransactionId(1), TransactionId(1), AccountId(1), CategoryId(601), "City Power", "citypower", 42_000, "USD", DAY,
    pending=True,
)  # fmt: skip
CHECKING = AccountLeft("Everyday Checking", Money(120_411, "USD"))
CARD = AccountLeft("Rewards Card")


def dollars(amount_minor: int) -> Money:
    return Money(amount_minor, "USD")


def test_a_large_charge_says_by_what_it_is_large() -> None:
    words = large_words(CHARGE, dollars(30_000), CHECKING, chosen=False, known=True)
    assert words.title == "Large charge: City Power, 420.00 USD"
    assert words.body == (
        "City Power took 420.00 USD on 12 November (pending). That is 300.00 USD or more, which hardly any of your "
        "purchases in the last half year was. Everyday Checking has 1204.11 USD left."
    )
    chosen = large_words(replace(CHARGE, pending=False), dollars(40_000), CARD, chosen=True, known=True)
    assert chosen.body == "City Power took 420.00 USD on 12 November. You asked to be told from 400.00 USD on."
    young = large_words(CHARGE, dollars(100_000), CARD, chosen=False, known=False)
    assert young.body.endswith("You are told from 1000.00 USD on until there is more history of yours to go by.")


def test_an_unusual_charge_says_what_is_usual() -> None:
    words = outlier_words(Outlier(replace(CHARGE, pending=False), 9_500, 11), CARD)
    assert words.title == "More than usual: City Power, 420.00 USD"
    assert words.body == (
        "City Power took 420.00 USD on 12 November. Its last 11 charges were mostly about 95.00 USD. "
        "Have a look whether this one is right."
    )


def test_a_new_seller_and_a_second_charge_say_what_to_do() -> None:
    new = new_seller_words(replace(CHARGE, pending=False), CARD)
    assert new.title == "Large charge of a new seller: City Power, 420.00 USD"
    assert new.body.endswith("If you do not know it, ask your bank.")
    later = replace(CHARGE, pending=False, posted_on=date(2026, 11, 13))
    twice = duplicate_words(Duplicate(later, CHARGE), CHECKING)
    assert twice.title == "Charged twice? City Power, 420.00 USD"
    assert twice.body == (
        "City Power took 420.00 USD from Everyday Checking twice: on 12 November and on 13 November. If you bought once "
        "only, ask City Power for the second charge back. Everyday Checking has 1204.11 USD left."
    )
    assert "twice: on 12 November (pending)." in duplicate_words(Duplicate(CHARGE, CHARGE), CARD).body


def test_a_low_balance_says_what_is_still_to_be_paid_from_it() -> None:
    bills = [("Rent", dollars(90_000)), ("City Power", dollars(9_500))]
    words = low_balance_words("Everyday Checking", dollars(4_310), dollars(10_000), DAY, bills, date(2026, 11, 26))
    assert words.title == "Low balance: Everyday Checking, 43.10 USD"
    assert words.body == (
        "Everyday Checking has 43.10 USD left, as of 12 November. That is below your limit of 100.00 USD. Until 26 "
        "November about 995.00 USD of bills are expected from it: Rent 900.00 USD, City Power 95.00 USD. That leaves "
        "about -951.90 USD."
    )
    none = low_balance_words("Everyday Checking", dollars(4_310), dollars(10_000), DAY, [], date(2026, 11, 26))
    assert none.body.endswith("No bills are known to come until 26 November.")
    many = low_balance_words("Everyday Checking", dollars(4_310), dollars(10_000), DAY, bills * 2, date(2026, 11, 26))
    assert "City Power 95.00 USD, Rent 900.00 USD and others." in many.body


def test_a_connection_that_waits_says_for_what_and_what_is_missing() -> None:
    words = sync_attention_words(["Checking", "Card"], "The password was refused.", "Log in again.", DAY)
    assert words.title == "Checking and Card: your help is needed"
    assert words.body == (
        "The password was refused. Log in again. Transactions after 12 November may be missing until then."
    )
    fresh = sync_attention_words(["A", "B", "C"], "The password was refused.", "Log in again.", None)
    assert fresh.title == "A and 2 more accounts: your help is needed"
    assert fresh.body.endswith("Nothing of it was read so far.")


def test_a_budget_names_its_causes_and_its_end() -> None:
    causes = [
        ("Whole Foods", dollars(28_420)),
        ("Aldi", dollars(4_000)),
        ("Lidl", dollars(3_000)),
        ("Spar", dollars(1)),
    ]
    assert causes_words(causes) == "Most of it: Whole Foods 284.20 USD, Aldi 40.00 USD, Lidl 30.00 USD."
    assert causes_words([]) == ""
    assert period_end_words(DAY, date(2026, 11, 30)) == "The budget runs until 30 November: 18 more days."
    assert period_end_words(DAY, date(2026, 11, 13)) == "The budget runs until 13 November: 1 more day."
    assert period_end_words(DAY, DAY) == "Today is the budget's last day."
    assert period_end_words(DAY, date(2026, 11, 11)) == ""
