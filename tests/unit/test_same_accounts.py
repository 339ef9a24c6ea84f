"""Accounts that two connections show are the same by their ids, or by everything else that is said of them."""

from __future__ import annotations

import pytest

from mintql.domain.accounts import count_same
from mintql.domain.institutions import AccountKind, ProviderAccount


def account(external_id, name="Everyday", mask="1234", kind=AccountKind.CHECKING, currency="USD"):
    return ProviderAccount(external_id, name, kind, currency, mask=mask)


CHECKING = account("a")
SAVINGS = account("b", "Rainy days", "5678", AccountKind.SAVINGS)
CARD = account("c", "Card", "9012", AccountKind.CREDIT_CARD)


@pytest.mark.parametrize(
    ("shown", "known", "same"),
    [
        ([CHECKING], [CHECKING], 1),
        ([CHECKING, SAVINGS, CARD], [CARD, CHECKING, SAVINGS], 3),
        ([account("z")], [CHECKING], 1),
        ([account("z", mask="")], [account("a", mask="")], 0),
        ([account("a", mask="")], [account("a", mask="")], 1),
        ([account("z", mask="9999")], [CHECKING], 0),
        ([account("z", name="Other")], [CHECKING], 0),
        ([account("z", currency="EUR")], [CHECKING], 0),
        ([account("z", kind=AccountKind.SAVINGS)], [CHECKING], 0),
        ([], [CHECKING], 0),
        ([CHECKING], [], 0),
    ],
)
def test_accounts_are_the_same_by_their_id_or_by_all_that_is_said_of_them(shown, known, same):
    assert count_same(shown, known) == same


def test_a_renamed_account_is_known_by_its_id_and_last_digits():
    assert count_same([account("a", name="Joint")], [CHECKING]) == 1


def test_two_alike_are_not_told_apart():
    assert count_same([account("x"), account("y")], [CHECKING]) == 0
    assert count_same([account("x")], [CHECKING, account("b")]) == 0
    assert count_same([account("a"), account("y")], [account("a"), account("b")]) == 2


def test_short_ids_that_stand_for_other_accounts_say_that_nothing_is_the_same():
    elsewhere = account("a", name="Giro", mask="0000")
    assert count_same([elsewhere, SAVINGS], [CHECKING, SAVINGS]) == 0
    assert count_same([account("a", kind=AccountKind.SAVINGS)], [CHECKING]) == 0


def test_one_of_many_agrees_by_chance_but_one_of_one_does_not():
    strangers = [account(f"s{number}", f"Account {number}", f"000{number}") for number in range(4)]
    assert count_same([CHECKING, *strangers[:2]], [CHECKING, *strangers[2:]]) == 0
    assert count_same([CHECKING, *strangers], [CHECKING]) == 1
    assert count_same([CHECKING], [CHECKING, *strangers]) == 1
    assert count_same([CHECKING, strangers[0]], [CHECKING, strangers[1]]) == 1
