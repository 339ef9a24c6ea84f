"""Queries answered by compiled plans: that they are, what they read, and what is left to graphql-core."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from mintql.api.context import Context, Viewer
from mintql.api.known import KnownPersons
from mintql.api.plans import PLANS_PER_OPERATION_MAX, PlanCounts
from mintql.api.schema import build_schema
from mintql.domain.ids import SessionId
from mintql.store.transactions_read import COLUMNS
from support.factories import create_account, create_transaction, create_user
from support.people import category
from support.statements import CountingRuntime

NOW = datetime.now(UTC)
SCALARS = (
    "id postedOn description merchant merchantKey pending note tags excludedFromBudgets createdAt updatedAt __typename"
)
EACH = [
    *SCALARS.split(),
    "amount { amount currency amountMinor }",
    "category { name group { name } }",
    "categorization { source detail confidence explanation alternatives { source } }",
    "account { name }",
    "parts { amount { amount } note category { name } }",
    "rest { amount }",
    "origin { matches { kind } }",
    "transfer { state }",
    "recurring { merchant }",
]


class Asker:
    """One person who asks, and looks at how it was answered."""

    def __init__(self, runtime, user_id):
        self.runtime = CountingRuntime(runtime)
        self.viewer = Viewer(user_id, SessionId(1), NOW + timedelta(days=1))
        self.known = None

    async def ask(self, text, *, plans=True, **variables):
        schema = build_schema()
        schema.plans.counts = PlanCounts()
        self.runtime.statements.clear()
        context = Context(self.runtime, self.viewer, known=self.known)
        schema.plans.enabled = plans
        try:
            return await schema.execute(text, variables, context_value=context)
        finally:
            schema.plans.enabled = True

    @property
    def counts(self):
        found = build_schema().plans.counts
        return found.answered, found.repeated, found.unplanned


@pytest.fixture
async def user_id(conn):
    return await create_user(conn)


@pytest.fixture
async def asker(conn, api_runtime, user_id):
    account_id = await create_account(conn, user_id, name="Checking")
    for number in range(3):
        await create_transaction(
            conn, user_id, account_id, posted_on=date(2026, 11, 1 + number), amount_minor=-100 - number,
            category_id=category("groceries"), merchant=f"Seller {number}",
        )  # fmt: skip
    return Asker(api_runtime, user_id)


def test_every_field_of_a_transaction_is_tried():
    fields = build_schema()._schema.type_map["Transaction"].fields
    assert {text.split()[0] for text in EACH} == fields.keys() | {"__typename"}


@pytest.mark.parametrize("field", EACH)
async def test_each_field_of_a_transaction_is_answered_by_a_plan_from_its_own_columns(asker, field):
    text = f"{{ transactions {{ nodes {{ {field} }} }} }}"
    planned = await asker.ask(text)
    assert asker.counts == (1, 0, 0)
    assert planned.errors is None
    assert planned.data == (await asker.ask(text, plans=False)).data


@pytest.mark.parametrize(
    "place", ["nodes { %s }", "edges { node { %s } }", "...p } } fragment p on TransactionConnection { nodes { %s"]
)
async def test_a_page_reads_the_columns_that_are_asked_for_and_no_others(asker, place):
    text = "{ transactions { " + place % "merchant amount { amount }" + " } }"
    assert not (await asker.ask(text)).errors
    (page,) = [statement for statement in asker.runtime.statements if "FROM transactions" in statement]
    read = set(page.rpartition("FROM transactions")[0].replace(",", " ").split()) & COLUMNS
    assert read == {
        "transaction_id", "posted_on", "amount_minor", "currency", "category_id", "merchant", "display_name",
        "part_category_ids",
    }  # fmt: skip


async def test_skip_and_include_make_plans_of_their_own(asker):
    text = """
        query ($no: Boolean!, $yes: Boolean = true) {
          transactions { nodes { id @skip(if: $no) merchant @include(if: $yes) ... @include(if: $no) { note } } }
        }
    """
    both = (await asker.ask(text, no=False)).data["transactions"]["nodes"]
    assert [sorted(node) for node in both] == [["id", "merchant"]] * 3
    neither = (await asker.ask(text, no=True, yes=False)).data["transactions"]["nodes"]
    assert [sorted(node) for node in neither] == [["note"]] * 3
    assert asker.counts == (1, 0, 0)


async def test_an_operation_of_too_many_ways_is_left_to_graphql_core_beyond_their_bound(asker):
    names = [f"v{number}" for number in range(6)]
    variables = " ".join(f"${name}: Boolean!" for name in names)
    fields = " ".join(f"{name}: merchant @include(if: ${name})" for name in names)
    text = f"query ({variables}) {{ transactions {{ nodes {{ id {fields} }} }} }}"
    ways = [{name: bool(way >> bit & 1) for bit, name in enumerate(names)} for way in range(2 ** len(names))]
    planned = 0
    for way in ways:
        answer = await asker.ask(text, **way)
        planned += asker.counts[0]
        assert sorted(answer.data["transactions"]["nodes"][0]) == sorted(["id", *(name for name in names if way[name])])
    assert planned == PLANS_PER_OPERATION_MAX


async def test_what_fails_runs_again_on_graphql_core_and_says_the_same(asker):
    text = '{ accounts { name } transactions(after: "nonsense") { nodes { id } } }'
    failed = await asker.ask(text)
    assert asker.counts == (0, 1, 0)
    (error,) = failed.errors
    (expected,) = (await asker.ask(text, plans=False)).errors
    assert error.formatted == expected.formatted
    assert failed.data is None


async def test_introspection_and_mutations_have_no_plan(asker):
    assert not (await asker.ask("{ __schema { queryType { name } } }")).errors
    assert asker.counts == (0, 0, 1)
    await asker.ask("mutation { signOut { __typename } }")
    assert asker.counts == (0, 0, 0)


async def test_a_query_is_one_transaction_that_cannot_write(asker, api_runtime, user_id):
    with pytest.raises(Exception, match="read-only transaction"):
        async with api_runtime.reading(user_id) as conn:
            await conn.execute("UPDATE users SET name = 'x' WHERE user_id = $1", user_id)
    async with api_runtime.reading(user_id) as conn:
        assert await conn.fetchval("SELECT count(*) FROM accounts") == 1
    async with api_runtime.system() as conn:
        assert await conn.fetchval("SELECT count(*) FROM accounts") == 0, "nothing of the person is left behind"


async def test_categories_and_accounts_are_read_once_for_the_version_that_holds(asker, user_id):
    persons = KnownPersons()
    text = "{ transactions { nodes { category { name } account { name } } } }"
    asker.known = persons.of(user_id, "v1")
    first = await asker.ask(text)
    assert len(asker.runtime.statements) > 1
    asker.known = persons.of(user_id, "v1")
    assert await asker.ask(text) == first
    assert len(asker.runtime.statements) == 1
    asker.known = persons.of(user_id, "v2")
    assert await asker.ask(text) == first
    assert len(asker.runtime.statements) > 1


DASHBOARD = """
    query ($month: Month!) {
      monthlySpending(from: $month, to: $month) { categories { spent { amountMinor } count } }
      budgets(month: $month) { name limit { amountMinor } spent { amountMinor } remaining { amountMinor } }
    }
"""


async def test_sums_that_two_parts_of_a_dashboard_need_are_read_once_and_limits_under_their_version(asker, user_id):
    persons = KnownPersons()
    asker.known = persons.of(user_id, "v1")
    first = await asker.ask(DASHBOARD, month="2026-11")
    assert asker.counts == (1, 0, 0)
    sums = [statement for statement in asker.runtime.statements if "monthly_spending" in statement]
    limits = [statement for statement in asker.runtime.statements if "budget_overrides" in statement]
    assert (len(sums), len(limits)) == (1, 1)
    food = next(budget for budget in first.data["budgets"] if budget["name"] == "Food & Dining")
    assert food["spent"] == {"amountMinor": 303}
    assert food["limit"]["amountMinor"] - food["remaining"]["amountMinor"] == 303

    asker.known = persons.of(user_id, "v1")
    assert await asker.ask(DASHBOARD, month="2026-11") == first
    assert len(asker.runtime.statements) == 1

    async with asker.runtime.person(user_id) as conn:
        await conn.execute("UPDATE users SET annual_income_minor = 50000000, template_revision = 7")
    asker.known = persons.of(user_id, "v2")
    after = await asker.ask(DASHBOARD, month="2026-11")
    changed = next(budget for budget in after.data["budgets"] if budget["name"] == "Food & Dining")
    assert changed["limit"]["amountMinor"] > food["limit"]["amountMinor"]
    assert after.data == (await asker.ask(DASHBOARD, plans=False, month="2026-11")).data


async def test_categories_that_persons_call_otherwise_are_answered_as_each_calls_them(asker, conn, api_runtime):
    text = "{ transactions { nodes { category { name group { name } } } } }"
    first = await asker.ask(text)
    assert {node["category"]["name"] for node in first.data["transactions"]["nodes"]} == {"Groceries"}
    other_id = await create_user(conn)
    account_id = await create_account(conn, other_id)
    await create_transaction(
        conn, other_id, account_id, posted_on=date(2026, 11, 1), amount_minor=-1, category_id=category("groceries")
    )
    await conn.execute(
        "INSERT INTO personal_categories (user_id, category_id, name) VALUES ($1, $2, 'Provisions')",
        other_id,
        category("groceries"),
    )
    other = Asker(api_runtime, other_id)
    for _ in range(2):
        (node,) = (await other.ask(text)).data["transactions"]["nodes"]
        assert node["category"]["name"] == "Provisions"
        assert await asker.ask(text) == first
