"""Valid input made wrong in the ways in which input goes wrong: cut, doubled, spliced, recoded, and with odd values."""

from __future__ import annotations

import copy
import gzip
import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

PIECES = (
    b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\x00\xd8", b"\xed\xa0\x80", b"\r", b"\n\n", b"\x1a", b"\x85", b'"', b"'", b",",
    b";", b"\t", b"|", b"=", b"<", b">", b"&", b"&#0;", b"&#xD800;", b"&#99999999999;", b"&amp", b"<![CDATA[", b"]]>",
    b"<!--", b"-->", b"<?xml version='1.0' encoding='utf-7'?>", b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"</STMTTRN>",
    b"<STMTTRN>", b"</OFX>", b"<OFX>", b"<STMTRS>", b"</Ntry>", b"<Ntry>", b"<Stmt>", b"</Stmt>", b":61:", b":86:", b":20:",
    b"-}", b"{4:", b"^\n", b"!Type:Bank\n", b"!Account\n", b"D", b"T-", b"$", b"9" * 400, b"-" * 40, b"1e999", b"1e-999",
    b"NaN", b"Infinity", b"0x1F", "١٢٣".encode(), "\uff11\uff12".encode(), "\u22125".encode(), "\u202e".encode(), b"1'234", b"1.2.3",
    b"(5.00)", b"00000000", b"99999999", b"20260231", b"2026-13-45", b"0001-01-01", b"9999-12-31", b"31.12.9999", b" " * 300,
    b"x" * 5_000, b"<a>" * 300, b"[" * 300, b"PK\x03\x04", b"\x1f\x8b",
)  # fmt: skip
"""What readers of statements stumble over, if over anything."""

VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 10**400, -(10**20), 1.5, 1e308, "", " ", "\0", "\ud800", "x" * 5_000, "1e999", "NaN", "-0",
    "9" * 400, "1,5", "\uff10", "2026-02-30", "0000-00-00", "10000-01-01", "2026-11-20T25:61:61Z", [], {}, [[]], [None], {"": None},
    2**63, -(2**63) - 1, 253402300800, -62135596801,
)  # fmt: skip


def _zipped(content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("statement.xml", content)
    return packed.getvalue()


RECODINGS: tuple[Callable[[bytes], bytes], ...] = (
    lambda content: content.decode("utf-8", "replace").encode("utf-16"),
    lambda content: content.decode("utf-8", "replace").encode("utf-16-be"),
    lambda content: content.decode("utf-8", "replace").encode("utf-32"),
    lambda content: content.decode("utf-8", "replace").encode("utf-7"),
    lambda content: content.decode("latin-1").encode("utf-8"),
    lambda content: content.decode("utf-8", "replace").encode("cp037", "replace"),
    lambda content: content.replace(b"\n", b"\r"),
    _zipped,
    lambda content: _zipped(_zipped(content)),
    gzip.compress,
    lambda content: content[::-1],
)


@st.composite
def mutated(draw: Any, contents: st.SearchStrategy[bytes], changes_max: int = 6) -> bytes:
    """Give one of the contents with some changes."""
    content = draw(contents)
    for _ in range(draw(st.integers(1, changes_max))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.sampled_from((0, 1, 2, 7, 30, 200))))
        match draw(st.integers(0, 6)):
            case 0:
                content = content[:start] + draw(st.sampled_from(PIECES)) + content[end:]
            case 1:
                content = content[:start] + draw(st.binary(max_size=4)) + content[end:]
            case 2:
                content = content[:start] + content[end:]
            case 3:
                content = content[:end] + content[start:end] * draw(st.sampled_from((1, 2, 50))) + content[end:]
            case 4:
                other = draw(contents)
                content = content[:start] + other[draw(st.integers(0, len(other))) :]
            case 5:
                content = content[:start] if draw(st.booleans()) else content[start:]
            case _:
                content = draw(st.sampled_from(RECODINGS))(content)
    return content


def _places(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of everything in a JSON value, itself left out."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = []
    for key, inner in items:
        found += [(*place, key), *_places(inner, (*place, key))]
    return found


def _nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@st.composite
def mutated_json(draw: Any, values: st.SearchStrategy[Any], changes_max: int = 4) -> bytes:
    """Give one of the values as JSON, with some of what is in it replaced, removed, doubled or wrapped."""
    value = copy.deepcopy(draw(values))
    for _ in range(draw(st.integers(1, changes_max))):
        places = _places(value)
        if not places:
            break
        *way, last = draw(st.sampled_from(places))
        holder = value
        for key in way:
            holder = holder[key]
        match draw(st.integers(0, 5)):
            case 0 | 1 | 2:
                holder[last] = copy.deepcopy(
                    draw(st.sampled_from(VALUES) | st.text(max_size=8) | st.integers() | st.floats())
                )
            case 3:
                del holder[last]
            case 4:
                holder[last] = (
                    _nested(draw(st.sampled_from((1, 2, 100))))
                    if draw(st.booleans())
                    else [copy.deepcopy(holder[last])] * 2
                )
            case _:
                if isinstance(holder, dict):
                    holder[draw(st.text(max_size=5))] = copy.deepcopy(holder[last])
                else:
                    holder.append(copy.deepcopy(holder[last]))
    return json.dumps(value).encode()
