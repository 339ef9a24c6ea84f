"""Looking for words everywhere a server keeps anything: every table, every object, every key of Redis."""

from __future__ import annotations

import gzip
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import redis

TABLES = """
SELECT table_name FROM information_schema.tables
WHERE table_schema = 'public' AND table_type = 'BASE TABLE' ORDER BY table_name
"""


async def in_tables(conn: Any, words: Sequence[str]) -> dict[str, list[str]]:
    """Rows of any table, as text, that hold one of the words in any column; by table."""
    found = {}
    for row in await conn.fetch(TABLES):
        name = row["table_name"]
        rows = await conn.fetch(
            f"SELECT one::text AS text FROM {name} AS one WHERE one::text LIKE ANY ($1)",
            [f"%{word}%" for word in words],
        )
        if rows:
            found[name] = [one["text"] for one in rows]
    return found


def files_in(root: Path) -> list[Path]:
    """All files below a folder; unlike rglob, it does not mind folders that go while it walks."""
    return [Path(folder, name) for folder, _, names in os.walk(root) for name in names]


def in_objects(root: Path, words: Sequence[str]) -> list[str]:
    """Objects that hold one of the words in their key or, unpacked, in their bytes; and folders in their names."""
    found = [str(path) for path in root.rglob("*") if path.is_dir() and any(word in path.name for word in words)]
    for path in sorted(root.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            content = gzip.decompress(content) if path.suffix == ".gz" else content
            key = str(path.relative_to(root))
            if any(word in key or word.encode() in content for word in words):
                found.append(key)
    return found


def in_redis(url: str, words: Sequence[str]) -> list[str]:
    """Keys that hold one of the words in their name or value, whatever kind of value it is."""
    readers = {
        b"string": lambda client, key: client.get(key),
        b"hash": lambda client, key: client.hgetall(key),
        b"list": lambda client, key: client.lrange(key, 0, -1),
        b"set": lambda client, key: client.smembers(key),
        b"zset": lambda client, key: client.zrange(key, 0, -1),
        b"stream": lambda client, key: client.xrange(key),
    }
    with redis.from_url(url) as client:
        texts = {key: repr((key, readers[client.type(key)](client, key))) for key in client.scan_iter()}
    return [key.decode() for key, text in texts.items() if any(word in text for word in words)]
