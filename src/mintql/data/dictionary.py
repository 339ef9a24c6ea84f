"""Reading `sellers.dat`, the large dictionary of sellers, which `tools/build_sellers.py` writes.

The first line is JSON, to be read by people too: where the content is from, its licence, and how long each block is.
Behind it the blocks follow as one zlib stream: texts as lines, numbers as little-endian arrays. Loading is a few splits
and copies, whatever the number of sellers.
"""

from __future__ import annotations

import json
import sys
import zlib
from array import array
from collections.abc import Mapping
from typing import Any

from mintql.domain.countries import EVERYWHERE, country_set
from mintql.domain.ids import CategoryId
from mintql.domain.sellers import SellerColumns

FORMAT = 1
TEXT_BLOCKS = ("keys", "names", "scopes", "domains")
NUMBER_BLOCKS = {"name_numbers": "H", "category_numbers": "B", "flags": "B", "scope_numbers": "H", "domain_rows": "I"}
"""Type codes of `array`, of 2, 1, 1, 2 and 4 bytes an item."""


def read_dictionary(packed: bytes, category_ids: Mapping[str, CategoryId]) -> SellerColumns:
    """Return the sellers of a dictionary; `category_ids` are leaves by slug.

    Raises:
        ValueError: The file has another format than this code reads.
    """
    header, blocks = _unpacked(packed)
    texts = {name: blocks[name].decode().split("\n") if blocks[name] else [] for name in TEXT_BLOCKS}
    numbers = {name: _numbers(code, blocks[name]) for name, code in NUMBER_BLOCKS.items()}
    return SellerColumns(
        keys=texts["keys"],
        names=texts["names"],
        name_numbers=numbers["name_numbers"],
        category_ids=[category_ids[slug] for slug in header["categories"]],
        category_numbers=blocks["category_numbers"],
        flags=blocks["flags"],
        scopes=[read_scope(line) for line in texts["scopes"]],
        scope_numbers=numbers["scope_numbers"],
        domains=texts["domains"],
        domain_rows=numbers["domain_rows"],
    )


def read_scope(line: str) -> int:
    """Return the countries that a line names: codes, or after `!` those that are left out of everywhere."""
    codes = line.split()
    return EVERYWHERE & ~country_set(codes[1:]) if codes[:1] == ["!"] else country_set(codes)


def _unpacked(packed: bytes) -> tuple[dict[str, Any], dict[str, bytes]]:
    line, _, stream = packed.partition(b"\n")
    header: dict[str, Any] = json.loads(line)
    if header.get("format") != FORMAT:
        raise ValueError(
            f"The dictionary has format {header.get('format')!r}, this code reads {FORMAT}: build it anew."
        )
    content = zlib.decompress(stream)
    blocks: dict[str, bytes] = {}
    at = 0
    for name, length in header["block_bytes"].items():
        blocks[name] = content[at : at + length]
        at += length
    return header, blocks


def _numbers(code: str, block: bytes) -> array[int]:
    numbers = array(code, block)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
