"""Through any sequence of changes of categories, and with two at once, nothing is lost and all sums are right."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta

import asyncpg
import pytest

from mintql.domain.categories import UNCATEGORIZED_ID, CategoryKind
from mintql.domain.errors import CategoryInUse, InvalidInput
from mintql.domain.money import Money
from mintql.services import category_changes, category_moves
from mintql.services.annotations import PartWish, split
from mintql.services.budget_overrides import Scope as BudgetScope
from mintql.services.category_changes import CategoryWish, NewCategory
from mintql.services.choices import Scope, recategorize
from mintql.services.personal_categories import tree_of
from mintql.services.spending import spending
from mintql.store.reconcile import differences
from support.budgets import budgets_of_month, set_limit
from support.factories import create_person, create_transaction
from support.people import acting_as, category

NOW = datetime(2026, 11, 12, 10, 0, tzinfo=UTC)
OCTOBER, NOVEMBER = date(2026, 10, 1), date(2026, 11, 1)
FOOD, TRAVEL = category("food-and-dining"), category("travel")
LEAVES = [category(slug) for slug in ("groceries", "restaurants", "coffee", "flights", "paycheck")]
STEPS = 120


class Changer:
    """A person who changes their categories at random."""

    def __init__(self, conn, person, dice):
        self.conn = conn
        self.person = person
        self.dice = dice
        self.transaction_ids = []
        self.tree = None

    async def buy(self):
        minor = self.dice.choice((-1, -1, 1)) * self.dice.randint(2_00, 90_00)
        self.transaction_ids.append(
            await create_transaction(
                self.conn, self.person.user_id, self.person.account_id, amount_minor=minor,
                posted_on=OCTOBER + timedelta(self.dice.randrange(42)), pending=self.dice.random() < 0.2,
                category_id=self.dice.choice(LEAVES), category_source="dictionary",
            )
        )  # fmt: skip

    def any_category(self):
        return self.dice.choice(list(self.tree.by_id))

    def any_leaf(self):
        """A leaf that the person has, own ones as often as standard ones."""
        own = [leaf.category_id for leaf in self.tree.leaves if leaf.is_own and leaf.in_use]
        return self.dice.choice(own) if own and self.dice.random() < 0.5 else self.dice.choice(LEAVES)

    async def step(self):
        user_id, dice = self.person.user_id, self.dice
        bought = dice.choice(self.transaction_ids)
        name = f"Category {dice.randrange(40)}"
        in_group = NewCategory(name, dice.choice([group.category_id for group in self.tree.groups if not group.gone]))
        group = NewCategory(name, None, dice.choice(list(CategoryKind)))
        wish = CategoryWish(
            changes_name=dice.random() < 0.3, name=name, hidden=dice.choice((None, None, True, False)),
            group_id=dice.choice((None, FOOD, TRAVEL)),
        )  # fmt: skip
        limit = Money(dice.randint(0, 300_00), "USD")
        scope = dice.choice(list(BudgetScope))
        month = dice.choice((OCTOBER, NOVEMBER))
        memory = dice.choice(list(Scope))
        part = [PartWish(self.any_leaf(), f"{dice.choice('-+').strip('+')}1.00", "USD")]
        to = dice.choice((None, UNCATEGORIZED_ID, self.any_leaf()))
        doings = (
            lambda conn: category_changes.add(conn, user_id, in_group),
            lambda conn: category_changes.add(conn, user_id, group),
            lambda conn: category_changes.change(conn, user_id, self.any_category(), wish, NOW),
            lambda conn: category_moves.merge(conn, user_id, self.any_leaf(), self.any_leaf(), NOW),
            lambda conn: category_moves.delete(conn, user_id, self.any_leaf(), to, NOW),
            lambda conn: category_moves.restore(conn, user_id, self.any_leaf()),
            lambda conn: recategorize(conn, user_id, [bought], self.any_leaf(), memory, NOW),
            lambda conn: split(conn, user_id, bought, part, NOW),
            lambda conn: set_limit(conn, user_id, self.any_leaf(), month, limit, scope, NOW),
        )
        doing = dice.choice(doings)
        with suppress(InvalidInput, CategoryInUse):
            async with acting_as(self.conn, user_id):
                await doing(self.conn)
                return 1
        return 0

    async def check(self):
        """Everything is where the person can find it, and adds up."""
        user_id = self.person.user_id
        async with acting_as(self.conn, user_id):
            months = await spending(self.conn, user_id, OCTOBER, NOVEMBER)
            budgets = await budgets_of_month(self.conn, user_id, NOVEMBER, NOW)
            self.tree = await tree_of(self.conn, user_id)
        assert await differences(self.conn, [user_id]) == []
        named = await self.conn.fetch(
            "SELECT category_id FROM transactions UNION SELECT unnest(part_category_ids) FROM transactions"
            " UNION SELECT category_id FROM seller_memories UNION SELECT category_id FROM budget_overrides"
        )
        assert [row["category_id"] for row in named if not self.tree.by_id[row["category_id"]].in_use] == []
        takers = [leaf.merged_into for leaf in self.tree.leaves if leaf.merged_into is not None and not leaf.gone]
        assert all(self.tree.by_id[taker].in_use for taker in takers)
        offered = [leaf.name.casefold() for leaf in self.tree.by_id.values() if leaf.is_own and leaf.in_use]
        assert len(offered) == len(set(offered))
        shown = sum(
            (-1 if line.category.kind is CategoryKind.EXPENSE else 1) * (line.posted_minor + line.pending_minor)
            for month in months
            for line in month.categories
        )
        for_transfers = await self.conn.fetchval(
            "SELECT coalesce(sum(posted_minor + pending_minor), 0)::bigint FROM monthly_spending"
            " WHERE category_id = ANY ($1)",
            [leaf.category_id for leaf in self.tree.leaves if leaf.kind is CategoryKind.TRANSFER],
        )
        everything = await self.conn.fetchval("SELECT sum(amount_minor)::bigint FROM transactions")
        assert shown + for_transfers == everything
        assert all(budget.category.in_use for budget in budgets)


@pytest.mark.parametrize("seed", [1, 2])
async def test_nothing_is_lost_and_sums_are_right_through_any_sequence(conn, seed):
    person = await create_person(conn)
    changer = Changer(conn, person, random.Random(seed))
    for _ in range(25):
        await changer.buy()
    await changer.check()
    done = 0
    for _ in range(STEPS):
        done += await changer.step()
        await changer.check()
    assert done > STEPS / 3
    assert any(category.gone for category in changer.tree.by_id.values())
    assert any(category.merged_into for category in changer.tree.by_id.values())


async def at_once(database_url, user_id, *doings):
    """Do things at the same time, each in a transaction of its own; return what each gave or was refused with."""

    async def run(doing):
        conn = await asyncpg.connect(database_url)
        try:
            async with acting_as(conn, user_id):
                return await doing(conn)
        except InvalidInput as failure:
            return failure
        finally:
            await conn.close()

    return await asyncio.gather(*(run(doing) for doing in doings))


async def test_categories_that_are_added_at_once_get_ids_of_their_own_and_one_name_is_given_once(conn, database_url):
    ada = (await create_person(conn)).user_id
    names = ["One", "Two", "Three", "ONE", "two", "Four"]
    found = await at_once(
        database_url,
        ada,
        *(lambda conn, name=name: category_changes.add(conn, ada, NewCategory(name, FOOD)) for name in names),
    )
    assert sorted(made[0] for made in found if not isinstance(made, InvalidInput)) == [10_000, 10_001, 10_002, 10_003]
    assert await conn.fetchval("SELECT count(DISTINCT lower(name)) FROM personal_categories") == 4


async def test_a_merge_and_choices_of_the_merged_category_at_once_leave_nothing_behind(conn, database_url):
    person = await create_person(conn)
    ada = person.user_id
    ids = [await create_transaction(conn, ada, person.account_id) for _ in range(6)]
    groceries, restaurants = LEAVES[:2]
    doings = [
        lambda conn, bought=bought: recategorize(conn, ada, [bought], groceries, Scope.SELLER_FROM_NOW_ON, NOW)
        for bought in ids
    ]
    doings.insert(3, lambda conn: category_moves.merge(conn, ada, groceries, restaurants, NOW))
    doings.append(lambda conn: category_moves.merge(conn, ada, restaurants, groceries, NOW))
    await at_once(database_url, ada, *doings)
    merged = await conn.fetch("SELECT category_id, merged_into FROM personal_categories")
    assert len(merged) == 1, "one of two merges into each other has to be refused"
    (gone,) = [row["category_id"] for row in merged]
    assert await conn.fetchval("SELECT count(*) FROM transactions WHERE category_id = $1", gone) == 0
    assert await conn.fetchval("SELECT count(*) FROM seller_memories WHERE category_id = $1", gone) == 0
    assert await differences(conn, [ada]) == []
