"""A person's changes of their categories as a client meets them, over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mintql.api.context import Context, Viewer
from mintql.api.nodes import encode_id
from mintql.domain.ids import SessionId
from mintql.services import category_changes
from mintql.services.category_changes import NewCategory
from support.clients import client_of, socket_of
from support.factories import create_person, create_transaction
from support.people import acting_as, category
from support.streams import begun

TODAY = datetime.now(UTC).date()
FOOD, COFFEE, GROCERIES = (encode_id("Category", category(slug)) for slug in ("food-and-dining", "coffee", "groceries"))
ADD = """
mutation Add($name: String!, $groupId: ID, $kind: CategoryKind, $icon: String) {
  addCategory(name: $name, groupId: $groupId, kind: $kind, icon: $icon) {
    __typename
    ... on AddCategorySuccess {
      category { id slug name kind icon isOwn isGroup isHidden plaidCode group { slug } children { name } }
    }
    ... on Error { code message field }
  }
}
"""
HIDE = """
mutation Hide($id: ID!, $hidden: Boolean!) {
  changeCategory(id: $id, hidden: $hidden) {
    __typename ... on ChangeCategorySuccess { category { slug isHidden } } ... on Error { message field }
  }
}
"""
RENAME = """
mutation Rename($id: ID!, $name: String) {
  changeCategory(id: $id, name: $name) {
    __typename ... on ChangeCategorySuccess { category { slug name } } ... on Error { message field }
  }
}
"""
MERGE = """
mutation Merge($id: ID!, $intoId: ID!) {
  mergeCategories(id: $id, intoId: $intoId) {
    __typename
    ... on MergeCategoriesSuccess { category { name } transactionCount sellerCount notes }
    ... on Error { message field }
  }
}
"""
DELETE = """
mutation Delete($id: ID!, $moveTo: ID) {
  deleteCategory(id: $id, moveTo: $moveTo) {
    __typename
    ... on DeleteCategorySuccess { deletedId movedTo { slug } transactionCount }
    ... on CategoryInUse { code message field transactions parts sellers budgets }
  }
}
"""
TREE = """
query Tree($hidden: Boolean!) {
  categories(includeHidden: $hidden) {
    slug isHidden children(includeHidden: $hidden) { slug name mergedInto { slug } }
  }
}
"""
TRANSACTIONS = """
query Transactions($filter: TransactionFilter) {
  transactions(filter: $filter) { nodes { id category { id name group { name } } } }
}
"""
NODE = "query Node($id: ID!) { node(id: $id) { __typename ... on Category { name } } }"
RECATEGORIZE = """
mutation Recategorize($ids: [ID!]!, $categoryId: ID!) {
  recategorize(ids: $ids, categoryId: $categoryId) {
    __typename ... on RecategorizeSuccess { transactions { category { name } } } ... on Error { message field }
  }
}
"""
CHANGES = "subscription { transactionsChanged { changedCount changed { category { name } } } }"
LIMIT = """
mutation Limit($categoryId: ID!, $month: Month!) {
  setBudgetOverride(
    categoryId: $categoryId, month: $month, limit: { amount: "10.00", currency: "USD" }, scope: THIS_MONTH
  ) { __typename ... on SetBudgetOverrideSuccess { budget { category { name isOwn } spent { amount } state } } }
}
"""
ALERTS = "subscription { budgetAlerts { category { name } thresholdPercent message } }"
PAST_ALERTS = "{ budgetAlerts { nodes { category { name } } } }"


async def buy(conn, person, amount_minor, **more):
    created = await create_transaction(
        conn, person.user_id, person.account_id, amount_minor=amount_minor, posted_on=TODAY, **more
    )
    return encode_id("Transaction", created)


async def add(client, name, **more):
    return (await client.ask(ADD, name=name, **more))["addCategory"]["category"]["id"]


async def tops(client, *, hidden=False):
    return {top["slug"]: top for top in (await client.ask(TREE, hidden=hidden))["categories"]}


async def test_an_own_category_shows_all_it_is_and_is_listed_in_its_group(client):
    added = (await client.ask(ADD, name="Lunch at work", groupId=FOOD))["addCategory"]
    own_id = added["category"].pop("id")
    assert added == {
        "__typename": "AddCategorySuccess",
        "category": {
            "slug": "own-10000", "name": "Lunch at work", "kind": "EXPENSE", "icon": "utensils", "isOwn": True,
            "isGroup": False, "isHidden": False, "plaidCode": None, "group": {"slug": "food-and-dining"},
            "children": [],
        },
    }  # fmt: skip
    food = (await tops(client))["food-and-dining"]
    assert food["children"][-1] == {"slug": "own-10000", "name": "Lunch at work", "mergedInto": None}
    assert await client.ask(NODE, id=own_id) == {"node": {"__typename": "Category", "name": "Lunch at work"}}
    group = (await client.ask(ADD, name="Allotment", kind="EXPENSE", icon="sprout"))["addCategory"]["category"]
    assert (group["isGroup"], group["icon"], group["group"]) == (True, "sprout", None)
    assert "own-10001" in await tops(client)


async def test_ids_of_own_categories_mean_nothing_to_others(conn, server, client, person):
    own_id = await add(client, "Secret hobby", groupId=FOOD)
    async with client_of(server) as eve:
        eve.viewer = await eve.sign_up()
        assert await eve.ask(NODE, id=own_id) == {"node": None}
        assert (await eve.ask(RENAME, id=own_id, name="Mine"))["changeCategory"]["__typename"] == "InvalidInput"
        assert "Secret hobby" not in (await eve.post(TREE, {"hidden": True})).text
        hers = await add(eve, "Knitting", groupId=FOOD)
        assert hers == own_id
        assert (await eve.ask(NODE, id=hers))["node"]["name"] == "Knitting"
    assert (await client.ask(NODE, id=own_id))["node"]["name"] == "Secret hobby"


async def test_a_tree_that_is_older_than_a_row_is_read_anew(api_runtime, conn):
    ada = await create_person(conn)
    context = Context(api_runtime, Viewer(ada.user_id, SessionId(1), datetime.now(UTC)))
    async with context.person() as reading:
        before = await context.category_tree(reading)
        async with acting_as(conn, ada.user_id):
            wish = NewCategory("Lunch at work", category("food-and-dining"))
            made, _ = await category_changes.add(conn, ada.user_id, wish)
        assert await context.category_tree(reading, [category("coffee")]) is before
        assert (await context.category_tree(reading, [made])).by_id[made].name == "Lunch at work"


async def test_a_kept_answer_is_not_given_after_a_change(client):
    assert (await tops(client))["food-and-dining"]["children"][0]["name"] == "Groceries"
    await client.ask(RENAME, id=GROCERIES, name="Food shopping")
    assert (await tops(client))["food-and-dining"]["children"][0]["name"] == "Food shopping"
    empty = (await client.ask(RENAME, id=GROCERIES, name=""))["changeCategory"]
    assert empty["message"] == "A name has 1 to 60 characters; '' has 0."
    changed = (await client.ask(RENAME, id=GROCERIES, name=None))["changeCategory"]
    assert changed["category"] == {"slug": "groceries", "name": "Groceries"}


async def test_hidden_and_merged_categories_are_listed_when_asked_for(client):
    snacks = await add(client, "Snacks", groupId=FOOD)
    assert (await client.ask(HIDE, id=GROCERIES, hidden=True))["changeCategory"]["category"]["isHidden"] is True
    await client.ask(MERGE, id=COFFEE, intoId=snacks)
    shown = {leaf["slug"] for leaf in (await tops(client))["food-and-dining"]["children"]}
    assert not shown & {"groceries", "coffee"}
    all_of_them = {leaf["slug"]: leaf for leaf in (await tops(client, hidden=True))["food-and-dining"]["children"]}
    assert all_of_them["coffee"]["mergedInto"] == {"slug": "own-10000"}
    assert "groceries" in all_of_them
    await client.ask(HIDE, id=FOOD, hidden=True)
    assert "food-and-dining" not in await tops(client)
    assert (await tops(client, hidden=True))["food-and-dining"]["isHidden"] is True


async def test_own_categories_are_carried_filtered_by_budgeted_and_told_of(conn, client, person):
    lunch = await add(client, "Lunch at work", groupId=FOOD)
    bought = await buy(conn, person, -9_00)
    async with socket_of(client) as changes, socket_of(client) as alerts:
        await changes.subscribe(CHANGES)
        await alerts.subscribe(ALERTS)
        await begun(client, 2)
        budget = (await client.ask(LIMIT, categoryId=lunch, month=f"{TODAY:%Y-%m}"))["setBudgetOverride"]["budget"]
        assert budget["category"] == {"name": "Lunch at work", "isOwn": True}
        put = (await client.ask(RECATEGORIZE, ids=[bought], categoryId=lunch))["recategorize"]
        assert put["transactions"] == [{"category": {"name": "Lunch at work"}}]
        assert (await changes.next())["transactionsChanged"] == {
            "changedCount": 1, "changed": [{"category": {"name": "Lunch at work"}}]
        }  # fmt: skip
        raised = (await alerts.next())["budgetAlerts"]
        assert (raised["category"]["name"], raised["thresholdPercent"]) == ("Lunch at work", 80)
        assert "your Lunch at work budget" in raised["message"]
    shown = [{"id": bought, "category": {"id": lunch, "name": "Lunch at work", "group": {"name": "Food & Dining"}}}]
    for narrowed in ({"categoryIds": [FOOD]}, {"categoryIds": [lunch]}, {"uncategorized": False}):
        assert (await client.ask(TRANSACTIONS, filter=narrowed))["transactions"]["nodes"] == shown
    assert (await client.ask(TRANSACTIONS, filter={"uncategorized": True}))["transactions"]["nodes"] == []


async def test_deleting_asks_where_things_go_and_history_keeps_its_words(conn, client, person):
    lunch = await add(client, "Lunch at work", groupId=FOOD)
    await client.ask(LIMIT, categoryId=lunch, month=f"{TODAY:%Y-%m}")
    bought = await buy(conn, person, -9_00)
    await client.ask(RECATEGORIZE, ids=[bought], categoryId=lunch)
    assert (await client.ask(DELETE, id=lunch))["deleteCategory"] == {
        "__typename": "CategoryInUse", "code": "CATEGORY_IN_USE", "field": "moveTo",
        "message": "Lunch at work holds 1 transaction, 1 remembered seller, 1 limit of a budget; say with moveTo which "
        "category takes them.",
        "transactions": 1, "parts": 0, "sellers": 1, "budgets": 1,
    }  # fmt: skip
    assert (await client.ask(DELETE, id=lunch, moveTo=COFFEE))["deleteCategory"] == {
        "__typename": "DeleteCategorySuccess", "deletedId": lunch, "movedTo": {"slug": "coffee"}, "transactionCount": 1
    }  # fmt: skip
    (node,) = (await client.ask(TRANSACTIONS))["transactions"]["nodes"]
    assert node["category"]["name"] == "Coffee & Bakeries"
    named = [alert["category"]["name"] for alert in (await client.ask(PAST_ALERTS))["budgetAlerts"]["nodes"]]
    # The limit went along, and what was spent against it is told for the category that has it now.
    assert named == ["Coffee & Bakeries", "Lunch at work"]
    refused = (await client.ask(RECATEGORIZE, ids=[bought], categoryId=lunch))["recategorize"]
    assert refused["message"] == "There is no category 10000."


async def test_changes_in_one_document_see_each_other(client):
    both = """
    mutation Both($groupId: ID!) {
      first: addCategory(name: "One", groupId: $groupId) { ... on AddCategorySuccess { category { slug } } }
      second: addCategory(name: "one", groupId: $groupId) { ... on Error { message } }
      third: addCategory(name: "Two", groupId: $groupId) {
        ... on AddCategorySuccess { category { group { children { name } } } }
      }
    }
    """
    data = await client.ask(both, groupId=FOOD)
    assert data["second"]["message"] == "There is a category One already; choose another name."
    assert [leaf["name"] for leaf in data["third"]["category"]["group"]["children"]][-2:] == ["One", "Two"]


@pytest.mark.parametrize("operation", [ADD, DELETE, MERGE, HIDE])
async def test_nobody_changes_categories_without_a_session(server, operation):
    variables = {"name": "X", "groupId": FOOD, "id": COFFEE, "intoId": GROCERIES, "hidden": True}
    async with client_of(server) as nobody:
        answer = await nobody.ask(
            operation, **{key: value for key, value in variables.items() if f"${key}:" in operation}
        )
    assert [found["__typename"] for found in answer.values()] == ["NotSignedIn"]
