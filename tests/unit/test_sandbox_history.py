"""The sandbox's people live believable lives, and the same ones every time."""

from __future__ import annotations

import time
from collections import Counter
from datetime import date, timedelta
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mintql.sandbox.dice import Dice
from mintql.sandbox.history import HISTORY_FIRST_DAY, History
from mintql.sandbox.ledger import Ledger
from mintql.sandbox.people import AccountName

TODAY = date(2026, 11, 23)
TWO_YEARS = TODAY - timedelta(days=730)
LOGINS = ("demo", "ada@example.com", "bob", "zoë")
HISTORY = History("window")


@cache
def two_years(login, account):
    return list(History(login).entries(account, TWO_YEARS, TODAY))


def test_chance_is_the_same_on_every_machine_and_python():
    dice = Dice("demo", "golden")
    assert [dice.between(1, 1000) for _ in range(5)] == [769, 22, 470, 526, 766]


@pytest.mark.parametrize("login", LOGINS)
def test_a_history_is_the_same_whichever_window_is_asked_for_first(login):
    whole = two_years(login, AccountName.CARD)
    piecemeal = History(login)
    last_week = list(piecemeal.entries(AccountName.CARD, TODAY - timedelta(days=7), TODAY))
    assert last_week == [entry for entry in whole if entry.day >= TODAY - timedelta(days=7)]
    assert [
        e
        for day in range(731)
        for e in piecemeal.entries(AccountName.CARD, TWO_YEARS + timedelta(day), TWO_YEARS + timedelta(day))
    ] == whole


def test_two_logins_live_different_lives():
    assert [e.amount_minor for e in two_years("demo", AccountName.CARD)] != [
        e.amount_minor for e in two_years("ada", AccountName.CARD)
    ]
    accounts = [account.account_id for login in LOGINS for account in History(login).person.accounts.values()]
    assert len(set(accounts)) == len(accounts)


@pytest.mark.parametrize("login", LOGINS)
def test_a_person_has_three_to_six_rows_a_day_and_no_id_twice(login):
    entries = [entry for account in AccountName for entry in two_years(login, account)]
    assert 3 <= len(entries) / 731 <= 6
    assert len({entry.entry_id for entry in entries}) == len(entries)


@pytest.mark.parametrize("login", LOGINS)
def test_transfers_and_card_payments_have_two_equal_opposite_legs(login):
    history = History(login)
    checking = list(history.entries(AccountName.CHECKING, TWO_YEARS, TODAY))
    for other, ours, theirs in (
        (AccountName.CARD, "CREDIT CARD AUTOPAY", "AUTOMATIC PAYMENT"),
        (AccountName.SAVINGS, "ONLINE TRANSFER", "ONLINE TRANSFER"),
    ):
        out = [(e.day, e.amount_minor) for e in checking if e.description.startswith(ours)]
        back = [
            (e.day, -e.amount_minor)
            for e in history.entries(other, TWO_YEARS, TODAY)
            if e.description.startswith(theirs)
        ]
        assert out == back
        assert len(out) >= 18


@pytest.mark.parametrize("login", LOGINS)
def test_the_card_payment_is_what_was_spent_the_month_before(login):
    entries = list(History(login).entries(AccountName.CARD, date(2026, 9, 1), date(2026, 10, 31)))
    spent = -sum(e.amount_minor for e in entries if e.day.month == 9 and not e.description.startswith("AUTOMATIC"))
    paid = [e.amount_minor for e in entries if e.day.month == 10 and e.description.startswith("AUTOMATIC")]
    assert paid == [spent]


@pytest.mark.parametrize("login", LOGINS)
def test_nobody_runs_dry(login):
    history = History(login)
    for account in (AccountName.CHECKING, AccountName.SAVINGS):
        balance = history.person.accounts[account].opening_minor
        for entry in history.entries(account, HISTORY_FIRST_DAY, TODAY):
            balance += entry.amount_minor
            assert balance > 0, (account, entry.day)


@pytest.mark.parametrize("login", LOGINS)
def test_life_has_pay_rent_subscriptions_refunds_tips_and_twin_coffees(login):
    history = History(login)
    card, checking = two_years(login, AccountName.CARD), two_years(login, AccountName.CHECKING)
    assert sum("PAYROLL" in e.description for e in checking) in range(23, 55)
    assert sum(e.amount_minor for e in checking if "PAYROLL" in e.description) > 0
    assert sum(e.day.day == 1 and e.amount_minor < -90_000 for e in checking) == 24
    assert any(e.amount_minor > 0 and not e.description.startswith("AUTOMATIC") for e in card)
    assert any(e.amount_minor < e.pending_amount_minor for e in card)
    same = Counter((e.day, e.amount_minor, e.description) for e in card)
    assert max(same.values()) == 2
    for day, subscription in history.person.subscriptions:
        stem = subscription.seller.descriptor.partition("{")[0].rstrip("*")
        paid = [
            e
            for e in card
            if e.amount_minor == -subscription.price_minor and e.description.startswith(stem) and e.day.day == day
        ]
        assert len(paid) >= 23


@pytest.mark.parametrize("login", LOGINS)
@pytest.mark.parametrize("today", [TODAY, date(2026, 3, 1), date(2024, 2, 29), HISTORY_FIRST_DAY])
def test_the_balance_is_the_opening_one_plus_all_that_is_posted(login, today):
    history = History(login)
    ledger = Ledger(history, {}, {}, today)
    for name, account in history.person.accounts.items():
        rows = ledger.rows(name, HISTORY_FIRST_DAY, today)
        posted = sum(row.amount_minor for row in rows if not row.pending)
        pending = sum(row.amount_minor for row in rows if row.pending)
        balance = Ledger(History(login), {}, {}, today).balance(name)
        assert balance.current_minor == account.opening_minor + posted
        assert balance.available_minor == balance.current_minor + pending + account.credit_limit_minor


def test_only_recent_card_purchases_are_pending_and_each_posts_under_a_linked_id():
    history = History("demo")
    before = Ledger(history, {}, {}, TODAY).rows(AccountName.CARD, TWO_YEARS, TODAY)
    after = Ledger(history, {}, {}, TODAY + timedelta(days=3)).rows(
        AccountName.CARD, TWO_YEARS, TODAY + timedelta(days=3)
    )
    pending = [row for row in before if row.pending]
    assert pending
    assert all(TODAY - row.posted_on < timedelta(days=3) for row in pending)
    assert {row.row_id for row in pending} <= {row.pending_id for row in after}
    assert {row.row_id for row in pending}.isdisjoint(row.row_id for row in after)
    settled = {row.row_id for row in before if not row.pending}
    assert settled <= {row.row_id for row in after}
    for name in (AccountName.CHECKING, AccountName.SAVINGS):
        assert not any(row.pending for row in Ledger(history, {}, {}, TODAY).rows(name, TWO_YEARS, TODAY))


@cache
def everything():
    return Ledger(HISTORY, {}, {}, TODAY).rows(AccountName.CARD, HISTORY_FIRST_DAY, TODAY)


@settings(max_examples=30)
@given(st.dates(HISTORY_FIRST_DAY, TODAY), st.integers(0, 40))
def test_a_window_holds_exactly_the_rows_of_its_days(first, days):
    ledger = Ledger(HISTORY, {}, {}, TODAY)
    last = first + timedelta(days=days)
    rows = [row for row in everything() if first <= row.posted_on <= last]
    assert ledger.rows(AccountName.CARD, first, last) == rows


def test_two_years_are_drawn_in_a_moment():
    began = time.process_time()
    two_years("somebody new", AccountName.CARD)
    assert time.process_time() - began < 0.5
