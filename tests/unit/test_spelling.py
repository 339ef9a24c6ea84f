"""Misspelled words are taken for what they may have meant, and others are left alone."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintql.domain.spelling import MEANT_MAX, TWO_TYPOS_LENGTH_MIN, TYPO_LENGTH_MIN, meant

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


@pytest.mark.parametrize(("typed", "typos"), [("abcdefg", 0), ("bacdefg", 1), ("abcdeg", 1), ("xabcdefgx", 2)])
def test_a_swap_is_one_typo_as_is_a_letter_too_few_or_too_many(typed, typos):
    assert distance(typed, "abcdefg") == typos


WORDS = st.text("abcd", max_size=9)


@given(st.data(), st.frozensets(WORDS, max_size=30))
def test_each_known_word_is_compared_as_if_it_were_alone_and_written_out(data, known):
    """The same as by the definition of the distance, for beginnings of every length."""
    word = data.draw(WORDS | st.sampled_from(sorted(known)) if known else WORDS)
    place = data.draw(st.integers(0, len(word)))
    typed = word[:place] + data.draw(st.sampled_from(["", "d"])) + word[place + data.draw(st.integers(0, 1)) :]
    limit = 2 if len(typed) >= TWO_TYPOS_LENGTH_MIN else 1
    near = [
        (min(distance(typed, other[:end]) for end in range(len(other) + 1)), abs(len(other) - len(typed)), other)
        for other in known
    ]
    expected = [other for typos, _, other in sorted(near) if typos <= limit][:MEANT_MAX]
    if len(typed) < TYPO_LENGTH_MIN or any(typed in other for other in known):
        expected = []
    assert meant(typed, known) == expected


def distance(one: str, other: str) -> int:
    """Letters added, left out, exchanged or swapped, by the recursion that defines it."""

    @cache
    def of(length: int, other_length: int) -> int:
        if not length or not other_length:
            return length + other_length
        last, other_last = one[length - 1], other[other_length - 1]
        ways = [
            of(length - 1, other_length) + 1,
            of(length, other_length - 1) + 1,
            of(length - 1, other_length - 1) + (last != other_last),
        ]
        if min(length, other_length) > 1 and (last, one[length - 2]) == (other[other_length - 2], other_last):
            ways.append(of(length - 2, other_length - 2) + 1)
        return min(ways)

    return of(len(one), len(other))
