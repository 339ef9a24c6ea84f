"""Raw pages as they lie in the object store: small ones of a run together in one object, large ones by themselves.

An object is a gzip file with a member for each page, so that `gzip -d` shows what the institution said. A page is found
in it by the checksum that was recorded when it was stored, which is looked at anyway. What a page costs in a folder or
at S3 is the object and not its bytes: a refresh brings a page or two of some kilobytes each.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import zlib
from collections import OrderedDict
from collections.abc import Iterator, Sequence

from mintql.domain.errors import InstitutionFailure
from mintql.gateways.objects import ObjectStore
from mintql.institutions.base import RawPage
from mintql.store.sync import Claim, StoredPage

PAGES_PER_RUN_MAX = 10_000
GZIP_LEVEL = 1
INLINE_BYTES_MAX = 32 * 1024
"""Packing or unpacking so much takes less than handing it to a thread, and keeps the loop for a fraction of a
millisecond. Pages wait for each other until they are as large as this together."""
PAGE_BYTES_MAX = 64 * 1024 * 1024
UNPACKED_TIMES = 8
"""How many times as large a page of JSON is when it is unpacked, or a little less."""
FRESH_BYTES_MAX = 8 * 1024 * 1024
"""What a job remembers of pages between storing and ingesting them; a hundred daily refreshes are a tenth of it."""

_GZIP = zlib.MAX_WBITS | 16


class FreshPages:
    """Pages that a job has just stored, for its ingestion of them; those that were forgotten are read back.

    They are known by their checksum. Each is given out once.
    """

    def __init__(self, bytes_max: int = FRESH_BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._pages: OrderedDict[bytes, bytes] = OrderedDict()

    def put(self, digest: bytes, content: bytes) -> None:
        """Remember a page that is stored."""
        if digest in self._pages:
            return
        self._pages[digest] = content
        self._bytes += len(content)
        while self._bytes > self._bytes_max:
            _, oldest = self._pages.popitem(last=False)
            self._bytes -= len(oldest)

    def take(self, digest: bytes) -> bytes | None:
        """Return a page and forget it; None when it has to be read back."""
        content = self._pages.pop(digest, None)
        self._bytes -= 0 if content is None else len(content)
        return content


class PageWriter:
    """Puts the pages of one attempt at a run into the object store.

    `stored` are those that lie there; small ones wait for more of their kind until `flush`. Raises what the store does.
    """

    def __init__(self, objects: ObjectStore, fresh: FreshPages, run: Claim) -> None:
        self.stored: list[StoredPage] = []
        self._objects = objects
        self._fresh = fresh
        self._run = run
        self._waiting: list[RawPage] = []
        self._waiting_bytes = 0

    @property
    def count(self) -> int:
        """How many pages came."""
        return len(self.stored) + len(self._waiting)

    async def add(self, page: RawPage) -> None:
        """Take a page; raise `InstitutionFailure` when it is one too many."""
        if self.count == PAGES_PER_RUN_MAX:
            raise InstitutionFailure(f"The institution gave more than {PAGES_PER_RUN_MAX} pages in one run.")
        if self._waiting_bytes + len(page.content) > INLINE_BYTES_MAX:
            await self.flush()
        self._waiting.append(page)
        self._waiting_bytes += len(page.content)
        if self._waiting_bytes > INLINE_BYTES_MAX:
            await self.flush()

    async def flush(self) -> None:
        """Put what waits into one object."""
        if not self._waiting:
            return
        contents = [page.content for page in self._waiting]
        inline = self._waiting_bytes <= INLINE_BYTES_MAX
        packed, digests = _pack(contents) if inline else await asyncio.to_thread(_pack, contents)
        key = raw_key(self._run, len(self.stored))
        await self._objects.put(key, packed, "application/gzip")
        for page, digest in zip(self._waiting, digests, strict=True):
            number = len(self.stored)
            self.stored.append(StoredPage(number, key, digest, len(page.content), page.content_type))
            self._fresh.put(digest, page.content)
        self._waiting, self._waiting_bytes = [], 0


def _pack(contents: Sequence[bytes]) -> tuple[bytes, list[bytes]]:
    """Return pages as they are stored, and the SHA-256 of each as it came."""
    packed = b"".join(zlib.compress(content, GZIP_LEVEL, _GZIP) for content in contents)
    return packed, [hashlib.sha256(content).digest() for content in contents]


async def unpack(packed: bytes) -> dict[bytes, bytes]:
    """Return the pages of an object by their SHA-256, in the order in which they came.

    Raises:
        EOFError: A page has more than `PAGE_BYTES_MAX`.
        zlib.error: It is no gzip.
    """
    small = len(packed) * UNPACKED_TIMES <= INLINE_BYTES_MAX
    return _by_digest(packed) if small else await asyncio.to_thread(_by_digest, packed)


def _by_digest(packed: bytes) -> dict[bytes, bytes]:
    return {hashlib.sha256(content).digest(): content for content in _members(packed)}


def _members(packed: bytes) -> Iterator[bytes]:
    while packed:
        unpacker = zlib.decompressobj(_GZIP)
        content = unpacker.decompress(packed, PAGE_BYTES_MAX)
        if unpacker.unconsumed_tail:
            raise EOFError(f"it is larger than {PAGE_BYTES_MAX} bytes")
        yield content
        packed = unpacker.unused_data


# Where they lie


def raw_key(run: Claim, page: int) -> str:
    """Return where raw pages lie of which this is the first: a key for each attempt, never written twice."""
    return f"{run_prefix(run)}{run.attempt}-{page:05d}.gz"


def run_prefix(run: Claim) -> str:
    """Return what the keys of a run begin with. No folder of its own: to make one costs as much as to fill it."""
    return f"raw/{run.key.user_id}/{run.connection_id}/{run.key.run_id}-"


def attempt_and_page(run: Claim, key: str) -> tuple[int, int] | None:
    """Return the attempt and the first page that a key of a run tells; None for any other key."""
    found = re.fullmatch(re.escape(run_prefix(run)) + r"(\d+)-(\d+)\.gz", key)
    return None if found is None else (int(found[1]), int(found[2]))
