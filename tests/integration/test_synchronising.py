"""Honest synchronising: what vanishes, changes its id, its amount or its account, and single accounts that fail."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from mintql.domain.errors import AccountGone, InstitutionDown, InvalidInput, NotFound, NotReady
from mintql.domain.ids import TransactionId, UserId
from mintql.institutions.base import AccountFailure, Capabilities
from mintql.services import matches, sync
from mintql.store.sync import RunKey
from support.pipeline import Pipeline, open_pipeline
from support.scripted import page, row

DAY = date(2026, 11, 10)
WINDOW = (date(2026, 10, 29), date(2026, 11, 13))


@pytest.fixture
async def bank(database_url: str, tmp_path: Path) -> AsyncIterator[Pipeline]:
    async with open_pipeline(database_url, tmp_path / "objects") as pipeline:
        yield pipeline


async def counted(bank: Pipeline, user_id: int) -> dict[str, int]:
    rows = await bank.fetch(
        "SELECT external_id, amount_minor FROM transactions WHERE user_id = $1 AND successor_id IS NULL"
        " AND removed_at IS NULL",
        user_id,
    )
    return {item["external_id"]: item["amount_minor"] for item in rows}


async def total(bank: Pipeline, user_id: int) -> int:
    return int(
        await bank.value(
            "SELECT coalesce(sum(posted_minor + pending_minor), 0)::bigint FROM monthly_spending WHERE user_id = $1",
            user_id,
        )
    )


async def match_of(bank: Pipeline, external_id: str) -> tuple[str, str, str]:
    """Kind, state and the row that stands, of the row with this id that gives way."""
    found = await bank.fetch(
        "SELECT kind, state, stands.external_id FROM transaction_matches AS match"
        " JOIN transactions AS gives ON gives.user_id = match.user_id AND gives.transaction_id = from_id"
        " JOIN transactions AS stands ON stands.user_id = match.user_id AND stands.transaction_id = to_id"
        " WHERE gives.external_id = $1",
        external_id,
    )
    return tuple(found[0])  # type: ignore[return-value]


async def id_of(bank: Pipeline, external_id: str) -> TransactionId:
    return TransactionId(
        await bank.value("SELECT transaction_id FROM transactions WHERE external_id = $1", external_id)
    )


async def agrees(bank: Pipeline, user_id: UserId) -> None:
    """The ledger is what a rebuild from the raw objects gives."""
    assert (await bank.replay(user_id)).differences == []


async def decide(bank: Pipeline, what: Any, user_id: UserId, from_id: TransactionId) -> None:
    async with bank.begin() as conn:
        effects = await what(conn, user_id, from_id, bank.now)
    await bank.perform(effects)


async def test_a_pending_row_that_vanishes_one_day_and_posts_the_next_keeps_its_id_and_counts_once(
    bank: Pipeline,
) -> None:
    user_id, connection_id = await bank.person()
    await bank.refresh(user_id, connection_id, page(row("p1", -2000, DAY, pending=True), window=WINDOW))
    await bank.refresh(user_id, connection_id, page(row("x", -5, DAY), window=WINDOW))
    assert await counted(bank, user_id) == {"x": -5}
    posted = row("t1", -2000, DAY + timedelta(days=1))
    await bank.refresh(user_id, connection_id, page(row("x", -5, DAY), posted, window=WINDOW))
    assert await counted(bank, user_id) == {"x": -5, "t1": -2000}
    assert await match_of(bank, "p1") == ("pending_exact", "applied", "t1")
    assert await total(bank, user_id) == -2005
    await agrees(bank, user_id)


async def test_a_tip_is_suggested_and_confirming_it_moves_along_what_the_person_set(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    await bank.refresh(user_id, connection_id, page(row("p1", -2000, DAY, pending=True), window=WINDOW))
    await bank.fetch(
        "UPDATE transactions SET category_id = 603, category_source = 'manual', note = 'with Bob', tags = '{lunch}',"
        " part_category_ids = '{701}', part_amounts_minor = '{-500}', part_notes = '{half}'"
    )
    tipped = row("t1", -2400, DAY + timedelta(days=2))
    await bank.refresh(user_id, connection_id, page(tipped, window=WINDOW))
    assert await counted(bank, user_id) == {"t1": -2400}
    assert await match_of(bank, "p1") == ("pending_tip", "suggested", "t1")
    await agrees(bank, user_id)

    pending_id, posted_id = await id_of(bank, "p1"), await id_of(bank, "t1")
    await decide(bank, matches.confirm, user_id, pending_id)
    assert await match_of(bank, "p1") == ("pending_tip", "applied", "t1")
    posted = (await bank.fetch("SELECT * FROM transactions WHERE external_id = 't1'"))[0]
    assert (posted["category_id"], posted["category_source"], posted["note"]) == (603, "manual", "with Bob")
    assert (posted["tags"], posted["part_amounts_minor"], posted["part_notes"]) == (["lunch"], [-500], ["half"])
    assert await bank.value("SELECT successor_id FROM transactions WHERE external_id = 'p1'") == posted_id
    sums = await bank.fetch("SELECT category_id, posted_minor FROM monthly_spending WHERE posted_count > 0 ORDER BY 1")
    assert [tuple(item) for item in sums] == [(603, -1900), (701, -500)]
    await agrees(bank, user_id)

    await bank.refresh(user_id, connection_id, page(tipped, row("t2", -1, DAY), window=WINDOW))
    assert await match_of(bank, "p1") == ("pending_tip", "applied", "t1")


async def test_a_dismissed_tip_is_not_suggested_again(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    await bank.refresh(user_id, connection_id, page(row("p1", -2000, DAY, pending=True), window=WINDOW))
    await bank.refresh(user_id, connection_id, page(row("t1", -2400, DAY), window=WINDOW))
    await decide(bank, matches.dismiss, user_id, await id_of(bank, "p1"))
    await bank.refresh(user_id, connection_id, page(row("t1", -2400, DAY), row("t2", -2500, DAY), window=WINDOW))
    assert await match_of(bank, "p1") == ("pending_tip", "dismissed", "t1")
    with pytest.raises(InvalidInput, match="dismissed or undone"):
        await decide(bank, matches.confirm, user_id, await id_of(bank, "p1"))
    assert await total(bank, user_id) == -4900


async def test_rows_that_change_their_ids_count_once_and_keep_what_the_person_set(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    await bank.refresh(
        user_id, connection_id, page(row("a1", -450, DAY), row("a2", -450, DAY), row("b", -99, DAY), window=WINDOW)
    )
    await bank.fetch("UPDATE transactions SET note = 'first' WHERE external_id = 'a1'")
    new = page(row("n1", -450, DAY), row("n2", -450, DAY), row("b", -99, DAY), window=WINDOW)
    key = await bank.refresh(user_id, connection_id, new)
    assert await counted(bank, user_id) == {"n1": -450, "n2": -450, "b": -99}
    assert await total(bank, user_id) == -999
    assert {(await match_of(bank, old))[0] for old in ("a1", "a2")} == {"changed_id"}
    stands = (await match_of(bank, "a1"))[2]
    assert await bank.value("SELECT note FROM transactions WHERE external_id = $1", stands) == "first"
    run = (await bank.fetch("SELECT * FROM sync_runs WHERE run_id = $1", key.run_id))[0]
    assert (run["rows_added"], run["rows_matched"], run["rows_removed"]) == (2, 2, 2)
    await agrees(bank, user_id)
    await bank.refresh(user_id, connection_id, new)
    assert await total(bank, user_id) == -999
    await agrees(bank, user_id)


async def test_a_match_that_is_undone_lets_both_count_and_is_not_done_again(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    await bank.refresh(user_id, connection_id, page(row("old", -450, DAY), window=WINDOW))
    await bank.refresh(user_id, connection_id, page(row("new", -450, DAY), window=WINDOW))
    old_id = await id_of(bank, "old")
    await decide(bank, matches.undo, user_id, old_id)
    assert await counted(bank, user_id) == {"old": -450, "new": -450}
    assert await total(bank, user_id) == -900
    await bank.refresh(user_id, connection_id, page(row("new", -450, DAY), row("x", -450, DAY), window=WINDOW))
    assert await total(bank, user_id) == -1350
    await agrees(bank, user_id)


async def test_a_suggestion_cannot_be_undone_because_it_was_not_done(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    await bank.refresh(user_id, connection_id, page(row("p1", -2000, DAY, pending=True), window=WINDOW))
    await bank.refresh(user_id, connection_id, page(row("t1", -2400, DAY), window=WINDOW))
    with pytest.raises(InvalidInput, match="was not done"):
        await decide(bank, matches.undo, user_id, await id_of(bank, "p1"))
    assert await match_of(bank, "p1") == ("pending_tip", "suggested", "t1")


async def test_another_persons_match_is_not_found_and_stays(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    stranger_id, _ = await bank.person()
    await bank.refresh(user_id, connection_id, page(row("old", -450, DAY), window=WINDOW))
    await bank.refresh(user_id, connection_id, page(row("new", -450, DAY), window=WINDOW))
    for what in (matches.undo, matches.confirm, matches.dismiss):
        with pytest.raises(NotFound):
            await decide(bank, what, stranger_id, await id_of(bank, "old"))
    assert await match_of(bank, "old") == ("changed_id", "applied", "new")


async def test_an_undone_pending_row_that_the_bank_no_longer_shows_clears(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    await bank.refresh(user_id, connection_id, page(row("p1", -2000, DAY, pending=True), window=WINDOW))
    await bank.refresh(user_id, connection_id, page(row("t1", -2000, DAY), window=WINDOW))
    await decide(bank, matches.undo, user_id, await id_of(bank, "p1"))
    assert await total(bank, user_id) == -4000
    await bank.refresh(user_id, connection_id, page(row("t1", -2000, DAY), row("t2", -1, DAY), window=WINDOW))
    assert await counted(bank, user_id) == {"t1": -2000, "t2": -1}


async def test_a_row_removed_and_added_again_under_another_id_counts_once(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    await bank.refresh(user_id, connection_id, page(row("t1", -450, DAY)))
    await bank.refresh(user_id, connection_id, page(row("t2", -450, DAY), removed=(("", "t1"),)))
    assert await counted(bank, user_id) == {"t2": -450}
    assert await match_of(bank, "t1") == ("changed_id", "applied", "t2")
    await bank.refresh(user_id, connection_id, page(removed=(("card", "t2"),)))
    assert await total(bank, user_id) == 0
    await bank.refresh(user_id, connection_id, page(row("t3", -450, DAY)))
    assert await match_of(bank, "t2") == ("changed_id", "applied", "t3")
    assert await total(bank, user_id) == -450
    await agrees(bank, user_id)


async def test_an_account_that_gets_another_id_goes_on_with_its_history(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    bank.institution.masks = {"old": "4242", "new": "4242"}
    bank.institution.names = {"old": "Card", "new": "Card"}
    first = row("t1", -450, DAY, account_external_id="old")
    await bank.refresh(user_id, connection_id, page(first, accounts=("old",), window=WINDOW))
    second = [row("u1", -450, DAY, account_external_id="new"), row("u2", -1, DAY, account_external_id="new")]
    await bank.refresh(user_id, connection_id, page(*second, accounts=("new",), window=WINDOW))
    accounts = await bank.fetch("SELECT external_id, former_external_ids, missing_since FROM accounts")
    assert [tuple(item) for item in accounts] == [("new", ["old"], None)]
    assert await counted(bank, user_id) == {"u1": -450, "u2": -1}
    await agrees(bank, user_id)


async def test_two_accounts_alike_are_not_taken_for_one_another(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    bank.institution.masks = dict.fromkeys(("a", "b", "c"), "4242")
    bank.institution.names = dict.fromkeys(("a", "b", "c"), "Card")
    await bank.refresh(user_id, connection_id, page(accounts=("a", "b"), window=WINDOW))
    await bank.refresh(user_id, connection_id, page(accounts=("c",), window=WINDOW))
    found = await bank.fetch("SELECT external_id FROM accounts ORDER BY 1")
    assert [item["external_id"] for item in found] == ["a", "b", "c"]


async def test_one_failing_account_blocks_no_other_and_is_read_whole_once_it_works(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    both = ("card", "savings")
    saved = row("s1", 100, DAY, account_external_id="savings")
    await bank.refresh(user_id, connection_id, page(row("t1", -450, DAY), saved, accounts=both, window=WINDOW))
    gone = AccountFailure("savings", AccountGone("The bank closed the account."))
    bank.institution.account_failures = [gone]
    bank.institution.window_accounts = ("card",)
    key = await bank.refresh(
        user_id, connection_id, page(row("t1", -450, DAY), row("t2", -5, DAY), accounts=both, window=WINDOW)
    )
    assert await counted(bank, user_id) == {"t1": -450, "t2": -5, "s1": 100}
    run = (await bank.fetch("SELECT state FROM sync_runs WHERE run_id = $1", key.run_id))[0]
    assert run["state"] == "succeeded"
    failing = await bank.fetch("SELECT external_id, error_code, error_message, failing_since FROM accounts ORDER BY 1")
    assert [tuple(item) for item in failing] == [
        ("card", None, None, None),
        ("savings", "ACCOUNT_GONE", "The bank closed the account.", bank.now),
    ]
    bank.institution.account_failures, bank.institution.window_accounts = [], None
    await bank.refresh(user_id, connection_id, page(row("t1", -450, DAY), saved, accounts=both, window=WINDOW))
    assert await bank.value("SELECT count(*) FROM accounts WHERE error_code IS NOT NULL") == 0
    # The recovered account's run was followed by one from the beginning.
    assert bank.institution.requests[-1].first == bank.now.date() - timedelta(days=730)


async def test_a_run_in_which_every_account_failed_is_a_failed_run(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    bank.institution.account_failures = [AccountFailure("card", AccountGone("The bank closed the account."))]
    key = await bank.refresh(user_id, connection_id, page())
    run = (await bank.fetch("SELECT state, error_code FROM sync_runs WHERE run_id = $1", key.run_id))[0]
    assert tuple(run) == ("failed", "ACCOUNT_GONE")
    link = (await bank.fetch("SELECT status, error_message, last_success_at FROM connections"))[0]
    assert tuple(link) == ("action_required", "The bank closed the account.", None)


async def test_an_allowance_is_kept_by_us_and_says_when_there_is_more(bank: Pipeline) -> None:
    bank.institution.capabilities = Capabilities(
        window=True, pending=True, links_pending=True, window_days_max=730, history_days_max=730,
        refresh_interval_seconds_min=0, requests_per_day_max=3,
    )  # fmt: skip
    user_id, connection_id = await bank.person()
    said = page(row("t1", -450, DAY), window=WINDOW)
    await bank.refresh(user_id, connection_id, said, said)
    key = await bank.refresh(user_id, connection_id, said, said)
    run = (await bank.fetch("SELECT state, error_code, next_attempt_at FROM sync_runs WHERE run_id = $1", key.run_id))[
        0
    ]
    tomorrow = sync.next_daily(bank.now)
    assert tuple(run) == ("queued", "INSTITUTION_RATE_LIMITED", tomorrow)
    assert await bank.value("SELECT requests FROM connections") == 3
    assert await total(bank, user_id) == -450
    await bank.sweep(tomorrow - bank.now)
    assert await bank.value("SELECT state FROM sync_runs WHERE run_id = $1", key.run_id) == "succeeded"
    assert await bank.value("SELECT requests FROM connections") == 2


async def test_balances_alone_leave_transactions_and_the_way_of_the_next_refresh_as_they_are(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    await bank.refresh(user_id, connection_id, page(row("p1", -450, DAY, pending=True), window=WINDOW))
    before = await bank.fetch("SELECT sync_cursor, synced_through FROM connections")
    bank.institution.pages = [page()]
    bank.now += timedelta(days=3)
    async with bank.begin() as conn:
        run_id, effects = await sync.open_or_join_run(
            conn, user_id, connection_id, "request", bank.now, balances_only=True
        )
    await bank.perform(effects)
    run = (await bank.fetch("SELECT state, pages FROM sync_runs WHERE run_id = $1", run_id))[0]
    assert tuple(run) == ("succeeded", 1)
    assert await bank.fetch("SELECT sync_cursor, synced_through FROM connections") == before
    assert await counted(bank, user_id) == {"p1": -450}
    assert await bank.value("SELECT last_success_at FROM connections") == bank.now
    await agrees(bank, user_id)


async def test_a_whole_refresh_makes_a_waiting_run_of_balances_whole(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    async with bank.begin() as conn:
        first, _ = await sync.open_or_join_run(conn, user_id, connection_id, "request", bank.now, balances_only=True)
        second, _ = await sync.open_or_join_run(conn, user_id, connection_id, "request", bank.now)
    assert first == second
    assert await bank.value("SELECT balances_only FROM sync_runs") is False
    bank.institution.pages = [page(row("t1", -450, DAY), window=WINDOW)]
    await bank.run_job("extract", [list(RunKey(user_id, first))])
    assert await counted(bank, user_id) == {"t1": -450}


async def test_what_the_institution_has_to_say_is_kept_with_the_run(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    bank.institution.notices = ("Your permission ends on 2026-12-24.",)
    key = await bank.refresh(user_id, connection_id, page(row("t1", -450, DAY)))
    notices = await bank.value("SELECT notices FROM sync_runs WHERE run_id = $1", key.run_id)
    assert notices == ["Your permission ends on 2026-12-24."]


async def test_a_history_without_windows_read_anew_from_the_start_replaces_ids_that_changed(bank: Pipeline) -> None:
    bank.institution.capabilities = Capabilities(
        window=False, pending=True, links_pending=True, window_days_max=730, history_days_max=730,
        refresh_interval_seconds_min=0,
    )  # fmt: skip
    user_id, connection_id = await bank.person()
    await bank.refresh(user_id, connection_id, page(row("a", -450, DAY), row("b", -7, DAY - timedelta(days=300))))
    await bank.fetch("UPDATE connections SET synced_through = NULL, sync_cursor = ''")
    await bank.refresh(user_id, connection_id, page(row("c", -450, DAY), row("d", -7, DAY - timedelta(days=300))))
    assert await counted(bank, user_id) == {"c": -450, "d": -7}
    await agrees(bank, user_id)


async def test_a_failure_where_requests_are_counted_is_tried_again_no_sooner_than_they_may_be_made(
    bank: Pipeline,
) -> None:
    bank.institution.capabilities = Capabilities(
        window=True, pending=True, links_pending=True, window_days_max=730, history_days_max=730,
        refresh_interval_seconds_min=3600, requests_per_day_max=24,
    )  # fmt: skip
    bank.institution.fail(InstitutionDown("out of order"))
    user_id, connection_id = await bank.person()
    key = await bank.refresh(user_id, connection_id, page(row("t1", -450, DAY)))
    run = (await bank.fetch("SELECT state, next_attempt_at FROM sync_runs WHERE run_id = $1", key.run_id))[0]
    assert tuple(run) == ("queued", bank.now + timedelta(hours=1))


async def test_accounts_that_all_ask_for_time_are_asked_again_when_they_said(bank: Pipeline) -> None:
    later = bank.now + timedelta(minutes=7)
    bank.institution.account_failures = [AccountFailure("card", NotReady("It is being gathered.", retry_at=later))]
    user_id, connection_id = await bank.person()
    key = await bank.refresh(user_id, connection_id, page())
    run = (await bank.fetch("SELECT state, error_code, next_attempt_at FROM sync_runs WHERE run_id = $1", key.run_id))[
        0
    ]
    assert tuple(run) == ("queued", "NOT_READY", later)
