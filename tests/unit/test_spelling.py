"""Misspelled words are taken for what they may have meant, and others are left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintql.domain.spelling import distance, meant

SELLERS = {"amazon", "starbucks", "netflix", "uber", "shell", "shelter", "магнит", "target", "whole", "foods", "costco"}


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("amazn", "amazon"), ("amzaon", "amazon"), ("starbuks", "starbucks"), ("starbukcs", "starbucks"),
        ("netflx", "netflix"), ("магнт", "магнит"), ("cotsco", "costco"), ("ubeer", "uber"), ("starbcs", "starbucks"),
    ],
)  # fmt: skip
def test_a_typo_is_forgiven(typed, wanted):
    assert meant(typed, SELLERS)[0] == wanted


@pytest.mark.parametrize("typed", ["shel", "amaz", "ubr", "tr", "zzzzzz", "amazon", "foodstuff", ""])
def test_beginnings_short_words_and_other_words_are_not_typos(typed):
    assert meant(typed, SELLERS) == []


@pytest.mark.parametrize(
    ("one", "other", "letters"),
    [("", "", 0), ("abc", "abc", 0), ("abc", "acb", 1), ("abc", "ab", 1), ("abc", "abxc", 1), ("abc", "xyz", 3)],
)
def test_distance_counts_letters(one, other, letters):
    assert distance(one, other, 3) == letters


@given(st.text("abc", max_size=6), st.text("abc", max_size=6), st.integers(0, 6))
def test_distance_is_the_same_both_ways_and_cut_at_its_limit(one, other, limit):
    whole = distance(one, other, 12)
    assert distance(other, one, 12) == whole
    assert distance(one, other, limit) == min(whole, limit + 1)
