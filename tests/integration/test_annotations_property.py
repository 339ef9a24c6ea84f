"""Sums of split transactions against a plain recomputation, through any sequence of what can happen to them."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import asyncpg
import pytest

from mintql.domain.categories import UNCATEGORIZED_ID
from mintql.domain.money import to_decimal_text
from mintql.services.annotations import PartWish, split
from mintql.services.choices import Scope, recategorize
from mintql.store.reconcile import differences
from support.factories import create_person, create_transaction
from support.people import acting_as, category

NOW = datetime(2026, 11, 12, 10, 0, tzinfo=UTC)
FIRST_DAY, DAYS = date(2026, 10, 20), 30
CATEGORIES = [category("groceries"), category("restaurants"), category("paycheck"), UNCATEGORIZED_ID]
STEPS = 120


@dataclass
class Row:
    """A transaction as the model has it."""

    transaction_id: int
    posted_on: date
    amount_minor: int
    currency: str
    pending: bool
    category_id: int
    parts: list[tuple[int, int]] = field(default_factory=list)
    live: bool = True


def expected_sums(rows):
    """(posted amount, pending amount, posted count, pending count) by (month, category, currency)."""
    amounts, counts = Counter(), Counter()
    for row in rows:
        if row.live:
            rest_minor = row.amount_minor - sum(minor for _, minor in row.parts)
            for category_id, minor in [(row.category_id, rest_minor), *row.parts]:
                key = (row.posted_on.replace(day=1), category_id, row.currency)
                amounts[key, row.pending] += minor
                counts[key, row.pending] += 1
    return {
        key: (amounts[key, False], amounts[key, True], counts[key, False], counts[key, True])
        for key in {key for key, _ in counts}
    }


async def stored_sums(conn, user_id):
    rows = await conn.fetch("SELECT * FROM monthly_spending WHERE user_id = $1", user_id)
    found = {
        (row["month"], row["category_id"], row["currency"]): (
            row["posted_minor"], row["pending_minor"], row["posted_count"], row["pending_count"]
        )
        for row in rows
    }  # fmt: skip
    return {key: values for key, values in found.items() if values != (0, 0, 0, 0)}


class Story:
    """One person's transactions, changed at random in the database and in the model alike."""

    def __init__(self, conn, person, chance):
        self.conn = conn
        self.person = person
        self.chance = chance
        self.rows: list[Row] = []

    @property
    def live(self):
        return [row for row in self.rows if row.live]

    def some(self):
        return self.chance.sample(self.live, self.chance.randint(1, min(4, len(self.live))))

    def day(self):
        return FIRST_DAY + timedelta(days=self.chance.randrange(DAYS))

    def parts_of(self, amount_minor):
        """Up to three parts of the sign of the amount, together no more than it."""
        parts, left_minor = [], abs(amount_minor)
        for _ in range(self.chance.randint(1, 3)):
            if left_minor:
                minor = self.chance.randint(1, left_minor)
                left_minor -= minor
                parts.append((self.chance.choice(CATEGORIES), minor if amount_minor > 0 else -minor))
        return parts

    async def insert(self, *, parts=(), **more):
        values = {
            "posted_on": self.day(),
            "amount_minor": self.chance.choice([-1, 1]) * self.chance.randint(1, 9_999),
            "currency": self.chance.choice(["USD", "JPY"]),
            "pending": self.chance.random() < 0.3,
            "category_id": self.chance.choice(CATEGORIES),
        } | more
        if not parts:
            created = await create_transaction(self.conn, self.person.user_id, self.person.account_id, **values)
            self.rows.append(Row(created, **values))
            return
        # What the ingestion does for a posted row that takes the place of a split pending one.
        created = await self.conn.fetchval(
            "INSERT INTO transactions (user_id, transaction_id, account_id, external_id, posted_on, amount_minor,"
            " currency, pending, category_id, category_source, description, merchant, merchant_key,"
            " part_category_ids, part_amounts_minor, part_notes)"
            " SELECT $1, id, $2, 'split-' || id, $3, $4, $5, $6, $7, 'none', '', '', '', $8, $9, $10"
            " FROM nextval('transaction_ids') AS id RETURNING transaction_id",
            self.person.user_id, self.person.account_id, *values.values(),
            [category_id for category_id, _ in parts], [minor for _, minor in parts], [""] * len(parts),
        )  # fmt: skip
        self.rows.append(Row(created, **values, parts=list(parts)))

    async def supersede(self):
        old = self.chance.choice(self.live)
        async with self.conn.transaction():
            await self.insert(
                amount_minor=old.amount_minor - self.chance.randint(0, 500), currency=old.currency, pending=False,
                category_id=old.category_id, posted_on=old.posted_on + timedelta(days=1), parts=old.parts,
            )  # fmt: skip
            await self.change([old], "successor_id = $2", self.rows[-1].transaction_id)
        old.live = False

    async def change(self, rows, assignment, *values):
        await self.conn.execute(
            f"UPDATE transactions SET {assignment} WHERE transaction_id = ANY ($1)",
            [row.transaction_id for row in rows], *values,
        )  # fmt: skip

    async def tip(self):
        rows, tip_minor = self.some(), self.chance.randint(-3_000, 3_000)
        await self.change(rows, "amount_minor = amount_minor + $2", tip_minor)
        for row in rows:
            row.amount_minor += tip_minor

    async def post(self):
        rows, posted_on = self.some(), self.day()
        await self.change(rows, "pending = false, posted_on = $2", posted_on)
        for row in rows:
            row.pending, row.posted_on = False, posted_on

    async def exchange(self):
        rows = self.some()
        await self.change(rows, "currency = $2", "JPY")
        for row in rows:
            row.currency = "JPY"

    async def take_back(self):
        rows = self.some()
        await self.change(rows, "removed_at = $2", NOW)
        for row in rows:
            row.live = False

    async def bring_back(self):
        rows = [row for row in self.rows if not row.live][:2]
        await self.change(rows, "removed_at = NULL, successor_id = NULL")
        for row in rows:
            row.live = True

    async def delete(self):
        rows = self.some()
        await self.conn.execute(
            "DELETE FROM transactions WHERE transaction_id = ANY ($1)", [row.transaction_id for row in rows]
        )
        self.rows = [row for row in self.rows if row not in rows]

    async def recategorize(self):
        rows, category_id = self.some(), self.chance.choice(CATEGORIES)
        ids = [row.transaction_id for row in rows]
        async with acting_as(self.conn, self.person.user_id):
            await recategorize(self.conn, self.person.user_id, ids, category_id, Scope.ONCE, NOW)
        for row in rows:
            row.category_id = category_id

    async def split(self):
        row = self.chance.choice(self.live)
        parts = self.parts_of(row.amount_minor)
        wishes = [
            PartWish(category_id, to_decimal_text(minor, row.currency), row.currency) for category_id, minor in parts
        ]
        async with acting_as(self.conn, self.person.user_id):
            await split(self.conn, self.person.user_id, row.transaction_id, wishes, NOW)
        row.parts = parts

    async def unsplit(self):
        row = self.chance.choice(self.live)
        async with acting_as(self.conn, self.person.user_id):
            await split(self.conn, self.person.user_id, row.transaction_id, [], NOW)
        row.parts = []

    async def step(self):
        if len(self.live) < 3:
            return await self.insert()
        acts = [
            self.insert, self.insert, self.supersede, self.tip, self.post, self.exchange, self.take_back,
            self.bring_back, self.delete, self.recategorize, self.split, self.split, self.split, self.unsplit,
        ]  # fmt: skip
        return await self.chance.choice(acts)()


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_whatever_happens_the_sums_are_those_of_a_plain_recomputation(database_url, seed):
    conn = await asyncpg.connect(database_url)
    person, other = await create_person(conn), await create_person(conn)
    story = Story(conn, person, random.Random(seed))
    were_split = 0
    for number in range(STEPS):
        await story.step()
        assert await stored_sums(conn, person.user_id) == expected_sums(story.rows), number
        were_split += sum(1 for row in story.live if row.parts)
    assert were_split > STEPS
    assert await differences(conn, [person.user_id, other.user_id]) == []
    # Were a sum wrong, reconciling would see it.
    ((month, category_id, currency), values), *_ = expected_sums(story.rows).items()
    await conn.execute(
        "UPDATE monthly_spending SET posted_minor = posted_minor + 1"
        " WHERE user_id = $1 AND month = $2 AND category_id = $3 AND currency = $4",
        person.user_id, month, category_id, currency,
    )  # fmt: skip
    ((found),) = await differences(conn, [person.user_id])
    assert (found.stored_posted_minor, found.posted_minor) == (values[0] + 1, values[0])
    await conn.execute("DELETE FROM transactions WHERE user_id = $1", person.user_id)
    assert {values[1:] for values in (await stored_sums(conn, person.user_id)).values()} == {(0, 0, 0)}
    await conn.close()
