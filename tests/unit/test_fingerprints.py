"""The packed list of rows that are known."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintql.domain.ingest import AccountRows
from mintql.domain.institutions import ProviderTransaction
from mintql.services.fingerprints import fingerprints_of, pack, unpack

ROW = ProviderTransaction("card", "t1", date(2026, 11, 10), -450, "USD", "BLUE BOTTLE")
OTHER = {
    "external_id": "t2", "posted_on": date(2026, 11, 11), "amount_minor": -451, "currency": "EUR",
    "description": "BLUE BOTTLES", "pending": True, "pending_external_id": "p1", "merchant_category_code": "5814",
    "category_code": "pfc:FOOD_AND_DRINK_COFFEE",
}  # fmt: skip


def fingerprint(row: ProviderTransaction) -> tuple[int, int]:
    return fingerprints_of(AccountRows({row.external_id: row}))[row.external_id]


@pytest.mark.parametrize("name", OTHER)
def test_every_field_that_is_stored_changes_the_fingerprint(name: str) -> None:
    assert fingerprint(ROW._replace(**{name: OTHER[name]})) != fingerprint(ROW)


def test_only_the_account_and_the_time_of_day_are_left_out() -> None:
    left_out = set(ROW._fields) - OTHER.keys()
    assert left_out == {"account_external_id", "occurred_at"}
    assert fingerprint(ROW._replace(occurred_at=datetime(2026, 11, 10, tzinfo=UTC))) == fingerprint(ROW)


def test_each_row_has_its_own() -> None:
    rows = [ROW, ROW._replace(external_id="t2", amount_minor=-1), ROW._replace(external_id="t3")]
    found = fingerprints_of(AccountRows({row.external_id: row for row in rows}))
    assert list(found.items()) == [(row.external_id, fingerprint(row)) for row in rows]
    assert found["t1"][1] == found["t3"][1] != found["t2"][1]


hashes = st.integers(0, 2**64 - 1)


@given(st.dictionaries(hashes, hashes))
def test_what_is_packed_is_unpacked(pairs: dict[int, int]) -> None:
    assert unpack(pack(pairs.items())) == pairs
    assert len(pack(pairs.items())) == 16 * len(pairs)
