"""Which row stands for which: one to one, the surest first, and suggestions where it is unsure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintql.domain.ids import CategoryId, ImportId, TransactionId
from mintql.domain.ingest import AccountRows, StoredRow
from mintql.domain.institutions import ProviderTransaction, Window
from mintql.domain.matching import Coverage, Match, Matches, MatchKind, match_rows

DAY = date(2026, 11, 10)
FILE, OTHER_FILE = ImportId(1), ImportId(2)
ALL = (DAY - timedelta(days=60), DAY + timedelta(days=60))
LIVE = (ALL,)


def said(external_id: str = "t1", **changes: object) -> ProviderTransaction:
    row = ProviderTransaction("card", external_id, DAY, -450, "USD", "BLUE BOTTLE")
    return row._replace(**changes)


def stored(external_id: str = "p1", *, pending: bool = False, **changes: object) -> StoredRow:
    row = StoredRow(
        TransactionId(7), external_id, DAY, -450, "USD", pending, "BLUE BOTTLE", "Blue Bottle", "blue bottle",
        CategoryId(601), "dictionary", "blue bottle",
    )  # fmt: skip
    return replace(row, **changes)


def waiting(external_id: str = "p1", **changes: object) -> StoredRow:
    return stored(external_id, pending=True, **changes)


def window(*rows: ProviderTransaction) -> AccountRows:
    account = AccountRows(window=Window("card", DAY - timedelta(days=14), DAY + timedelta(days=10)))
    account.rows = {row.external_id: row for row in rows}
    return account


def matched(
    before: Sequence[StoredRow],
    account: AccountRows,
    new_ids: Sequence[str] | None = None,
    keys: dict[str, str] | None = None,
    **more: object,
) -> Matches:
    ids = list(account.rows) if new_ids is None else new_ids
    pending = [row for row in before if row.pending]
    near = [row for row in before if not row.pending]
    merchant_keys = dict.fromkeys(ids, "blue bottle") | (keys or {})
    return match_rows(pending, near, account, ids, merchant_keys, **more)  # type: ignore[arg-type]


def pairs(found: Matches) -> dict[str, str]:
    return {match.from_id: match.to_id for match in found.certain}


def gone(found: Matches) -> list[str]:
    return [row.external_id for row in found.gone]


def test_a_posted_row_succeeds_the_pending_one_it_names_whatever_the_amount() -> None:
    found = matched([waiting()], window(said(amount_minor=-540, pending_external_id="p1")))
    assert found.found == [Match("p1", "t1", MatchKind.PENDING_LINK)]
    assert found.gone == []


def test_without_a_link_the_same_amount_within_a_week_succeeds_a_vanished_pending_row() -> None:
    account = window(said("late", posted_on=DAY + timedelta(days=8)), said("t1", posted_on=DAY + timedelta(days=2)))
    found = matched([waiting()], account)
    assert found.found == [Match("p1", "t1", MatchKind.PENDING_EXACT)]
    assert found.gone == []


def test_a_smaller_amount_is_no_successor_and_the_vanished_pending_row_is_gone() -> None:
    found = matched([waiting()], window(said(amount_minor=-449)))
    assert (found.found, gone(found)) == ([], ["p1"])


def test_a_posted_row_that_was_there_before_claims_nothing() -> None:
    found = matched([waiting()], window(said()), [])
    assert (found.found, gone(found)) == ([], ["p1"])


def test_a_pending_row_the_window_still_shows_stays() -> None:
    found = matched([waiting()], window(said("p1", pending=True), said("t1")), ["t1"])
    assert (found.found, found.gone) == ([], [])


def test_one_posted_row_claims_one_pending_row_of_the_same_seller_first() -> None:
    other = waiting("p0", merchant_key="other", transaction_id=TransactionId(6))
    found = matched([other, waiting("p1")], window(said("t0"), said("t1")), keys={"t1": "other"})
    assert pairs(found) == {"p0": "t1", "p1": "t0"}
    assert found.gone == []


def test_without_a_complete_window_nothing_is_taken_for_gone() -> None:
    account = window(said(amount_minor=-9))
    account.window = None
    assert matched([waiting()], account) == Matches()


def test_a_pending_row_the_institution_took_back_is_claimed_without_a_window_too() -> None:
    account = window(said())
    account.window, account.removed = None, {"p1"}
    assert pairs(matched([waiting()], account)) == {"p1": "t1"}


def test_a_pending_row_that_vanished_earlier_is_claimed_by_the_same_seller_only() -> None:
    vanished = waiting(removed=True)
    assert pairs(matched([vanished], window(said()))) == {"p1": "t1"}
    found = matched([vanished], window(said()), keys={"t1": "another seller"})
    assert (pairs(found), found.gone) == ({}, [])


def test_a_row_that_names_a_pending_one_which_is_posted_itself_does_not_succeed_it() -> None:
    found = matched([waiting()], window(said("t1", pending_external_id="p1"), said("p1")), ["t1"])
    assert (found.found, found.gone) == ([], [])


@pytest.mark.parametrize(
    ("amount_minor", "days", "suggested"),
    [(-585, 3, True), (-451, 0, True), (-586, 3, False), (-585, 4, False), (-449, 0, False), (585, 0, False)],
)
def test_up_to_thirty_percent_more_within_three_days_is_suggested_as_a_tip(
    amount_minor: int, days: int, suggested: bool
) -> None:
    account = window(said(amount_minor=amount_minor, posted_on=DAY + timedelta(days=days)))
    found = matched([waiting()], account)
    tip = Match("p1", "t1", MatchKind.PENDING_TIP, certain=False)
    assert found.found == ([tip] if suggested else [])
    assert gone(found) == ["p1"]


def test_a_tip_is_suggested_for_the_same_seller_before_a_nearer_amount() -> None:
    account = window(said("t0", amount_minor=-451), said("t1", amount_minor=-540))
    found = matched([waiting()], account, keys={"t0": "another seller"})
    assert [match.to_id for match in found.found] == ["t1"]


def test_a_posted_row_that_is_shown_under_a_new_id_is_the_same_purchase() -> None:
    found = matched([stored("old")], window(said("new")))
    assert found.found == [Match("old", "new", MatchKind.CHANGED_ID)]


def test_two_equal_purchases_stay_two_when_the_first_is_still_shown() -> None:
    found = matched([stored("t0")], window(said("t0"), said("t1")), ["t1"])
    assert found.found == []


@pytest.mark.parametrize(
    "other", [{"posted_on": DAY + timedelta(days=1)}, {"amount_minor": -451}, {"description": "SHELL"}]
)
def test_another_day_amount_or_seller_is_another_purchase(other: dict[str, object]) -> None:
    keys = {"new": "shell"} if "description" in other else {}
    assert matched([stored("old")], window(said("new", **other)), keys=keys).found == []


def test_a_row_without_an_id_of_its_own_whose_text_changed_is_the_same_purchase() -> None:
    found = matched(
        [stored("content:1:1")], window(said("content:2:1", description="BLUE BTL")), keys={"content:2:1": "x"}
    )
    assert pairs(found) == {"content:1:1": "content:2:1"}


def test_a_posted_row_older_than_the_window_keeps_its_id() -> None:
    old = DAY - timedelta(days=15)
    assert matched([stored("old", posted_on=old)], window(said("new", posted_on=old))).found == []


def test_a_removed_row_that_is_added_again_under_another_id_goes_on_under_it() -> None:
    account = window(said("new"))
    account.window, account.removed = None, {"old"}
    assert pairs(matched([stored("old")], account)) == {"old": "new"}
    assert pairs(matched([stored("old", removed=True)], window(said("new")))) == {"old": "new"}


KNOWN = Coverage(LIVE, {FILE: ALL})


def test_a_files_row_gives_way_to_the_connections_and_the_other_way_round() -> None:
    found = matched([stored("live")], window(said("file")), origin=FILE, coverage=KNOWN)
    assert found.found == [Match("file", "live", MatchKind.SAME_PURCHASE)]
    found = matched([stored("file", import_id=FILE)], window(said("live")), coverage=KNOWN)
    assert found.found == [Match("file", "live", MatchKind.SAME_PURCHASE)]


def test_two_equal_purchases_of_a_file_meet_two_of_the_connection_one_to_one() -> None:
    first, second = DAY, DAY + timedelta(days=2)
    live = [stored("a", posted_on=first), stored("b", posted_on=second)]
    account = window(said("x", posted_on=second), said("y", posted_on=first), said("z", posted_on=second))
    found = matched(live, account, origin=FILE, coverage=KNOWN)
    assert pairs(found) == {"y": "a", "x": "b"}


def test_rows_more_than_three_days_apart_are_two_purchases() -> None:
    account = window(said("file", posted_on=DAY + timedelta(days=4)))
    assert matched([stored("live")], account, origin=FILE, coverage=KNOWN).found == []


def test_at_the_edge_of_what_is_known_it_is_a_suggestion() -> None:
    known = Coverage(((DAY, DAY + timedelta(days=30)),), {FILE: (DAY - timedelta(days=30), DAY - timedelta(days=1))})
    account = window(said("file", posted_on=DAY - timedelta(days=1)))
    [match] = matched([stored("live")], account, origin=FILE, coverage=known).found
    assert match == Match("file", "live", MatchKind.SAME_PURCHASE, certain=False)


def test_a_row_that_stands_for_one_of_this_file_already_takes_no_second() -> None:
    live = stored("live", stands_for=frozenset({"told"}))
    both = window(said("told"), said("file"))
    assert matched([live], both, ["file"], origin=FILE, coverage=KNOWN).found == []
    other = Coverage(LIVE, {OTHER_FILE: ALL})
    assert pairs(matched([live], window(said("file")), origin=OTHER_FILE, coverage=other)) == {"file": "live"}


def test_an_id_that_changes_back_leaves_one_row() -> None:
    found = matched([stored("b")], window(said("a")), [], {"a": "blue bottle"}, shown_again=["a"])
    assert found.found == [Match("b", "a", MatchKind.CHANGED_ID)]


def test_a_pending_row_that_is_pending_under_another_id_goes_on_under_it() -> None:
    found = matched([waiting("p1")], window(said("p2", pending=True)))
    assert (found.found, found.gone) == ([Match("p1", "p2", MatchKind.CHANGED_ID)], [])


def test_what_counted_until_now_is_claimed_before_what_vanished_earlier() -> None:
    earlier = waiting("p0", removed=True, posted_on=DAY - timedelta(days=1))
    assert pairs(matched([earlier, waiting("p1")], window(said()))) == {"p1": "t1"}


def test_a_pending_row_with_a_suggestion_gets_no_other_one() -> None:
    tip = window(said(amount_minor=-500))
    assert matched([waiting(removed=True, suggested=True)], tip).found == []
    assert len(matched([waiting(removed=True)], tip).found) == 1


def test_a_row_that_succeeds_a_pending_one_is_what_a_file_told_of_as_well() -> None:
    told = stored("file", import_id=FILE, amount_minor=-540)
    account = window(said(amount_minor=-540, pending_external_id="p1"))
    found = matched([waiting(), told], account, coverage=KNOWN)
    assert pairs(found) == {"p1": "t1", "file": "t1"}


def test_between_the_days_a_connection_told_of_it_is_a_suggestion() -> None:
    gap = Coverage(((DAY - timedelta(days=60), DAY), (DAY + timedelta(days=9), DAY + timedelta(days=60))), {FILE: ALL})
    account = window(said("file", posted_on=DAY + timedelta(days=1)))
    [match] = matched([stored("live")], account, origin=FILE, coverage=gap).found
    assert not match.certain


def test_a_files_row_meets_a_pending_one_of_the_connection_and_leaves_it_there() -> None:
    found = matched([waiting("live")], window(said("file")), origin=FILE, coverage=KNOWN)
    assert (pairs(found), found.gone) == ({"file": "live"}, [])


def test_of_two_files_rows_the_one_that_was_there_stands() -> None:
    known = Coverage((), {FILE: ALL, OTHER_FILE: ALL})
    found = matched([stored("old", import_id=FILE)], window(said("new")), origin=OTHER_FILE, coverage=known)
    assert pairs(found) == {"new": "old"}


days = st.integers(0, 13).map(lambda number: DAY - timedelta(days=number))
rows = st.builds(
    lambda number, amount, day, pending: said(f"r{number}", amount_minor=amount, posted_on=day, pending=pending),
    st.integers(0, 8), st.integers(-9, 9), days, st.booleans(),
)  # fmt: skip
befores = st.lists(st.tuples(rows, st.sampled_from((None, FILE, OTHER_FILE)), st.booleans()), max_size=12)


@given(befores, st.lists(rows, max_size=12), st.sampled_from((None, FILE)))
def test_matching_is_one_to_one_and_every_vanished_pending_row_is_accounted_for(
    before: list[tuple[ProviderTransaction, ImportId | None, bool]],
    now: list[ProviderTransaction],
    origin: ImportId | None,
) -> None:
    there = [
        stored(
            f"p{place}", pending=row.pending, amount_minor=row.amount_minor, posted_on=row.posted_on,
            transaction_id=TransactionId(place), import_id=import_id, removed=removed,
        )
        for place, (row, import_id, removed) in enumerate(before)
    ]  # fmt: skip
    account = window(*now)
    found = matched(there, account, origin=origin, coverage=Coverage(LIVE, {FILE: ALL}))
    assert len({match.from_id for match in found.found}) == len(found.found)
    same = [match.kind is MatchKind.SAME_PURCHASE for match in found.found]
    for kind in (True, False):
        chosen = [match.to_id for match, is_same in zip(found.found, same, strict=True) if is_same is kind]
        assert len(set(chosen)) == len(chosen)
    ids = {row.external_id: row for row in there}
    own = {row.external_id for row in there if row.pending and row.live and (row.import_id is None) == (origin is None)}
    assert own <= set(gone(found)) | set(pairs(found))
    for match in found.certain:
        one, other = (account.rows.get(match.from_id), account.rows.get(match.to_id))
        new = one or other
        old = ids.get(match.from_id) or ids[match.to_id]
        assert new is not None
        assert (new.amount_minor, new.pending) == (old.amount_minor, False)
