"""The object store: raw pages and logs, written once and never changed. A folder, or S3.

Keys are relative POSIX paths of ASCII letters, digits and `. _ = -`, e.g. `raw/user=7/run=12/0-3.json.gz`.
`put` creates and never overwrites, so a deterministic key makes a repeated job harmless.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from mintql.settings import Settings

KEY_LENGTH_MAX = 512
LIST_BATCH_KEYS = 1000

_SEGMENT = re.compile(r"[A-Za-z0-9_=-][A-Za-z0-9._=-]*")


class ObjectConflict(Exception):  # noqa: N818
    """Other bytes are kept under this key already; they stay."""


class ObjectMissing(Exception):  # noqa: N818
    """Nothing is kept under this key."""


class ObjectStoreDown(Exception):  # noqa: N818
    """The store cannot be reached, is full, refuses us or is too slow. Trying again later can help."""


class ObjectStore(Protocol):
    """Five operations that a folder and S3 do alike. Each raises `ObjectStoreDown` when the store fails."""

    async def put(self, key: str, content: bytes, content_type: str) -> None:
        """Create the object durably. The same bytes again are fine; other bytes raise `ObjectConflict`."""
        ...

    async def get(self, key: str) -> bytes:
        """Return the bytes kept under `key`; raise `ObjectMissing` when there are none."""
        ...

    async def delete(self, key: str) -> None:
        """Remove the object; one that is not there is fine."""
        ...

    def list(self, prefix: str) -> AsyncIterator[str]:
        """Yield the keys that begin with `prefix`, in ascending order of their bytes."""
        ...

    async def check(self) -> None:
        """Write a probe, read it back and delete it; raise `ObjectStoreDown` when any of it fails."""
        ...


def check_key(key: str) -> str:
    """Return `key` when it can be kept in every store; raise `ValueError` otherwise."""
    if len(key) > KEY_LENGTH_MAX or not all(_SEGMENT.fullmatch(segment) for segment in key.split("/")):
        raise ValueError(f"{key[:80]!r} is not an object key")
    return key


def check_prefix(prefix: str) -> str:
    """Return `prefix` when it is empty or the beginning of a key; raise `ValueError` otherwise."""
    if prefix:
        check_key(prefix.removesuffix("/"))
    return prefix


async def probe(store: ObjectStore) -> None:
    """Do what `ObjectStore.check` promises, through the store's own operations."""
    content = uuid4().hex.encode()
    key = f"probe/{content.decode()}"
    await store.put(key, content, "text/plain")
    try:
        read = await store.get(key)
    except ObjectMissing:
        raise ObjectStoreDown("the object store lost a probe it had just accepted") from None
    if read != content:
        raise ObjectStoreDown("the object store returned other bytes than it was given")
    await store.delete(key)


@asynccontextmanager
async def open_object_store(settings: Settings) -> AsyncIterator[ObjectStore]:
    """Open the store that `settings.object_store` names: `file:/a/folder` or `s3://bucket/prefix`."""
    if settings.object_store.startswith("file:"):
        from mintql.gateways.objects_disk import DiskObjectStore  # noqa: PLC0415

        disk = DiskObjectStore(Path(unquote(urlsplit(settings.object_store).path)))
        await disk.clean()
        yield disk
        return
    # botocore takes 0.3 s to import, which a process that keeps its objects in a folder need not wait for.
    from mintql.gateways.objects_s3 import open_s3  # noqa: PLC0415

    async with open_s3(settings.object_store, endpoint_url=settings.s3_endpoint_url) as store:
        yield store
