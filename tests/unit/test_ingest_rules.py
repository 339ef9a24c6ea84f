"""Folding pages, naming rows, merging what changed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintql.domain.ids import CategoryId, TransactionId
from mintql.domain.ingest import StoredRow, fold, merge
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
    return row._replace(**changes)


def stored(external_id: str = "p1", **changes: object) -> StoredRow:
    row = StoredRow(
        TransactionId(7), external_id, DAY, -450, "USD", True, "BLUE BOTTLE", "Blue Bottle", "blue bottle",
        CategoryId(601), "dictionary", "blue bottle",
    )  # fmt: skip
    return replace(row, **changes)


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


def test_a_row_of_a_file_that_gave_way_says_nothing_new_when_the_file_comes_again() -> None:
    superseded = stored("t1", successor_id=TransactionId(9), pending=False)
    assert merge(superseded, said("t1"), "Blue Bottle", "blue bottle", stays_superseded=True) is None
    assert merge(superseded, said("t1"), "Blue Bottle", "blue bottle") == replace(superseded, successor_id=None)


def test_a_row_taken_back_without_an_account_is_looked_for_in_every_account_of_the_run() -> None:
    savings = replace(CARD, external_id="savings")
    pages = [
        ParsedPage(accounts=(CARD, savings), transactions=(said("t1"), said("t2"))),
        ParsedPage(removed=(("", "t1"), ("", "t3"))),
        ParsedPage(transactions=(said("t3"),)),
    ]
    folded = fold(pages)
    assert sorted(folded.by_account["card"].rows) == ["t2", "t3"]
    assert folded.by_account["card"].removed == {"t1"}
    assert folded.by_account["savings"].removed == {"t1", "t3"}
    assert folded.rejected == []


def test_notices_are_kept_once() -> None:
    assert fold([ParsedPage(notices=("a", "b")), ParsedPage(notices=("b",))]).notices == ["a", "b"]


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


@given(st.lists(rows, max_size=12), st.integers(1, 4))
def test_how_rows_are_cut_into_pages_makes_no_difference(items: list[ProviderTransaction], size: int) -> None:
    whole = fold([ParsedPage(transactions=tuple(items))])
    cut = fold([ParsedPage(transactions=tuple(items[at : at + size])) for at in range(0, len(items), size)])
    if items:
        assert whole.by_account["card"].rows == cut.by_account["card"].rows
