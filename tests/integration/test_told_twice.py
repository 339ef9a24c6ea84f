"""Purchases told more than once in awkward ways: large runs, overlapping files, ids that come back, chains."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from mintql.domain.errors import AccountGone
from mintql.domain.ids import TransactionId, UserId
from mintql.institutions.base import AccountFailure
from mintql.services import imports_ending, matches, sync
from mintql.store import matches as stored_matches
from mintql.store import transactions_read
from support.pipeline import Pipeline, open_pipeline
from support.scripted import page, row
from support.sending import account_of, send_file, table

DAY = date(2026, 11, 10)
WINDOW = (date(2026, 10, 29), date(2026, 11, 13))
SHOP = "Blue Bottle"


@pytest.fixture
async def bank(database_url: str, tmp_path: Path) -> AsyncIterator[Pipeline]:
    async with open_pipeline(database_url, tmp_path / "objects") as pipeline:
        yield pipeline


@pytest.fixture(params=[5_000, 2], ids=["whole", "sliced"])
def slices(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Rows a transaction of the ingestion holds: a run of any size has to end the same."""
    monkeypatch.setattr("mintql.services.ingest.ROWS_PER_TRANSACTION_MAX", request.param)
    return int(request.param)


def day(back: int) -> date:
    return DAY - timedelta(days=back)


async def total(bank: Pipeline, user_id: UserId) -> int:
    query = "SELECT coalesce(sum(posted_minor + pending_minor), 0)::bigint FROM monthly_spending WHERE user_id = $1"
    return int(await bank.value(query, user_id))


async def counted(bank: Pipeline, user_id: UserId) -> list[tuple[date, int]]:
    rows = await bank.fetch(
        "SELECT posted_on, amount_minor FROM transactions WHERE user_id = $1 AND successor_id IS NULL"
        " AND removed_at IS NULL ORDER BY 1, 2",
        user_id,
    )
    return [tuple(item) for item in rows]


async def agrees(bank: Pipeline, user_id: UserId) -> None:
    assert (await bank.replay(user_id)).differences == []


async def id_of(bank: Pipeline, external_id: str) -> TransactionId:
    return TransactionId(
        await bank.value("SELECT transaction_id FROM transactions WHERE external_id = $1", external_id)
    )


async def suggested(bank: Pipeline, user_id: UserId) -> int:
    async with bank.begin() as conn:
        return len(await stored_matches.suggested(conn, user_id, TransactionId(2**62), 100))


async def act(bank: Pipeline, what: Any, *arguments: Any) -> None:
    async with bank.begin() as conn:
        done = await what(conn, *arguments, bank.now)
    await bank.perform(done[-1] if isinstance(done, tuple) else done)


async def test_ids_that_all_change_in_a_run_of_any_size_double_nothing(bank: Pipeline, slices: int) -> None:
    user_id, connection_id = await bank.person()
    for name in ("old", "new", "newer"):
        rows = [row(f"{name}{number}", -100 - number, day(number)) for number in range(6)]
        await bank.refresh(user_id, connection_id, page(*rows, window=WINDOW))
    assert await total(bank, user_id) == -615
    await agrees(bank, user_id)


async def test_a_note_on_a_pending_row_moves_along_in_a_run_of_any_size(bank: Pipeline, slices: int) -> None:
    user_id, connection_id = await bank.person()
    await bank.refresh(user_id, connection_id, page(row("p1", -2000, DAY, pending=True), window=WINDOW))
    await bank.fetch("UPDATE transactions SET note = 'mine'")
    rows = [row("t1", -2000, DAY), *(row(f"n{number}", -100 - number, day(number)) for number in range(6))]
    await bank.refresh(user_id, connection_id, page(*rows, window=WINDOW))
    assert await bank.value("SELECT note FROM transactions WHERE external_id = 't1'") == "mine"
    assert await total(bank, user_id) == -2615
    await agrees(bank, user_id)


async def test_a_file_and_then_a_run_of_any_size_count_once(bank: Pipeline, slices: int) -> None:
    user_id, connection_id = await bank.person()
    await bank.refresh(user_id, connection_id, page(window=WINDOW))
    told = [(day(number), SHOP, -100 - number) for number in range(8)]
    await send_file(bank, user_id, table(told), await account_of(bank, user_id, connection_id))
    rows = [row(f"n{number}", -100 - number, day(number)) for number in range(8)]
    await bank.refresh(user_id, connection_id, page(*rows, window=WINDOW))
    assert await total(bank, user_id) == -828
    await agrees(bank, user_id)


async def test_the_surest_pair_of_a_file_of_any_size_is_found_first(bank: Pipeline, slices: int) -> None:
    user_id, connection_id = await bank.person()
    await bank.refresh(user_id, connection_id, page(row("n1", -450, day(0)), window=WINDOW))
    told = [(day(2), SHOP, -450), (day(1), SHOP, -100), (day(0), SHOP, -450)]
    await send_file(bank, user_id, table(told), await account_of(bank, user_id, connection_id))
    assert await counted(bank, user_id) == [(day(2), -450), (day(1), -100), (day(0), -450)]
    await agrees(bank, user_id)


async def test_an_id_that_changes_back_and_forth_counts_once(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    for turn in range(5):
        await bank.refresh(user_id, connection_id, page(row("ab"[turn % 2], -450, DAY), window=WINDOW))
        assert await total(bank, user_id) == -450
        await agrees(bank, user_id)


async def test_an_id_that_changed_many_times_still_leads_to_its_row(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    for turn in range(11):
        await bank.refresh(user_id, connection_id, page(row(f"x{turn}", -450, DAY), window=WINDOW))
    async with bank.begin() as conn:
        first, last = await id_of(bank, "x0"), await id_of(bank, "x10")
        found = await transactions_read.resolve(conn, user_id, [first])
    assert found[first].transaction_id == last
    assert await total(bank, user_id) == -450


async def test_a_pending_row_whose_id_changes_keeps_its_note_and_category_meanwhile(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    await bank.refresh(user_id, connection_id, page(row("p0", -450, DAY, pending=True), window=WINDOW))
    await bank.fetch("UPDATE transactions SET note = 'mine', category_id = 603, category_source = 'manual'")
    await bank.refresh(user_id, connection_id, page(row("p1", -450, DAY, pending=True), window=WINDOW))
    renamed = await bank.fetch("SELECT note, category_id, pending FROM transactions WHERE external_id = 'p1'")
    assert [tuple(item) for item in renamed] == [("mine", 603, True)]
    await bank.refresh(user_id, connection_id, page(row("t", -450, DAY + timedelta(days=1)), window=WINDOW))
    posted = await bank.fetch("SELECT note, category_id, pending FROM transactions WHERE external_id = 't'")
    assert [tuple(item) for item in posted] == [("mine", 603, False)]
    assert await total(bank, user_id) == -450
    await agrees(bank, user_id)


async def test_monthly_files_that_overlap_fill_a_gap_of_the_connection_without_a_loss(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    march = [date(2026, 3, 1) + timedelta(days=number) for number in range(31)]
    june = [date(2026, 6, 1) + timedelta(days=number) for number in range(5)]
    for name, days in (("m", march), ("j", june)):
        rows = [row(f"{name}{number}", -290, one, description="SUBWAY") for number, one in enumerate(days)]
        await bank.refresh(user_id, connection_id, page(*rows, window=(days[0], days[-1])))
    account_id = await account_of(bank, user_id, connection_id)
    april = [date(2026, 3, 30) + timedelta(days=number) for number in range(32)]
    for days in (march, april):
        await send_file(bank, user_id, table((one, "Subway fare", -290) for one in days), account_id)
    assert [one for one, _ in await counted(bank, user_id)] == sorted({*march, *april, *june})
    await agrees(bank, user_id)


async def test_a_file_that_is_ahead_of_the_connection_adds_what_is_new_in_it(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    rows = [row("l1", -450, day(1)), row("x", -5, DAY), row("y", -6, day(5))]
    window = (day(10), DAY + timedelta(days=1))
    await bank.refresh(user_id, connection_id, page(*rows, window=window))
    account_id = await account_of(bank, user_id, connection_id)
    first = [(day(5), "Y", -6), (day(1), SHOP, -450)]
    await send_file(bank, user_id, table(first), account_id)
    await send_file(bank, user_id, table([*first, (DAY, "X", -5), (DAY, SHOP, -450)]), account_id)
    assert [amount for _, amount in await counted(bank, user_id)].count(-450) == 2
    await agrees(bank, user_id)


async def test_a_files_row_counts_again_when_what_it_gave_way_to_is_taken_back(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    edges = [row("o", -1, DAY + timedelta(days=2)), row("o0", -1, day(5))]
    pending = row("p1", -2000, DAY, pending=True)
    await bank.refresh(user_id, connection_id, page(pending, row("t1", -3000, DAY), *edges, window=WINDOW))
    account_id = await account_of(bank, user_id, connection_id)
    told = [(day(5), "z", -3), (DAY, SHOP, -2000), (DAY, SHOP, -3000), (DAY + timedelta(days=2), "z", -3)]
    await send_file(bank, user_id, table(told), account_id)
    assert await total(bank, user_id) == -5008
    # The hold is dropped, and the posted row is taken back by name.
    await bank.refresh(user_id, connection_id, page(*edges, removed=(("card", "t1"),), window=WINDOW))
    assert await total(bank, user_id) == -5008
    await agrees(bank, user_id)


async def test_a_suggestion_follows_the_row_it_is_about(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    pending = row("p1", -2000, DAY, pending=True)
    await bank.refresh(user_id, connection_id, page(pending, row("o", -1, day(5)), window=(day(10), DAY)))
    account_id = await account_of(bank, user_id, connection_id)
    told = [(day(5), "z", -3), (DAY + timedelta(days=1), SHOP, -2000)]
    await send_file(bank, user_id, table(told), account_id)
    assert await suggested(bank, user_id) == 1
    posted = row("t1", -2000, DAY + timedelta(days=1), pending_external_id="p1")
    await bank.refresh(user_id, connection_id, page(posted, row("o", -1, day(5)), window=WINDOW))
    once = [amount for _, amount in await counted(bank, user_id)].count(-2000) == 1
    assert once or await suggested(bank, user_id) == 1
    await agrees(bank, user_id)


async def test_a_tip_suggested_once_is_not_replaced_by_a_less_likely_one(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    await bank.refresh(user_id, connection_id, page(row("p1", -2000, DAY, pending=True), window=WINDOW))
    likely = row("t1", -2400, DAY + timedelta(days=1))
    await bank.refresh(user_id, connection_id, page(likely, window=WINDOW))
    other = row("t2", -2100, DAY + timedelta(days=2), description="HARDWARE STORE")
    await bank.refresh(user_id, connection_id, page(likely, other, window=WINDOW))
    stands = await bank.value(
        "SELECT external_id FROM transaction_matches AS match JOIN transactions AS row"
        " ON row.user_id = match.user_id AND row.transaction_id = to_id"
    )
    assert stands == "t1"


OFX = """OFXHEADER:100
DATA:OFXSGML
VERSION:102

<OFX><BANKMSGSRSV1><STMTTRNRS><TRNUID>1<STATUS><CODE>0<SEVERITY>INFO</STATUS><STMTRS><CURDEF>USD
<BANKACCTFROM><BANKID>12<ACCTID>{account}<ACCTTYPE>CHECKING</BANKACCTFROM>
<BANKTRANLIST><DTSTART>20261101<DTEND>20261112
<STMTTRN><TRNTYPE>DEBIT<DTPOSTED>20261110<TRNAMT>-4.50<FITID>{account}-1<NAME>BLUE BOTTLE</STMTTRN>
</BANKTRANLIST><LEDGERBAL><BALAMT>100<DTASOF>20261112</LEDGERBAL></STMTRS></STMTTRNRS></BANKMSGSRSV1></OFX>
"""


async def test_two_accounts_of_files_that_end_alike_stay_two(bank: Pipeline) -> None:
    user_id, _ = await bank.person()
    for account in ("11111234", "99991234"):
        content = OFX.format(account=account).encode()
        await send_file(bank, user_id, content, name=f"{account}.ofx", options={})
    assert await bank.value("SELECT count(*) FROM accounts") == 2
    assert await total(bank, user_id) == -900
    await agrees(bank, user_id)


async def test_a_replay_takes_decisions_when_they_were_made(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    two = page(row("a1", -450, DAY), row("a2", -450, DAY), window=WINDOW)
    await bank.refresh(user_id, connection_id, two)
    await bank.refresh(user_id, connection_id, page(row("n1", -450, DAY), window=WINDOW))
    await act(bank, matches.undo, user_id, await id_of(bank, "a1"))
    assert await total(bank, user_id) == -1350
    await agrees(bank, user_id)


async def test_a_replay_reads_a_file_that_was_read_twice_in_the_order_of_both(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    await bank.refresh(user_id, connection_id, page())
    account_id = await account_of(bank, user_id, connection_id)
    await send_file(bank, user_id, table([(day(20), "X", -1), (day(16), SHOP, -450), (day(12), "Y", -2)]), account_id)
    await bank.refresh(user_id, connection_id, page(row("L", -450, day(15)), window=(day(17), day(10))))
    bank.now += timedelta(hours=1)
    other = await send_file(bank, user_id, table([(DAY, "Z", -99)]), account_id)
    bank.now += timedelta(hours=1)
    await act(bank, imports_ending.undo, user_id, other)
    assert await total(bank, user_id) == -453
    await agrees(bank, user_id)


async def test_balances_alone_say_nothing_of_accounts_that_fail(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    both = ("card", "savings")
    await bank.refresh(user_id, connection_id, page(row("t1", -450, DAY), accounts=both, window=WINDOW))
    bank.institution.account_failures = [AccountFailure("savings", AccountGone("The bank closed the account."))]
    bank.institution.window_accounts = ("card",)
    await bank.refresh(user_id, connection_id, page(row("t1", -450, DAY), row("t2", -5, DAY), accounts=both))
    bank.institution.pages = [page(accounts=both)]
    async with bank.begin() as conn:
        _, effects = await sync.open_or_join_run(conn, user_id, connection_id, "request", bank.now, balances_only=True)
    await bank.perform(effects)
    failing = "SELECT external_id FROM accounts WHERE error_code IS NOT NULL"
    assert [item["external_id"] for item in await bank.fetch(failing)] == ["savings"]
    assert await bank.value("SELECT count(*) FROM sync_runs") == 3


async def test_an_account_that_fails_before_it_was_ever_described_blocks_no_quiet_one(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    bank.institution.account_failures = [AccountFailure("savings", AccountGone("The bank closed the account."))]
    await bank.refresh(user_id, connection_id, page(window=WINDOW))
    assert await bank.value("SELECT state FROM sync_runs") == "succeeded"
    assert await bank.value("SELECT status FROM connections") == "active"


async def test_parts_of_an_amount_mean_nothing_in_another_currency(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    yen = row("t1", -120_000, DAY, currency="JPY")
    await bank.refresh(user_id, connection_id, page(yen, window=WINDOW))
    await bank.fetch(
        "UPDATE transactions SET note = 'mine', part_category_ids = '{701}', part_amounts_minor = '{-50000}',"
        " part_notes = ARRAY['']"
    )
    await bank.refresh(user_id, connection_id, page(yen | {"amount_minor": -81_00, "currency": "USD"}, window=WINDOW))
    [kept] = await bank.fetch("SELECT note, part_category_ids FROM transactions")
    assert tuple(kept) == ("mine", None)
    sums = "SELECT currency, posted_minor FROM monthly_spending WHERE posted_minor <> 0"
    assert [tuple(item) for item in await bank.fetch(sums)] == [("USD", -8100)]
