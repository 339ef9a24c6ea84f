"""A client that applies `changes`, from wherever it stood, holds exactly what is listed, whoever wrote in between."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, timedelta

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from integration.test_transfers import KINDS, on, said
from mintql.domain.errors import Failure
from mintql.domain.rules import Actions, Conditions
from mintql.services import annotations, choices, connections, matches, rules, rules_past, transfers
from mintql.services.adjustments import Adjustment, adjust
from mintql.services.annotations import Annotation, PartWish
from mintql.services.changes import list_changes
from mintql.services.choices import Scope
from mintql.services.rules import RuleWish
from mintql.services.transactions import PageRequest, TransactionFilter, list_page
from support.importer import Importer
from support.people import category
from support.pipeline import open_pipeline

TODAY = date(2026, 11, 12)
EVERYTHING = PageRequest(10_000)
WORDS = ("ONLINE TRANSFER", "BLUE BOTTLE", "XQJ 771")
ACTS = (
    "institution", "institution", "institution", "choose", "choose_seller", "undo_choice", "note", "tag", "split",
    "adjust", "rule", "undo_rule", "pair", "undo_pair", "undo_match", "import", "undo_import", "forget_connection",
    "look", "look",
)  # fmt: skip


@pytest.fixture
async def pipeline(database_url, tmp_path):
    async with open_pipeline(database_url, tmp_path) as opened:
        yield opened


class Copy:
    """What a client holds that asks for so many changes at a time."""

    def __init__(self, importer: Importer, size: int) -> None:
        self.importer, self.size = importer, size
        self.place, self.rows = None, {}

    async def ask(self) -> bool:
        async with self.importer.begin() as conn:
            found = await list_changes(conn, self.importer.user_id, self.place, self.size, TODAY)
        self.rows |= {row.transaction_id: row for row in [*found.added, *found.modified]}
        for transaction_id in found.removed:
            self.rows.pop(transaction_id, None)
        self.place = found.place
        return found.has_more

    async def catch_up(self) -> None:
        while await self.ask():
            pass


class Story:
    """One person to whom anything may happen, by the dice."""

    def __init__(self, pipeline, user_id, connection_id, dice) -> None:
        self.pipeline, self.user_id, self.connection_id, self.dice = pipeline, user_id, connection_id, dice
        self.importer = Importer(pipeline, user_id)
        self.shown: dict[str, dict] = {}
        self.imports: list[int] = []

    async def listed(self):
        async with self.importer.begin() as conn:
            page = await list_page(conn, self.user_id, TransactionFilter(), EVERYTHING)
        return {row.transaction_id: row for row in page.rows}

    async def some(self, conn, count=1):
        page = await list_page(conn, self.user_id, TransactionFilter(), EVERYTHING)
        rows = list(page.rows)
        self.dice.shuffle(rows)
        return [row.transaction_id for row in rows[:count]]

    async def institution(self) -> None:
        """The institution tells of new rows, of others otherwise, and not any more of some."""
        for _ in range(self.dice.randint(1, 3)):
            name = f"t{self.dice.randint(0, 9)}"
            account = self.dice.choice(list(KINDS)[:3])
            minor, day = self.dice.choice((-200, -100, 100, 200)), self.dice.randint(0, 5)
            self.shown[name] = on(account, name, minor, self.dice.choice(WORDS), day, pending=self.dice.random() < 0.4)
        removed = []
        if self.dice.random() < 0.4:
            gone = self.dice.choice(sorted(self.shown))
            removed = [(self.shown.pop(gone)["account_external_id"], gone)]
        await self.pipeline.refresh(
            self.user_id, self.connection_id, said(*self.shown.values(), removed=removed, accounts=tuple(KINDS)[:3])
        )

    async def act(self, name: str) -> None:
        if name == "institution":
            await self.institution()
        elif name == "import":
            line = f"2026-11-0{self.dice.randint(1, 9)},Kiosk {self.dice.randint(1, 50)},-{self.dice.randint(1, 9)}.00"
            self.imports.append(await self.importer.take_in(f"Date,Description,Amount\n{line}\n".encode()))
        elif name == "undo_import":
            if self.imports:
                await self.importer.undo(self.imports.pop())
        else:
            with suppress(Failure):  # The dice asked for what cannot be; then nothing is written.
                async with self.importer.begin() as conn:
                    await getattr(self, name)(conn, self.pipeline.now)

    async def choose(self, conn, now) -> None:
        ids = await self.some(conn, 2)
        await choices.recategorize(conn, self.user_id, ids, category("clothing"), Scope.ONCE, now)

    async def choose_seller(self, conn, now) -> None:
        ids = await self.some(conn)
        await choices.recategorize(conn, self.user_id, ids, category("groceries"), Scope.SELLER_FROM_NOW_ON, now)

    async def undo_choice(self, conn, now) -> None:
        await choices.undo(conn, self.user_id, await self.some(conn, 3), now)

    async def note(self, conn, now) -> None:
        for transaction_id in await self.some(conn):
            await annotations.annotate(
                conn, self.user_id, transaction_id, Annotation(True, f"note {self.dice.randint(1, 99)}"), now
            )

    async def tag(self, conn, now) -> None:
        await annotations.tag(conn, self.user_id, await self.some(conn, 2), add=["trip"], remove=[], now=now)

    async def split(self, conn, now) -> None:
        for transaction_id in await self.some(conn):
            await annotations.split(conn, self.user_id, transaction_id, [PartWish(category("groceries"), -50, "")], now)

    async def adjust(self, conn, now) -> None:
        wish = Adjustment(True, f"Name {self.dice.randint(1, 9)}", True, self.dice.random() < 0.5)
        await adjust(conn, self.user_id, await self.some(conn, 2), wish, now)

    async def rule(self, conn, now) -> None:
        wish = RuleWish(Conditions(text="blue"), Actions(category_id=category("restaurants"), tags=("cup",)))
        rule, _, _ = await rules.create(conn, self.user_id, wish, now)
        await rules_past.apply(conn, self.user_id, rule.rule_id, now)

    async def undo_rule(self, conn, now) -> None:
        newest = "SELECT max(application_id) FROM rule_applications WHERE user_id = $1"
        await rules_past.undo(conn, self.user_id, await conn.fetchval(newest, self.user_id) or 0, now)

    async def pair(self, conn, now) -> None:
        ids = await self.some(conn, 2)
        if len(ids) == 2:
            await transfers.pair_by_hand(conn, self.user_id, *ids, now)

    async def undo_pair(self, conn, now) -> None:
        newest = "SELECT max(transfer_id) FROM transfers WHERE user_id = $1"
        await transfers.undo(conn, self.user_id, await conn.fetchval(newest, self.user_id) or 0, now)

    async def undo_match(self, conn, now) -> None:
        newest = "SELECT max(from_id) FROM transaction_matches WHERE user_id = $1"
        await matches.undo(conn, self.user_id, await conn.fetchval(newest, self.user_id) or 0, now)

    async def forget_connection(self, conn, now) -> None:
        await connections.disconnect(conn, self.user_id, self.connection_id, keep_history=False, farewells=(), now=now)
        self.connection_id = None


@settings(max_examples=12, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=st.lists(st.sampled_from(ACTS), min_size=5, max_size=20), dice=st.randoms(use_true_random=False))
async def test_copies_are_what_is_listed_from_wherever_they_were_taken(pipeline, acts, dice):
    story = Story(pipeline, *await pipeline.person(), dice)
    neighbour = Story(pipeline, *await pipeline.person(), dice)
    copies = [Copy(story.importer, size) for size in (1, 2, 7)]
    await story.institution()
    for act in acts:
        if act == "look":
            await dice.choice(copies).ask()
        else:
            await story.act(act)
        if story.connection_id is None:
            story.connection_id = await pipeline.link(story.user_id)
        await neighbour.institution()
        pipeline.now += timedelta(seconds=1)
    listed = await story.listed()
    for copy in [*copies, Copy(story.importer, 500)]:
        await copy.catch_up()
        assert copy.rows == listed
