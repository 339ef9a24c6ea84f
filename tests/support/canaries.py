"""Secrets that can be recognized wherever they turn up, and looking for them everywhere that something is kept or said."""

from __future__ import annotations

import base64
import gzip
import logging
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg
from redis.asyncio import Redis


def canary(name: str) -> str:
    """A secret of letters, digits and hyphens that nothing else is like."""
    return f"canary-{name}-{secrets.token_hex(8)}"


def forms(secret: str) -> set[str]:
    """How a secret may be written: as it is, in a URL, in base 64 at each place within a longer text, in hexadecimal."""
    raw = secret.encode()
    found = {secret, quote(secret, safe=""), raw.hex()}
    for shift in range(3):
        # Without the characters at both ends, which depend on what stands beside it.
        text = base64.b64encode(b"\0" * shift + raw).decode()
        found.add(text[4 if shift else 0 : -4])
    return found


@dataclass
class Finder:
    """What must be found nowhere, by name, and what was found: name and place."""

    wanted: dict[str, set[str]] = field(default_factory=dict)

    def add(self, name: str, secret: str) -> str:
        assert len(secret) >= 8, "too short to be recognized"
        self.wanted[name] = forms(secret)
        return secret

    def found_in(self, places: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
        return {
            (name, place)
            for place, text in places
            for name, written in self.wanted.items()
            if any(form in text for form in written)
        }


class LogKeeper(logging.Handler):
    """Keeps every record of every logger as it would be written, with its arguments and its traceback."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.lines: list[tuple[str, str]] = []
        self.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append((f"log of {record.name}", f"{self.format(record)} {record.args!r}"))


async def rows_of(conn: asyncpg.Connection) -> list[tuple[str, str]]:
    """Every row of every table as text."""
    names = await conn.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
    )
    found = []
    for (name,) in names:
        for row in await conn.fetch(f'SELECT * FROM "{name}"'):
            parts = [value.decode("latin-1") if isinstance(value, bytes) else str(value) for value in row.values()]
            found.append((f"table {name}", " ".join(parts)))
    return found


async def keys_of(redis: Redis) -> list[tuple[str, str]]:
    """Every key of Redis with what it holds, as Redis itself writes it down."""
    found = []
    for key in await redis.keys("*"):
        dumped = await redis.dump(key) or b""
        kind = (await redis.type(key)).decode()
        value: Any = await redis.get(key) if kind == "string" else b""
        found.append(("redis", f"{key!r} {dumped.decode('latin-1')} {(value or b'').decode('latin-1')}"))
    return found


def files_of(folder: Path) -> Iterator[tuple[str, str]]:
    """Every file of a folder, unpacked where it is packed."""
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            unpacked = gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
            yield f"file {path.suffix}", f"{path} {unpacked.decode('latin-1')}"
