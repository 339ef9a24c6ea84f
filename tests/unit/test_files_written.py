"""Whatever rows a statement is written from come back to the day and the cent, in every format."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mintql.institutions.files.reading import ReadOptions, preview, read_file
from support.files import rows_of
from support.files_written import WRITERS, Written

DAYS = st.dates(date(2026, 1, 1), date(2026, 12, 31))
AMOUNTS = st.integers(-(10**11), 10**11).filter(bool)
TEXTS = st.text("abcdefghijklmnopqrstuvwxyz ÄÖÜéèłžß&<>'\"-.", min_size=1, max_size=30).map(
    lambda text: f"Shop {' '.join(text.split())}".strip()
)
ROWS = st.lists(st.builds(Written, DAYS, AMOUNTS, TEXTS), min_size=1, max_size=12)


@pytest.mark.parametrize("name", WRITERS)
@settings(max_examples=40)
@given(rows=ROWS, currency=st.sampled_from(["EUR", "USD", "JPY", "KWD"]))
def test_rows_come_back_as_they_were_written(name, rows, currency):
    content = WRITERS[name](rows, currency)
    parsed = read_file(content, options=ReadOptions(currency=currency))
    found = [(row.posted_on, row.amount_minor, row.currency, row.description) for row in rows_of(parsed)]
    assert found == [(row.posted_on, row.amount_minor, currency, row.text) for row in rows]
    assert parsed.rejected == ()


@pytest.mark.parametrize("name", WRITERS)
@settings(max_examples=15)
@given(rows=ROWS)
def test_what_was_previewed_is_what_is_read_with_its_options(name, rows):
    content = WRITERS[name](rows, "EUR")
    shown = preview(content, options=ReadOptions(currency="EUR"))
    kept = ReadOptions.from_json(shown.options.to_json())
    assert read_file(content, options=kept).statements == shown.parsed.statements
    assert len(shown.rows) == len(rows)


@pytest.mark.parametrize("name", ["ofx 1", "ofx 2", "camt", "mt940"])
@settings(max_examples=20)
@given(rows=ROWS)
def test_ids_of_the_file_tell_its_rows_apart(name, rows):
    ids = [row.external_id for row in rows_of(read_file(WRITERS[name](rows, "EUR")))]
    assert all(ids)
    assert len(set(ids)) == len(rows)
