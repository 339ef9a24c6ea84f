"""Choosing, looking at why, and taking back, as a client meets it over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime

from mintql.api.nodes import encode_id
from support.factories import create_person, create_transaction
from support.people import category

TODAY = datetime.now(UTC).date()
COFFEE, RESTAURANTS = (encode_id("Category", category(slug)) for slug in ("coffee", "restaurants"))
CHOOSE = """
mutation Choose($ids: [ID!]!, $categoryId: ID!) {
  recategorize(ids: $ids, categoryId: $categoryId) {
    __typename
    ... on RecategorizeSuccess { transactions { category { slug } categorization { source confidence explanation } } }
    ... on Error { code message field }
  }
}
"""
UNDO = """
mutation Undo($ids: [ID!]!) {
  undoRecategorize(ids: $ids) {
    __typename
    ... on RecategorizeSuccess { transactions { category { slug } categorization { source detail confidence } } }
    ... on Error { code message field }
  }
}
"""
WHY = """
query Why($id: ID!) {
  node(id: $id) {
    ... on Transaction {
      categorization {
        source detail confidence explanation
        alternatives { category { slug } source confidence explanation }
      }
    }
  }
}
"""
MEMORIES = """
query Memories($first: Int, $after: Cursor) {
  sellerMemories(first: $first, after: $after) {
    nodes { merchantKey merchant category { slug } } pageInfo { hasNextPage endCursor }
  }
}
"""
FORGET = """
mutation Forget($merchantKey: String!) {
  forgetSeller(merchantKey: $merchantKey) { __typename ... on Error { code message field } }
}
"""


async def buy(conn, person, **said):
    created = await create_transaction(conn, person.user_id, person.account_id, posted_on=TODAY, **said)
    return encode_id("Transaction", created)


async def test_a_choice_says_whose_it_is_and_what_the_machine_would_say_is_an_alternative(conn, client, person):
    one = await buy(
        conn, person, merchant_key="starbucks", merchant="Starbucks", category_id=category("coffee"),
        category_source="dictionary", category_detail="exact: starbucks",
    )  # fmt: skip
    before = (await client.ask(WHY, id=one))["node"]["categorization"]
    assert before == {
        "source": "DICTIONARY", "detail": "exact: starbucks", "confidence": before["confidence"],
        "explanation": "The dictionary of sellers has “starbucks”.", "alternatives": [],
    }  # fmt: skip
    assert 80 <= before["confidence"] < 100
    chosen = await client.ask(CHOOSE, ids=[one], categoryId=RESTAURANTS)
    assert chosen["recategorize"]["transactions"] == [
        {
            "category": {"slug": "restaurants"},
            "categorization": {
                "source": "MANUAL", "confidence": 100,
                "explanation": "You chose this category for this transaction.",
            },
        }
    ]  # fmt: skip
    why = (await client.ask(WHY, id=one))["node"]["categorization"]
    assert [(item["category"]["slug"], item["source"]) for item in why["alternatives"]] == [("coffee", "DICTIONARY")]
    assert "starbucks" in why["alternatives"][0]["explanation"]


async def test_the_institutions_code_of_a_stored_transaction_speaks_as_an_alternative(conn, client, person):
    one = await buy(conn, person, merchant_key="starbucks", category_id=category("fuel"), category_source="manual")
    await conn.execute("UPDATE transactions SET institution_code = 'mcc:5411 pfc:FOOD_AND_DRINK_COFFEE'")
    why = (await client.ask(WHY, id=one))["node"]["categorization"]
    assert [(item["category"]["slug"], item["source"]) for item in why["alternatives"]] == [
        ("groceries", "INSTITUTION"),
        ("coffee", "INSTITUTION"),
    ]
    assert "5411" in why["alternatives"][0]["explanation"]


async def test_the_crowd_is_an_alternative_when_enough_people_chose(conn, client, person):
    one = await buy(conn, person, merchant_key="zzyzx qwert")
    for _ in range(10):
        voter = await create_person(conn)
        await conn.execute(
            "INSERT INTO seller_votes VALUES ($1, 'zzyzx qwert', $2, now())", voter.user_id, category("coffee")
        )
    why = (await client.ask(WHY, id=one))["node"]["categorization"]
    assert (why["source"], why["confidence"]) == ("NONE", 0)
    assert [(item["source"], item["explanation"]) for item in why["alternatives"]] == [
        ("CROWD", "10 of 10 people who chose a category for this seller chose this one.")
    ]


async def test_undoing_gives_back_the_category_and_its_reason_and_forgets_the_seller(conn, client, person):
    one = await buy(
        conn, person, merchant_key="starbucks", merchant="Starbucks", category_id=category("coffee"),
        category_source="dictionary", category_detail="exact: starbucks",
    )  # fmt: skip
    await client.ask(CHOOSE, ids=[one], categoryId=RESTAURANTS)
    found = (await client.ask(MEMORIES))["sellerMemories"]["nodes"]
    assert found == [{"merchantKey": "starbucks", "merchant": "Starbucks", "category": {"slug": "restaurants"}}]
    undone = (await client.ask(UNDO, ids=[one]))["undoRecategorize"]["transactions"]
    assert [(item["category"]["slug"], item["categorization"]["detail"]) for item in undone] == [
        ("coffee", "exact: starbucks")
    ]
    assert (await client.ask(MEMORIES))["sellerMemories"]["nodes"] == []


async def test_memories_are_paged_by_seller_and_forgotten_one_by_one(conn, client, person):
    for key in ("café ω", "bakery", "diner"):
        one = await buy(conn, person, merchant_key=key)
        await client.ask(CHOOSE, ids=[one], categoryId=RESTAURANTS)
    first = (await client.ask(MEMORIES, first=2))["sellerMemories"]
    assert [node["merchantKey"] for node in first["nodes"]] == ["bakery", "café ω"]
    rest = (await client.ask(MEMORIES, first=2, after=first["pageInfo"]["endCursor"]))["sellerMemories"]
    assert [node["merchantKey"] for node in rest["nodes"]] == ["diner"]
    assert (await client.ask(FORGET, merchantKey="café ω"))["forgetSeller"] == {"__typename": "ForgetSellerSuccess"}
    again = (await client.ask(FORGET, merchantKey="café ω"))["forgetSeller"]
    assert (again["__typename"], again["code"], again["field"]) == ("NotFound", "NOT_FOUND", "merchantKey")
    left = (await client.ask(MEMORIES))["sellerMemories"]["nodes"]
    assert [node["merchantKey"] for node in left] == ["bakery", "diner"]


async def test_nobody_takes_back_another_persons_choice_or_sees_what_they_chose(conn, client, person):
    other = await create_person(conn)
    theirs = await buy(conn, other, merchant_key="blue door", category_source="manual", category_id=category("fuel"))
    await conn.execute("INSERT INTO seller_memories VALUES ($1, 'blue door', 601)", other.user_id)
    refused = (await client.ask(UNDO, ids=[theirs]))["undoRecategorize"]
    assert (refused["__typename"], refused["field"]) == ("NotFound", "ids")
    assert (await client.ask(MEMORIES))["sellerMemories"]["nodes"] == []
    assert (await client.ask(FORGET, merchantKey="blue door"))["forgetSeller"]["__typename"] == "NotFound"
    assert await conn.fetchval("SELECT count(*) FROM seller_memories") == 1
    assert await conn.fetchval("SELECT category_source FROM transactions") == "manual"
