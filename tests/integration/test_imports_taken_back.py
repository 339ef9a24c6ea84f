"""Imports that are taken back, beside a connection and other files: nothing counts again, and nothing stays hidden."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from mintql.domain.errors import NotFound
from mintql.services import connections, matches
from mintql.store import transactions_read
from support.importer import Importer
from support.pipeline import open_pipeline
from support.scripted import page, row

DAY = date(2026, 11, 10)
WINDOW = (date(2026, 10, 29), date(2026, 11, 13))


def csv(*rows: tuple[date, str, int]) -> bytes:
    lines = [f"{day.isoformat()},{text},{amount_minor / 100:.2f}" for day, text, amount_minor in rows]
    return ("Date,Description,Amount\n" + "\n".join(lines) + "\n").encode()


@pytest.fixture
async def bank(database_url, tmp_path):
    async with open_pipeline(database_url, tmp_path / "objects") as pipe:
        yield pipe


@pytest.fixture
async def ada(bank):
    """A person with a connection, whose account is there."""
    user_id, connection_id = await bank.person()
    await bank.refresh(user_id, connection_id, page())
    importer = Importer(bank, user_id)
    return importer, connection_id, await importer.account(connection_id)


async def test_what_gave_way_to_the_connection_cannot_count_again_once_its_import_is_undone(ada, bank):
    importer, connection_id, account_id = ada
    await bank.refresh(importer.user_id, connection_id, page(row("L", -450, DAY), window=WINDOW))
    import_id = await importer.take_in(csv((DAY, "Blue Bottle", -450)), account_id=account_id)
    gave_way, stands = await bank.value("SELECT ARRAY[from_id, to_id] FROM transaction_matches")

    assert await importer.undo(import_id) == 0
    with pytest.raises(NotFound, match="There is no such match"):
        async with importer.begin() as conn:
            await matches.undo(conn, importer.user_id, gave_way, bank.now)
    assert await importer.counted() == [-450]
    assert await importer.differences() == []
    async with importer.begin() as conn:
        found = await transactions_read.resolve(conn, importer.user_id, [gave_way])
    assert found[gave_way].transaction_id == stands, "an old link leads to the purchase that is there"


async def test_a_file_that_was_taken_back_is_taken_in_beside_the_connection_once_more(ada, bank):
    importer, connection_id, account_id = ada
    await bank.refresh(importer.user_id, connection_id, page(row("L", -450, DAY), window=WINDOW))
    content = csv((DAY, "Blue Bottle", -450), (DAY - timedelta(days=1), "Kiosk", -7))
    first = await importer.take_in(content, account_id=account_id)
    assert await importer.counted() == [-450, -7]

    assert await importer.undo(first) == 1
    assert await importer.counted() == [-450]
    assert await importer.differences() == []

    second = await importer.take_in(content, account_id=account_id)
    assert await importer.counted() == [-450, -7]
    assert await importer.differences() == []
    assert await importer.undo(second) == 1
    assert await importer.counted() == [-450]


async def test_a_connection_without_ids_shows_a_purchase_again_once_the_file_that_told_of_it_is_taken_back(ada, bank):
    importer, connection_id, account_id = ada
    import_id = await importer.take_in(csv((DAY, "BLUE BOTTLE", -450)), account_id=account_id)
    shown = page(row("", -450, DAY, description="BLUE BOTTLE"), window=WINDOW)
    await bank.refresh(importer.user_id, connection_id, shown)
    assert await importer.counted() == [-450]
    assert await importer.differences() == []

    await importer.undo(import_id)
    await bank.refresh(importer.user_id, connection_id, shown)
    assert await importer.counted() == [-450]
    assert await importer.differences() == []


async def test_a_row_that_gave_way_to_one_that_gave_way_itself_stays_with_the_connection(ada, bank):
    importer, connection_id, account_id = ada
    first = await importer.take_in(csv((DAY, "Blue Bottle", -450)), account_id=account_id)
    other = csv((DAY, "Card payment blue bottle", -450), (DAY, "Kiosk", -7))
    await importer.take_in(other, account_id=account_id)
    await bank.refresh(importer.user_id, connection_id, page(row("L", -450, DAY), window=WINDOW))
    assert await importer.counted() == [-450, -7]

    assert await importer.undo(first) == 0
    assert await importer.counted() == [-450, -7]
    assert await importer.differences() == []
    pairs = await bank.fetch(
        "SELECT gives.description, stands.external_id FROM transaction_matches AS match"
        " JOIN transactions AS gives ON gives.transaction_id = from_id"
        " JOIN transactions AS stands ON stands.transaction_id = to_id"
    )
    assert [tuple(pair) for pair in pairs] == [("Card payment blue bottle", "L")]


async def test_a_file_that_waits_is_taken_in_although_the_files_were_ended_meanwhile(ada, bank):
    importer, _, _ = ada
    await importer.take_in(csv((DAY, "Kiosk", -7)), "first.csv")
    waiting = await importer.preview(csv((DAY, "Blue Bottle", -450)), "second.csv")
    async with importer.begin() as conn:
        await connections.disconnect(
            conn, importer.user_id, waiting.row.connection_id, keep_history=True, farewells=frozenset(), now=bank.now
        )

    assert (await importer.confirm(waiting.row.import_id))["state"] == "succeeded"
    assert await importer.counted() == [-450, -7]
    assert await bank.value("SELECT status FROM connections WHERE institution_id = 'files'") == "active"


async def test_what_another_file_told_of_stays_although_the_files_were_ended_before_one_is_taken_back(ada, bank):
    importer, _, _ = ada
    first = await importer.take_in(csv((DAY, "Kiosk", -7), (DAY, "Books", -900)))
    await importer.take_in(csv((DAY, "Kiosk", -7)), account_id=await importer.account())
    files = await bank.value("SELECT connection_id FROM connections WHERE institution_id = 'files'")
    async with importer.begin() as conn:
        await connections.disconnect(
            conn, importer.user_id, files, keep_history=True, farewells=frozenset(), now=bank.now
        )

    assert await importer.undo(first) == 2
    assert await importer.counted() == [-7]


MARK = (
    "UPDATE transactions SET note = 'mine', tags = '{trip}', category_id = 603, category_source = 'manual',"
    " part_category_ids = '{701}', part_amounts_minor = '{-5}', part_notes = '{half}' WHERE amount_minor = -7"
)
MARKED = (
    "SELECT transaction_id, note, tags, category_id, part_amounts_minor FROM transactions"
    " WHERE amount_minor = -7 AND removed_at IS NULL AND successor_id IS NULL"
)


async def test_what_was_written_onto_a_row_stays_while_another_file_tells_of_it(ada, bank):
    importer, _, account_id = ada
    first = await importer.take_in(csv((DAY, "Kiosk", -7), (DAY, "Books", -900)), account_id=account_id)
    await importer.take_in(csv((DAY, "Kiosk", -7), (DAY, "Cinema", -1900)), account_id=account_id)
    old = await importer.transaction(-7)
    await bank.fetch(MARK)

    assert await importer.undo(first) == 2

    assert await importer.counted() == [-1900, -7]
    [kept] = await bank.fetch(MARKED)
    assert tuple(kept)[1:] == ("mine", ["trip"], 603, [-5])
    async with importer.begin() as conn:
        found = await transactions_read.resolve(conn, importer.user_id, [old])
    assert found[old].transaction_id == kept["transaction_id"]
    assert await importer.differences() == []


async def test_what_was_written_onto_a_row_is_there_again_when_its_file_is_imported_again(ada, bank):
    importer, connection_id, account_id = ada
    content = csv((DAY, "Kiosk", -7), (DAY, "Books", -900))
    import_id = await importer.take_in(content, account_id=account_id)
    await bank.fetch(MARK)
    await importer.undo(import_id)
    assert await importer.counted() == []

    await bank.refresh(importer.user_id, connection_id, page(row("L", -7, DAY), window=WINDOW))
    await importer.take_in(content, account_id=account_id)

    assert await importer.counted() == [-900, -7]
    [kept] = await bank.fetch(MARKED)
    assert tuple(kept)[1:] == ("mine", ["trip"], 603, [-5]), "the bank's row stands for the file's"
    assert await importer.differences() == []
