"""Objects that are made when somebody asks for one, and what is read of them before."""

from __future__ import annotations

from operator import itemgetter
from types import SimpleNamespace
from typing import NamedTuple

import pytest

from mintql.api.columns import Composed, Reading, Rows


class Item(NamedTuple):
    row: object
    tree: str


class Amount(NamedTuple):
    minor: int
    currency: str

    @property
    def text(self) -> str:
        return f"{self.minor} {self.currency}"


class Row(dict):
    """As asyncpg's records with the attributes that ours have: some are a column, some made of columns."""

    minor = property(itemgetter("amount_minor"))
    label = property(itemgetter("name"))

    @property
    def name(self) -> str:
        return self["name"] or "nobody"

    def __iter__(self):
        return iter(self.values())


@pytest.fixture
def rows():
    return [Row(amount_minor=-100, name=None), Row(amount_minor=-200, name="Corner Cafe")]


def test_columns_are_read_of_rows_and_no_object_is_made(rows):
    made = []
    found = Rows(lambda **given: made.append(given), "row", rows, tree="all")
    assert [list(Reading(path)(found)) for path in ("row.minor", "row.label", "tree")] == [
        [-100, -200],
        [None, "Corner Cafe"],
        ["all", "all"],
    ]
    assert made == []


def test_named_tuples_are_rows_as_well_and_there_may_be_none():
    found = Rows(Item, "row", [Amount(1, "USD"), Amount(2, "EUR")], tree="all")
    assert [list(Reading(f"row.{name}")(found)) for name in ("minor", "text")] == [[1, 2], ["1 USD", "2 EUR"]]
    none = Rows(Item, "row", [], tree="all")
    assert ([*none], [*Reading("row.minor")(none)], [*Reading("tree")(none)]) == ([], [], [])


def test_what_is_no_column_is_read_row_by_row_even_where_a_column_has_its_name(rows):
    found = Rows(Item, "row", rows, tree="all")
    assert Reading("row.name")(found) == ["nobody", "Corner Cafe"]
    assert Reading("row.name")([Item(row, "all") for row in rows]) == ["nobody", "Corner Cafe"]


def test_the_objects_are_there_for_who_asks_and_stay_the_same(rows):
    found = Rows(Item, "row", rows, tree="all")
    assert len(found) == len(rows)
    assert list(found) == [Item(row, "all") for row in rows]
    assert found[1] is found[1]
    assert found[:1] == [Item(rows[0], "all")]


def test_of_composed_objects_attributes_are_columns_and_the_rest_is_asked_of_them():
    columns = {"minor": Reading("amount_minor"), "currency": Reading("unit")}
    found = Composed(
        Amount, columns, [SimpleNamespace(amount_minor=1, unit="USD"), SimpleNamespace(amount_minor=2, unit="EUR")]
    )
    assert Reading("currency")(found) == ["USD", "EUR"]
    assert Reading("text")(found) == ["1 USD", "2 EUR"]
