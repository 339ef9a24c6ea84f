"""Rows of the sandbox bank are read by one look where nothing is out of the ordinary: that look sees what all see."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from mintql.domain.errors import InvalidInput
from mintql.institutions import sandbox_pages

ROW = {
    "id": "t1", "posted_on": "2026-11-03", "amount": "-4.50", "currency": "USD", "description": "CAFE", "pending": False,
    "pending_id": None, "occurred_at": "2026-11-03T08:15:00Z", "mcc": "5814",
}  # fmt: skip
ODD = st.sampled_from(
    [None, "", " ", "x", " CAFE ", "A\0B", "é", "x" * 256, "x" * 600, 0, 1, True, [], {}, "usd", "USD", "US", "2026-11-03",
     "20261103", "0001-01-01", "4.5", "-4.50", "4.505", "-.50", "1e3", "--4.50", "1" * 20, "1234567890123.45", "58 14",
     "581", "5814", "\u0664.\u0665\u0665", "2026-11-03T08:15:00+02:00", "2026-11-03T08:15:00", "never"]
)  # fmt: skip


def outcome(row: dict[str, Any], read: Any) -> Any:
    try:
        return read(row, "a1")
    except (sandbox_pages._BadRow, InvalidInput) as error:
        return str(error)


@settings(max_examples=400)
@given(
    st.dictionaries(st.sampled_from(sorted(ROW)), ODD, max_size=2), st.sets(st.sampled_from(sorted(ROW)), max_size=1)
)
@example({}, set())
@example({"pending_id": ""}, set())
@example({"mcc": 0}, set())
@example({"amount": "-.50"}, set())
def test_a_row_reads_the_same_at_one_look_and_field_by_field(changed: dict[str, Any], without: set[str]) -> None:
    row = {key: value for key, value in (ROW | changed).items() if key not in without}
    assert outcome(row, sandbox_pages._transaction) == outcome(row, sandbox_pages._transaction_by_fields)
