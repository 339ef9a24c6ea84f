"""Sixteen bytes that stand for a row in `account_sync.seen`: a hash of its id and a hash of its content.

A daily refresh brings mostly rows that are known. Those whose pair of hashes is in the packed list are
dropped before any table is asked; both 64-bit hashes of two different rows would have to agree for a row to
be dropped wrongly. xxh3, because Python's own `hash` differs from process to process.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from itertools import chain

import orjson
from xxhash import xxh3_64_intdigest as _hash

from mintql.domain.ingest import AccountRows
from mintql.domain.institutions import ProviderTransaction


def fingerprint(row: ProviderTransaction) -> tuple[int, int]:
    """Return (hash of the id, hash of everything the institution says of the row)."""
    return _hash(row.external_id.encode()), _hash(
        orjson.dumps(
            (
                row.posted_on, row.amount_minor, row.currency, row.pending, row.pending_external_id,
                row.merchant_category_code, row.category_code, row.description,
            )
        )
    )  # fmt: skip


def fingerprints_of(said: AccountRows) -> Mapping[str, tuple[int, int]]:
    """Return the fingerprints of the rows a run says of an account, by external id. The run is folded by now."""
    if len(said.fingerprints) != len(said.rows):
        said.fingerprints = {external_id: fingerprint(row) for external_id, row in said.rows.items()}
    return said.fingerprints


def pack(pairs: Iterable[tuple[int, int]]) -> bytes:
    """Write pairs of hashes as little-endian 64-bit numbers."""
    return array("Q", chain.from_iterable(pairs)).tobytes()


def unpack(seen: bytes) -> dict[int, int]:
    """Read the packed list as content hash by id hash."""
    values = array("Q")
    values.frombytes(seen)
    return dict(zip(values[::2], values[1::2], strict=True))
