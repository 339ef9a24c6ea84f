"""A person's categories where the machine works: ingestion, its alerts, previews of files, and the replay."""

from __future__ import annotations

import io
from datetime import date

import pytest
from rich.console import Console

from mintql.domain.categories import UNCATEGORIZED_ID
from mintql.domain.money import Money
from mintql.importing import show
from mintql.services import category_changes, category_moves
from mintql.services.budget_overrides import Scope
from mintql.services.category_changes import CategoryWish, NewCategory
from mintql.store.reconcile import differences
from support.budgets import set_limit
from support.importer import Importer
from support.people import category
from support.pipeline import open_pipeline
from support.scripted import page, row

DAY, NOVEMBER = date(2026, 11, 10), date(2026, 11, 1)
WINDOW = (date(2026, 10, 29), date(2026, 11, 13))
COFFEE, FOOD = category("coffee"), category("food-and-dining")
STARBUCKS = {"description": "STARBUCKS STORE 00123"}


@pytest.fixture
async def bank(database_url, tmp_path):
    async with open_pipeline(database_url, tmp_path / "objects") as pipeline:
        yield pipeline


async def add(bank, user_id, name):
    async with bank.begin() as conn:
        made, _ = await category_changes.add(conn, user_id, NewCategory(name, FOOD))
    return made


async def merge(bank, user_id, category_id, into_id):
    async with bank.begin() as conn:
        await category_moves.merge(conn, user_id, category_id, into_id, bank.now)


async def hide(bank, user_id, category_id):
    async with bank.begin() as conn:
        await category_changes.change(conn, user_id, category_id, CategoryWish(hidden=True), bank.now)


async def rows(bank, user_id):
    found = await bank.fetch("SELECT * FROM transactions WHERE user_id = $1 ORDER BY external_id", user_id)
    return {item["external_id"]: (item["category_id"], item["category_source"]) for item in found}


async def test_what_comes_in_goes_where_the_person_merged_it_and_nowhere_where_they_hid_it(bank):
    ada, adas = await bank.person()
    eve, eves = await bank.person()
    bob, bobs = await bank.person()
    await merge(bank, ada, COFFEE, treats := await add(bank, ada, "Treats"))
    await hide(bank, eve, COFFEE)
    said = page(row("t1", -450, DAY, **STARBUCKS), window=WINDOW)
    for user_id, connection_id in ((ada, adas), (eve, eves), (bob, bobs)):
        await bank.refresh(user_id, connection_id, said)
    assert await rows(bank, ada) == {"t1": (treats, "dictionary")}
    assert await rows(bank, eve) == {"t1": (UNCATEGORIZED_ID, "none")}
    assert await rows(bank, bob) == {"t1": (COFFEE, "dictionary")}
    for user_id in (ada, eve, bob):
        assert (await bank.replay(user_id)).differences == []


async def test_a_purchase_that_comes_in_raises_the_alert_of_the_own_category_it_goes_to(bank):
    ada, adas = await bank.person()
    treats = await add(bank, ada, "Treats")
    await merge(bank, ada, COFFEE, treats)
    async with bank.begin() as conn:
        await set_limit(conn, ada, treats, NOVEMBER, Money(10_00, "USD"), Scope.FROM_THIS_MONTH, bank.now)
    await bank.refresh(ada, adas, page(row("t1", -9_00, DAY, **STARBUCKS), window=WINDOW))
    raised = await bank.fetch("SELECT category_id, threshold_percent, spent_minor, transaction_ids FROM alerts")
    ids = await bank.fetch("SELECT transaction_id FROM transactions")
    assert [tuple(item) for item in raised] == [(treats, 80, 9_00, [ids[0]["transaction_id"]])]
    report = await bank.replay(ada)
    assert (report.differences, report.alerts) == ([], 1)


async def test_a_pending_purchase_that_was_merged_away_posts_into_the_category_that_took_it(bank):
    ada, adas = await bank.person()
    pending = row("p1", -450, DAY, pending=True, **STARBUCKS)
    await bank.refresh(ada, adas, page(pending, window=WINDOW))
    treats = await add(bank, ada, "Treats")
    await merge(bank, ada, COFFEE, treats)
    await bank.refresh(ada, adas, page(row("t1", -450, DAY, **STARBUCKS), window=WINDOW))
    assert await rows(bank, ada) == {"p1": (treats, "dictionary"), "t1": (treats, "dictionary")}
    sums = await bank.fetch("SELECT category_id, posted_minor FROM monthly_spending WHERE posted_count > 0")
    assert [tuple(item) for item in sums] == [(treats, -450)]
    async with bank.begin() as conn:
        assert await differences(conn, [ada]) == []


async def test_a_preview_of_a_file_shows_the_persons_own_categories(bank):
    ada, _ = await bank.person()
    treats = await add(bank, ada, "Treats")
    await merge(bank, ada, COFFEE, treats)
    importer = Importer(bank, ada)
    previewed = await importer.preview(b"Date,Description,Amount\n2026-11-02,STARBUCKS STORE 00123,-4.50\n")
    (shown,) = previewed.statements[0].rows
    assert shown.category_id == treats
    console = Console(file=io.StringIO(), width=200)
    show(previewed, console)
    assert "Treats" in console.file.getvalue()
    await importer.confirm(previewed.row.import_id)
    assert [found for found, _ in (await rows(bank, ada)).values()] == [treats]
    assert await importer.differences() == []
