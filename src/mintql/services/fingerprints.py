"""Sixteen bytes that stand for a row in `account_sync.seen`: a hash of its id and a hash of its content.

A daily refresh brings mostly rows that are known. Those whose pair of hashes is in the packed list are
dropped before any table is asked; both 64-bit hashes of two different rows would have to agree for a row to
be dropped wrongly. xxh3, because Python's own `hash` differs from process to process.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from itertools import chain
from operator import itemgetter

import orjson
from xxhash import xxh3_64_intdigest as _hash

from mintql.domain.ingest import AccountRows
from mintql.domain.institutions import ProviderTransaction

_content_of = itemgetter(
    *map(
        ProviderTransaction._fields.index,
        ("posted_on", "amount_minor", "currency", "pending", "pending_external_id", "merchant_category_code",
         "category_code", "description"),
    )
)  # fmt: skip
"""Everything that an institution says of a row, but for its id and what nothing depends on."""


def fingerprints_of(said: AccountRows) -> Mapping[str, tuple[int, int]]:
    """Return (hash of the id, hash of the content) of the rows a run says of an account, by external id.

    The run is folded by now. Made by what is C throughout: each row of each refresh comes by here.
    """
    if len(said.fingerprints) != len(said.rows):
        ids = map(_hash, map(str.encode, said.rows))
        contents = map(_hash, map(orjson.dumps, map(_content_of, said.rows.values())))
        said.fingerprints = dict(zip(said.rows, zip(ids, contents, strict=True), strict=True))
    return said.fingerprints


def says_what_is_known(said: AccountRows, known: Mapping[int, int]) -> bool:
    """Tell whether a run says of an account what is known (content by id), all of it and nothing else, as most do."""
    return known == dict(fingerprints_of(said).values())


def pack(pairs: Iterable[tuple[int, int]]) -> bytes:
    """Write pairs of hashes as little-endian 64-bit numbers."""
    return array("Q", chain.from_iterable(pairs)).tobytes()


def unpack(seen: bytes) -> dict[int, int]:
    """Read the packed list as content hash by id hash."""
    values = array("Q")
    values.frombytes(seen)
    return dict(zip(values[::2], values[1::2], strict=True))
