"""Writing `sellers.dat`; `mintql.data.dictionary` says how it is laid out and reads it."""

from __future__ import annotations

import json
import sys
from array import array
from collections.abc import Iterable, Mapping

from deflate import compress
from meanings import Row, countries_text

from mintql.data.dictionary import FORMAT, NUMBER_BLOCKS, TEXT_BLOCKS
from mintql.domain.sellers import ALSO_BEFORE, TELLING


def packed_dictionary(rows: list[Row], sites: Mapping[str, tuple[str, str]], about: Mapping[str, str]) -> bytes:
    """Return the file of rows that ascend by key, and of domains with the key and category of their sellers."""
    slugs = _numbered(sorted({row.slug for row in rows}))
    # Names in the order of keys lie beside similar ones, which packs well.
    names = _numbered(["", *dict.fromkeys(row.name for row in rows if row.name != row.key.title())])
    scopes = _numbered(sorted({countries_text(row.countries) for row in rows}))
    row_numbers = {(row.key, row.slug): number for number, row in enumerate(rows)}
    domains = sorted(sites)
    flags = bytes(
        (TELLING if row.telling else 0) | (ALSO_BEFORE if number and rows[number - 1].key == row.key else 0)
        for number, row in enumerate(rows)
    )
    texts = {"keys": [row.key for row in rows], "names": list(names), "scopes": list(scopes), "domains": domains}
    numbers: dict[str, Iterable[int]] = {
        "name_numbers": (names.get(row.name, 0) if row.name != row.key.title() else 0 for row in rows),
        "category_numbers": (slugs[row.slug] for row in rows),
        "flags": flags,
        "scope_numbers": (scopes[countries_text(row.countries)] for row in rows),
        "domain_rows": (row_numbers[sites[domain]] for domain in domains),
    }
    blocks = {name: "\n".join(texts[name]).encode() for name in TEXT_BLOCKS}
    blocks |= {name: _little_endian(code, numbers[name]) for name, code in NUMBER_BLOCKS.items()}
    header = {
        **about,
        "format": FORMAT,
        "rows": len(rows),
        "domains": len(domains),
        "categories": list(slugs),
        "block_bytes": {name: len(block) for name, block in blocks.items()},
    }
    return json.dumps(header).encode() + b"\n" + compress(b"".join(blocks.values()))


def _numbered(values: Iterable[str]) -> dict[str, int]:
    return {value: number for number, value in enumerate(values)}


def _little_endian(code: str, numbers: Iterable[int]) -> bytes:
    packed = array(code, numbers)
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()
