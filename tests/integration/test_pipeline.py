"""From an institution's pages to rows, sums, alerts and events."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from mintql.domain.errors import AuthRequired, InstitutionDown
from mintql.services import sync
from mintql.services.connections import close_runs
from mintql.services.extract import LEASE, settle_failure
from mintql.store import sync as store
from support.pipeline import Pipeline, open_pipeline
from support.scripted import GARBAGE, page, row

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


async def total(bank: Pipeline, user_id: int) -> tuple[int, int]:
    """Posted and pending sums over all months and categories."""
    found = await bank.fetch(
        "SELECT coalesce(sum(posted_minor), 0)::bigint, coalesce(sum(pending_minor), 0)::bigint"
        " FROM monthly_spending WHERE user_id = $1",
        user_id,
    )
    return found[0][0], found[0][1]


async def run_of(bank: Pipeline, key: tuple[int, int]) -> dict[str, object]:
    return dict((await bank.fetch("SELECT * FROM sync_runs WHERE user_id = $1 AND run_id = $2", *key))[0])


async def test_a_first_run_brings_rows_sums_objects_and_the_state_of_the_connection(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    key = await bank.refresh(
        user_id, connection_id, page(row("t1", -450, DAY), row("t2", -1250, DAY - timedelta(days=30))),
        page(row("t3", 99, DAY), window=WINDOW), reason="link",
    )  # fmt: skip
    assert await counted(bank, user_id) == {"t1": -450, "t2": -1250, "t3": 99}
    sums = await bank.fetch("SELECT month, posted_minor, posted_count FROM monthly_spending ORDER BY month")
    assert [tuple(item) for item in sums] == [(date(2026, 10, 1), -1250, 1), (date(2026, 11, 1), -351, 2)]
    run = await run_of(bank, key)
    assert (run["state"], run["pages"], run["rows_added"], run["rows_done"]) == ("succeeded", 2, 3, 3)
    objects = await bank.fetch("SELECT state, object_key FROM raw_objects ORDER BY page")
    assert [item["state"] for item in objects] == ["ingested", "ingested"]
    assert {item["object_key"] for item in objects} == {f"raw/{user_id}/{connection_id}/{key.run_id}-1-00000.gz"}
    link = (await bank.fetch("SELECT * FROM connections"))[0]
    assert link["last_success_at"] == bank.now
    assert link["synced_through"] == bank.now.date() + timedelta(days=1)
    pages = await bank.fetch(
        "SELECT external_id, page FROM transactions JOIN raw_objects USING (user_id, object_id) ORDER BY 1"
    )
    assert [tuple(item) for item in pages] == [("t1", 0), ("t2", 0), ("t3", 1)]


async def test_a_refresh_that_says_the_same_again_writes_no_row(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    said = page(row("t1", -450, DAY), row("t2", -450, DAY), window=WINDOW)
    await bank.refresh(user_id, connection_id, said)
    before = await bank.fetch("SELECT ctid, xmin, * FROM transactions")
    key = await bank.refresh(user_id, connection_id, said, said)
    assert await bank.fetch("SELECT ctid, xmin, * FROM transactions") == before
    assert await total(bank, user_id) == (-900, 0)
    run = await run_of(bank, key)
    assert (run["rows_added"], run["rows_changed"], run["rows_removed"]) == (0, 0, 0)


async def test_a_row_older_than_the_fingerprints_remember_is_found_by_its_key(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    old = row("old", -700, DAY - timedelta(days=200))
    await bank.refresh(user_id, connection_id, page(old, row("t1", -450, DAY), window=WINDOW))
    await bank.refresh(
        user_id,
        connection_id,
        page(old | {"amount_minor": -701}, row("t1", -450, DAY), row("t2", -1, DAY), window=WINDOW),
    )
    assert await counted(bank, user_id) == {"old": -701, "t1": -450, "t2": -1}
    assert await total(bank, user_id) == (-1152, 0)


async def test_pending_posts_under_a_new_id_with_a_tip_and_is_counted_once(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    await bank.refresh(user_id, connection_id, page(row("p1", -2000, DAY, pending=True), window=WINDOW))
    assert await total(bank, user_id) == (0, -2000)
    await bank.fetch("UPDATE transactions SET category_id = 603, category_source = 'manual'")
    key = await bank.refresh(
        user_id, connection_id, page(row("t1", -2400, DAY, pending_external_id="p1"), window=WINDOW)
    )
    assert await counted(bank, user_id) == {"t1": -2400}
    assert await total(bank, user_id) == (-2400, 0)
    posted = (await bank.fetch("SELECT * FROM transactions WHERE external_id = 't1'"))[0]
    assert (posted["category_id"], posted["category_source"]) == (603, "manual")
    successor = await bank.value("SELECT successor_id FROM transactions WHERE external_id = 'p1'")
    assert successor == posted["transaction_id"]
    run = await run_of(bank, key)
    assert (run["rows_added"], run["rows_removed"]) == (1, 1)


async def test_a_pending_row_that_vanishes_is_taken_back_and_a_posted_one_is_not(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    await bank.refresh(
        user_id, connection_id, page(row("p1", -2000, DAY, pending=True), row("t1", -5, DAY), window=WINDOW)
    )
    await bank.refresh(user_id, connection_id, page(window=WINDOW))
    assert await counted(bank, user_id) == {"t1": -5}
    assert await total(bank, user_id) == (-5, 0)


async def test_changed_and_removed_rows_move_the_sums_and_a_removed_one_may_come_back(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    first = row("t1", -450, DAY)
    await bank.refresh(user_id, connection_id, page(first, row("t2", -100, DAY), window=WINDOW))
    moved = first | {"amount_minor": -500, "posted_on": "2026-10-31"}
    await bank.refresh(user_id, connection_id, page(moved, row("t2", -100, DAY), window=WINDOW))
    sums = await bank.fetch("SELECT month, posted_minor, posted_count FROM monthly_spending ORDER BY month")
    assert [tuple(item) for item in sums] == [(date(2026, 10, 1), -500, 1), (date(2026, 11, 1), -100, 1)]
    await bank.refresh(user_id, connection_id, page(row("t2", -100, DAY), removed=(("card", "t1"),), window=WINDOW))
    assert await total(bank, user_id) == (-100, 0)
    await bank.refresh(user_id, connection_id, page(moved, row("t2", -100, DAY), window=WINDOW))
    assert await counted(bank, user_id) == {"t1": -500, "t2": -100}
    assert await total(bank, user_id) == (-600, 0)
    await bank.refresh(user_id, connection_id, page(removed=(("card", "t1"), ("card", "t2"))))
    assert await total(bank, user_id) == (0, 0)
    await bank.refresh(user_id, connection_id, page(row("t2", -100, DAY)))
    assert await counted(bank, user_id) == {"t2": -100}


async def test_a_manual_category_and_one_the_machine_chose_both_stay(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    await bank.refresh(user_id, connection_id, page(row("t1", -450, DAY), row("t2", -450, DAY), window=WINDOW))
    await bank.fetch("UPDATE transactions SET category_id = 603, category_source = 'manual' WHERE external_id = 't1'")
    await bank.fetch("UPDATE transactions SET category_id = 604, category_source = 'crowd' WHERE external_id = 't2'")
    await bank.refresh(user_id, connection_id, page(row("t1", -460, DAY), row("t2", -460, DAY), window=WINDOW))
    rows = await bank.fetch("SELECT amount_minor, category_id, category_source FROM transactions ORDER BY external_id")
    assert [tuple(item) for item in rows] == [(-460, 603, "manual"), (-460, 604, "crowd")]


async def test_a_persons_rule_holds_for_that_seller_and_that_person_only(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    other_id, other_connection_id = await bank.person()
    await bank.refresh(user_id, connection_id, page(row("t1", -450, DAY), window=WINDOW))
    key = await bank.value("SELECT merchant_key FROM transactions")
    await bank.fetch(
        "INSERT INTO seller_memories (user_id, merchant_key, category_id) VALUES ($1, $2, 603)", user_id, key
    )
    said = page(row("t1", -450, DAY), row("t2", -451, DAY), window=WINDOW)
    await bank.refresh(user_id, connection_id, said)
    await bank.refresh(other_id, other_connection_id, said)
    rows = await bank.fetch("SELECT user_id, category_id FROM transactions WHERE external_id = 't2' ORDER BY user_id")
    assert rows[0]["category_id"] == 603
    assert rows[1]["category_id"] != 603


async def test_an_unreadable_row_is_quarantined_and_the_rest_goes_in(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    key = await bank.refresh(user_id, connection_id, page(row("t1", -450, DAY), rejected=(3,), window=WINDOW))
    assert await counted(bank, user_id) == {"t1": -450}
    kept = (await bank.fetch("SELECT position, reason FROM quarantined_rows"))[0]
    assert tuple(kept) == (3, "no amount")
    assert (await run_of(bank, key))["rows_quarantined"] == 1


async def test_rows_of_an_account_nobody_described_are_quarantined(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    await bank.refresh(
        user_id, connection_id, page(row("t1", -450, DAY), row("x1", -1, DAY, account_external_id="ghost"))
    )
    assert await counted(bank, user_id) == {"t1": -450}
    assert "ghost" in await bank.value("SELECT reason FROM quarantined_rows")


async def test_of_several_accounts_nobody_described_each_row_is_quarantined(
    bank: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mintql.services.ingest.ROWS_PER_TRANSACTION_MAX", 2)  # Each slice meets them anew.
    user_id, connection_id = await bank.person()
    lost = [("x1", "ghost"), ("x2", "ghost"), ("y1", "shade"), ("y2", "shade"), ("y3", "shade")]
    key = await bank.refresh(
        user_id, connection_id,
        page(*(row(external_id, -1, DAY, account_external_id=account, description=external_id) for external_id, account in lost)),
    )  # fmt: skip
    kept = await bank.fetch("SELECT excerpt, account_external_id FROM quarantined_rows")
    assert sorted(map(tuple, kept)) == lost
    assert (await run_of(bank, key))["rows_quarantined"] == len(lost)


async def test_a_page_that_cannot_be_read_is_dead_with_its_reason_and_is_fetched_again(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    key = await bank.refresh(user_id, connection_id, page(row("t1", -450, DAY)), GARBAGE)
    assert await counted(bank, user_id) == {"t1": -450}
    objects = await bank.fetch("SELECT state, error FROM raw_objects ORDER BY page")
    assert [tuple(item) for item in objects] == [("ingested", None), ("dead", "the page is not JSON")]
    run = await run_of(bank, key)
    assert (run["state"], run["error_code"]) == ("queued", "PROTOCOL_ERROR")
    assert await bank.value("SELECT synced_through FROM connections") is None
    bank.institution.pages = [page(row("t1", -450, DAY), row("t2", -1, DAY), window=WINDOW)]
    await bank.sweep(after=timedelta(seconds=10))
    assert (await run_of(bank, key))["state"] == "succeeded"
    assert await counted(bank, user_id) == {"t1": -450, "t2": -1}
    link = (await bank.fetch("SELECT error_code, failures, last_success_at FROM connections"))[0]
    assert tuple(link) == (None, 0, bank.now)


async def test_a_dead_page_makes_no_pending_row_vanish_and_no_purchase_is_lost(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    await bank.refresh(user_id, connection_id, page(row("p1", -2000, DAY, pending=True), window=WINDOW))
    await bank.refresh(user_id, connection_id, GARBAGE, page(row("t9", -2000, DAY), window=WINDOW))
    assert await total(bank, user_id) == (-2000, -2000)
    bank.institution.pages = [page(row("p1", -2000, DAY), row("t9", -2000, DAY), window=WINDOW)]
    await bank.sweep(after=timedelta(seconds=10))
    assert await total(bank, user_id) == (-4000, 0)


async def test_a_purchase_that_was_taken_for_the_posting_of_another_counts_once_it_posts_itself(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    await bank.refresh(user_id, connection_id, page(row("p1", -2000, DAY, pending=True), window=WINDOW))
    await bank.refresh(user_id, connection_id, page(row("t9", -2000, DAY), window=WINDOW))
    assert await total(bank, user_id) == (-2000, 0)
    await bank.refresh(user_id, connection_id, page(row("p1", -2000, DAY), row("t9", -2000, DAY), window=WINDOW))
    assert await counted(bank, user_id) == {"p1": -2000, "t9": -2000}
    assert await total(bank, user_id) == (-4000, 0)
    assert (await bank.replay(user_id)).differences == []


async def test_a_choice_moves_along_to_a_posted_row_that_was_there_before_the_link(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    both = (row("p1", -2000, DAY, pending=True), row("t1", -2000, DAY))
    await bank.refresh(user_id, connection_id, page(*both, window=WINDOW))
    await bank.fetch("UPDATE transactions SET category_id = 603, category_source = 'manual' WHERE external_id = 'p1'")
    await bank.refresh(user_id, connection_id, page(row("t1", -2000, DAY, pending_external_id="p1"), window=WINDOW))
    rows = await bank.fetch("SELECT category_id, category_source FROM transactions WHERE external_id = 't1'")
    assert [tuple(item) for item in rows] == [(603, "manual")]
    assert await total(bank, user_id) == (-2000, 0)


async def test_two_pages_of_the_same_bytes_without_ids_count_once(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    same = page(row("", -450, DAY), row("", -450, DAY))
    await bank.refresh(user_id, connection_id, same, same)
    assert await total(bank, user_id) == (-900, 0)


async def test_a_row_of_the_far_future_leaves_the_others_remembered(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    rows = [row(f"t{number}", -450, DAY) for number in range(50)] + [row("far", -1, date(2199, 1, 1))]
    await bank.refresh(user_id, connection_id, page(*rows, window=WINDOW))
    assert await bank.value("SELECT length(seen) FROM account_sync") == 16 * 51


async def test_a_balance_in_another_currency_is_shown_in_that_currency(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    await bank.refresh(user_id, connection_id, page(row("t1", -450, DAY)))
    await bank.fetch("UPDATE accounts SET currency = 'JPY'")
    await bank.refresh(user_id, connection_id, page(row("t1", -450, DAY)))
    assert await bank.value("SELECT currency FROM accounts") == "USD"


@pytest.mark.parametrize("harm", ["missing", "changed"])
async def test_a_raw_object_that_is_missing_or_changed_is_noticed(bank: Pipeline, harm: str) -> None:
    bank.carry = False
    user_id, connection_id = await bank.person()
    key = await bank.refresh(user_id, connection_id, page(row("t1", -450, DAY), window=WINDOW))
    await bank.run_job("extract", [list(key)])
    stored = bank.folder / await bank.value("SELECT object_key FROM raw_objects")
    if harm == "missing":
        stored.unlink()
    else:
        other = await bank.refresh(*(await bank.person()), page(row("t1", -999, DAY), window=WINDOW))
        await bank.run_job("extract", [list(other)])
        key_of_other = await bank.value("SELECT object_key FROM raw_objects WHERE user_id = $1", other.user_id)
        stored.write_bytes((bank.folder / key_of_other).read_bytes())
    await bank.run_job("ingest", [list(key)])
    assert await counted(bank, user_id) == {}
    dead = (await bank.fetch("SELECT state, error FROM raw_objects WHERE user_id = $1", user_id))[0]
    assert dead["state"] == "dead"
    assert ("missing" if harm == "missing" else "checksum") in dead["error"]


async def test_a_refused_login_ends_the_run_and_says_what_the_person_has_to_do(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    bank.institution.fail(AuthRequired("The bank refused the password."))
    key = await bank.refresh(user_id, connection_id)
    run = await run_of(bank, key)
    assert (run["state"], run["error_code"], run["error_message"]) == (
        "failed", "AUTH_REQUIRED", "The bank refused the password.",
    )  # fmt: skip
    link = (await bank.fetch("SELECT * FROM connections"))[0]
    assert (link["status"], link["error_action"]) == ("action_required", AuthRequired.action)
    assert link["next_attempt_at"] is None


async def test_an_outage_is_tried_again_later_and_later_and_then_left_to_the_next_day(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    bank.institution.pages = [page(row("t1", -450, DAY))]
    bank.institution.fail(InstitutionDown("The bank does not answer."))
    key = await bank.refresh(user_id, connection_id)
    pauses = []
    for _ in range(4):
        run = await run_of(bank, key)
        assert (run["state"], run["error_code"]) == ("queued", "INSTITUTION_DOWN")
        pauses.append((run["next_attempt_at"] - bank.now).total_seconds())
        await bank.sweep(after=run["next_attempt_at"] - bank.now)
    assert pauses == [5, 30, 120, 600]
    assert (await run_of(bank, key))["state"] == "failed"
    link = (await bank.fetch("SELECT status, failures, next_attempt_at FROM connections"))[0]
    assert (link["status"], link["failures"]) == ("active", 5)
    assert link["next_attempt_at"].isoformat() == "2026-11-13T00:00:00+00:00"
    assert await counted(bank, user_id) == {}
    assert {item["state"] for item in await bank.fetch("SELECT state FROM raw_objects")} == {"abandoned"}


async def test_a_run_whose_worker_died_is_found_by_the_sweeper_and_nothing_is_doubled(bank: Pipeline) -> None:
    bank.carry = False
    user_id, connection_id = await bank.person()
    key = await bank.refresh(user_id, connection_id, page(row("t1", -450, DAY), window=WINDOW))
    await bank.fetch("UPDATE sync_runs SET state = 'extracting', attempt = 1, lease_until = $1", bank.now + LEASE)
    bank.carry = True
    await bank.sweep()
    assert (await run_of(bank, key))["state"] == "extracting"
    await bank.sweep(after=LEASE + timedelta(seconds=1))
    run = await run_of(bank, key)
    assert (run["state"], run["attempt"]) == ("succeeded", 2)
    await bank.run_job("ingest", [list(key)])
    await bank.run_job("extract", [list(key)])
    assert await counted(bank, user_id) == {"t1": -450}


async def test_a_worker_that_lost_its_lease_cannot_finish_the_run(bank: Pipeline) -> None:
    bank.carry = False
    user_id, connection_id = await bank.person()
    key = await bank.refresh(user_id, connection_id, page(row("t1", -450, DAY), window=WINDOW))

    class Slow(type(bank.institution)):  # type: ignore[misc]
        async def fetch(self, credentials, request):
            yield (await anext(super().fetch(credentials, request)))
            await bank.fetch("UPDATE sync_runs SET attempt = attempt + 1")

    bank.institution = Slow(pages=bank.institution.pages)
    await bank.run_job("extract", [list(key)])
    run = await run_of(bank, key)
    assert (run["state"], run["attempt"]) == ("extracting", 2)
    kept = await bank.fetch("SELECT attempt, state FROM raw_objects")
    assert [tuple(found) for found in kept] == [(1, "abandoned")], "what was fetched is kept, and read by nobody"


@pytest.mark.parametrize("stage", ["extract", "ingest"])
async def test_a_worker_that_lost_its_lease_cannot_end_the_run_or_bury_its_pages(bank: Pipeline, stage: str) -> None:
    bank.carry = False
    user_id, connection_id = await bank.person()
    key = await bank.refresh(user_id, connection_id, page(row("t1", -450, DAY), window=WINDOW))
    stale: store.Claim
    async with bank.begin() as conn:
        [stale] = await store.claim_extraction(conn, [key], bank.now, LEASE)
    bank.now += LEASE * 2
    await bank.run_job("extract", [list(key)])
    if stage == "ingest":
        async with bank.begin() as conn:
            [stale] = await store.claim_ingest(conn, [key], bank.now, LEASE)
        bank.now += LEASE * 2
        async with bank.begin() as conn:
            await store.claim_ingest(conn, [key], bank.now, LEASE)
    before = await run_of(bank, key)
    await settle_failure(bank.place, stale, AuthRequired("from an old worker"), "queued", 1)
    assert await run_of(bank, key) == before
    assert [item["state"] for item in await bank.fetch("SELECT state FROM raw_objects")] == ["stored"]
    async with bank.begin() as conn:
        assert await store.extend_leases(conn, [stale], bank.now, LEASE) == 0


async def test_a_beat_does_not_wait_for_a_run_that_is_being_written(bank: Pipeline) -> None:
    bank.carry = False
    keys = [await bank.refresh(*(await bank.person())) for _ in range(2)]
    async with bank.begin() as conn:
        claims = await store.claim_extraction(conn, keys, bank.now, LEASE)
    async with bank.begin() as writer, bank.begin() as beater:
        await writer.execute("SELECT FROM sync_runs WHERE run_id = $1 FOR UPDATE", keys[0].run_id)
        async with asyncio.timeout(20):  # It would wait for ever.
            assert await store.extend_leases(beater, claims, bank.now, LEASE) == 1


async def test_a_run_that_dies_halfway_through_a_large_result_goes_on_without_doubling(
    bank: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mintql.services.ingest.ROWS_PER_TRANSACTION_MAX", 10)
    bank.carry = False
    user_id, connection_id = await bank.person()
    rows = [row(f"t{number}", -100 - number, DAY - timedelta(days=number)) for number in range(35)]
    key = await bank.refresh(user_id, connection_id, page(*rows, window=WINDOW), reason="link")
    await bank.run_job("extract", [list(key)])
    await bank.fetch(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF (SELECT count(*) FROM transactions) > 20 THEN RAISE 'disk full'; END IF; RETURN NULL; END $$;"
    )
    await bank.fetch("CREATE TRIGGER fail AFTER INSERT ON transactions EXECUTE FUNCTION fail()")
    await bank.run_job("ingest", [list(key)])
    run = await run_of(bank, key)
    assert (run["state"], run["error_code"], run["rows_done"]) == ("extracted", "INTERNAL", 20)
    assert len(await counted(bank, user_id)) == 20
    await bank.fetch("DROP TRIGGER fail ON transactions")
    bank.carry = True
    await bank.sweep(after=timedelta(seconds=6))
    assert (await run_of(bank, key))["state"] == "succeeded"
    assert await counted(bank, user_id) == {item["external_id"]: item["amount_minor"] for item in rows}
    assert await total(bank, user_id) == (sum(int(str(item["amount_minor"])) for item in rows), 0)


async def test_what_half_of_a_large_result_changed_is_not_taken_for_what_it_was_before(
    bank: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    user_id, connection_id = await bank.person()
    said = page(*(row(f"t{number}", -100 - number, DAY) for number in range(4)), window=WINDOW)
    await bank.refresh(user_id, connection_id, said, reason="link")
    monkeypatch.setattr("mintql.services.ingest.ROWS_PER_TRANSACTION_MAX", 2)
    await bank.fetch("ALTER TABLE transactions ADD CHECK (description <> 'poison')")
    changed = [row(f"t{number}", -200 - number, DAY) for number in range(3)]
    await bank.refresh(user_id, connection_id, page(*changed, row("t9", -1, DAY, description="poison")))
    assert await counted(bank, user_id) == {"t0": -200, "t1": -201, "t2": -102, "t3": -103}
    async with bank.begin() as conn:  # As when the person gives another login.
        await close_runs(conn, user_id, connection_id, bank.now)
    await bank.refresh(user_id, connection_id, said)
    assert await counted(bank, user_id) == {"t0": -100, "t1": -101, "t2": -102, "t3": -103}
    assert await total(bank, user_id) == (-406, 0)


async def test_a_month_that_only_the_beginning_of_a_large_result_moved_is_judged_at_its_end(
    bank: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    user_id, connection_id = await bank.person()
    await bank.refresh(
        user_id, connection_id, page(row("t1", -90_000, DAY), row("back", 90_000, DAY), window=WINDOW), reason="link"
    )
    assert await bank.value("SELECT count(*) FROM alerts") == 0
    monkeypatch.setattr("mintql.services.ingest.ROWS_PER_TRANSACTION_MAX", 2)
    earlier = [row(f"e{number}", -100, date(2026, 9, 10)) for number in range(4)]
    await bank.refresh(user_id, connection_id, page(row("back", 90_000, date(2026, 9, 10)), *earlier))
    assert await bank.value("SELECT count(*) FROM alerts WHERE spent_minor >= 90000") > 0
    assert (await bank.replay(user_id)).differences == []


async def test_one_run_that_cannot_be_written_does_not_hold_up_the_others_of_its_batch(bank: Pipeline) -> None:
    bank.carry = False
    good, bad = await bank.person(), await bank.person()
    keys = []
    for (user_id, connection_id), text in ((good, "fine"), (bad, "poison")):
        key = await bank.refresh(user_id, connection_id, page(row("t1", -450, DAY, description=text), window=WINDOW))
        await bank.run_job("extract", [list(key)])
        keys.append(list(key))
    await bank.fetch("ALTER TABLE transactions ADD CHECK (description <> 'poison')")
    await bank.run_job("ingest", keys)
    assert await counted(bank, good[0]) == {"t1": -450}
    assert await counted(bank, bad[0]) == {}
    assert [(await run_of(bank, tuple(key)))["state"] for key in keys] == ["succeeded", "extracted"]


async def test_one_run_whose_reading_fails_does_not_hold_up_the_others_of_its_job(bank: Pipeline) -> None:
    bank.carry = False
    good, bad = await bank.person(), await bank.person()
    keys = []
    for (user_id, connection_id), text in ((bad, None), (good, "fine")):  # A fault of ours: no connector gives None.
        key = await bank.refresh(user_id, connection_id, page(row("t1", -450, DAY, description=text), window=WINDOW))
        await bank.run_job("extract", [list(key)])
        keys.append(list(key))
    await bank.run_job("ingest", keys)
    assert await counted(bank, good[0]) == {"t1": -450}
    runs = [await run_of(bank, tuple(key)) for key in keys]
    assert [(run["state"], run["error_code"]) for run in runs] == [("extracted", "INTERNAL"), ("succeeded", None)]


async def test_every_run_tells_its_progress_and_what_it_changed(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    await bank.refresh(user_id, connection_id, page(row("t1", -450, DAY)), page(row("t2", -5, DAY), window=WINDOW))
    events = await bank.fetch("SELECT seq, kind, payload FROM events ORDER BY seq")
    assert [item["seq"] for item in events] == list(range(1, len(events) + 1))
    progress = [json.loads(item["payload"]) for item in events if item["kind"] == "sync_progress"]
    assert [(item["state"], item["pages"], item["rows_done"]) for item in progress] == [
        ("queued", 0, 0), ("extracting", 1, 0), ("extracting", 2, 0), ("succeeded", 2, 2),
    ]  # fmt: skip
    changed = json.loads(next(item["payload"] for item in events if item["kind"] == "transactions_changed"))
    assert (changed["added_count"], changed["changed_count"], len(changed["added"])) == (2, 0, 2)
    assert user_id in bank.effects.changed
    assert user_id in bank.effects.told


async def test_a_refresh_reaches_back_two_weeks_and_to_the_first_of_every_month_that_may_still_alert(
    bank: Pipeline,
) -> None:
    user_id, connection_id = await bank.person()
    await bank.refresh(user_id, connection_id, page(window=WINDOW), reason="link")
    days = []
    for day in (12, 25, 30):
        bank.now = datetime(2026, 11, day, 10, tzinfo=UTC)
        await bank.refresh(user_id, connection_id, page(window=WINDOW))
    bank.now = datetime(2026, 12, 7, 10, tzinfo=UTC)
    await bank.refresh(user_id, connection_id, page(window=WINDOW))
    days = [(request.first, request.last) for request in bank.institution.requests]
    assert days == [
        (date(2024, 11, 12), date(2026, 11, 13)),
        (date(2026, 10, 30), date(2026, 11, 13)),
        (date(2026, 10, 30), date(2026, 11, 26)),
        (date(2026, 11, 1), date(2026, 12, 1)),
        (date(2026, 11, 1), date(2026, 12, 8)),
    ]


async def test_one_daily_refresh_a_week_reaches_back_three_months(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    await bank.refresh(user_id, connection_id, page(window=WINDOW), reason="link")
    for day in range(13, 27):
        bank.now = datetime(2026, 11, day, 10, tzinfo=UTC)
        await bank.refresh(user_id, connection_id, page(window=WINDOW), reason="daily")
    deep = [request for request in bank.institution.requests[1:] if request.last - request.first > timedelta(days=60)]
    assert len(deep) == 2
    assert deep[1].first - deep[0].first == timedelta(days=7)


async def test_an_account_first_seen_in_a_refresh_is_read_from_its_beginning(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    await bank.refresh(user_id, connection_id, page(row("t1", -450, DAY), window=WINDOW), reason="link")
    both = page(row("t1", -450, DAY), row("s1", 900, DAY, account_external_id="savings"), accounts=("card", "savings"))
    await bank.refresh(user_id, connection_id, both)
    first_days = [request.first for request in bank.institution.requests]
    assert first_days == [date(2024, 11, 12), date(2026, 10, 30), date(2024, 11, 12)]
    assert await bank.fetch("SELECT state, count(*) FROM sync_runs GROUP BY 1") == [("succeeded", 3)]
    assert await counted(bank, user_id) == {"t1": -450, "s1": 900}
    await bank.refresh(user_id, connection_id, both)
    assert len(bank.institution.requests) == 4


async def test_an_account_first_seen_beside_an_unreadable_page_is_read_from_its_beginning(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    await bank.refresh(user_id, connection_id, page(row("t1", -450, DAY), window=WINDOW), reason="link")
    both = page(row("t1", -450, DAY), row("s1", 900, DAY, account_external_id="savings"), accounts=("card", "savings"))
    key = await bank.refresh(user_id, connection_id, both, GARBAGE)
    assert (await run_of(bank, key))["state"] == "queued"
    bank.institution.pages = [both]
    await bank.sweep(after=timedelta(seconds=10))
    assert (await run_of(bank, key))["state"] == "succeeded"
    first_days = [request.first for request in bank.institution.requests]
    assert first_days == [date(2024, 11, 12), date(2026, 10, 30), date(2024, 11, 12)]
    assert await counted(bank, user_id) == {"t1": -450, "s1": 900}


async def test_an_account_first_seen_among_balances_is_read_from_its_beginning(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    await bank.refresh(user_id, connection_id, page(row("t1", -450, DAY), window=WINDOW), reason="link")
    old = date(2025, 3, 1)
    both = page(row("t1", -450, DAY), row("s1", 900, old, account_external_id="savings"), accounts=("card", "savings"))
    bank.institution.pages = [page(accounts=("card", "savings")), both]
    async with bank.begin() as conn:
        _, effects = await sync.open_or_join_run(conn, user_id, connection_id, "request", bank.now, balances_only=True)
    await bank.perform(effects)
    assert [request.first for request in bank.institution.requests] == [date(2024, 11, 12), date(2024, 11, 12)]
    assert await counted(bank, user_id) == {"t1": -450, "s1": 900}


async def test_an_account_that_is_no_longer_named_is_marked_until_it_is_named_again(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    both = page(accounts=("card", "savings"), window=WINDOW)
    missing = "SELECT external_id, missing_since FROM accounts ORDER BY external_id"
    await bank.refresh(user_id, connection_id, both, reason="link")
    assert await bank.fetch(missing) == [("card", None), ("savings", None)]
    await bank.refresh(user_id, connection_id, page(accounts=("card",), window=WINDOW))
    since = bank.now
    assert await bank.fetch(missing) == [("card", None), ("savings", since)]
    bank.now += timedelta(days=1)
    await bank.refresh(user_id, connection_id, page(accounts=("card",), window=WINDOW))
    assert await bank.fetch(missing) == [("card", None), ("savings", since)]
    await bank.refresh(user_id, connection_id, both)
    assert await bank.fetch(missing) == [("card", None), ("savings", None)]


async def test_the_log_has_each_new_row_once_and_in_the_folder_of_its_month(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    said = [row("t1", -450, DAY, description="BLUE\tBOTTLE\n#4"), row("t2", -1250, date(2026, 10, 30))]
    await bank.refresh(user_id, connection_id, page(*said, window=WINDOW))
    await bank.refresh(user_id, connection_id, page(*said, row("t3", 7, DAY), window=WINDOW))
    lines = {}
    for file in sorted((bank.folder / "log" / "v2").glob("month=*/*.tsv.gz")):
        header, *body = gzip.decompress(file.read_bytes()).decode().splitlines()
        assert header.split("\t")[:5] == ["user_id", "timestamp", "seller", "amount", "currency"]
        lines.setdefault(file.parent.name, []).extend(line.split("\t") for line in body)
    assert [line[:5] for line in lines["month=2026-10"]] == [
        [str(user_id), "2026-10-30", "BLUE BOTTLE", "-12.50", "USD"]
    ]
    assert sorted(line[2:4] for line in lines["month=2026-11"]) == [
        ["BLUE BOTTLE", "0.07"],
        ["BLUE\\tBOTTLE\\n#4", "-4.50"],
    ]


async def test_a_replay_from_the_raw_objects_finds_the_same_ledger_and_names_what_was_tampered_with(
    bank: Pipeline,
) -> None:
    user_id, connection_id = await bank.person()
    await bank.refresh(
        user_id, connection_id, page(row("p1", -2000, DAY, pending=True), row("t0", -1, DAY), window=WINDOW)
    )
    await bank.refresh(
        user_id, connection_id, page(row("t1", -2400, DAY, pending_external_id="p1"), row("t0", -2, DAY), window=WINDOW)
    )
    await bank.refresh(user_id, connection_id, page(removed=(("card", "t0"),), window=WINDOW))
    await bank.fetch("UPDATE transactions SET category_id = 603, category_source = 'manual' WHERE external_id = 't1'")
    report = await bank.replay(user_id)
    assert (report.differences, report.transactions, report.pages, report.sums) == ([], 3, 3, 1)
    await bank.fetch("ALTER TABLE transactions DISABLE TRIGGER USER")
    await bank.fetch("UPDATE transactions SET amount_minor = -2401 WHERE external_id = 't1'")
    differences = (await bank.replay(user_id)).differences
    assert len(differences) == 1
    assert "'t1'" in differences[0]
    assert "-2401" in differences[0]
