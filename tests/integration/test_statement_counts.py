"""How many statements an operation costs, whatever number of rows it is about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from graphql import GraphQLField, get_named_type, is_composite_type, is_object_type, is_required_argument

from mintql.api.context import Context, Viewer
from mintql.api.nodes import encode_id
from mintql.api.schema import build_schema
from mintql.domain.ids import SessionId
from mintql.services import examination
from support.factories import create_account, create_connection, create_override, create_transaction, create_user
from support.people import acting_as, category
from support.statements import CountingRuntime

NOW = datetime.now(UTC)
TODAY = NOW.date()
ROW = "id postedOn merchant amount { amount } category { name group { name } } account { name }"
LISTS = {
    "Transaction": "transactions(first: 60) { nodes { %s } }",
    "Account": "accounts { %s }",
    "Connection": "connections { %s }",
    "Budget": "budgets { %s }",
    "Category": "categories { %s }",
    "RecurringSeries": "recurring(first: 50) { nodes { %s } }",
    "Notification": "notifications(first: 50) { nodes { %s } }",
    "BudgetAlert": "budgetAlerts(first: 50) { nodes { %s } }",
    "AccountMergeSuggestion": "accountMergeSuggestions { %s }",
}
"""Where things of each type come many at once."""


class Person:
    """Somebody who counts the statements of each question."""

    def __init__(self, runtime: Any, user_id: int) -> None:
        self.runtime = CountingRuntime(runtime)
        self.viewer = Viewer(user_id, SessionId(1), NOW + timedelta(days=1))

    async def ask(self, text: str, *, plans: bool = True, **variables: Any) -> tuple[Any, list[str]]:
        """Return the data of the answer, and the statements."""
        schema, context = build_schema(), Context(self.runtime, self.viewer)
        self.runtime.statements.clear()
        before, schema.plans.enabled = schema.plans.enabled, plans
        try:
            result = await schema.execute(text, variables, context_value=context)
        finally:
            schema.plans.enabled = before
        assert not result.errors, result.errors
        return result.data, list(self.runtime.statements)


async def somebody(conn: Any, runtime: Any, times: int) -> Person:
    """A person with so many of everything."""
    user_id = await create_user(conn, annual_income_minor=6_500_000)
    slugs = ("groceries", "coffee", "restaurants", "rent", "tv-and-streaming")
    for number in range(times):
        connection_id = await create_connection(conn, user_id, login_hint=str(number))
        account_id = await create_account(conn, user_id, connection_id, name=f"Account {number}")
        for back in range(6):
            await create_transaction(
                conn, user_id, account_id, posted_on=TODAY - timedelta(30 * back + number % 5), amount_minor=-1_000,
                category_id=category(slugs[number % 5]), category_source="dictionary", merchant=f"Seller {number}",
            )  # fmt: skip
        await create_override(
            conn, user_id, category_id=category(slugs[number % 5]), month=TODAY.replace(day=1),
            limit_minor=100 * times, recurring=bool(number % 2), currency=("USD", "EUR", "JPY")[number // 5 % 3],
        )  # fmt: skip
    async with acting_as(conn, user_id):
        for step in examination.every_step(None, None):
            await step(conn, user_id, NOW)
    return Person(runtime, user_id)


@pytest.fixture
async def few(conn, api_runtime):
    return await somebody(conn, api_runtime, 2)


@pytest.fixture
async def many(conn, api_runtime):
    return await somebody(conn, api_runtime, 9)


PAGE = f"query Page($first: Int!) {{ transactions(first: $first) {{ nodes {{ {ROW} }} pageInfo {{ hasNextPage }} }} }}"
FILTERED = f"""
query Filtered($filter: TransactionFilter!) {{
  transactions(first: 100, filter: $filter) {{ nodes {{ {ROW} }} pageInfo {{ hasNextPage }} }}
}}
"""
DASHBOARD = """
query Dashboard($month: Month!) {
  accounts { name balance { amount } }
  monthlySpending(from: $month, to: $month) { categories { category { name } spent { amount } } }
  budgets(month: $month) { category { name } limit { amount } spent { amount } remaining { amount } }
}
"""
NESTED = """
{
  connections { id accounts { name connection { id accounts { id } } } }
  transactions(first: 100) {
    nodes { account { connection { accounts { name } } } transfer { state } recurring { merchant } }
  }
}
"""


@pytest.mark.parametrize(
    ("text", "variables", "statements"),
    [
        (PAGE, {"first": 50}, 3),
        (FILTERED, {"filter": {"categoryIds": [encode_id("Category", category("groceries"))]}}, 3),
        (DASHBOARD, {"month": f"{TODAY:%Y-%m}"}, 5),
        (NESTED, {}, 9),
    ],
    ids=["page", "filtered page", "dashboard", "nested lists"],
)
async def test_an_operation_costs_so_many_statements_whatever_there_is(few, many, text, variables, statements):
    small, for_few = await few.ask(text, **variables)
    large, for_many = await many.ask(text, **variables)
    assert len(str(large)) > len(str(small))
    assert len(for_few) == len(for_many) == statements, for_many


@pytest.mark.parametrize("plans", [True, False], ids=["by plan", "by graphql-core"])
async def test_no_field_costs_a_statement_for_each_row(few, many, plans):
    dear = {}
    for type_name, place in LISTS.items():
        type_: Any = build_schema()._schema.type_map[type_name]
        for name, field in type_.fields.items():
            if any(is_required_argument(argument) for argument in field.args.values()):
                continue
            texts = ("{ " + place % written(name, field, depth) + " }" for depth in (2, 1, 0))
            text = next(text for text in texts if not build_schema().documents.prepare(text, {}).errors)
            counts = [len((await person.ask(text, plans=plans))[1]) for person in (few, many)]
            assert min(counts) > 0
            if counts[0] < counts[1]:
                dear[f"{type_name}.{name}"] = counts
    assert dear == {}


def written(name: str, field: GraphQLField, depth: int) -> str:
    """Return a field with what is below it, so deep."""
    inner = get_named_type(field.type)
    if not is_composite_type(inner):
        return name
    if not depth or not is_object_type(inner):
        return f"{name} {{ __typename }}"
    parts = [
        written(key, item, depth - 1)
        for key, item in inner.fields.items()
        if not any(is_required_argument(argument) for argument in item.args.values())
    ]
    return f"{name} {{ {' '.join(parts)} }}"
