"""Stretches of text by which it is told where a text can stand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintql.domain.search_grams import ASKED_MAX, bits, grams, newest_first, places_of, telling

TEXTS = st.text(alphabet="abc01 \x1e=K", max_size=30)


@given(TEXTS, st.data())
def test_wherever_a_word_stands_all_that_is_asked_of_it_stands_too(text, data):
    words = [word for word in text.split() if word]
    if not words:
        return
    word = data.draw(st.sampled_from(words))
    first = data.draw(st.integers(0, len(word) - 1))
    part = word[first : data.draw(st.integers(first + 1, len(word)))]
    assert set(telling(part) or ()) <= grams(text)


@given(st.lists(TEXTS, max_size=40), st.text(alphabet="abc01", min_size=3, max_size=8))
def test_places_are_those_of_the_texts_that_have_it(texts, word):
    places = places_of(texts)
    found = -1
    for gram in telling(word) or ():
        found &= bits(places[gram]) if gram in places else 0
    assert {place for place, text in enumerate(texts) if word in text} <= set(newest_first(found))
    assert newest_first(found) == sorted(newest_first(found), reverse=True)


@pytest.mark.parametrize(
    ("text", "asked"),
    [("ab", None), ("abc", ["abc"]), ("abcd", ["abc", "bcd"]), ("x12345", ["0237", "x12", "345", "123"])],
)
def test_few_stretches_of_a_text_are_asked_for_and_none_of_one_that_is_too_short(text, asked):
    found = telling(text)
    assert found == asked
    assert len(found or ()) <= ASKED_MAX


def test_five_digits_in_a_row_are_told_apart_from_others_of_the_same_threes():
    texts = ["ref 0333333", "ref 0333 3330333"]
    places = places_of(texts)
    found = -1
    for gram in telling("0333333"):
        found &= bits(places[gram])
    assert newest_first(found) == [0]
