"""Random queries and subscriptions get the same answers by plan and by graphql-core, to the byte: data, errors, order.

`MINTQL_PROPERTY_QUERIES=20000` tries so many, with `MINTQL_HYPOTHESIS=search` other ones each time.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mintql.api.context import Context, HoldsConnection, Viewer
from mintql.api.negotiation import JSON
from mintql.api.nodes import decode_id, encode_id, split_id
from mintql.api.paging import encode_number
from mintql.api.responses import encode_result
from mintql.api.schema import build_schema
from mintql.api.sharing import OPEN_QUERIES
from mintql.domain.ids import SessionId, ShareId
from mintql.services import examination
from mintql.services.events import NewEvent, append_events
from mintql.store.locks import lock_users
from support.factories import create_account, create_person, create_transaction, create_user
from support.operations import ANY, Operation, Writer
from support.people import acting_as, category

QUERIES = int(os.environ.get("MINTQL_PROPERTY_QUERIES", "100"))
NOW = datetime.now(UTC)
TODAY = NOW.date()
WHO = ("ada", "ada", "ada", "bob in ada's share", "carol", "nobody")
FOR_MEMBERS = sorted(name for name in OPEN_QUERIES if not name.startswith("__"))
FOLLOW_SECONDS = 30
FOR_ANYBODY = ["categories", "deletion", "institutions", "node", "viewer"]
SEEDS = """
{ accounts { id connection { id } } categories { id children { id } } sessions { id } rules { id } connections { id }
  transactions(first: 30) { edges { cursor node { id recurring { id } } } }
  budgetAlerts { edges { cursor node { id } } } notifications { edges { cursor node { id } } }
  recurring { edges { cursor node { id } } } auditLog { edges { cursor } } changes { cursor } viewer { id } }
"""


class WatchedContext(Context):
    """A context that tells whether a plan gave up since it held a connection, which is no error of the query."""

    gave_up = False

    async def bring_back(self, *spans: Any, **only: Any) -> None:
        try:
            await super().bring_back(*spans, **only)
        except HoldsConnection:
            self.gave_up = True
            raise


@dataclass
class World:
    """Who there is, and ids and cursors that hold for some of them."""

    runtime: Any
    viewers: dict[str, Viewer]
    share_id: ShareId | None = None
    pools: dict[str, list[str]] = field(default_factory=dict)
    asked: int = 0
    planned: int = 0
    gave_up: bool = False

    async def context(self, who: str) -> WatchedContext:
        found = WatchedContext(self.runtime, self.viewers.get(who.split(maxsplit=1)[0]))
        if "share" in who:
            assert self.share_id is not None
            await found.enter(self.share_id)
        return found

    async def ask(self, who: str, text: str, variables: dict[str, Any] | None = None, *, plans: bool = True) -> bytes:
        """Return the answer as it would be sent."""
        schema = build_schema()
        before, schema.plans.enabled = schema.plans.enabled, plans
        try:
            context = await self.context(who)
            result = await schema.execute(text, variables, context_value=context)
            self.gave_up = context.gave_up
        finally:
            schema.plans.enabled = before
        return encode_result(result, JSON)[0]

    async def follow(self, who: str, text: str, variables: dict[str, Any], count: int, *, plans: bool) -> list[bytes]:
        """Return so many answers of a subscription as they would be sent, fewer where it ends by itself."""
        schema = build_schema()
        before, schema.plans.enabled = schema.plans.enabled, plans
        answers: list[bytes] = []
        try:
            stream = await schema.stream(text, variables, context_value=await self.context(who))
            async with aclosing(stream), asyncio.timeout(FOLLOW_SECONDS):
                async for result in stream:
                    answers.append(encode_result(result, JSON)[0])
                    if len(answers) == count:
                        break
        finally:
            schema.plans.enabled = before
        return answers

    async def change(self, who: str, text: str, **variables: Any) -> Any:
        """Change something, which has to work; return what the mutation gives."""
        answer = orjson.loads(await self.ask(who, text, variables))
        assert "errors" not in answer, answer
        (given_back,) = answer["data"].values()
        assert given_back["__typename"].endswith("Success"), given_back
        return given_back


@pytest.fixture
async def world(conn, api_runtime):
    """Ada with some of everything, Bob whom she shares one account with, Carol with nothing."""
    ada = await create_person(conn, annual_income_minor=6_500_000, email="ada@example.org")
    bob = await create_user(conn, email="bob@example.org", name="Bob")
    carol = await create_user(conn, email="carol@example.org", name="Carol")
    viewers = {}
    for name, user_id in {"ada": ada.user_id, "bob": bob, "carol": carol}.items():
        session_id = await conn.fetchval(
            "INSERT INTO sessions (user_id, token_hash, expires_at) VALUES ($1, sha256($2), now() + interval '1 day')"
            " RETURNING session_id", user_id, name.encode(),
        )  # fmt: skip
        viewers[name] = Viewer(user_id, SessionId(session_id), NOW + timedelta(days=1))
    made = World(api_runtime, viewers)
    rows = await _transactions(conn, ada)
    await _changes(made, rows)
    async with acting_as(conn, ada.user_id):
        for step in examination.every_step(None, None):
            await step(conn, ada.user_id, NOW)
    await _share(made, encode_id("Account", ada.account_id))
    async with acting_as(conn, ada.user_id):
        await _told(conn, ada, rows)
    for who in ("ada", "carol"):
        answer = orjson.loads(await made.ask(who, SEEDS))
        assert "errors" not in answer, answer
        for text in dict.fromkeys(_under(answer, "id")):
            made.pools.setdefault(ANY, []).append(text)
            made.pools.setdefault(split_id(text)[0], []).append(text)
        for name, found in answer["data"].items():
            made.pools.setdefault(name, []).extend(_under(found, "cursor"))
    yield made
    assert made.planned >= made.asked / 2, f"only {made.planned} of {made.asked} random queries have no error"


async def _transactions(conn, ada) -> list[str]:
    saving = await create_account(conn, ada.user_id, ada.connection_id, name="Savings", kind="savings")
    slugs = ("groceries", "coffee", "restaurants", "paycheck", "rent")
    found = []
    for number in range(60):
        slug = slugs[number % len(slugs)]
        found.append(
            await create_transaction(
                conn, ada.user_id, ada.account_id if number % 4 else saving, posted_on=TODAY - timedelta(number * 2),
                amount_minor=(200_000 if slug == "paycheck" else -1_000) - number * 7, pending=number < 2,
                category_id=category(slug), category_source="dictionary", merchant=f"{slug.title()} {number % 9}",
                currency="EUR" if number % 13 == 5 else "USD",
            )
        )  # fmt: skip
    for back in range(12):
        day = date(TODAY.year + (TODAY.month - back - 13) // 12 + 1, (TODAY.month - back - 1) % 12 + 1, 3)
        await create_transaction(
            conn, ada.user_id, ada.account_id, posted_on=day, amount_minor=-1_549, merchant="Netflix",
            category_id=category("tv-and-streaming"), category_source="dictionary",
        )  # fmt: skip
    await create_transaction(
        conn, ada.user_id, ada.account_id, posted_on=TODAY - timedelta(3), amount_minor=-50_000, merchant="Transfer"
    )
    await create_transaction(
        conn, ada.user_id, saving, posted_on=TODAY - timedelta(2), amount_minor=50_000, merchant="Transfer"
    )
    return [encode_id("Transaction", row_id) for row_id in found]


async def _changes(world: World, rows: list[str]) -> None:
    coffee, groceries = (encode_id("Category", category(slug)) for slug in ("coffee", "groceries"))
    await world.change(
        "ada", 'mutation($id: ID!) { annotateTransaction(id: $id, note: "ours", tags: ["Trip"]) { __typename } }',
        id=rows[3],
    )  # fmt: skip
    await world.change(
        "ada",
        "mutation($id: ID!, $parts: [TransactionPartInput!]!) {"
        " splitTransaction(id: $id, parts: $parts) { __typename } }",
        id=rows[5],
        parts=[{"categoryId": coffee, "amount": {"amount": "-5.00", "currency": "EUR"}, "note": "half"}],
    )
    await world.change(
        "ada", "mutation($ids: [ID!]!, $to: ID!) {"
        " recategorize(ids: $ids, categoryId: $to, scope: SELLER_FROM_NOW_ON) { __typename } }",
        ids=[rows[6]], to=groceries,
    )  # fmt: skip
    await world.change("ada", 'mutation { addCategory(name: "Cats", kind: EXPENSE) { __typename } }')
    await world.change("ada", 'mutation { createRule(rule: {merchantKey: "coffee 1", tags: ["cup"]}) { __typename } }')
    await world.change(
        "ada",
        "mutation($id: ID!, $on: Date!) { setBudgetOverride(categoryId: $id, on: $on, scope: FROM_THIS_MONTH,"
        ' limit: {amount: "1.00", currency: "USD"}) { __typename } }',
        id=groceries,
        on=TODAY.isoformat(),
    )
    await world.change(
        "ada",
        'mutation($on: Date!) { setManualRate(currency: "EUR", quote: "USD", on: $on, rate: "1.1") { __typename } }',
        on=(TODAY - timedelta(60)).isoformat(),
    )


async def _told(conn, ada, rows: list[str]) -> None:
    """Tell Ada of each kind of thing."""
    numbers = [decode_id("Transaction", text) for text in rows[:3]]
    groceries = category("groceries")
    alert_ids = [
        await conn.fetchval(
            "INSERT INTO alerts (user_id, category_id, period_first, period_last, threshold_percent, revision,"
            " limit_minor, spent_minor, pending_minor, currency, transaction_ids)"
            " VALUES ($1, $2, $3, $4, $5, 99, 10000, 9000, 500, 'USD', $6) RETURNING alert_id",
            ada.user_id, category_id, TODAY.replace(day=1), TODAY.replace(day=28), threshold, causes,
        )
        for category_id, threshold, causes in ((groceries, 80, numbers), (0, 80, []), (groceries, 100, numbers[:1]))
    ]  # fmt: skip
    for kind, alert_id, account_id in (
        ("budget_approaching", alert_ids[0], None), ("low_balance", None, ada.account_id), ("weekly_summary", None, None)
    ):  # fmt: skip
        await conn.execute(
            "INSERT INTO notifications (user_id, kind, subject, title, body, category_id, account_id, alert_id,"
            " transaction_ids, amount_minor, currency) VALUES ($1, $2, 'it', 'Title', 'Body', $3, $4, $5, $6, 950, 'USD')",
            ada.user_id, kind, groceries if alert_id else None, account_id, alert_id, numbers if alert_id else [],
        )  # fmt: skip
    connection = {"connection_id": ada.connection_id}
    await lock_users(conn, [ada.user_id])
    await append_events(
        conn,
        [
            NewEvent(ada.user_id, "connection_changed", {"what": "failing", **connection}),
            NewEvent(ada.user_id, "sync_progress", {"run_id": 1, "state": "extracting", "pages": 2, **connection}),
            NewEvent(ada.user_id, "sync_progress", {"run_id": 1, "state": "succeeded", "rows_total": 3, **connection}),
            NewEvent(ada.user_id, "connection_changed", {"what": "removed", "connection_id": 999}),
        ],
    )


async def _share(world: World, account_id: str) -> None:
    found = await world.change(
        "ada",
        'mutation($extent: HouseholdExtentInput!) { inviteToHousehold(email: "bob@example.org", extent: $extent) {'
        " __typename ... on InviteSuccess { token share { id } } } }",
        extent={"role": "VIEWER", "accountIds": [account_id], "allBudgets": True},
    )
    world.share_id = ShareId(decode_id("HouseholdShare", found["share"]["id"]))
    await world.change(
        "bob", "mutation($token: String!) { acceptHouseholdInvitation(token: $token) { __typename } }",
        token=found["token"],
    )  # fmt: skip


def _under(value: Any, name: str) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get(name), str):
            yield value[name]
        value = list(value.values())
    for item in value if isinstance(value, list) else ():
        yield from _under(item, name)


def asked_by(seed: int) -> tuple[str, Operation]:
    """Return somebody and a query of theirs."""
    dice = random.Random(seed)
    who = dice.choice(WHO)
    roots = sorted(build_schema()._schema.query_type.fields)
    if dice.random() < 0.9:
        roots = {"bob in ada's share": FOR_MEMBERS, "nobody": FOR_ANYBODY}.get(who, roots)
    return who, Writer(build_schema()._schema, dice, TODAY, roots).operation()


@settings(max_examples=QUERIES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**63))
async def test_a_query_gets_the_same_answer_by_plan_and_by_graphql_core(world: World, seed: int):
    who, operation = asked_by(seed)
    asked = operation.filled(world.pools)
    # The second one meets the plan that was compiled for the first.
    for person in (who, "ada" if who == "carol" else "carol"):
        counts = build_schema().plans.counts
        answered_before = counts.answered
        by_plan = await world.ask(person, asked.text, asked.variables)
        planned, gave_up = counts.answered > answered_before, world.gave_up
        by_core = await world.ask(person, asked.text, asked.variables, plans=False)
        assert by_plan == by_core
        assert b'"code":"INTERNAL"' not in by_core
        assert planned == (b'"errors":[' not in by_core and not gave_up), "only what has errors is for graphql-core"
        world.asked += 1
        world.planned += planned


FOLLOWED = {
    "budgetAlerts": ("alert", "SELECT count(*) FROM alerts"),
    "notifications": ("notification", "SELECT count(*) FROM notifications"),
    "syncProgress": ("event", "SELECT count(*) FROM events WHERE kind = 'sync_progress'"),
    "transactionsChanged": ("event", "SELECT count(*) FROM events WHERE kind = 'transactions_changed'"),
    "connectionChanged": (
        "event",
        "SELECT count(*) FROM events WHERE kind = 'connection_changed' OR payload->>'state' = 'succeeded'",
    ),
}
"""Of each subscription, what its cursors are of, and how many things there are to tell Ada, who has all of them."""


def followed_by(seed: int) -> tuple[str, Operation, str]:
    """Return somebody, a subscription of theirs, and its name. Only what is shared is told to Bob."""
    dice = random.Random(seed)
    who = dice.choice(["ada", "ada", "bob in ada's share"])
    name = dice.choice(sorted(FOLLOWED)) if who == "ada" else "budgetAlerts"
    return who, Writer(build_schema()._schema, dice, TODAY, [name]).subscription(), name


async def test_whoever_asks_through_a_share_over_a_connection_whose_session_is_gone_is_told_so(world: World):
    context = await world.context("bob in ada's share")
    context.token = "gone"
    stream = await build_schema().stream("{ accounts { id } }", context_value=context)
    (answer,) = [result async for result in stream]
    assert [error.extensions for error in answer.errors] == [{"code": "UNAUTHENTICATED"}]


def test_each_subscription_is_tried():
    assert FOLLOWED.keys() == build_schema()._schema.subscription_type.fields.keys()


@settings(max_examples=QUERIES // 2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**63))
async def test_each_event_gets_the_same_answer_by_plan_and_by_graphql_core(world: World, conn: Any, seed: int):
    who, operation, name = followed_by(seed)
    kind, counting = FOLLOWED[name]
    count = await conn.fetchval(counting)
    asked = operation.filled(world.pools)
    after = {"after": encode_number(kind, 0)}
    counts = build_schema().plans.counts
    answered_before = counts.answered
    by_plan = await world.follow(who, asked.text, asked.variables | after, count, plans=True)
    planned = counts.answered - answered_before
    by_core = await world.follow(who, asked.text, asked.variables | after, count, plans=False)
    assert by_plan == by_core
    refused = [answer for answer in by_core if b'"errors":[' in answer]
    assert not any(b'"code":"INTERNAL' in answer for answer in refused)
    assert planned == len(by_core) - len(refused), "only what has errors is for graphql-core"
    assert len(by_core) == count or refused
    world.asked += 1
    world.planned += planned == len(by_core)
