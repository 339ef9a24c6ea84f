"""How far a run is, in percent."""

from __future__ import annotations

import pytest

from mintql.api.sync import percent_done


@pytest.mark.parametrize(
    ("state", "rows_done", "rows_total", "percent"),
    [
        ("queued", 0, 0, 0),
        ("extracting", 0, 0, 5),
        ("extracted", 0, 0, 10),
        ("extracted", 5_000, 10_000, 54),
        ("ingesting", 0, 10_000, 10),
        ("ingesting", 5_000, 10_000, 54),
        ("ingesting", 10_000, 10_000, 99),
        ("succeeded", 0, 0, 100),
        ("failed", 5_000, 10_000, 0),
    ],
)
def test_rows_count_from_when_their_pages_are_there(state: str, rows_done: int, rows_total: int, percent: int) -> None:
    assert percent_done(state, rows_done, rows_total) == percent
