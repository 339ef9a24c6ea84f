"""Notes, tags and splits as a client meets them, over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime

from mintql.api.nodes import encode_id
from support.clients import client_of, socket_of
from support.factories import create_transaction
from support.people import category
from support.streams import begun

TODAY = datetime.now(UTC).date()
GROCERIES, RENT = (encode_id("Category", category(slug)) for slug in ("groceries", "rent"))
FOOD = encode_id("Category", category("food-and-dining"))

SHOWN = """
id note tags amount { amount }
parts { category { slug } amount { amountMinor amount currency } note }
rest { amount } category { slug }
"""
TRANSACTIONS = f"""
query Transactions($filter: TransactionFilter) {{ transactions(filter: $filter) {{ nodes {{ {SHOWN} }} }} }}
"""
ANNOTATE = f"""
mutation Annotate($id: ID!, $note: String, $tags: [String!]) {{
  annotateTransaction(id: $id, note: $note, tags: $tags) {{
    __typename
    ... on AnnotateTransactionSuccess {{ transaction {{ {SHOWN} }} }}
    ... on Error {{ code message field }}
  }}
}}
"""
SPLIT = f"""
mutation Split($id: ID!, $parts: [TransactionPartInput!]!) {{
  splitTransaction(id: $id, parts: $parts) {{
    __typename
    ... on SplitTransactionSuccess {{ transaction {{ {SHOWN} }} }}
    ... on Error {{ code message field }}
  }}
}}
"""
TAG = """
mutation Tag($ids: [ID!]!, $add: [String!], $remove: [String!]) {
  tagTransactions(ids: $ids, add: $add, remove: $remove) {
    __typename
    ... on TagTransactionsSuccess { transactions { id tags } }
    ... on Error { code message field }
  }
}
"""
SPENDING = """
query Spending($month: Month!) {
  monthlySpending(from: $month, to: $month) { categories { category { slug } spent { amount } count } }
}
"""
CHANGES = "subscription { transactionsChanged { changedCount changed { id tags parts { note } } } }"
LIMIT = """
mutation Limit($categoryId: ID!, $month: Month!) {
  setBudgetOverride(
    categoryId: $categoryId, month: $month, limit: { amount: "100.00", currency: "USD" }, scope: THIS_MONTH
  ) { __typename }
}
"""
ALERTS = "subscription { budgetAlerts { category { slug } spent { amount } thresholdPercent } }"


async def buy(conn, person, amount_minor, **more):
    created = await create_transaction(
        conn, person.user_id, person.account_id, amount_minor=amount_minor, posted_on=TODAY, **more
    )
    return encode_id("Transaction", created)


def part(category_id, amount, note=None):
    return {"categoryId": category_id, "amount": {"amount": amount, "currency": "USD"}, "note": note}


async def nodes(client, **narrowed):
    return (await client.ask(TRANSACTIONS, filter=narrowed))["transactions"]["nodes"]


async def test_a_transaction_nobody_wrote_on_is_whole(conn, client, person):
    bought = await buy(conn, person, -1_250)
    assert await nodes(client) == [
        {
            "id": bought, "note": None, "tags": [], "amount": {"amount": "-12.50"}, "parts": [],
            "rest": {"amount": "-12.50"}, "category": {"slug": "uncategorized"},
        }
    ]  # fmt: skip


async def test_null_clears_and_what_is_absent_stays(conn, client, person):
    bought = await buy(conn, person, -1_250)
    wishes = (
        ({"note": "Bob's", "tags": ["Trip"]}, "Bob's", ["Trip"]),
        ({"note": "Ann's"}, "Ann's", ["Trip"]),
        ({"note": None}, None, ["Trip"]),
        ({"tags": ["Trip", "2026"]}, None, ["Trip", "2026"]),
        ({}, None, ["Trip", "2026"]),
        ({"tags": None}, None, []),
    )
    for wish, note, tags in wishes:
        answer = (await client.ask(ANNOTATE, id=bought, **wish))["annotateTransaction"]
        assert (answer["transaction"]["note"], answer["transaction"]["tags"]) == (note, tags), wish
    in_the_text = (
        f'mutation {{ annotateTransaction(id: "{bought}", note: null) {{'
        " ... on AnnotateTransactionSuccess { transaction { note } } } }"
    )
    await client.ask(ANNOTATE, id=bought, note="Bob's")
    assert (await client.ask(in_the_text))["annotateTransaction"]["transaction"]["note"] is None


async def test_a_split_is_shown_found_and_counted_by_its_parts(conn, client, person):
    bought = await buy(conn, person, -10_000, category_id=category("groceries"))
    assert await nodes(client, categoryIds=[RENT]) == []

    answer = (await client.ask(SPLIT, id=bought, parts=[part(RENT, "-60.00", "the deposit"), part(FOOD, "-1.00")]))[
        "splitTransaction"
    ]
    assert (answer["__typename"], answer["code"], answer["field"]) == ("InvalidInput", "INVALID_INPUT", "parts")
    assert answer["message"].startswith("The part at place 2: Food & Dining is a group;")
    answer = (await client.ask(SPLIT, id=bought, parts=[part("nonsense", "-60.00")]))["splitTransaction"]
    assert answer["message"] == "The part at place 1: 'nonsense' is not an id of this API."
    assert (await nodes(client))[0]["parts"] == []

    answer = (await client.ask(SPLIT, id=bought, parts=[part(RENT, "-60.00", "the deposit"), part(GROCERIES, "-1")]))[
        "splitTransaction"
    ]
    assert answer["transaction"] == {
        "id": bought, "note": None, "tags": [], "amount": {"amount": "-100.00"},
        "parts": [
            {
                "category": {"slug": "rent"}, "note": "the deposit",
                "amount": {"amountMinor": -6_000, "amount": "-60.00", "currency": "USD"},
            },
            {
                "category": {"slug": "groceries"}, "note": None,
                "amount": {"amountMinor": -100, "amount": "-1.00", "currency": "USD"},
            },
        ],
        "rest": {"amount": "-39.00"}, "category": {"slug": "groceries"},
    }  # fmt: skip
    for narrowed in ({"categoryIds": [RENT]}, {"categoryIds": [GROCERIES, RENT]}, {"text": "DEPOSIT"}):
        assert [node["id"] for node in await nodes(client, **narrowed)] == [bought], narrowed
    (month,) = (await client.ask(SPENDING, month=f"{TODAY:%Y-%m}"))["monthlySpending"]
    assert {line["category"]["slug"]: (line["spent"]["amount"], line["count"]) for line in month["categories"]} == {
        "rent": ("60.00", 1),
        "groceries": ("40.00", 2),
    }


async def test_a_split_that_fills_a_budget_is_told_live(conn, client, person):
    await client.ask(LIMIT, categoryId=RENT, month=f"{TODAY:%Y-%m}")
    bought = await buy(conn, person, -20_000)
    async with socket_of(client) as socket:
        await socket.subscribe(ALERTS)
        await begun(client)
        await client.ask(SPLIT, id=bought, parts=[part(RENT, "-85.00")])
        assert (await socket.next())["budgetAlerts"] == {
            "category": {"slug": "rent"}, "spent": {"amount": "85.00"}, "thresholdPercent": 80,
        }  # fmt: skip


async def test_what_is_written_is_told_live_and_read_back_at_once(conn, client, person):
    first, second = await buy(conn, person, -100), await buy(conn, person, -200)
    assert await nodes(client, tags=["trip"]) == await nodes(client, tags=["trip"]) == []
    async with socket_of(client) as socket:
        await socket.subscribe(CHANGES)
        await begun(client)
        answer = (await client.ask(TAG, ids=[first, second], add=["Trip"]))["tagTransactions"]
        assert answer["transactions"] == [{"id": first, "tags": ["Trip"]}, {"id": second, "tags": ["Trip"]}]
        told = (await socket.next())["transactionsChanged"]
    assert told["changedCount"] == 2
    assert {node["id"]: node["tags"] for node in told["changed"]} == {first: ["Trip"], second: ["Trip"]}
    assert [node["id"] for node in await nodes(client, tags=["TRIP"])] == [second, first]
    await client.ask(TAG, ids=[first], remove=["trip"])
    assert (await client.ask("{ tags { name transactionCount } }"))["tags"] == [{"name": "Trip", "transactionCount": 1}]


async def test_nobody_writes_on_what_is_anothers_nor_without_a_session(conn, client, person, server):
    theirs = await buy(conn, person, -1_250)
    await client.ask(ANNOTATE, id=theirs, note="private", tags=["Secret"])
    before = await nodes(client)
    attempts = (
        (ANNOTATE, {"id": theirs, "note": "mine"}),
        (SPLIT, {"id": theirs, "parts": [part(RENT, "-1.00")]}),
        (TAG, {"ids": [theirs], "add": ["mine"]}),
    )
    async with client_of(server) as eve:
        for expected in ("NotSignedIn", "NotFound"):
            for mutation, variables in attempts:
                (answer,) = (await eve.ask(mutation, **variables)).values()
                assert answer["__typename"] == expected
                assert "private" not in str(answer)
            if eve.token is None:
                assert (await eve.refusal("{ tags { name } }"))["extensions"]["code"] == "UNAUTHENTICATED"
                await eve.sign_up()
        assert (await eve.ask("{ tags { name } }"))["tags"] == []
        assert await nodes(eve, tags=["Secret"]) == []
    assert await nodes(client) == before
