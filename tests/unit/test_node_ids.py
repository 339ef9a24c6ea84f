"""Global ids of many rows are those of each."""

from __future__ import annotations

import base64

from hypothesis import given
from hypothesis import strategies as st

from mintql.domain.node_ids import node_id, node_ids

NAMES = st.sampled_from(["Transaction", "Account", "Category", "Budgets"])


def test_an_id_is_the_name_and_number_in_base64_without_padding():
    assert node_id("Account", 1) == base64.b64encode(b"Account:1").decode().rstrip("=")


@given(NAMES, st.lists(st.integers(0, 2**63 - 1), max_size=60))
def test_together_they_are_what_each_is_alone(name, numbers):
    assert node_ids(name, numbers) == [node_id(name, number) for number in numbers]


@given(NAMES, st.integers(1, 18).flatmap(lambda digits: st.lists(st.integers(10 ** (digits - 1), 10**digits - 1))))
def test_so_they_are_where_all_have_as_many_digits(name, numbers):
    assert node_ids(name, numbers) == [node_id(name, number) for number in numbers]
