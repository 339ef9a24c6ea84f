"""The loader of named SQL."""

from __future__ import annotations

import pytest

from mintql.store.queries import load, nouns, parse


def test_queries_are_split_by_name() -> None:
    assert parse("-- name: a\n-- One.\nSELECT 1\n\n-- name: b_c\n-- Two.\nSELECT 2\n") == {
        "a": "SELECT 1",
        "b_c": "SELECT 2",
    }


@pytest.mark.parametrize("text", ["-- name: a\nSELECT 1\n", "-- name: A\n-- One.\nSELECT 1\n"])
def test_a_query_without_purpose_or_with_a_strange_name_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="begins with a line"):
        parse(text)


def test_a_name_used_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="same name"):
        parse("-- name: a\n-- One.\nSELECT 1\n-- name: a\n-- Two.\nSELECT 2\n")


@pytest.mark.parametrize("noun", nouns())
def test_every_file_can_be_loaded_and_holds_queries(noun: str) -> None:
    assert list(load(noun))


def test_an_unknown_query_is_named_in_the_error() -> None:
    with pytest.raises(AttributeError, match=r"sql/locks.sql has no query named nothing"):
        _ = load("locks").nothing
