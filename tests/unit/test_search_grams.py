"""Stretches of text by which it is told where a text can stand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintql.domain.search_grams import (
    ASKED_MAX,
    Places,
    count,
    either,
    in_order,
    narrowed,
    places_of,
    telling,
    unpacked,
)

TEXTS = st.text(alphabet="abc01 \x1e=", max_size=30)
AMOUNTS = st.integers(0, 10**9).map(lambda number: f"={number}=".translate(str.maketrans("0123456789", "ABCDEFGHIJ")))
NUMBERS = st.frozensets(st.integers(0, 60))


def having(texts: list[str], *words: str) -> list[int]:
    """Numbers of the texts that have all stretches that are asked for of some words."""
    packed = places_of(texts)
    found: Places | None = None
    for gram in [gram for word in words for gram in telling(word) or ()]:
        found = narrowed(found, packed.get(gram, b""), len(texts))
    return list(range(len(texts))) if found is None else in_order(found, highest_first=False)


@given(TEXTS, AMOUNTS, st.data())
def test_wherever_a_word_stands_all_that_is_asked_of_it_stands_too(text, amount, data):
    assert set(telling(amount) or ()) <= places_of([text + amount]).keys()
    words = [word for word in f"{text}=".split() if word]
    word = data.draw(st.sampled_from(words))
    first = data.draw(st.integers(0, len(word) - 1))
    part = word[first : data.draw(st.integers(first + 1, len(word)))]
    assert set(telling(part) or ()) <= places_of([text + amount]).keys()


@given(st.lists(TEXTS, max_size=40), st.text(alphabet="abc01", min_size=3, max_size=8))
def test_places_are_those_of_the_texts_that_have_it(texts, word):
    assert {place for place, text in enumerate(texts) if word in text} <= set(having(texts, word))


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("ab", None),
        ("abc", ["abc"]),
        ("abcd", ["abc", "bcd"]),
        ("seatle", ["sea", "eat", "atl", "tle"]),
        ("abcdefghijklmno", ["abc", "bcd", "def", "fgh", "ghi", "ijk", "klm", "mno"]),
        ("x12345", ["0128", "x12", "123", "234", "345"]),
        ("x123456", ["0128", "0544", "x12"]),
        ("=BCKF=", ["=0277", "+0466"]),
    ],
)
def test_few_stretches_of_a_text_are_asked_for_and_none_of_one_that_is_too_short(text, asked):
    found = telling(text)
    assert found == asked
    assert len(found or ()) <= ASKED_MAX


def test_five_digits_in_a_row_are_told_apart_from_others_of_the_same_threes():
    assert having(["ref 0333333", "ref 0333 3330333"], "0333333") == [0]


def test_an_amount_is_told_apart_from_others_that_have_the_same_digits():
    assert having(["a=BCKDE=", "b=BCKDEB=", "c=CBCKDE=", "d=BCKDE="], "=BCKDE=") == [0, 3]


@pytest.mark.parametrize("share", [2, 1_000])
def test_many_places_take_a_bit_for_each_text_and_few_take_two_bytes_each(share):
    texts = ["word" if number % share == 0 else "other" for number in range(65_536)]
    packed = places_of(texts)["wor"]
    assert len(packed) == min(65_536 // 8, 2 * (65_535 // share + 1))
    assert having(texts, "word") == list(range(0, 65_536, share))


@given(st.frozensets(st.integers(0, 3_999), max_size=20), st.frozensets(st.integers(0, 3_999), max_size=200))
def test_few_places_are_looked_for_among_packed_ones_as_among_unpacked(few, many):
    texts = ["" for _ in range(4_000)]
    for place in many:
        texts[place] = "word"
    packed = places_of(texts).get("wor", b"")
    assert narrowed(few, packed, len(texts)) == few & many
    assert narrowed(many, packed, len(texts)) == many


@given(NUMBERS, NUMBERS)
def test_few_and_many_places_go_together(one, other):
    texts = [" ".join(["one"] * (number in one) + ["other"] * (number in other)) for number in range(64)]
    assert having(texts, "one") == sorted(one)
    assert having(texts, "one", "other") == sorted(one & other)
    packed = places_of(texts)
    left, right = (unpacked(packed.get(gram, b""), 64) for gram in ("one", "oth"))
    assert in_order(either(left, right), highest_first=True) == sorted(one | other, reverse=True)
    assert (count(left), count(right)) == (len(one), len(other))
