"""Accounts, transactions, categories, spending and budgets as a GraphQL client meets them.

Operations run against the real schema, database and Valkey, as a person who is signed in.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from mintql.api.context import Context, Viewer
from mintql.api.nodes import encode_id
from mintql.api.schema import build_schema
from mintql.data import load_categories
from mintql.domain.ids import SessionId
from support.factories import create_account, create_connection, create_person, create_transaction
from support.people import category
from support.statements import CountingRuntime

DAY = date(2026, 11, 10)
GROCERIES = encode_id("Category", category("groceries"))
FOOD = encode_id("Category", category("food-and-dining"))


class Client:
    """Asks as one person, or as nobody."""

    def __init__(self, runtime, user_id):
        self.runtime = CountingRuntime(runtime)
        self.viewer = user_id and Viewer(user_id, SessionId(1), datetime.now(UTC) + timedelta(days=1))

    async def ask(self, operation, **variables):
        context = Context(runtime=self.runtime, viewer=self.viewer)
        result = await build_schema().execute(operation, variable_values=variables, context_value=context)
        assert not result.errors, result.errors
        return result.data

    async def refusal(self, operation, **variables):
        """Ask what has to fail; return code and message of the one error."""
        context = Context(runtime=self.runtime, viewer=self.viewer)
        result = await build_schema().execute(operation, variable_values=variables, context_value=context)
        (error,) = result.errors
        return error.extensions["code"], error.message


@pytest.fixture
async def person(conn):
    return await create_person(conn)


@pytest.fixture
def client(api_runtime, person):
    return Client(api_runtime, person.user_id)


@pytest.fixture
async def stranger(api_runtime, conn):
    """Somebody else, who is signed in too."""
    return Client(api_runtime, (await create_person(conn)).user_id)


async def buy(conn, person, amount_minor, **more):
    return await create_transaction(conn, person.user_id, person.account_id, amount_minor=-amount_minor, **more)


ACCOUNTS = """
query Accounts {
  accounts {
    id name kind mask currency balanceAt
    balance { amountMinor amount currency }
    available { amount }
    connection { id }
  }
}
"""


async def test_accounts_show_balances_and_the_connection_they_are_read_through(conn, client, person):
    await create_account(
        conn, person.user_id, person.connection_id, name="Card", kind="credit_card", balance_minor=-12_345, mask="9876"
    )
    await create_account(conn, person.user_id, person.connection_id, name="Old", balance_minor=None)
    ended = await create_connection(conn, person.user_id, status="disconnected")
    await create_account(conn, person.user_id, ended, name="Gone")
    data = await client.ask(ACCOUNTS)
    assert [account["name"] for account in data["accounts"]] == ["Everyday checking", "Card", "Old"]
    card = data["accounts"][1]
    assert card["balance"] == {"amountMinor": -12_345, "amount": "-123.45", "currency": "USD"}
    assert (card["kind"], card["mask"], card["available"]) == ("CREDIT_CARD", "9876", None)
    assert card["connection"]["id"] == encode_id("Connection", person.connection_id)
    assert data["accounts"][2]["balance"] is None


TRANSACTIONS = """
query Transactions($first: Int, $after: Cursor, $last: Int, $before: Cursor, $filter: TransactionFilter) {
  transactions(first: $first, after: $after, last: $last, before: $before, filter: $filter) {
    edges { cursor node { id } }
    nodes {
      id postedOn description merchant pending
      amount { amount amountMinor currency }
      account { id name connection { id } }
      category { id slug group { slug } }
      categorization { source detail }
    }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}
"""


async def test_a_transaction_shows_amount_category_account_and_why_it_is_where_it_is(conn, client, person):
    bought = await buy(
        conn, person, 1250, category_id=category("groceries"), category_source="dictionary", category_detail="corner"
    )
    data = await client.ask(TRANSACTIONS)
    (node,) = data["transactions"]["nodes"]
    assert node == {
        "id": encode_id("Transaction", bought),
        "postedOn": "2026-11-10",
        "description": "CORNER SHOP 0042",
        "merchant": "Corner Shop",
        "pending": False,
        "amount": {"amount": "-12.50", "amountMinor": -1250, "currency": "USD"},
        "account": {
            "id": encode_id("Account", person.account_id),
            "name": "Everyday checking",
            "connection": {"id": encode_id("Connection", person.connection_id)},
        },
        "category": {"id": GROCERIES, "slug": "groceries", "group": {"slug": "food-and-dining"}},
        "categorization": {"source": "DICTIONARY", "detail": "corner"},
    }


async def test_pages_are_walked_forwards_and_backwards_by_the_cursors_given_out(conn, client, person):
    for days in range(5):
        await buy(conn, person, 100 + days, posted_on=DAY - timedelta(days))
    seen, after = [], None
    while True:
        page = (await client.ask(TRANSACTIONS, first=2, after=after))["transactions"]
        seen += [node["amount"]["amountMinor"] for node in page["nodes"]]
        assert page["pageInfo"]["hasPreviousPage"] == (after is not None)
        assert [edge["cursor"] for edge in page["edges"]][-1] == page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
        after = page["pageInfo"]["endCursor"]
    assert seen == [-100, -101, -102, -103, -104]
    page = (await client.ask(TRANSACTIONS, last=2, before=page["pageInfo"]["startCursor"]))["transactions"]
    assert [node["amount"]["amountMinor"] for node in page["nodes"]] == [-102, -103]
    assert page["pageInfo"]["hasNextPage"] is True
    assert page["pageInfo"]["hasPreviousPage"] is True


async def test_a_page_costs_one_statement_and_one_for_each_kind_of_thing_it_leads_to(conn, client, person):
    other = await create_account(conn, person.user_id)
    for _ in range(10):
        await buy(conn, person, 100)
        await create_transaction(conn, person.user_id, other)
    await client.ask(TRANSACTIONS, first=20)  # The driver asks once for each connection what array types are.
    client.runtime.statements.clear()
    page = (await client.ask(TRANSACTIONS, first=20))["transactions"]
    assert len(page["nodes"]) == 20
    tables = ["FROM transactions", "FROM personal_categories", "FROM accounts", "FROM connections"]
    assert len(client.runtime.statements) == len(tables)
    for statement, table in zip(client.runtime.statements, tables, strict=True):
        assert table in statement


async def test_filters_narrow_the_list(conn, client, person):
    await buy(conn, person, 5_000, category_id=category("groceries"), merchant="Greengrocer")
    await buy(conn, person, 2_000, category_id=category("restaurants"), pending=True)
    await buy(conn, person, 800_000, category_id=category("rent"), posted_on=date(2026, 10, 1))
    await buy(conn, person, 100)
    asked = {
        (-5000, -2000): {"categoryIds": [FOOD]},
        (-2000,): {"pending": True},
        (-100,): {"uncategorized": True},
        (-800_000,): {"from": "2026-09-30", "to": "2026-10-01"},
        (-5000, -800_000): {"maxAmount": "-50"},
        (-100, -2000): {"minAmount": "-20.00"},
        (-5000,): {"text": "gREENg"},
        (-100, -2000, -5000, -800_000): {"accountIds": [encode_id("Account", person.account_id)]},
        (): {"accountIds": [encode_id("Account", person.account_id + 1)]},
    }
    for amounts, wanted in asked.items():
        page = (await client.ask(TRANSACTIONS, filter=wanted))["transactions"]
        assert sorted(node["amount"]["amountMinor"] for node in page["nodes"]) == sorted(amounts), wanted


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"after": "bm9uc2Vuc2U"}, "is not a cursor"),
        ({"after": encode_id("Transaction", 1)}, "is not a cursor"),
        ({"first": 0}, "A page holds 1 to 100 items, not 0."),
        ({"first": 101}, "A page holds 1 to 100 items, not 101."),
        ({"first": 1, "last": 1}, "not both"),
        ({"filter": {"accountIds": [GROCERIES]}}, "is the id of a Category"),
        ({"filter": {"categoryIds": ["nonsense"]}}, "is not an id"),
        ({"filter": {"minAmount": "12,50"}}, "is not an amount"),
        ({"filter": {"minAmount": "0.12345"}}, "too many decimals"),
        ({"filter": {"from": "2026-02-30"}}, "is not a date"),
        ({"filter": {"from": "2026-03-02", "to": "2026-03-01"}}, "before they begin"),
    ],
)
async def test_pages_that_cannot_be_are_refused_in_words(client, variables, words):
    code, message = await client.refusal(TRANSACTIONS, **variables)
    assert code == "BAD_USER_INPUT"
    assert words in message


NODE = "query Node($id: ID!) { node(id: $id) { __typename id } }"


async def test_a_node_is_found_by_its_owner_and_by_nobody_else(conn, client, stranger, person):
    bought = encode_id("Transaction", await buy(conn, person, 100))
    account = encode_id("Account", person.account_id)
    for wanted in (bought, account, GROCERIES):
        assert (await client.ask(NODE, id=wanted))["node"]["id"] == wanted
    for wanted in (bought, account, encode_id("Transaction", 2**62)):
        assert await stranger.ask(NODE, id=wanted) == {"node": None}


async def test_the_node_of_a_pending_transaction_is_its_posted_one_and_of_a_removed_one_null(conn, client, person):
    posted = await buy(conn, person, 120)
    pending = await buy(conn, person, 100, pending=True, successor_id=posted)
    removed = await buy(conn, person, 100, removed_at=datetime.now(UTC))
    data = await client.ask(NODE, id=encode_id("Transaction", pending))
    assert data["node"]["id"] == encode_id("Transaction", posted)
    assert await client.ask(NODE, id=encode_id("Transaction", removed)) == {"node": None}


async def test_categories_are_a_tree_that_costs_one_statement_and_for_nobody_in_particular_none(client, api_runtime):
    await client.ask("{ categories { slug } }")  # The driver asks once for each connection what array types are.
    client.runtime.statements.clear()
    data = await client.ask("{ categories { slug kind isGroup group { slug } children { slug group { slug } } } }")
    tops = {top["slug"]: top for top in data["categories"]}
    assert set(tops) == {group.slug for group in load_categories().groups} | {"uncategorized"}
    assert {"slug": "groceries", "group": {"slug": "food-and-dining"}} in tops["food-and-dining"]["children"]
    assert (tops["income"]["kind"], tops["transfers"]["kind"]) == ("INCOME", "TRANSFER")
    (statement,) = client.runtime.statements
    assert "FROM personal_categories" in statement
    nobody = Client(api_runtime, None)
    assert len((await nobody.ask("{ categories { slug } }"))["categories"]) == len(tops)
    assert nobody.runtime.statements == []


RECATEGORIZE = """
mutation Recategorize($ids: [ID!]!, $categoryId: ID!, $scope: RecategorizeScope! = ONCE) {
  recategorize(ids: $ids, categoryId: $categoryId, scope: $scope) {
    __typename
    ... on RecategorizeSuccess { transactions { id category { slug } categorization { source } } }
    ... on Error { code message field }
  }
}
"""


async def test_recategorizing_gives_the_changed_transactions_back(conn, client, person):
    ids = [encode_id("Transaction", await buy(conn, person, 100)) for _ in range(2)]
    data = await client.ask(RECATEGORIZE, ids=ids, categoryId=GROCERIES, scope="SELLER_FROM_NOW_ON")
    assert data["recategorize"] == {
        "__typename": "RecategorizeSuccess",
        "transactions": [
            {"id": named, "category": {"slug": "groceries"}, "categorization": {"source": "MANUAL"}} for named in ids
        ],
    }


async def test_recategorizing_what_is_not_ones_own_is_not_found_and_changes_nothing(conn, stranger, person):
    theirs = await buy(conn, person, 100)
    data = await stranger.ask(RECATEGORIZE, ids=[encode_id("Transaction", theirs)], categoryId=GROCERIES)
    assert (data["recategorize"]["__typename"], data["recategorize"]["field"]) == ("NotFound", "ids")
    row = await conn.fetchrow("SELECT category_source FROM transactions WHERE transaction_id = $1", theirs)
    assert row["category_source"] == "none"


async def test_recategorizing_into_a_group_is_an_invalid_input(conn, client, person):
    own = encode_id("Transaction", await buy(conn, person, 100))
    data = await client.ask(RECATEGORIZE, ids=[own], categoryId=FOOD)
    assert data["recategorize"] == {
        "__typename": "InvalidInput",
        "code": "INVALID_INPUT",
        "message": "Food & Dining is a group; choose one of its categories, such as Groceries.",
        "field": "categoryId",
    }


SPENDING = """
query Spending($from: Month!, $to: Month!) {
  monthlySpending(from: $from, to: $to) {
    month
    totals { currency count spent { amount } pendingSpent { amount } received { amount } }
    categories {
      category { slug kind group { slug } } currency count
      spent { amount } received { amount } pending { amount }
    }
  }
}
"""


async def test_spending_lists_each_month_with_its_categories_and_totals(conn, client, person):
    await buy(conn, person, 5_000, category_id=category("groceries"))
    await buy(conn, person, 700, category_id=category("groceries"), pending=True)
    await buy(conn, person, -300_000, category_id=category("paycheck"))
    october, november = (await client.ask(SPENDING, **{"from": "2026-10", "to": "2026-11"}))["monthlySpending"]
    assert october == {"month": "2026-10", "totals": [], "categories": []}
    assert november["totals"] == [
        {
            "currency": "USD",
            "count": 3,
            "spent": {"amount": "50.00"},
            "pendingSpent": {"amount": "7.00"},
            "received": {"amount": "3000.00"},
        }
    ]
    groceries, paycheck = november["categories"]
    assert groceries == {
        "category": {"slug": "groceries", "kind": "EXPENSE", "group": {"slug": "food-and-dining"}},
        "currency": "USD",
        "count": 2,
        "spent": {"amount": "50.00"},
        "received": {"amount": "0.00"},
        "pending": {"amount": "7.00"},
    }
    assert (paycheck["spent"], paycheck["received"]) == ({"amount": "0.00"}, {"amount": "3000.00"})


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [("2026-11", "2026-10", "before it begins"), ("2016-11", "2026-11", "121 months"), ("2026-13", "2027-01", "month")],
)
async def test_spending_of_a_range_that_is_none_is_refused_in_words(client, first, last, words):
    code, message = await client.refusal(SPENDING, **{"from": first, "to": last})
    assert code == "BAD_USER_INPUT"
    assert words in message


BUDGET_FIELDS = """
  month category { slug } limit { amount currency } origin templateLimit { amount }
  override { since recurring limit { amount } }
  spent { amount } pending { amount } remaining { amount } percentUsed thresholds state
"""
BUDGETS = f"query Budgets($month: Month!) {{ budgets(month: $month) {{ {BUDGET_FIELDS} }} }}"
SET_OVERRIDE = f"""
mutation SetOverride(
  $categoryId: ID, $everything: Boolean = false, $month: Month, $on: Date, $limit: MoneyInput, $scope: BudgetScope!,
  $thresholds: [Int!], $period: BudgetPeriodInput, $rollover: BudgetRolloverInput, $currency: CurrencyCode
) {{
  setBudgetOverride(
    categoryId: $categoryId, everything: $everything, month: $month, on: $on, limit: $limit, scope: $scope,
    thresholds: $thresholds, period: $period, rollover: $rollover, currency: $currency
  ) {{
    __typename
    ... on SetBudgetOverrideSuccess {{ budget {{ {BUDGET_FIELDS} }} }}
    ... on Error {{ code message field }}
  }}
}}
"""
REMOVE_OVERRIDE = f"""
mutation RemoveOverride($categoryId: ID!, $month: Month!, $scope: BudgetScope!) {{
  removeBudgetOverride(categoryId: $categoryId, month: $month, scope: $scope) {{
    __typename
    ... on RemoveBudgetOverrideSuccess {{ budget {{ {BUDGET_FIELDS} }} }}
    ... on Error {{ code message field }}
  }}
}}
"""


WEEKLY_WITHOUT_LIMIT = "Give the limit that is meant every week from Monday: the one that holds is every month."


def usd(amount):
    return {"amount": amount, "currency": "USD"}


async def test_a_limit_is_set_shown_with_what_was_spent_and_taken_back(conn, client, person):
    await buy(conn, person, 9_000, category_id=category("groceries"))
    wanted = {"categoryId": FOOD, "month": "2026-11", "scope": "THIS_MONTH"}
    before = {budget["category"]["slug"]: budget for budget in (await client.ask(BUDGETS, month="2026-11"))["budgets"]}[
        "food-and-dining"
    ]
    assert (before["origin"], before["override"], before["spent"]) == ("TEMPLATE", None, {"amount": "90.00"})

    data = await client.ask(SET_OVERRIDE, **wanted, limit=usd("100"), thresholds=[50, 90])

    assert data["setBudgetOverride"]["budget"] == {
        "month": "2026-11",
        "category": {"slug": "food-and-dining"},
        "limit": {"amount": "100.00", "currency": "USD"},
        "origin": "OVERRIDE",
        "templateLimit": {"amount": before["limit"]["amount"]},
        "override": {"since": "2026-11-01", "recurring": False, "limit": {"amount": "100.00"}},
        "spent": {"amount": "90.00"},
        "pending": {"amount": "0.00"},
        "remaining": {"amount": "10.00"},
        "percentUsed": 90,
        "thresholds": [50, 90],
        "state": "APPROACHING",
    }
    data = await client.ask(REMOVE_OVERRIDE, **wanted)
    assert data["removeBudgetOverride"]["budget"] == before
    data = await client.ask(REMOVE_OVERRIDE, **wanted)
    assert data["removeBudgetOverride"] == {
        "__typename": "NotFound",
        "code": "NOT_FOUND",
        "message": "Nothing is set for Food & Dining in November 2026 that could be taken back.",
        "field": None,
    }


@pytest.mark.parametrize(
    ("changes", "words", "field"),
    [
        ({"limit": usd("-0.01")}, "A limit of -0.01 USD is below zero.", "limit"),
        ({"limit": usd("10.001")}, "'10.001' has too many decimals: USD amounts have 2.", "limit"),
        (
            {"limit": {"amount": "10", "currency": "EUR"}, "currency": "USD"},
            "The limit is in EUR, but the budget in USD; give one currency.",
            "currency",
        ),
        (
            {"period": {"unit": "MONTH", "every": 13}},
            "A period of 13 months cannot be; give 1 to 12.",
            "every",
        ),
        ({"limit": None, "period": {"unit": "WEEK"}}, WEEKLY_WITHOUT_LIMIT, "limit"),
        ({"everything": True}, "Give a category or group, or say everything: one of the two.", "categoryId"),
        ({"on": "2026-11-05"}, "Give a month or a day, one of the two.", "on"),
        (
            {"scope": "THIS_MONTH", "rollover": {"surplus": True}},
            "Rollover goes on from period to period; set it from this one on.",
            "rollover",
        ),
        (
            {"scope": "THIS_MONTH", "period": {"unit": "WEEK"}},
            (
                "This budget's periods come every month; a single one cannot be of another kind. Change the kind from "
                "this period on."
            ),
            "period",
        ),
        ({"thresholds": [0]}, "A threshold of 0 % cannot be used; give 1 to 200.", "thresholds"),
        ({"categoryId": encode_id("Category", 424_242)}, "There is no category 424242.", "categoryId"),
        ({"categoryId": "nonsense"}, "'nonsense' is not an id of this API.", "categoryId"),
    ],
)
async def test_limits_that_cannot_be_are_typed_and_worded_and_leave_nothing(conn, client, changes, words, field):
    wanted = {"categoryId": FOOD, "month": "2026-11", "scope": "FROM_THIS_MONTH", "limit": usd("100")} | changes
    outcome = (await client.ask(SET_OVERRIDE, **wanted))["setBudgetOverride"]
    assert (outcome["__typename"], outcome["message"], outcome["field"]) == ("InvalidInput", words, field)
    assert await conn.fetchval("SELECT count(*) FROM budget_overrides") == 0


async def test_a_month_that_is_none_is_refused_in_words(client):
    code, message = await client.refusal(BUDGETS, month="2026-13")
    assert code == "BAD_USER_INPUT"
    assert "'2026-13' is not a month; write it as year and month, e.g. 2026-11." in message


async def test_recommendations_say_what_they_rest_on(client):
    data = await client.ask(
        "{ budgetRecommendations { category { slug isGroup } limit { amount } source months median { amount } basis } }"
    )
    food = next(item for item in data["budgetRecommendations"] if item["category"]["slug"] == "food-and-dining")
    assert (food["source"], food["months"], food["median"]) == ("TEMPLATE", 0, None)
    assert "no complete month" in food["basis"]


READS = (
    (ACCOUNTS, {}),
    (TRANSACTIONS, {}),
    (SPENDING, {"from": "2026-11", "to": "2026-11"}),
    (BUDGETS, {"month": "2026-11"}),
)


@pytest.mark.parametrize(("operation", "variables"), READS)
async def test_nobody_reads_without_a_session(api_runtime, operation, variables):
    code, _ = await Client(api_runtime, None).refusal(operation, **variables)
    assert code == "UNAUTHENTICATED"


async def test_nobody_writes_without_a_session(conn, api_runtime, person):
    nobody = Client(api_runtime, None)
    theirs = encode_id("Transaction", await buy(conn, person, 100))
    data = await nobody.ask(RECATEGORIZE, ids=[theirs], categoryId=GROCERIES)
    assert data["recategorize"]["__typename"] == "NotSignedIn"
    wanted = {"categoryId": FOOD, "month": "2026-11", "scope": "THIS_MONTH"}
    data = await nobody.ask(SET_OVERRIDE, **wanted, limit=usd("100"))
    assert data["setBudgetOverride"]["__typename"] == "NotSignedIn"
    data = await nobody.ask(REMOVE_OVERRIDE, **wanted)
    assert data["removeBudgetOverride"]["__typename"] == "NotSignedIn"


async def test_a_stranger_sees_none_of_it(conn, client, stranger, person):
    await buy(conn, person, 9_000, category_id=category("groceries"))
    await client.ask(SET_OVERRIDE, categoryId=GROCERIES, month="2026-11", scope="THIS_MONTH", limit=usd("100"))
    own = encode_id("Account", person.account_id)
    assert own not in {account["id"] for account in (await stranger.ask(ACCOUNTS))["accounts"]}
    assert (await stranger.ask(TRANSACTIONS, filter={"accountIds": [own]}))["transactions"]["nodes"] == []
    (month,) = (await stranger.ask(SPENDING, **{"from": "2026-11", "to": "2026-11"}))["monthlySpending"]
    assert month["categories"] == []
    slugs = [budget["category"]["slug"] for budget in (await stranger.ask(BUDGETS, month="2026-11"))["budgets"]]
    assert "groceries" not in slugs
