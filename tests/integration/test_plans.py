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
