"""What the crowd chose, as it reaches transactions that come in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import pytest

from mintql.data import load_categories
from mintql.services.choices import Scope, recategorize
from mintql.services.crowd import VOTERS_MIN
from support.factories import create_person, create_transaction
from support.pipeline import Pipeline, open_pipeline
from support.scripted import page, row

DAY = date(2026, 11, 10)
WINDOW = (date(2026, 10, 29), date(2026, 11, 13))
TREE = load_categories()
COFFEE, FUEL = TREE.by_slug["coffee"].category_id, TREE.by_slug["fuel"].category_id


@pytest.fixture
async def bank(database_url: str, tmp_path: Path) -> AsyncIterator[Pipeline]:
    async with open_pipeline(database_url, tmp_path / "objects") as pipeline:
        yield pipeline


async def vote(bank: Pipeline, key: str, category_id: int, voters: int = VOTERS_MIN) -> None:
    async with bank.begin() as conn:
        for _ in range(voters):
            person = await create_person(conn)
            one = await create_transaction(conn, person.user_id, person.account_id, merchant_key=key)
            await recategorize(conn, person.user_id, [one], category_id, Scope.ONCE, bank.now)


async def reasons(bank: Pipeline, user_id: int) -> dict[str, tuple[int, str, str]]:
    rows = await bank.fetch(
        "SELECT external_id, category_id, category_source, category_detail FROM transactions WHERE user_id = $1",
        user_id,
    )
    return {item["external_id"]: tuple(item)[1:] for item in rows}


async def test_the_crowd_decides_about_what_comes_later_and_about_nothing_that_is_there(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    said = row("t1", -450, DAY, description="ZZYZX QWERT 0042")
    await bank.refresh(user_id, connection_id, page(said, window=WINDOW))
    assert (await reasons(bank, user_id))["t1"] == (1, "none", "")
    await vote(bank, "zzyzx qwert", COFFEE)
    later = row("t2", -470, DAY, description="ZZYZX QWERT 0043")
    await bank.refresh(user_id, connection_id, page(said, later, window=WINDOW))
    assert await reasons(bank, user_id) == {"t1": (1, "none", ""), "t2": (COFFEE, "crowd", "10/10")}


async def test_what_a_person_chose_comes_before_the_crowd_and_the_crowd_before_the_dictionary(bank: Pipeline) -> None:
    one, one_connection = await bank.person()
    other, other_connection = await bank.person()
    await vote(bank, "starbucks", FUEL)
    await bank.fetch(
        "INSERT INTO seller_memories (user_id, merchant_key, category_id) VALUES ($1, 'starbucks', $2)", one, COFFEE
    )
    said = page(row("t1", -450, DAY, description="STARBUCKS STORE 04817"), window=WINDOW)
    await bank.refresh(one, one_connection, said)
    await bank.refresh(other, other_connection, said)
    assert await reasons(bank, one) == {"t1": (COFFEE, "memory", "starbucks")}
    assert await reasons(bank, other) == {"t1": (FUEL, "crowd", "10/10")}


async def test_too_few_people_decide_about_nobody_else(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    await vote(bank, "starbucks", FUEL, VOTERS_MIN - 1)
    await bank.refresh(user_id, connection_id, page(row("t1", -450, DAY, description="STARBUCKS 1"), window=WINDOW))
    found = (await reasons(bank, user_id))["t1"]
    assert found[:2] == (COFFEE, "dictionary")
