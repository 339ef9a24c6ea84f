"""What is large or not as usual is told by a person's own history."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from mintql.domain.ids import AccountId, CategoryId, TransactionId
from mintql.domain.notable import (
    LARGE_FLOOR_MINOR,
    LARGE_UNKNOWN_MINOR,
    SPREAD_FLOOR_MINOR,
    Charge,
    Earlier,
    Spread,
    duplicates,
    is_large,
    is_new_seller,
    large_limit,
    outlier,
)

DAY = date(2026, 11, 12)
CHARGE = Charge(
    TransactionId(100), TransactionId(100), AccountId(1), CategoryId(601), "City Power", "citypower", 42_000, "USD", DAY,
    pending=False,
)  # fmt: skip
KNOWN = Spread(200, 9_000, 30_000)


def earlier(*amounts: int, days: int = 30) -> list[Earlier]:
    return [
        Earlier(TransactionId(number), DAY - timedelta(days=days * (len(amounts) - number)), amount)
        for number, amount in enumerate(amounts)
    ]


def again(charge: Charge, number: int, days: int = 0, **changes: object) -> Charge:
    return replace(
        charge,
        transaction_id=TransactionId(number),
        root_id=TransactionId(number),
        posted_on=charge.posted_on + timedelta(days=days),
        **changes,
    )


def test_large_is_what_99_of_100_purchases_do_not_exceed_and_never_what_is_small() -> None:
    assert large_limit(KNOWN) == 30_000
    assert large_limit(replace(KNOWN, p99_minor=4_000)) == LARGE_FLOOR_MINOR
    assert large_limit(replace(KNOWN, count=49)) == LARGE_UNKNOWN_MINOR
    assert large_limit(None) == LARGE_UNKNOWN_MINOR
    assert large_limit(KNOWN, chosen_minor=500) == 500


@given(st.integers(1, SPREAD_FLOOR_MINOR - 1), st.integers(0, 300), st.integers(0, 40_000), st.integers(0, 40_000))
def test_of_a_small_charge_it_decides_nothing_how_others_were(amount: int, count: int, p95: int, p99: int) -> None:
    charge, spread = replace(CHARGE, amount_minor=amount), Spread(count, p95, p99)
    assert not is_new_seller(charge, [], spread)
    assert not is_large(charge, large_limit(spread), [], chosen=False)


def test_a_bill_that_was_as_large_before_is_usual_unless_the_person_chose_the_limit() -> None:
    rent = earlier(40_000, 41_000)
    assert is_large(CHARGE, 42_000, earlier(), chosen=False)
    assert not is_large(CHARGE, 42_001, earlier(), chosen=False)
    assert is_large(CHARGE, 42_000, rent[:1], chosen=False)
    assert not is_large(CHARGE, 42_000, rent, chosen=False)
    assert is_large(CHARGE, 42_000, rent, chosen=True)


def test_far_above_what_a_seller_takes_is_unusual() -> None:
    found = outlier(CHARGE, earlier(9_000, 9_500, 10_000, 9_800, 9_500))
    assert found is not None
    assert (found.usual_minor, found.earlier) == (9_500, 5)
    assert outlier(CHARGE, earlier(9_000, 9_500, 10_000, 9_800)) is None, "four charges say too little"
    assert outlier(CHARGE, earlier(15_000, 15_000, 15_000, 15_000, 15_000)) is None, "not three times as much"
    assert outlier(CHARGE, earlier(1_000, 9_000, 20_000, 2_000, 13_000)) is None, "the seller's amounts vary as widely"


def test_three_times_the_price_of_a_coffee_is_no_news() -> None:
    assert outlier(replace(CHARGE, amount_minor=2_000), earlier(400, 420, 400, 450, 400)) is None


def test_one_outlier_before_does_not_make_the_next_one_usual() -> None:
    assert outlier(CHARGE, earlier(9_000, 9_500, 42_000, 9_800, 9_500)) is not None


def test_a_large_charge_of_a_seller_never_met_is_unusual() -> None:
    assert is_new_seller(CHARGE, [], KNOWN)
    assert not is_new_seller(CHARGE, earlier(100), KNOWN)
    assert not is_new_seller(replace(CHARGE, amount_minor=19_999), [], KNOWN)
    assert not is_new_seller(CHARGE, [], replace(KNOWN, p95_minor=42_001))
    assert not is_new_seller(CHARGE, [], None)
    assert not is_new_seller(replace(CHARGE, merchant_key=""), [], KNOWN), "transactions without a seller are no seller"


def test_the_same_amount_twice_within_a_day_is_told_with_the_later_charge() -> None:
    (found,) = duplicates([again(CHARGE, 101, days=1), CHARGE], {})
    assert (found.charge.transaction_id, found.first.transaction_id) == (101, 100)
    assert duplicates([CHARGE, again(CHARGE, 101, days=2)], {}) == []
    assert duplicates([CHARGE, again(CHARGE, 101, amount_minor=42_001)], {}) == []
    assert duplicates([CHARGE, again(CHARGE, 101, account_id=AccountId(2))], {}) == []
    assert duplicates([CHARGE, again(CHARGE, 101, is_news=False)], {}) == []


def test_a_pending_and_a_posted_charge_may_be_one_purchase() -> None:
    assert duplicates([replace(CHARGE, pending=True), again(CHARGE, 101)], {}) == []


def test_small_change_and_sellers_who_often_charge_twice_are_left_alone() -> None:
    fares = [replace(CHARGE, amount_minor=999), again(CHARGE, 101, amount_minor=999)]
    assert duplicates(fares, {}) == []
    often = {("citypower", "USD"): earlier(2_750, 2_750, 2_750, days=1)}
    assert duplicates([CHARGE, again(CHARGE, 101)], often) == []
    once = {("citypower", "USD"): earlier(2_750, 2_750, days=1)}
    assert len(duplicates([CHARGE, again(CHARGE, 101)], once)) == 1
