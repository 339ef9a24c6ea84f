"""Steps of a run as they are told: what is nought may be left out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from mintql.api.subscriptions import SyncProgress, sync_progress_of
from mintql.api.sync import SyncState
from mintql.services.sync import progress_events
from mintql.store.events import Event

COUNTS = (
    "pages", "rows_total", "rows_done", "rows_added", "rows_changed", "rows_removed", "rows_quarantined", "rows_matched",
)  # fmt: skip
RUN = {"run_id": 7, "connection_id": 3, "state": "extracting"}


def step(**told: Any) -> SyncProgress:
    return sync_progress_of(Event(1, 5, "sync_progress", RUN | told, datetime(2026, 11, 10, tzinfo=UTC)))


def test_a_step_that_names_no_noughts_reads_as_one_that_does() -> None:
    named = dict.fromkeys(COUNTS, 0) | {"error_code": None, "error_message": None}
    assert step() == step(**named)
    assert [getattr(step(), name) for name in COUNTS] == [0] * len(COUNTS)
    assert (step().error, step().state, step().percent_done) == (None, SyncState.EXTRACTING, 5)


def test_each_count_is_told_as_its_own() -> None:
    told = {name: number for number, name in enumerate(COUNTS, 1)}
    assert [getattr(step(**told), name) for name in COUNTS] == list(range(1, len(COUNTS) + 1))


def test_what_readers_of_before_miss_is_named_at_nought_and_what_they_do_not_is_left_out() -> None:
    row = RUN | dict.fromkeys(COUNTS, 0) | {"user_id": 1, "error_code": None, "error_message": None}
    [event] = progress_events([row])
    assert (event.user_id, event.payload) == (
        1, {name: value for name, value in row.items() if name not in ("user_id", "rows_matched")}
    )  # fmt: skip
    [event] = progress_events([row | {"rows_matched": 2}])
    assert event.payload["rows_matched"] == 2
