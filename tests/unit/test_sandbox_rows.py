"""Pages of the sandbox bank are read by columns where nothing is out of the ordinary: so they say what each row says."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import example, given, settings
from hypothesis import strategies as st

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


odd_rows = st.builds(
    lambda changed, without: {key: value for key, value in (ROW | changed).items() if key not in without},
    st.dictionaries(st.sampled_from(sorted(ROW)), ODD, max_size=2),
    st.sets(st.sampled_from(sorted(ROW)), max_size=1),
)


@settings(max_examples=400)
@given(st.lists(odd_rows, min_size=1, max_size=3))
@example([ROW | {"pending_id": ""}])
@example([ROW | {"mcc": 0}])
@example([ROW | {"amount": "-.50"}, ROW])
@example([ROW | {"amount": "-4.50\n-4.50"}, ROW])
@example([ROW | {"currency": "JPY", "amount": "-450"}, ROW])
def test_a_page_reads_the_same_by_columns_and_row_by_row(rows: list[dict[str, Any]]) -> None:
    by_columns = sandbox_pages._plain_rows(rows, "a1")
    if by_columns is not None:
        assert by_columns == [sandbox_pages._transaction(row, "a1") for row in rows]


def test_an_ordinary_page_is_read_by_columns() -> None:
    rows = [ROW, ROW | {"id": "t2", "pending": True, "mcc": "", "occurred_at": None}, ROW | {"pending_id": "t2"}]
    rows += [ROW | {"currency": "JPY", "amount": "-450"}, ROW | {"description": "CAF\u00c9", "mcc": None}]
    by_columns = sandbox_pages._plain_rows(rows, "a1")
    assert by_columns == [sandbox_pages._transaction(row, "a1") for row in rows]


def test_one_odd_row_leaves_the_page_to_be_read_row_by_row() -> None:
    assert sandbox_pages._plain_rows([ROW, ROW | {"amount": "-4.505"}], "a1") is None
    page = sandbox_pages.parse_page(
        orjson.dumps(
            {"account": "a1", "from": "2026-11-01", "to": "2026-11-20", "removed": [], "next_page": None,
             "transactions": [ROW, ROW | {"id": "t2", "amount": "-4.505"}]}
        )
    )  # fmt: skip
    assert [row.external_id for row in page.transactions] == ["t1"]
    assert [(row.position, "4.505" in row.reason) for row in page.rejected] == [(1, True)]
