"""Sharing accounts and budgets: members see and do what they were given, nothing beyond it, and not a moment longer."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from integration.test_archive_reading import put_away
from mintql.api import sharing
from mintql.api.nodes import encode_id
from mintql.api.schema import build_schema
from support.clients import client_of, raw_socket
from support.factories import create_account, create_transaction
from support.people import category
from support.streams import begun

TODAY = datetime.now(UTC).date()
MONTH = f"{TODAY:%Y-%m}"
COFFEE, GROCERIES, RESTAURANTS = (
    encode_id("Category", category(slug)) for slug in ("coffee", "groceries", "restaurants")
)
INVITE = """
mutation Invite($email: String!, $extent: HouseholdExtentInput!) {
  inviteToHousehold(email: $email, extent: $extent) {
    __typename
    ... on InviteSuccess { token share { id email role state allAccounts accounts { id } budgets { slug } memberName } }
    ... on Error { code message field }
  }
}
"""
ANSWER = """
mutation Answer($token: String!) {
  %s(token: $token) {
    __typename
    ... on HouseholdAnswerSuccess { memberships { id ownerName ownerEmail role allAccounts allBudgets } }
    ... on Error { code message field }
  }
}
"""
ACCEPT, DECLINE = ANSWER % "acceptHouseholdInvitation", ANSWER % "declineHouseholdInvitation"
REVOKE = """
mutation Revoke($id: ID!) {
  revokeHouseholdShare(id: $id) { __typename ... on HouseholdShareSuccess { share { state } } ... on Error { code } }
}
"""
CHANGE = """
mutation Change($id: ID!, $extent: HouseholdExtentInput!) {
  changeHouseholdShare(id: $id, extent: $extent) {
    __typename ... on HouseholdShareSuccess { share { role state memberName } } ... on Error { code message }
  }
}
"""
LEAVE = """
mutation Leave($id: ID!) {
  leaveHousehold(id: $id) { __typename ... on HouseholdAnswerSuccess { memberships { id } } ... on Error { code } }
}
"""
TRANSACTIONS = "{ transactions { nodes { id merchant amount { amount } account { id name } } } }"
ANNOTATE = """
mutation Note($id: ID!) {
  annotateTransaction(id: $id, note: "ours") {
    __typename ... on AnnotateTransactionSuccess { transaction { note } } ... on Error { code message field }
  }
}
"""
RECATEGORIZE = """
mutation Choose($ids: [ID!]!, $categoryId: ID!, $scope: RecategorizeScope!) {
  recategorize(ids: $ids, categoryId: $categoryId, scope: $scope) {
    __typename ... on RecategorizeSuccess { transactions { category { slug } } } ... on Error { code message }
  }
}
"""
LIMIT = """
mutation Limit($categoryId: ID!, $month: Month!) {
  setBudgetOverride(categoryId: $categoryId, month: $month, limit: {amount: "50.00", currency: "USD"},
      scope: THIS_MONTH) {
    __typename ... on SetBudgetOverrideSuccess { budget { limit { amount } } } ... on Error { code message }
  }
}
"""
SPENDING = """
query Spending($month: Month!) { monthlySpending(from: $month, to: $month) { totals { spent { amount } } } }
"""
TAGS = "{ tags { name transactionCount } }"
BUDGETS = "query Budgets($month: Month!) { budgets(month: $month) { category { slug } spent { amount } } }"


KEYED_LIMIT = f"""mutation {{ setBudgetOverride(
    categoryId: "{COFFEE}", limit: {{amount: "%s", currency: "USD"}}, scope: FROM_THIS_MONTH, month: "2026-11",
    idempotencyKey: "limit"
) {{ __typename }} }}"""


@pytest.fixture
async def bob(server):
    async with client_of(server) as opened:
        opened.viewer = await opened.sign_up("bob@example.org")
        yield opened


@pytest.fixture
async def home(conn, person):
    """Two accounts with a purchase each; the second one is not shared."""
    secret = await create_account(conn, person.user_id, person.connection_id, name="Secret")
    said = {"posted_on": TODAY, "category_id": category("coffee"), "currency": "USD"}
    ours = await create_transaction(
        conn, person.user_id, person.account_id, merchant="Corner Cafe", amount_minor=-450, **said
    )
    hidden = await create_transaction(conn, person.user_id, secret, merchant="Jeweller", amount_minor=-99_900, **said)
    return {
        "account": encode_id("Account", person.account_id),
        "secret": encode_id("Account", secret),
        "ours": encode_id("Transaction", ours),
        "hidden": encode_id("Transaction", hidden),
    }


def extent(home, role="VIEWER", **more):
    return {"role": role, "accountIds": [home["account"]], "budgetIds": [COFFEE]} | more


async def join(client, bob, wanted):
    invited = (await client.ask(INVITE, email="Bob@example.org", extent=wanted))["inviteToHousehold"]
    assert invited["__typename"] == "InviteSuccess", invited
    accepted = (await bob.ask(ACCEPT, token=invited["token"]))["acceptHouseholdInvitation"]
    return accepted["memberships"][-1]["id"]


async def through(bob, share, query, **variables):
    return (await bob.post(query, variables, X_Mintql_Share=share)).json()


async def test_a_viewer_sees_the_chosen_account_and_nothing_of_the_other(client, bob, home):
    share = await join(client, bob, extent(home))
    data = (await through(bob, share, TRANSACTIONS))["data"]
    assert [row["id"] for row in data["transactions"]["nodes"]] == [home["ours"]]
    accounts = (await through(bob, share, "{ accounts { id name } }"))["data"]["accounts"]
    assert [account["id"] for account in accounts] == [home["account"]]
    for hidden in (home["hidden"], home["secret"]):
        seen = await through(bob, share, "query N($id: ID!) { node(id: $id) { id } }", id=hidden)
        assert seen == {"data": {"node": None}}
    assert (await bob.ask(TRANSACTIONS))["transactions"]["nodes"] == []  # Without the share it is his own money.


async def test_a_member_sees_the_budgets_chosen_with_all_that_was_spent_in_them(client, bob, home):
    for wanted in (GROCERIES, COFFEE):
        await client.ask(LIMIT, categoryId=wanted, month=MONTH)
    share = await join(client, bob, extent(home))
    budgets = (await through(bob, share, BUDGETS, month=MONTH))["data"]["budgets"]
    assert budgets == [{"category": {"slug": "coffee"}, "spent": {"amount": "1003.50"}}]


async def test_tags_are_told_of_the_chosen_account_only_also_where_their_month_is_archived(
    client, bob, conn, home, person, runtime
):
    await conn.execute(
        "UPDATE transactions SET posted_on = posted_on - 1000,"
        " tags = CASE account_id WHEN $1 THEN ARRAY['holiday'] ELSE ARRAY['surprise'] END",
        person.account_id,
    )
    share = await join(client, bob, extent(home))
    assert await put_away(runtime.system, runtime.objects, person.user_id) == 2
    seen = await through(bob, share, TAGS)
    assert seen == {"data": {"tags": [{"name": "holiday", "transactionCount": 1}]}}
    assert {tag["name"] for tag in (await client.ask(TAGS))["tags"]} == {"holiday", "surprise"}


@pytest.mark.parametrize(
    "query",
    [
        "{ viewer { email } }", "{ connections { id } }", "{ rules { id } }", "{ householdShares { id } }",
        "{ budgetRecommendations { basis } }", "{ ...F } fragment F on Query { x: imports { nodes { id } } }",
    ],
)  # fmt: skip
async def test_what_is_not_shared_as_a_whole_is_refused_by_name(client, bob, home, query):
    share = await join(client, bob, extent(home))
    answer = await through(bob, share, query)
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["NOT_SHARED"]
    assert answer.get("data") is None


async def test_the_login_behind_an_account_is_not_shown(client, bob, home):
    share = await join(client, bob, extent(home))
    answer = await through(bob, share, "{ accounts { id connection { id status } } }")
    assert answer["errors"][0]["extensions"]["code"] == "NOT_SHARED"


async def test_a_viewer_changes_nothing_and_a_manager_only_what_is_shared(client, bob, conn, home, person):
    share = await join(client, bob, extent(home))
    refused = await through(bob, share, ANNOTATE, id=home["ours"])
    assert refused["errors"][0]["message"].startswith("You may look at what is shared with you and not change it")
    await client.ask(CHANGE, id=share, extent=extent(home, "MANAGER"))
    noted = (await through(bob, share, ANNOTATE, id=home["ours"]))["data"]["annotateTransaction"]
    assert noted["transaction"] == {"note": "ours"}
    refused = await through(bob, share, ANNOTATE, id=home["hidden"])
    assert refused["errors"][0]["extensions"]["code"] == "NOT_FOUND"
    assert await conn.fetchval("SELECT count(*) FROM transactions WHERE note IS NOT NULL") == 1
    acts = await client.ask("{ auditLog { nodes { act detail { name value } } } }")
    noted = [entry for entry in acts["auditLog"]["nodes"] if entry["act"].startswith("household_")]
    assert [entry["act"] for entry in noted] == [
        "household_change", "household_changed", "household_answer_accepted", "household_invited"
    ]  # fmt: skip
    assert {one["name"]: one["value"] for one in noted[0]["detail"]} == {
        "change": "annotateTransaction", "email": "bob@example.org", "subjects": home["ours"]
    }  # fmt: skip
    assert {one["name"]: one["value"] for one in noted[2]["detail"]} == {"email": "Bob@example.org"}


async def test_a_manager_s_change_under_a_key_is_made_once_and_the_key_is_the_manager_s(client, bob, conn, home):
    share = await join(client, bob, extent(home, "MANAGER"))
    keyed = KEYED_LIMIT % "15.00"
    first = await through(bob, share, keyed)
    assert first["data"]["setBudgetOverride"]["__typename"] == "SetBudgetOverrideSuccess"
    again = await through(bob, share, keyed)
    assert (again["data"], again["extensions"]) == (first["data"], {"idempotentReplayed": ["setBudgetOverride"]})
    other = await through(bob, share, KEYED_LIMIT % "16.00")
    assert other["errors"][0]["extensions"]["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert (await bob.refusal(keyed))["extensions"]["code"] == "IDEMPOTENCY_KEY_REUSED"  # To Bob's own budget.
    assert "extensions" not in (await client.post(keyed)).json()
    owners = await conn.fetch("SELECT user_id FROM idempotency_keys WHERE key = 'limit' ORDER BY user_id")
    assert len({row["user_id"] for row in owners}) == 2
    await client.ask(REVOKE, id=share)
    assert (await through(bob, share, keyed)).get("data") is None


async def test_a_change_does_not_open_the_way_to_what_is_not_shared(client, bob, conn, home, person):
    share = await join(client, bob, extent(home, "MANAGER"))
    note = 'annotateTransaction(id: "%s", note: "x") { ... on AnnotateTransactionSuccess { transaction { %s } } }'
    nested = await through(bob, share, "mutation { " + note % (home["ours"], "account { connection { id } }") + " }")
    assert nested["errors"][0]["extensions"]["code"] == "NOT_SHARED"
    two = f"mutation {{ a: {note % (home['ours'], 'id')} b: {note % (home['ours'], 'id')} }}"
    assert (await through(bob, share, two))["errors"][0]["message"] == "Through a share, send one change at a time."


async def test_a_manager_of_some_accounts_chooses_for_these_transactions_alone(client, bob, conn, home):
    share = await join(client, bob, extent(home, "MANAGER"))
    asked = {"ids": [home["ours"]], "categoryId": RESTAURANTS}
    refused = await through(bob, share, RECATEGORIZE, **asked, scope="SELLER_FROM_NOW_ON")
    assert refused["errors"][0]["message"].startswith("Only some accounts are shared with you")
    chosen = (await through(bob, share, RECATEGORIZE, **asked, scope="ONCE"))["data"]["recategorize"]
    assert chosen["transactions"] == [{"category": {"slug": "restaurants"}}]
    both = await through(bob, share, RECATEGORIZE, ids=[home["ours"], home["hidden"]], categoryId=COFFEE, scope="ONCE")
    assert both["errors"][0]["extensions"]["code"] == "NOT_FOUND"
    assert await conn.fetchval("SELECT count(*) FROM seller_memories") == 0


async def test_two_invitations_of_one_owner_accepted_at_once_are_one_share_and_one_refusal(client, bob, home):
    tokens = [
        (await client.ask(INVITE, email="bob@example.org", extent=extent(home)))["inviteToHousehold"]["token"]
        for _ in range(2)
    ]
    answers = await asyncio.gather(*[bob.ask(ACCEPT, token=token) for token in tokens])
    names = sorted(answer["acceptHouseholdInvitation"]["__typename"] for answer in answers)
    assert names == ["HouseholdAnswerSuccess", "InvalidInput"]


async def test_a_change_that_was_admitted_is_refused_when_the_share_has_been_narrowed_since(
    client, bob, conn, home, monkeypatch
):
    share = await join(client, bob, extent(home, "MANAGER"))
    note = sharing._note

    async def narrow(*given):
        await note(*given)
        await conn.execute("UPDATE household_shares SET role = 'viewer'")

    monkeypatch.setattr(sharing, "_note", narrow)
    answer = await through(bob, share, ANNOTATE, id=home["ours"])
    assert answer["errors"][0]["extensions"]["code"] == "NOT_SHARED"
    assert await conn.fetchval("SELECT count(*) FROM transactions WHERE note IS NOT NULL") == 0


async def test_a_manager_sets_limits_of_the_budgets_chosen_alone(client, bob, home):
    share = await join(client, bob, extent(home, "MANAGER"))
    set_ = (await through(bob, share, LIMIT, categoryId=COFFEE, month=MONTH))["data"]["setBudgetOverride"]
    assert set_["budget"] == {"limit": {"amount": "50.00"}}
    refused = await through(bob, share, LIMIT, categoryId=GROCERIES, month=MONTH)
    assert refused["errors"][0]["message"] == "This budget is not shared with you."


async def test_revoking_holds_from_the_next_request_on_and_ends_open_streams(client, bob, home):
    share = await join(client, bob, extent(home))
    assert (await through(bob, share, TRANSACTIONS))["data"]["transactions"]["nodes"]
    async with raw_socket(bob.ws_url) as socket:
        payload = {"authorization": f"Bearer {bob.token}", "share": share}
        await socket.send({"type": "connection_init", "payload": payload})
        assert await socket.receive() == {"type": "connection_ack"}
        await socket.subscribe("subscription { budgetAlerts { message } }")
        await begun(bob)
        revoked = (await client.ask(REVOKE, id=share))["revokeHouseholdShare"]
        assert revoked["share"] == {"state": "REVOKED"}
        ended = await socket.receive()
        errors = ended["payload"]["errors"] if ended["type"] == "next" else ended["payload"]
        assert [error["extensions"]["code"] for error in errors] == ["NOT_SHARED"]
    response = await bob.post(TRANSACTIONS, X_Mintql_Share=share)
    assert (response.status_code, response.json()["errors"][0]["extensions"]["code"]) == (403, "NOT_SHARED")


async def test_alerts_of_shared_budgets_reach_the_member_live_without_what_is_not_shared(client, bob, home):
    share = await join(client, bob, extent(home))
    async with raw_socket(bob.ws_url) as socket:
        payload = {"authorization": f"Bearer {bob.token}", "share": share}
        await socket.send({"type": "connection_init", "payload": payload})
        await socket.receive()
        await socket.subscribe("subscription { budgetAlerts { category { slug } transactions { merchant } } }")
        await begun(bob)
        await client.ask(LIMIT, categoryId=GROCERIES, month=MONTH)
        await client.ask(LIMIT, categoryId=COFFEE, month=MONTH)
        told = (await socket.next())["budgetAlerts"]
        assert told == {"category": {"slug": "coffee"}, "transactions": [{"merchant": "Corner Cafe"}]}


async def test_an_invitation_is_for_one_address_and_once(client, bob, server, home):
    wanted = extent(home)
    invited = (await client.ask(INVITE, email="bob@example.org", extent=wanted))["inviteToHousehold"]
    assert invited["share"] == {
        "id": invited["share"]["id"], "email": "bob@example.org", "role": "VIEWER", "state": "INVITED",
        "allAccounts": False, "accounts": [{"id": home["account"]}], "budgets": [{"slug": "coffee"}],
        "memberName": None,
    }  # fmt: skip
    async with client_of(server) as eve:
        await eve.sign_up("eve@example.org")
        refused = (await eve.ask(ACCEPT, token=invited["token"]))["acceptHouseholdInvitation"]
        assert (refused["code"], refused["field"]) == ("INVALID_INPUT", "token")
    accepted = (await bob.ask(ACCEPT, token=invited["token"]))["acceptHouseholdInvitation"]
    assert [item["ownerName"] for item in accepted["memberships"]] == ["Ada"]
    again = (await bob.ask(ACCEPT, token=invited["token"]))["acceptHouseholdInvitation"]
    assert again["message"] == "This invitation is not known, was used or taken back, or has run out."


async def test_declining_and_leaving_end_it_and_a_stranger_cannot_enter(client, bob, server, home):
    invited = (await client.ask(INVITE, email="bob@example.org", extent=extent(home)))["inviteToHousehold"]
    declined = (await bob.ask(DECLINE, token=invited["token"]))["declineHouseholdInvitation"]
    assert declined["memberships"] == []
    share = await join(client, bob, extent(home))
    async with client_of(server) as eve:
        await eve.sign_up("eve2@example.org")
        assert (await eve.post(TRANSACTIONS, X_Mintql_Share=share)).status_code == 403
    assert (await bob.ask(LEAVE, id=share))["leaveHousehold"] == {
        "__typename": "HouseholdAnswerSuccess", "memberships": []
    }  # fmt: skip
    assert (await bob.post(TRANSACTIONS, X_Mintql_Share=share)).status_code == 403
    assert (await bob.ask(LEAVE, id=share))["leaveHousehold"]["code"] == "NOT_FOUND"


async def test_nothing_of_others_can_be_shared(client, bob, conn, home, person):
    wanted = {"role": "VIEWER", "accountIds": [encode_id("Account", 10**9)]}
    refused = (await client.ask(INVITE, email="bob@example.org", extent=wanted))["inviteToHousehold"]
    assert (refused["code"], refused["field"]) == ("NOT_FOUND", "accountIds")
    nothing = (await client.ask(INVITE, email="bob@example.org", extent={"role": "VIEWER"}))["inviteToHousehold"]
    assert nothing["message"] == "Choose at least one account or budget to share."
    assert await conn.fetchval("SELECT count(*) FROM household_shares") == 0


async def test_a_partner_with_all_accounts_sees_the_whole_month(client, bob, home):
    share = await join(client, bob, {"role": "VIEWER", "allAccounts": True, "allBudgets": True})
    rows = (await through(bob, share, TRANSACTIONS))["data"]["transactions"]["nodes"]
    assert {row["id"] for row in rows} == {home["ours"], home["hidden"]}
    spending = await through(bob, share, SPENDING, month=MONTH)
    assert spending["data"]["monthlySpending"] == [{"totals": [{"spent": {"amount": "1003.50"}}]}]
    range_ = f'from: "{MONTH}-01", to: "{TODAY}"'
    for query, found in (
        (f"{{ spending({range_}, groupBy: MERCHANT) {{ overall {{ groups {{ merchant }} }} }} }}", "Jeweller"),
        (f"{{ topMerchants({range_}) {{ merchant }} }}", "Jeweller"),
        (f"{{ cashFlow({range_}) {{ overall {{ sums {{ spending {{ amount }} }} }} }} }}", "1003.50"),
        (f"{{ netWorth({range_}) {{ on }} }}", str(TODAY)),
        ("{ subscriptions { series { merchant } } }", "series"),
        ("{ recurring { nodes { merchant } } }", "nodes"),
        (f"{{ upcomingBills({range_}) {{ __typename }} }}", "upcomingBills"),
        ('{ searchTransactions(text: "jewel") { nodes { merchant } } }', "Jeweller"),
    ):
        answer = await through(bob, share, query)
        assert "errors" not in answer, answer
        assert found in str(answer), answer


async def test_a_search_finds_nothing_on_accounts_that_are_not_shared(client, bob, home):
    share = await join(client, bob, extent(home))
    search = "query S($text: String!) { searchTransactions(text: $text) { nodes { merchant } } }"
    for text, found in (("corner", [{"merchant": "Corner Cafe"}]), ("jewel", []), ("jeweler", []), ("999.00", [])):
        answer = await through(bob, share, search, text=text)
        assert answer["data"]["searchTransactions"]["nodes"] == found, text


async def test_sums_over_all_accounts_are_not_for_members_who_see_some(client, bob, home):
    share = await join(client, bob, extent(home))
    refused = await through(bob, share, SPENDING, month=MONTH)
    assert refused["errors"][0]["message"] == (
        "`monthlySpending` sums up all accounts, and only some of them are shared with you."
    )


async def test_the_budget_on_everything_is_shared_by_itself(client, bob, home):
    share = await join(client, bob, extent(home, "MANAGER", budgetIds=[], everythingBudget=True))
    limit = """
    mutation Limit($month: Month!) {
      setBudgetOverride(everything: true, month: $month, limit: {amount: "90.00", currency: "USD"}, scope: THIS_MONTH) {
        __typename ... on Error { message }
      }
    }
    """
    set_ = (await through(bob, share, limit, month=MONTH))["data"]["setBudgetOverride"]
    assert set_ == {"__typename": "SetBudgetOverrideSuccess"}
    budgets = (await through(bob, share, BUDGETS, month=MONTH))["data"]["budgets"]
    assert budgets == [{"category": None, "spent": {"amount": "1003.50"}}]


def test_what_members_may_ask_for_is_in_the_schema():
    schema = build_schema()._schema
    assert (sharing.OPEN_QUERIES | sharing.WHOLE_QUERIES) - {"__typename", "__schema", "__type"} <= set(
        schema.query_type.fields
    )
    assert sharing.BUDGET_CHANGES | set(sharing.TRANSACTIONS_OF) <= set(schema.mutation_type.fields)
    assert sharing.OPEN_SUBSCRIPTIONS - {"__typename"} <= set(schema.subscription_type.fields)


async def test_a_shared_budget_stays_shared_when_its_category_is_merged(client, bob, home):
    share = await join(client, bob, extent(home))
    await client.ask(LIMIT, categoryId=COFFEE, month=MONTH)
    merged = await client.ask(
        "mutation M($a: ID!, $b: ID!) { mergeCategories(id: $a, intoId: $b) { __typename } }", a=COFFEE, b=RESTAURANTS
    )
    assert merged["mergeCategories"]["__typename"] == "MergeCategoriesSuccess"
    budgets = (await through(bob, share, BUDGETS, month=MONTH))["data"]["budgets"]
    assert [budget["category"]["slug"] for budget in budgets] == ["restaurants"]
