"""Folding pages, naming rows, linking pending to posted."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintql.domain.ids import CategoryId, TransactionId
from mintql.domain.ingest import AccountRows, StoredRow, fold, match_pending, merge
from mintql.domain.institutions import (
    AccountKind,
    ParsedPage,
    ProviderAccount,
    ProviderTransaction,
    RejectedRow,
    Window,
)

DAY = date(2026, 11, 10)
CARD = ProviderAccount("card", "Card", AccountKind.CREDIT_CARD, "USD")


def said(external_id: str = "t1", **changes: object) -> ProviderTransaction:
    row = ProviderTransaction("card", external_id, DAY, -450, "USD", "BLUE BOTTLE")
    return replace(row, **changes)


def stored(external_id: str = "p1", **changes: object) -> StoredRow:
    row = StoredRow(
        TransactionId(7), external_id, DAY, -450, "USD", True, "BLUE BOTTLE", "Blue Bottle", "blue bottle",
        CategoryId(601), "dictionary", "blue bottle",
    )  # fmt: skip
    return replace(row, **changes)


def window(*rows: ProviderTransaction) -> AccountRows:
    account = AccountRows(window=Window("card", DAY - timedelta(days=14), DAY + timedelta(days=1)))
    account.rows = {row.external_id: row for row in rows}
    return account


def test_the_last_page_has_the_last_word_on_a_row() -> None:
    folded = fold([ParsedPage(transactions=(said(),)), ParsedPage(transactions=(said(amount_minor=-500),))])
    assert [row.amount_minor for row in folded.by_account["card"].rows.values()] == [-500]
    assert folded.by_account["card"].pages == {"t1": 1}


def test_a_page_that_comes_twice_changes_nothing() -> None:
    page = ParsedPage(accounts=(CARD,), transactions=(said("t1"), said("t2")))
    assert fold([page, page]).by_account["card"].rows == fold([page]).by_account["card"].rows


def test_two_equal_purchases_without_ids_stay_two_and_keep_their_names() -> None:
    page = ParsedPage(transactions=(said(""), said(""), said("", amount_minor=-451)))
    names = list(fold([page]).by_account["card"].rows)
    assert len(names) == 3
    assert names == list(fold([page]).by_account["card"].rows)


def test_a_row_removed_on_a_later_page_is_gone_and_one_given_again_is_back() -> None:
    gone = fold([ParsedPage(transactions=(said(),)), ParsedPage(removed=(("card", "t1"),))])
    assert gone.by_account["card"].rows == {}
    assert gone.by_account["card"].removed == {"t1"}
    back = fold([ParsedPage(removed=(("card", "t1"),)), ParsedPage(transactions=(said(),))])
    assert list(back.by_account["card"].rows) == ["t1"]
    assert back.by_account["card"].removed == set()


def test_a_pending_row_is_dropped_when_its_posted_successor_is_in_the_same_run() -> None:
    page = ParsedPage(transactions=(said("p1", pending=True), said("t1", pending_external_id="p1")))
    assert list(fold([page]).by_account["card"].rows) == ["t1"]


def test_a_posted_row_succeeds_the_pending_one_it_names_whatever_the_amount() -> None:
    posted = said("t1", amount_minor=-540, pending_external_id="p1")
    claimed, gone = match_pending([stored("p1")], window(posted), ["t1"], {})
    assert {key: row.external_id for key, row in claimed.items()} == {"t1": "p1"}
    assert gone == []


def test_without_a_link_the_same_amount_within_a_week_succeeds_a_vanished_pending_row() -> None:
    account = window(said("late", posted_on=DAY + timedelta(days=8)), said("t1", posted_on=DAY + timedelta(days=2)))
    claimed, gone = match_pending([stored("p1")], account, ["late", "t1"], {})
    assert list(claimed) == ["t1"]
    assert gone == []


def test_a_different_amount_is_no_successor_and_the_vanished_pending_row_is_gone() -> None:
    claimed, gone = match_pending([stored("p1")], window(said("t1", amount_minor=-451)), ["t1"], {})
    assert claimed == {}
    assert [row.external_id for row in gone] == ["p1"]


def test_a_posted_row_that_was_there_before_claims_nothing() -> None:
    claimed, gone = match_pending([stored("p1")], window(said("t1")), [], {})
    assert claimed == {}
    assert [row.external_id for row in gone] == ["p1"]


def test_a_pending_row_the_window_still_shows_stays() -> None:
    claimed, gone = match_pending([stored("p1")], window(said("p1", pending=True), said("t1")), ["t1"], {})
    assert claimed == {}
    assert gone == []


def test_one_posted_row_claims_one_pending_row_of_the_same_seller_first() -> None:
    other = stored("p0", merchant_key="other", transaction_id=TransactionId(6))
    claimed, gone = match_pending(
        [other, stored("p1")], window(said("t0"), said("t1")), ["t0", "t1"], {"t0": "blue bottle", "t1": "other"}
    )
    assert {key: row.external_id for key, row in claimed.items()} == {"t0": "p1", "t1": "p0"}
    assert gone == []


def test_without_a_complete_window_nothing_is_taken_for_gone() -> None:
    account = window(said("t1", amount_minor=-9))
    account.window = None
    assert match_pending([stored("p1")], account, ["t1"], {}) == ({}, [])


def test_a_manual_category_stays_when_amount_and_text_change() -> None:
    before = stored("t1", category_source="manual", pending=False)
    after = merge(before, said("t1", amount_minor=-999, description="OTHER"), "Other", "other")
    assert after is not None
    assert (after.amount_minor, after.category_id, after.category_source) == (-999, before.category_id, "manual")


def test_posted_never_becomes_pending_and_a_superseded_row_does_not_count_again_as_pending() -> None:
    assert merge(stored("t1", pending=False), said("t1", pending=True), "x", "x") is None
    superseded = stored("p1", successor_id=TransactionId(9))
    assert merge(superseded, said("p1", amount_minor=-1, pending=True), "x", "x") is None


def test_a_superseded_row_that_posts_under_its_own_id_was_another_purchase_and_counts_again() -> None:
    after = merge(stored("p1", successor_id=TransactionId(9)), said("p1"), "Blue Bottle", "blue bottle")
    assert after is not None
    assert after.live
    assert not after.pending


def test_a_row_that_names_a_pending_one_which_is_posted_itself_does_not_succeed_it() -> None:
    account = window(said("t1", pending_external_id="p1"), said("p1"))
    assert match_pending([stored("p1")], account, ["t1"], {}) == ({}, [])


@pytest.mark.parametrize(
    "odd",
    [
        {"description": "A\0B"},
        {"description": "\ud800"},
        {"description": "x" * 1_001},
        {"external_id": "x" * 256},
        {"pending_external_id": "\0"},
        {"amount_minor": 2**63},
        {"posted_on": date(9999, 1, 1)},
        {"posted_on": date(1, 1, 1)},
    ],
)
def test_a_row_that_no_institution_can_mean_is_rejected_alone(odd: dict[str, object]) -> None:
    folded = fold([ParsedPage(transactions=(said("t1"), said(**({"external_id": "t2"} | odd))))])
    assert list(folded.by_account["card"].rows) == ["t1"]
    [(number, rejected)] = folded.rejected
    assert (number, rejected.account_external_id) == (0, "card")
    assert rejected.reason
    rejected.excerpt.encode()


def test_a_run_with_a_page_that_cannot_be_read_has_no_complete_window() -> None:
    page = ParsedPage(transactions=(said(),), windows=(Window("card", DAY, DAY),))
    assert fold([page], complete=False).by_account["card"].window is None


def test_a_removed_row_that_is_given_again_counts_again() -> None:
    after = merge(stored("t1", removed=True, pending=False), said("t1"), "Blue Bottle", "blue bottle")
    assert after is not None
    assert after.live


def test_a_window_with_a_row_that_cannot_be_read_is_not_complete() -> None:
    complete = ParsedPage(transactions=(said(),), windows=(Window("card", DAY, DAY),))
    assert fold([complete]).by_account["card"].window == Window("card", DAY, DAY)
    for account_id, window_left in (("card", None), ("", None), ("savings", Window("card", DAY, DAY))):
        page = replace(complete, rejected=(RejectedRow(0, "no amount", "{}", account_id),))
        assert fold([page]).by_account["card"].window == window_left


amounts = st.integers(-1000, 1000)
days = st.integers(0, 13).map(lambda n: DAY - timedelta(days=n))
rows = st.builds(
    lambda number, amount, day, pending: said(f"r{number}", amount_minor=amount, posted_on=day, pending=pending),
    st.integers(0, 8), amounts, days, st.booleans(),
)  # fmt: skip


@given(st.lists(rows, max_size=12), st.lists(rows, max_size=12))
def test_matching_is_one_to_one_and_every_vanished_pending_row_is_accounted_for(
    before: list[ProviderTransaction], now: list[ProviderTransaction]
) -> None:
    pending = [
        stored(f"p{place}", amount_minor=row.amount_minor, posted_on=row.posted_on, transaction_id=TransactionId(place))
        for place, row in enumerate(before)
    ]
    account = window(*now)
    claimed, gone = match_pending(pending, account, list(account.rows), {})
    claimed_ids = [row.transaction_id for row in claimed.values()]
    assert len(set(claimed_ids)) == len(claimed_ids)
    assert sorted(claimed_ids + [row.transaction_id for row in gone]) == [row.transaction_id for row in pending]
    for external_id, row in claimed.items():
        assert account.rows[external_id].amount_minor == row.amount_minor
        assert not account.rows[external_id].pending


@given(st.lists(rows, max_size=12), st.integers(1, 4))
def test_how_rows_are_cut_into_pages_makes_no_difference(items: list[ProviderTransaction], size: int) -> None:
    whole = fold([ParsedPage(transactions=tuple(items))])
    cut = fold([ParsedPage(transactions=tuple(items[at : at + size])) for at in range(0, len(items), size)])
    if items:
        assert whole.by_account["card"].rows == cut.by_account["card"].rows
