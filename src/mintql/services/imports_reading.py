"""Reading what a person sent, beside the event loop: a bounded number of files at once, in threads of their own."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from mintql.institutions.files.base import FILE_BYTES_MAX, FileUnreadable
from mintql.institutions.files.options import AS_FOUND, ReadOptions
from mintql.institutions.files.reading import PREVIEW_ROWS, Preview, preview
from mintql.services.raw_pages import GZIP_LEVEL

T = TypeVar("T")

READS_AT_ONCE_MAX = 2
"""Reading takes the whole of a core, and some ten times the file in memory."""

_readers = ThreadPoolExecutor(READS_AT_ONCE_MAX, thread_name_prefix="import")


async def beside(work: Callable[..., T], *arguments: Any) -> T:
    """Do this in one of the threads for files."""
    return await asyncio.get_running_loop().run_in_executor(_readers, work, *arguments)


async def read(content: bytes, file_name: str, options: ReadOptions = AS_FOUND) -> Preview:
    """Say how a file would be read; raise `FileUnreadable` when it cannot be."""
    return await beside(_preview, content, file_name, options)


def _preview(content: bytes, file_name: str, options: ReadOptions) -> Preview:
    try:
        return preview(content, file_name, options, rows=PREVIEW_ROWS)
    except (RecursionError, MemoryError):
        raise FileUnreadable("The file is nested too deeply, or too large, to be a statement.") from None


async def pack(content: bytes) -> bytes:
    """Return the bytes as the object store keeps them: the same bytes always give the same."""
    return await beside(_pack, content)


def _pack(content: bytes) -> bytes:
    return gzip.compress(content, GZIP_LEVEL, mtime=0)


async def unpack(packed: bytes) -> bytes:
    """Return what was packed.

    Raises:
        FileUnreadable: What is kept was damaged.
    """
    try:
        return await beside(_unpack, packed)
    except zlib.error:
        raise FileUnreadable("What was kept of the file is damaged; send it again.") from None


def _unpack(packed: bytes) -> bytes:
    return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(packed, FILE_BYTES_MAX)
