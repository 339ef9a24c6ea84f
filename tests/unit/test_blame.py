"""Errors of values name the argument the value was meant for, or none rather than a wrong one."""

from __future__ import annotations

import pytest

from mintql.api.schema import build_schema

SCHEMA = build_schema()


async def faults(query, variables=None):
    result = await SCHEMA.execute(query, variables)
    assert {error.extensions["code"] for error in result.errors} == {"BAD_USER_INPUT"}
    return {(error.message.split(" ")[0], error.extensions.get("field")) for error in result.errors}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ('{ monthlySpending(from: "x", to: "2026-10") { month } }', "from"),
        ('{ monthlySpending(from: "2026-10", to: "x") { month } }', "to"),
        ('{ budgets(month: "x") { state } }', "month"),
        ('{ transactions(filter: {maxAmount: "x"}) { nodes { id } } }', "maxAmount"),
        ('{ transactions(filter: {from: "x"}) { nodes { id } } }', "from"),
        ('query ($m: Month! = "x") { monthlySpending(from: "2026-10", to: $m) { month } }', "to"),
        ('mutation { signUp(email: "", password: "", name: "", currency: "x") { __typename } }', "currency"),
    ],
)
async def test_a_value_in_the_document_is_named_by_where_it_stands(query, field):
    assert await faults(query) == {("'x'", field)}


@pytest.mark.parametrize(
    ("query", "value", "field"),
    [
        ('query ($v: Month!) { monthlySpending(from: $v, to: "2026-10") { month } }', "x", "from"),
        ('query ($v: Month!) { monthlySpending(from: "2026-10", to: $v) { month } }', "x", "to"),
        ("query ($v: Decimal) { transactions(filter: {minAmount: $v}) { nodes { id } } }", "x", "minAmount"),
        (
            "query ($v: TransactionFilter) { transactions(filter: $v) { nodes { id } } }",
            {"maxAmount": "x"},
            "maxAmount",
        ),
        ("query ($v: TransactionFilter) { transactions(filter: $v) { nodes { id } } }", {"to": "x"}, "to"),
    ],
)
async def test_a_value_of_a_variable_is_named_by_where_that_is_used(query, value, field):
    assert await faults(query, {"v": value}) == {("'x'", field)}


async def test_a_variable_for_two_arguments_blames_neither():
    assert await faults("query ($v: Month!) { monthlySpending(from: $v, to: $v) { month } }", {"v": "x"}) == {
        ("'x'", None)
    }


async def test_each_of_several_faults_has_its_own_field():
    query = "query ($a: Month!, $b: Month!) { monthlySpending(from: $a, to: $b) { month } }"
    assert await faults(query, {"a": "x", "b": "y"}) == {("'x'", "from"), ("'y'", "to")}


async def test_a_cursor_that_is_too_long_is_shown_short_and_in_quotes():
    (error,) = (await SCHEMA.execute(f'{{ transactions(after: "{"a" * 300}") {{ nodes {{ id }} }} }}')).errors
    assert error.message == f"'{'a' * 40}…' is not a cursor of this API."
    assert error.extensions == {"code": "BAD_USER_INPUT", "field": "after"}


async def test_values_of_graphqls_own_types_are_named_too():
    for query, variables, field in (
        ('{ transactions(first: "x") { nodes { id } } }', {}, "first"),
        ("query ($n: Int) { transactions(last: $n) { nodes { id } } }", {"n": "x"}, "last"),
        (
            "query ($f: TransactionFilter) { transactions(filter: $f) { nodes { id } } }",
            {"f": {"accountIds": [{}]}},
            "accountIds",
        ),
    ):
        assert {found for _, found in await faults(query, variables)} == {field}


async def test_errors_about_no_value_blame_no_argument():
    for query in ("{ nothing }", "{ node { id } }", "query ($v: Nothing) { __typename }", "{ node(id: $v) { id } }"):
        assert {field for _, field in await faults(query)} == {None}
