"""What the sandbox's people do is understood: moving own money is never taken for spending."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

import pytest

from mintql.data import load_categories
from mintql.domain.categories import CategoryKind, CategorySource
from mintql.domain.merchants import normalize
from mintql.sandbox.history import History
from mintql.sandbox.people import AccountName
from mintql.services.categorize import Clues, default_categorizer

TODAY = date(2026, 11, 23)
TWO_YEARS = TODAY - timedelta(days=730)
LOGINS = ("demo", "ada@example.com", "bob")


def categorized(login: str):
    """Each entry of two years with its category, found by its text and the code the bank gives, if any."""
    categorizer = default_categorizer()
    for account in AccountName:
        for entry in History(login).entries(account, TWO_YEARS, TODAY):
            said = categorizer.categorize(Clues(normalize(entry.description).key, entry.amount_minor, "USD", entry.mcc))
            yield account, entry, said


@pytest.mark.parametrize("login", LOGINS)
def test_card_payments_and_savings_transfers_are_transfers_on_both_sides_and_cancel_out(login):
    tree = load_categories()
    legs = Counter()
    for account, entry, said in categorized(login):
        if tree.by_id[said.category_id].slug in ("credit-card-payment", "savings-transfer", "account-transfer"):
            legs[account] += entry.amount_minor
    assert legs[AccountName.CARD] > 0
    assert legs[AccountName.SAVINGS] != 0
    assert sum(legs.values()) == 0


@pytest.mark.parametrize("login", LOGINS)
def test_paychecks_are_income_and_next_to_nothing_is_uncategorized(login):
    tree = load_categories()
    found = list(categorized(login))
    income = sum(
        entry.amount_minor for _, entry, said in found if tree.by_id[said.category_id].kind is CategoryKind.INCOME
    )
    unknown = [entry.description for _, entry, said in found if said.source is CategorySource.NONE]
    assert income > 24 * 1_000_00
    assert len(unknown) <= len(found) // 100, unknown
