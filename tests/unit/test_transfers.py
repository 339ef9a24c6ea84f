"""Which transactions are two sides of a transfer: what speaks for it, what against, and one to one."""

from __future__ import annotations

import itertools
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mintql.data import load_categories
from mintql.domain.categories import CategorySource
from mintql.domain.ids import AccountId, ConnectionId, TransactionId
from mintql.domain.institutions import AccountKind
from mintql.domain.transfers import (
    TRANSFER_DAYS_MAX,
    Evidence,
    Found,
    OwnAccount,
    Reason,
    Side,
    evidence,
    match_transfers,
    side_categories,
)
from support.people import category

TREE = load_categories()
DAY = date(2026, 11, 10)
_serial = itertools.count(1)


def account(kind: AccountKind, number: int = 0, mask: str = "", connection: int = 1) -> OwnAccount:
    return OwnAccount(AccountId(number or 100 + list(AccountKind).index(kind)), ConnectionId(connection), kind, mask)


CHECKING = account(AccountKind.CHECKING)
SAVINGS = account(AccountKind.SAVINGS)
CARD = account(AccountKind.CREDIT_CARD)
INVESTMENT = account(AccountKind.INVESTMENT)
LOAN = account(AccountKind.LOAN)
SECOND_CHECKING = account(AccountKind.CHECKING, 7)

NOTHING = ("uncategorized", "none", "")
BANK_TRANSFER = ("account-transfer", "keyword", "bank: online transfer")
BANK_CARD = ("credit-card-payment", "keyword", "bank: payment thank you")
BANK_SAVINGS = ("savings-transfer", "keyword", "bank: transfer to savings")
SHOP = ("clothing", "dictionary", "exact: shirts")
KEYWORD = ("fast-food", "keyword", "stem: pizz*")


def side(
    on: OwnAccount, amount_minor: int, reason: tuple[str, str, str] = NOTHING, day: int = 0, currency: str = "USD"
) -> Side:
    slug, source, detail = reason
    number = next(_serial)
    return Side(
        TransactionId(number), f"row-{number}", on, DAY + timedelta(days=day), amount_minor, currency,
        Reason(category(slug), CategorySource(source), detail),
    )  # fmt: skip


def match(*sides: Side) -> list[tuple[TransactionId, TransactionId, bool]]:
    return [(item.out.transaction_id, item.into.transaction_id, item.certain) for item in match_transfers(TREE, sides)]


def certain(out: Side, into: Side) -> list[tuple[TransactionId, TransactionId, bool]]:
    return [(out.transaction_id, into.transaction_id, True)]


def possible(out: Side, into: Side) -> list[tuple[TransactionId, TransactionId, bool]]:
    return [(out.transaction_id, into.transaction_id, False)]


def test_a_card_payment_that_both_banks_call_one_is_certain() -> None:
    out, into = side(CHECKING, -50_000, BANK_CARD), side(CARD, 50_000, BANK_CARD, day=3)
    assert match(into, out) == certain(out, into)


@pytest.mark.parametrize("silent", [NOTHING, KEYWORD, ("fast-food", "institution", "MCC 5814 vague")])
def test_one_side_that_says_so_is_enough_where_the_other_says_nothing_clear(silent: tuple[str, str, str]) -> None:
    out, into = side(CHECKING, -50_000, silent), side(CARD, 50_000, BANK_CARD)
    assert match(out, into) == certain(out, into)


@pytest.mark.parametrize(
    "otherwise",
    [
        SHOP,
        ("clothing", "institution", "MCC 5651"),
        ("clothing", "manual", ""),
        ("clothing", "rule", "3 Shirts"),
        ("clothing", "memory", "shirts"),
        ("clothing", "crowd", "9/10"),
        ("cash-withdrawal", "keyword", "bank: atm withdrawal"),
    ],
)
def test_a_side_that_clearly_is_something_else_makes_no_pair(otherwise: tuple[str, str, str]) -> None:
    assert match(side(CHECKING, -50_000, otherwise), side(SAVINGS, 50_000, BANK_SAVINGS)) == []


def test_pay_split_over_two_accounts_is_no_transfer() -> None:
    pay = ("paycheck", "keyword", "bank: payroll")
    assert match(side(CHECKING, 50_000, pay), side(SAVINGS, 50_000, pay)) == []


def test_a_refund_on_another_card_is_no_transfer() -> None:
    other_card = account(AccountKind.CREDIT_CARD, 8)
    assert match(side(CARD, -8_000), side(other_card, 8_000)) == []
    assert match(side(CARD, -8_000, SHOP), side(other_card, 8_000, SHOP)) == []
    assert match(side(CARD, -8_000), side(other_card, 8_000, BANK_CARD)) == []


def test_cash_and_payments_to_friends_have_one_side_only() -> None:
    friend = ("person-to-person", "keyword", "bank: zelle payment")
    assert match(side(CHECKING, -8_000, friend), side(SAVINGS, 8_100, BANK_SAVINGS)) == []


def test_payments_between_people_are_only_suggested_as_a_pair() -> None:
    friend = ("person-to-person", "keyword", "bank: zelle payment")
    out, into = side(CHECKING, -8_000, friend), side(SECOND_CHECKING, 8_000, friend)
    assert match(out, into) == possible(out, into)


def test_other_amounts_currencies_signs_and_accounts_are_no_pair() -> None:
    out = side(CHECKING, -50_000, BANK_TRANSFER)
    assert match(out, side(SAVINGS, 50_001, BANK_TRANSFER)) == []
    assert match(out, side(SAVINGS, 50_000, BANK_TRANSFER, currency="EUR")) == []
    assert match(out, side(SAVINGS, -50_000, BANK_TRANSFER)) == []
    assert match(out, side(CHECKING, 50_000, BANK_TRANSFER)) == []
    assert match(side(CHECKING, 0, BANK_TRANSFER), side(SAVINGS, 0, BANK_TRANSFER)) == []


@pytest.mark.parametrize("way", [1, -1])
def test_a_few_days_apart_are_a_pair_and_more_are_none(way: int) -> None:
    out = side(CHECKING, -50_000, BANK_TRANSFER)
    near = side(SAVINGS, 50_000, BANK_TRANSFER, day=way * TRANSFER_DAYS_MAX)
    far = side(SAVINGS, 50_000, BANK_TRANSFER, day=way * (TRANSFER_DAYS_MAX + 1))
    assert match(out, near) == certain(out, near)
    assert match(out, far) == []


def test_one_account_read_through_two_connections_is_not_paired_with_itself() -> None:
    one = account(AccountKind.CHECKING, 21, mask="4821", connection=1)
    again = account(AccountKind.CHECKING, 22, mask="4821", connection=2)
    beside = account(AccountKind.CHECKING, 23, mask="4821", connection=1)
    out = side(one, -50_000, BANK_TRANSFER)
    assert match(out, side(again, 50_000, BANK_TRANSFER)) == []
    into = side(beside, 50_000, BANK_TRANSFER)
    assert match(out, into) == certain(out, into)


def test_two_equal_transfers_on_one_day_are_two_pairs() -> None:
    outs = [side(CHECKING, -50_000, BANK_SAVINGS) for _ in range(2)]
    ins = [side(SAVINGS, 50_000, BANK_SAVINGS) for _ in range(2)]
    found = match(*outs, *ins)
    assert {out for out, _, _ in found} == {row.transaction_id for row in outs}
    assert {into for _, into, _ in found} == {row.transaction_id for row in ins}
    assert all(sure for _, _, sure in found)


def test_a_third_of_two_equal_transfers_stays_alone() -> None:
    found = match(
        *[side(CHECKING, -50_000, BANK_SAVINGS) for _ in range(3)],
        *[side(SAVINGS, 50_000, BANK_SAVINGS) for _ in range(2)],
    )
    assert len(found) == 2


def test_the_side_that_says_more_goes_before_the_one_that_is_nearer() -> None:
    out = side(CHECKING, -50_000, BANK_SAVINGS)
    near, telling = side(SAVINGS, 50_000), side(SAVINGS, 50_000, BANK_SAVINGS, day=2)
    assert match(out, near, telling) == certain(out, telling)


def test_two_accounts_that_could_be_the_other_side_make_a_suggestion() -> None:
    out = side(CHECKING, -50_000, BANK_TRANSFER)
    near, rival = side(SECOND_CHECKING, 50_000), side(account(AccountKind.CHECKING, 9), 50_000, day=1)
    assert match(out, near, rival) == possible(out, near)


def test_a_card_payment_that_reaches_no_card_is_only_suggested() -> None:
    out, into = side(CHECKING, -50_000, BANK_CARD), side(SECOND_CHECKING, 50_000)
    assert match(out, into) == possible(out, into)


def test_silent_rows_of_opposite_amounts_are_only_suggested_and_keywords_not_even_that() -> None:
    out, into = side(CHECKING, -50_000), side(SAVINGS, 50_000)
    assert match(out, into) == possible(out, into)
    assert match(side(CHECKING, -50_000, KEYWORD), side(SECOND_CHECKING, 50_000, KEYWORD)) == []


def test_pairs_that_were_kept_apart_are_not_found_again_but_others_are() -> None:
    out, first, second = (
        side(CHECKING, -50_000, BANK_SAVINGS), side(SAVINGS, 50_000, BANK_SAVINGS),
        side(SAVINGS, 50_000, BANK_SAVINGS, day=1),
    )  # fmt: skip
    found = match_transfers(TREE, [out, first, second], {(out.transaction_id, first.transaction_id)})
    assert found == [Found(out, second, True)]


@pytest.mark.parametrize(
    ("out", "into", "slugs"),
    [
        (CHECKING, CARD, ("credit-card-payment", "credit-card-payment")),
        (SAVINGS, CARD, ("credit-card-payment", "credit-card-payment")),
        (CHECKING, SAVINGS, ("savings-transfer", "savings-transfer")),
        (SAVINGS, CHECKING, ("savings-transfer", "savings-transfer")),
        (CHECKING, INVESTMENT, ("investment-transfer", "investment-transfer")),
        (SAVINGS, INVESTMENT, ("investment-transfer", "investment-transfer")),
        (CHECKING, SECOND_CHECKING, ("account-transfer", "account-transfer")),
        (CHECKING, LOAN, ("loan-payment", "account-transfer")),
        (LOAN, CHECKING, ("account-transfer", "account-transfer")),
    ],
)
def test_the_kinds_of_accounts_tell_the_category(out: OwnAccount, into: OwnAccount, slugs: tuple[str, str]) -> None:
    expected = tuple(category(slug) for slug in slugs)
    assert side_categories(TREE, side(out, -50_000), side(into, 50_000)) == expected


def test_what_is_paid_for_an_own_loan_stays_spending_and_what_reaches_it_is_no_income() -> None:
    out, into = side(CHECKING, -50_000, ("mortgage", "dictionary", "exact: home loans")), side(LOAN, 50_000)
    assert match(out, into) == certain(out, into)
    assert side_categories(TREE, out, into) == (None, category("account-transfer"))
    assert match(out, side(SAVINGS, 50_000)) == []


def test_a_transfer_to_a_loan_in_the_banks_own_words_is_no_spending() -> None:
    out, into = side(CHECKING, -50_000, BANK_TRANSFER), side(LOAN, 50_000)
    assert side_categories(TREE, out, into) == (category("account-transfer"), category("account-transfer"))


@pytest.mark.parametrize("source", ["manual", "rule", "memory"])
def test_the_persons_own_word_for_a_transfer_is_evidence_and_stays(source: str) -> None:
    out, into = side(CHECKING, -50_000, ("wire-transfer", source, "")), side(SAVINGS, 50_000)
    assert match(out, into) == certain(out, into)
    assert side_categories(TREE, out, into) == (None, category("savings-transfer"))


def test_money_that_leaves_a_card_without_a_word_buys_something() -> None:
    assert evidence(TREE, side(CARD, -100), side(SAVINGS, 100)) is Evidence.OTHERWISE
    assert evidence(TREE, side(CARD, -100, BANK_TRANSFER), side(SAVINGS, 100)) is Evidence.SAYS


REASONS = st.sampled_from([NOTHING, BANK_TRANSFER, BANK_CARD, BANK_SAVINGS, SHOP, KEYWORD, ("clothing", "manual", "")])
ACCOUNTS = st.sampled_from([CHECKING, SAVINGS, CARD, SECOND_CHECKING, LOAN, INVESTMENT])
SIDES = st.lists(
    st.builds(side, ACCOUNTS, st.sampled_from([-200, -100, 100, 200]), REASONS, st.integers(0, 8)), max_size=14
)


@settings(max_examples=150)
@given(sides=SIDES, dice=st.randoms(use_true_random=False))
def test_matching_is_one_to_one_exact_and_blind_to_the_order_of_arrival(sides: list[Side], dice: object) -> None:
    found = match_transfers(TREE, sides)
    used = [row.transaction_id for item in found for row in (item.out, item.into)]
    assert len(used) == len(set(used))
    for item in found:
        assert item.out.amount_minor == -item.into.amount_minor < 0
        assert item.out.account.account_id != item.into.account.account_id
        assert abs((item.out.posted_on - item.into.posted_on).days) <= TRANSFER_DAYS_MAX
        assert evidence(TREE, item.out, item.into) is not Evidence.OTHERWISE
        assert evidence(TREE, item.into, item.out) is not Evidence.OTHERWISE
    shuffled = list(sides)
    dice.shuffle(shuffled)  # type: ignore[attr-defined]
    assert match_transfers(TREE, shuffled) == found


@settings(max_examples=100)
@given(sides=SIDES)
def test_what_a_person_chose_by_hand_is_never_given_another_category(sides: list[Side]) -> None:
    for item in match_transfers(TREE, sides):
        for row, given_id in zip((item.out, item.into), side_categories(TREE, item.out, item.into), strict=True):
            assert row.reason.source is not CategorySource.MANUAL or given_id is None
