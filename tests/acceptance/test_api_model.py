"""The whole API over HTTP, by persons who do anything in any order, held against a model that is too plain to be wrong.

After every step each person reads everything twice, of which the second answer comes from the cache: transactions,
monthly sums, budgets, alerts, and what is somebody else's. In the end the stored sums are recomputed.
`./dev fuzz` looks for new stories; `MINTQL_MODEL_STORIES` says how many at a time.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from hypothesis.stateful import run_state_machine_as_test as run_stories

from mintql import jobs
from mintql.api.nodes import encode_id, split_id
from mintql.app import create_app
from mintql.data import load_categories
from mintql.domain.categories import UNCATEGORIZED_ID
from mintql.institutions.base import RawPage
from mintql.institutions.sandbox import SandboxConnector
from mintql.runtime import open_runtime
from mintql.store.reconcile import differences
from support.clients import PASSWORD, Client
from support.local import local_client
from support.model import Person, Row, Tree
from support.people import category
from support.scripted import ScriptedInstitution, page, row
from support.servers import serving

STORIES, STEPS = 4, 35
SELLERS = {"WHOLE FOODS MARKET": "groceries", "SHELL OIL": "fuel", "STARBUCKS": "coffee", "QZX VORTMOND 77": None}
"""What the sellers are by the dictionary; None where nobody knows."""
LEAVES = ("groceries", "fuel", "coffee", "restaurants", "clothing", "pharmacy")
BUDGETS = (*LEAVES, "food-and-dining", "shopping")
ACCOUNTS = ("card", "checking")
CARRIED = frozenset({"extract", "ingest", "delete_person", "notify"})
READ = """
query Everything($from: Month!, $to: Month!) {
  transactions(first: 100) {
    nodes {
      id postedOn amount { amount currency } description pending category { id } categorization { source } note tags
      excludedFromBudgets parts { category { id } amount { amount } } account { name }
    }
    pageInfo { hasNextPage }
  }
  monthlySpending(from: $from, to: $to) {
    month categories { category { id kind } spent { amount } received { amount } pending { amount } }
  }
  before: budgets(month: $from) { ...Budgeted }
  now: budgets(month: $to) { ...Budgeted }
  budgetAlerts(first: 100) { nodes { category { id } month thresholdPercent limit { amount } } }
}
fragment Budgeted on Budget { category { id } limit { amount } spent { amount } pending { amount } origin thresholds }
"""
NODE = "query Node($id: ID!) { node(id: $id) { id } }"
SHARED = "{ transactions(first: 100) { nodes { id amount { amount } account { name } } } }"


def minor_of(money: dict[str, str]) -> int:
    return int((Decimal(money["amount"]) * 100).to_integral_exact())


def money_of(minor: int) -> dict[str, str]:
    return {"amount": f"{Decimal(minor) / 100:.2f}", "currency": "USD"}


class Banks(ScriptedInstitution):
    """An institution that shows each login its own pages."""

    def __init__(self) -> None:
        super().__init__(institution_id="scripted")
        self.fields = SandboxConnector.fields
        self.shown: dict[str, bytes] = {}

    async def fetch(self, credentials, request):
        await request.spend()
        yield RawPage(self.shown[credentials.login], "application/json")


@dataclass
class Carrier:
    """Keeps jobs until somebody carries them out by hand."""

    waiting: list[Any] = field(default_factory=list)

    async def enqueue(self, name: str, *args: Any, **_: Any) -> bool:
        self.waiting.append((name, args))
        return True

    async def enqueue_all(self, wanted) -> bool:
        self.waiting += [(job.name, job.args) for job in wanted]
        return True

    async def forget(self, _user_id: int) -> int:
        return 0


@dataclass
class World:
    """A server, a worker without arq, and the way to both."""

    runner: asyncio.Runner
    stack: AsyncExitStack
    carrier: Carrier
    banks: Banks
    worker: Any
    http: Any
    url: str
    conn: asyncpg.Connection
    serial: itertools.count = field(default_factory=lambda: itertools.count(1))

    @classmethod
    async def open(cls, runner, chosen) -> World:
        stack, carrier, banks = AsyncExitStack(), Carrier(), Banks()
        app = create_app(chosen)
        server = await stack.enter_async_context(serving(app))
        worker = await stack.enter_async_context(open_runtime(chosen, role="worker"))
        for runtime in (app.state.runtime, worker):
            runtime.queue, runtime.connectors = carrier, {**runtime.connectors, banks.institution_id: banks}
        http = await stack.enter_async_context(local_client())
        conn = await asyncpg.connect(chosen.database_url.get_secret_value())
        stack.push_async_callback(conn.close)
        return cls(runner, stack, carrier, banks, worker, http, server.url, conn)

    async def carry(self) -> None:
        """Do all that waits to be done, and what that leads to."""
        while self.carrier.waiting:
            name, args = self.carrier.waiting.pop(0)
            if name in CARRIED:
                await getattr(jobs, name).__wrapped__({"runtime": self.worker}, *args)


@dataclass
class Actor:
    """A person: their client, their bank, and what is expected of them."""

    world: World
    client: Client
    email: str
    user_id: int
    model: Person
    connection_id: str | None = None
    shown: dict[str, Row] = field(default_factory=dict)
    posted: dict[str, str] = field(default_factory=dict)
    removed: list[tuple[str, str]] = field(default_factory=list)
    applications: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """Rules applied to the past, with what the rows were before."""
    seen: bytes = b""
    """The last answer to `READ`."""

    async def do(self, field_name: str, arguments: str, values: str, **variables: Any) -> dict[str, Any]:
        """Send a mutation that has to work, and see to what follows from it."""
        answer = await self.client.ask(
            f"mutation Do({arguments}) {{ {field_name}({values}) {{ __typename ... on Error {{ code message }} %s }} }}"
            % variables.pop("fields", ""),
            **variables,
        )
        payload = answer[field_name]
        assert payload["__typename"].endswith("Success"), payload
        await self.world.carry()
        self.model.raise_alerts()
        return payload

    async def refresh(self) -> None:
        """Have the bank's rows read as they are now."""
        rows = [
            row(item.external_id, item.minor, item.posted_on, account_external_id=item.account,
                description=item.description, pending=item.pending,
                **({"pending_external_id": self.posted[item.external_id]} if item.external_id in self.posted else {}))
            for item in self.shown.values()
        ]  # fmt: skip
        self.world.banks.shown[self.email] = page(*rows, accounts=ACCOUNTS, removed=tuple(self.removed))
        for _, external_id in self.removed:
            self.model.rows.pop(external_id, None)
        self.model.told(list(self.shown.values()), self.posted)
        self.removed.clear()
        if self.connection_id is None:
            payload = await self.do(
                "connectInstitution", "$login: String!", 'institutionId: "scripted", login: $login, password: "p"',
                login=self.email, fields="... on ConnectionRunSuccess { connection { id } }",
            )  # fmt: skip
            self.connection_id = payload["connection"]["id"]
        else:
            await self.do("refreshConnection", "$id: ID!", "id: $id", id=self.connection_id)
        self.posted.clear()

    async def read(self) -> dict[str, Any]:
        """Read everything twice: what is cached has to be what is stored."""
        first, last = self.model.months()
        answers = [await self.client.post(READ, {"from": first, "to": last}) for _ in range(2)]
        assert answers[0].content == answers[1].content
        body = answers[0].json()
        assert "errors" not in body, body
        self.seen = answers[0].content
        return body["data"]

    async def check_untouched(self) -> None:
        """Read once more: nothing that another person does changes a byte."""
        first, last = self.model.months()
        answer = await self.client.post(READ, {"from": first, "to": last})
        assert answer.content == self.seen

    async def check(self) -> None:
        data = await self.read()
        self.check_rows(data["transactions"])
        for month in data["monthlySpending"]:
            found = {
                line["category"]["id"]: (minor_of(line["spent"]), minor_of(line["pending"]))
                for line in month["categories"]
            }
            assert {key: sums for key, sums in found.items() if any(sums)} == {
                key: sums for key, sums in self.model.sums(month["month"]).items() if any(sums)
            }
        for month, budgets in zip(self.model.months(), (data["before"], data["now"]), strict=True):
            found = {
                budget["category"]["id"]: (
                    minor_of(budget["limit"]),
                    minor_of(budget["spent"]),
                    minor_of(budget["pending"]),
                )
                for budget in budgets
            }
            limits = self.model.limits_of(month)
            assert found == {key: (limit.minor, *self.model.spent(month, key)) for key, limit in limits.items()}
        alerts = Counter(
            (alert["month"], alert["category"]["id"], alert["thresholdPercent"], minor_of(alert["limit"]))
            for alert in data["budgetAlerts"]["nodes"]
        )
        assert alerts == self.model.alerts()

    def check_rows(self, listed: dict[str, Any]) -> None:
        assert not listed["pageInfo"]["hasNextPage"]
        places = [(item["postedOn"], int(split_id(item["id"])[1])) for item in listed["nodes"]]
        assert places == sorted(places, reverse=True)
        by_amount = {minor_of(item["amount"]): item for item in listed["nodes"]}
        expected = {item.minor: item for item in self.model.rows.values()}
        assert len(listed["nodes"]) == len(by_amount)
        assert by_amount.keys() == expected.keys()
        for minor, item in by_amount.items():
            wanted = expected[minor]
            assert wanted.api_id in ("", item["id"])
            wanted.api_id = item["id"]
            assert (
                item["postedOn"], item["description"], item["pending"], item["note"], tuple(item["tags"]),
                item["excludedFromBudgets"], item["account"]["name"],
            ) == (
                str(wanted.posted_on), wanted.description, wanted.pending, wanted.note, wanted.tags,
                wanted.excluded, wanted.account.title(),
            )  # fmt: skip
            assert item["category"]["id"] == wanted.category, (item, wanted)
            assert (item["categorization"]["source"] == "MANUAL") == wanted.manual
            parts = tuple((part["category"]["id"], minor_of(part["amount"])) for part in item["parts"])
            assert parts == wanted.parts

    def pick(self, draw: Any) -> Row | None:
        """Draw one of the rows that there are."""
        rows = sorted(self.model.rows.values(), key=lambda item: item.external_id)
        return draw(st.sampled_from(rows)) if rows else None


WHO = st.integers(0, 1)
LEAF = st.sampled_from(LEAVES).map(lambda slug: encode_id("Category", category(slug)))
TEXT = st.text(st.characters(codec="utf-8", categories=["L", "N"]), min_size=1, max_size=9)
BOUGHT = st.lists(
    st.tuples(
        st.sampled_from(sorted(SELLERS)), st.integers(-1, 60).filter(bool), st.integers(0, 40), st.booleans(),
        st.sampled_from(ACCOUNTS),
    ),
    min_size=1, max_size=4,
)  # fmt: skip
ACT = st.sampled_from(
    (
        "buy", "buy", "refresh", "post_pending", "correct_amount", "take_back", "forget_connection", "recategorize",
        "recategorize", "undo_recategorize", "split", "note_and_tag", "leave_out_of_budgets", "set_limit", "set_limit",
        "remove_limit", "make_rule", "apply_rule", "undo_rule", "merge", "share_account", "end_share", "delete_account",
    )
)  # fmt: skip


class Stories(RuleBasedStateMachine):
    """Two persons; what the first shares, the second sees."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.amounts = itertools.count(1)
        self.actors: list[Actor] = []
        self.acting: Actor | None = None
        self.share: dict[str, str] | None = None
        self.gone = False

    def run(self, work: Any) -> Any:
        return self.world.runner.run(work)

    @initialize()
    def begin(self) -> None:
        self.run(self.sign_up_both())

    async def sign_up_both(self) -> None:
        today = datetime.now(UTC).date()
        categories = load_categories()
        tree = Tree(
            {leaf.slug: encode_id("Category", leaf.category_id) for leaf in categories.by_id.values()},
            {
                encode_id("Category", leaf.category_id): encode_id("Category", leaf.parent_id)
                for leaf in categories.by_id.values() if leaf.parent_id is not None
            },
            {encode_id("Category", leaf.category_id): leaf.kind for leaf in categories.by_id.values()},
        )  # fmt: skip
        dictionary = {seller: tree.ids[slug] for seller, slug in SELLERS.items() if slug}
        for _ in range(2):
            client = Client(self.world.http, self.world.url)
            email = f"teller{next(self.world.serial)}@example.org"
            viewer = await client.sign_up(email)
            model = Person(tree, dictionary, encode_id("Category", UNCATEGORIZED_ID), today)
            actor = Actor(self.world, client, email, int(split_id(viewer["id"])[1]), model)
            data = await actor.read()
            for month, budgets in zip(model.months(), (data["before"], data["now"]), strict=True):
                assert all(budget["origin"] == "TEMPLATE" and budget["thresholds"] == [80, 100] for budget in budgets)
                model.template |= {(month, item["category"]["id"]): minor_of(item["limit"]) for item in budgets}
            assert model.template
            self.actors.append(actor)
            await self.buy_some(
                actor, [("WHOLE FOODS MARKET", 3, 1, False, "card"), ("QZX VORTMOND 77", 5, 0, True, "card")]
            )

    async def buy_some(self, actor: Actor, bought: list[tuple[str, int, int, bool, str]]) -> None:
        for description, minor, days, pending, account in bought:
            number = next(self.amounts)  # No two amounts are alike, so that a row is known by its amount.
            name = f"r{number}"
            day = max(actor.model.today - timedelta(days), actor.model.today.replace(day=1) - timedelta(20))
            sign = 1 if minor < 0 else -1
            actor.shown[name] = Row(name, account, description, day, sign * (abs(minor) * 1000 + number), pending)
        await actor.refresh()

    @rule(act=ACT, who=WHO, data=st.data())
    def anything(self, act: str, who: int, data: Any) -> None:
        if not (who == 0 and self.gone):
            self.acting = self.actors[who]
            self.run(getattr(self, act)(self.acting, data.draw))

    # What happens

    async def buy(self, actor: Actor, draw: Any) -> None:
        await self.buy_some(actor, draw(BOUGHT))

    async def refresh(self, actor: Actor, _draw: Any) -> None:
        await actor.refresh()

    async def post_pending(self, actor: Actor, draw: Any) -> None:
        waiting = sorted(name for name, item in actor.shown.items() if item.pending)
        if waiting and actor.connection_id:
            old = actor.shown.pop(draw(st.sampled_from(waiting)))
            name = f"r{next(self.amounts)}"
            tip = draw(st.sampled_from((0, 7_000, 70_000)))
            actor.shown[name] = replace(old, external_id=name, pending=False, minor=old.minor - tip)
            actor.posted[name] = old.external_id
            await actor.refresh()

    async def correct_amount(self, actor: Actor, draw: Any) -> None:
        if actor.shown and actor.connection_id:
            name = draw(st.sampled_from(sorted(actor.shown)))
            old = actor.shown[name]
            actor.shown[name] = replace(old, minor=-abs(old.minor) - draw(st.sampled_from((1_000, 100_000))))
            await actor.refresh()

    async def take_back(self, actor: Actor, draw: Any) -> None:
        if len(actor.shown) > 2 and actor.connection_id:
            old = actor.shown.pop(draw(st.sampled_from(sorted(actor.shown))))
            actor.removed.append((old.account, old.external_id))
            await actor.refresh()

    async def forget_connection(self, actor: Actor, _draw: Any) -> None:
        if actor.connection_id and len(actor.model.rows) > 6:
            actor.model.rows.clear()
            await actor.do("disconnect", "$id: ID!", "id: $id, keepHistory: false", id=actor.connection_id)
            actor.connection_id = None
            actor.applications.clear()
            if self.share is not None and actor is self.actors[0]:
                self.share["account"] = ""  # What is connected anew is another account, which nobody has shared.

    # What the person says

    async def recategorize(self, actor: Actor, draw: Any) -> None:
        chosen, leaf, seller = actor.pick(draw), draw(LEAF), draw(st.booleans())
        if chosen is None or leaf in actor.model.merged:
            return
        if not chosen.manual:
            chosen.automatic = chosen.category
        chosen.category, chosen.manual = leaf, True
        if seller:
            actor.model.memory[chosen.description] = leaf
            actor.model.try_again()
        await actor.do(
            "recategorize", "$ids: [ID!]!, $to: ID!, $scope: RecategorizeScope!",
            "ids: $ids, categoryId: $to, scope: $scope", ids=[chosen.api_id], to=leaf,
            scope="SELLER_FROM_NOW_ON" if seller else "ONCE",
        )  # fmt: skip

    async def undo_recategorize(self, actor: Actor, draw: Any) -> None:
        by_hand = [item for item in actor.model.rows.values() if item.manual]
        if by_hand:
            chosen = draw(st.sampled_from(sorted(by_hand, key=lambda item: item.external_id)))
            chosen.category, chosen.manual = actor.model.where(chosen.automatic), False
            await actor.do("undoRecategorize", "$ids: [ID!]!", "ids: $ids", ids=[chosen.api_id])
            await self.remember(actor)

    async def remember(self, actor: Actor) -> None:
        """Take over what is remembered of sellers, whose history is not the model's."""
        found = await actor.client.ask("{ sellerMemories { nodes { merchantKey category { id } } } }")
        known = {item["merchantKey"]: item["category"]["id"] for item in found["sellerMemories"]["nodes"]}
        actor.model.memory = {
            seller: known[key] for seller in SELLERS for key in known if seller.lower().startswith(key.lower())
        }
        assert len(actor.model.memory) == len(known)

    async def split(self, actor: Actor, draw: Any) -> None:
        chosen, leaves = actor.pick(draw), draw(st.lists(LEAF, max_size=3, unique=True))
        if chosen is not None:
            sign = 1 if chosen.minor > 0 else -1
            chosen.parts = tuple((actor.model.where(leaf), sign * 1_00) for leaf in leaves)
            parts = [{"categoryId": leaf, "amount": money_of(minor)} for leaf, minor in chosen.parts]
            await actor.do(
                "splitTransaction", "$id: ID!, $parts: [TransactionPartInput!]!", "id: $id, parts: $parts",
                id=chosen.api_id, parts=parts,
            )  # fmt: skip

    async def note_and_tag(self, actor: Actor, draw: Any) -> None:
        chosen, text, tag = actor.pick(draw), draw(TEXT), draw(st.sampled_from(("trip", "home")))
        if chosen is not None:
            chosen.note, chosen.tags = f"note {text}", (tag,)
            await actor.do(
                "annotateTransaction", "$id: ID!, $note: String, $tags: [String!]", "id: $id, note: $note, tags: $tags",
                id=chosen.api_id, note=chosen.note, tags=[tag],
            )  # fmt: skip

    async def leave_out_of_budgets(self, actor: Actor, draw: Any) -> None:
        chosen, excluded = actor.pick(draw), draw(st.booleans())
        if chosen is not None:
            chosen.excluded = excluded
            await actor.do(
                "adjustTransactions", "$ids: [ID!]!, $out: Boolean!", "ids: $ids, excludedFromBudgets: $out",
                ids=[chosen.api_id], out=excluded,
            )  # fmt: skip

    async def set_limit(self, actor: Actor, draw: Any) -> None:
        category_id = actor.model.tree.ids[draw(st.sampled_from(BUDGETS))]
        minor = draw(st.sampled_from((10_00, 100_00, 400_00, 5_000_00)))
        if category_id not in actor.model.merged:
            actor.model.set_limit(category_id, minor)
            await actor.do(
                "setBudgetOverride", "$id: ID!, $month: Month!, $limit: MoneyInput!",
                "categoryId: $id, month: $month, limit: $limit, scope: FROM_THIS_MONTH",
                id=category_id, month=actor.model.months()[1], limit=money_of(minor),
            )  # fmt: skip

    async def remove_limit(self, actor: Actor, draw: Any) -> None:
        if actor.model.limits:
            category_id = draw(st.sampled_from(sorted(actor.model.limits)))
            del actor.model.limits[category_id]
            await actor.do(
                "removeBudgetOverride", "$id: ID!, $month: Month!",
                "categoryId: $id, month: $month, scope: FROM_THIS_MONTH",
                id=category_id, month=actor.model.months()[1],
            )  # fmt: skip

    async def make_rule(self, actor: Actor, draw: Any) -> None:
        seller, leaf = draw(st.sampled_from(sorted(SELLERS))), draw(LEAF)
        if leaf not in actor.model.merged and len(actor.model.rules) < 3:
            actor.model.rules.append(("", seller, leaf))
            actor.model.try_again()
            payload = await actor.do(
                "createRule", "$rule: RuleInput!", "rule: $rule", rule={"text": seller, "categoryId": leaf},
                fields="... on CreateRuleSuccess { rule { id } }",
            )  # fmt: skip
            actor.model.rules[-1] = (payload["rule"]["id"], seller, leaf)

    async def apply_rule(self, actor: Actor, draw: Any) -> None:
        if not actor.model.rules:
            return
        rule_id, text, leaf = draw(st.sampled_from(actor.model.rules))
        first = next(item for item in actor.model.rules if item[1] == text)
        before = {}
        for item in actor.model.rows.values():
            if text in item.description and not item.manual and first[0] == rule_id:
                before[item.external_id] = item.category
                item.category = item.automatic = actor.model.where(leaf)
        payload = await actor.do(
            "applyRule", "$id: ID!", "id: $id", id=rule_id, fields="... on ApplyRuleSuccess { application { id } }"
        )
        if payload["application"] is not None:
            actor.applications.append((payload["application"]["id"], before))

    async def undo_rule(self, actor: Actor, _draw: Any) -> None:
        if not actor.applications:
            return
        application_id, before = actor.applications.pop()
        await actor.do("undoRuleApplication", "$id: ID!", "id: $id", id=application_id)
        # Each row is what it was before the rule, or as it is, where something else was said since.
        listed = (await actor.read())["transactions"]["nodes"]
        now = {minor_of(item["amount"]): item["category"]["id"] for item in listed}
        for item in actor.model.rows.values():
            allowed = {item.category}
            if item.external_id in before and not item.manual:
                allowed.add(actor.model.where(before[item.external_id]))
            assert now[item.minor] in allowed, item
            item.category = now[item.minor]
            if not item.manual:
                item.automatic = item.category
        actor.model.raise_alerts()

    async def merge(self, actor: Actor, draw: Any) -> None:
        model, gone, into = actor.model, draw(LEAF), draw(LEAF)
        if gone == into or gone in model.merged or into in model.merged or gone in model.limits:
            return
        model.merge(gone, into)
        await actor.do("mergeCategories", "$gone: ID!, $into: ID!", "id: $gone, intoId: $into", gone=gone, into=into)

    # Households, and leaving: the first shares, the second sees

    async def share_account(self, _actor: Actor, draw: Any) -> None:
        account, (owner, member) = draw(st.sampled_from(ACCOUNTS)), self.actors
        if self.share is not None or self.gone or owner.connection_id is None:
            return
        accounts = (await owner.client.ask("{ accounts { id name } }"))["accounts"]
        ids = [item["id"] for item in accounts if item["name"] == account.title()]
        extent = {"role": "VIEWER", "accountIds": ids, "budgetIds": []}
        payload = await owner.do(
            "inviteToHousehold", "$email: String!, $extent: HouseholdExtentInput!", "email: $email, extent: $extent",
            email=member.email, extent=extent, fields="... on InviteSuccess { token share { id } }",
        )  # fmt: skip
        await member.do("acceptHouseholdInvitation", "$token: String!", "token: $token", token=payload["token"])
        self.share = {"id": payload["share"]["id"], "account": account}

    async def end_share(self, _actor: Actor, draw: Any) -> None:
        if self.share is not None and draw(st.booleans()):
            await self.actors[0].do("revokeHouseholdShare", "$id: ID!", "id: $id", id=self.share["id"])
            await self.check_no_share(self.share["id"])
            self.share = None

    async def delete_account(self, actor: Actor, draw: Any) -> None:
        if actor is not self.actors[0] or draw(st.integers(0, 7)):
            return
        await actor.do("deleteAccount", "$password: String!", "password: $password", password=PASSWORD)
        self.gone = True
        error = await actor.client.refusal("{ viewer { id } }")
        assert error["extensions"]["code"] == "UNAUTHENTICATED"
        # The person's own row goes last, when work that was under way has had its time.
        for table in ("sessions", "transactions", "monthly_spending", "alerts", "accounts", "connection_secrets"):
            left = await self.world.conn.fetchval(f"SELECT count(*) FROM {table} WHERE user_id = $1", actor.user_id)
            assert left == 0, table
        if self.share:
            await self.check_no_share(self.share["id"])
            self.share = None

    async def check_no_share(self, share_id: str) -> None:
        answer = await self.actors[1].client.post(SHARED, x_mintql_share=share_id)
        assert answer.status_code == 403, answer.text

    # What holds after each step

    @invariant()
    def everything_is_as_expected(self) -> None:
        if self.actors:
            self.run(self.check())

    async def check(self) -> None:
        present = self.actors[self.gone :]
        for actor in present:
            await (actor.check() if self.acting in (None, actor) else actor.check_untouched())
        if len(present) == 2:
            for actor, other in (present, reversed(present)):
                if other.model.rows:
                    hidden = next(iter(other.model.rows.values())).api_id
                    assert (await actor.client.ask(NODE, id=hidden))["node"] is None
        if self.share:
            await self.check_share()

    async def check_share(self) -> None:
        owner, member = self.actors
        answer = await member.client.post(SHARED, x_mintql_share=self.share["id"])
        found = {(item["id"], minor_of(item["amount"])) for item in answer.json()["data"]["transactions"]["nodes"]}
        if owner.connection_id is not None:
            rows = owner.model.rows.values()
            assert found == {(item.api_id, item.minor) for item in rows if item.account == self.share["account"]}
        else:
            assert found == set()

    def teardown(self) -> None:
        if self.actors:
            ids = [actor.user_id for actor in self.actors]
            assert self.run(differences(self.world.conn, ids)) == []
            note(f"persons {ids}")


@pytest.fixture
def world(settings):
    with asyncio.Runner() as runner:
        unlimited = (
            "refresh_pause_seconds",
            "cost_per_minute",
            "cost_per_minute_of_address",
            "sign_ups_per_hour",
            "heavy_per_hour",
        )
        opened = runner.run(World.open(runner, settings.model_copy(update=dict.fromkeys(unlimited, 0))))
        yield opened
        runner.run(opened.stack.aclose())


def test_whatever_persons_do_the_api_says_what_the_model_says(world):
    searching = os.environ.get("MINTQL_HYPOTHESIS") == "search"
    stories = int(os.environ.get("MINTQL_MODEL_STORIES", "40" if searching else str(STORIES)))
    phases = [Phase.explicit, Phase.generate, *([Phase.shrink] if searching else [])]
    chosen = settings(
        max_examples=stories, stateful_step_count=STEPS, phases=phases, suppress_health_check=list(HealthCheck)
    )
    run_stories(partial(Stories, world), settings=chosen)
