"""The object store on S3, or on any server that speaks its protocol with conditional writes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import aioboto3
from aiobotocore.config import AioConfig
from botocore.exceptions import BotoCoreError, ClientError

from mintql import __version__
from mintql.gateways.objects import (
    LIST_BATCH_KEYS,
    ObjectConflict,
    ObjectMissing,
    ObjectStoreDown,
    check_key,
    check_prefix,
    probe,
)

CONNECT_SECONDS = 5
READ_SECONDS = 30
OPERATION_SECONDS = 90
ATTEMPTS_MAX = 4
PUT_ROUNDS_MAX = 4
"""How often a `put` that meets another writer of the same key looks again before it gives up."""

_MISSING = {"NoSuchKey", "404", "NotFound"}
_TAKEN = {"PreconditionFailed", "412"}
_BUSY = {"ConditionalRequestConflict", "409"}


class S3ObjectStore:
    """Objects in one bucket, under an optional prefix. `client` is an open aioboto3 S3 client."""

    def __init__(self, client: Any, bucket: str, prefix: str) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""

    async def put(self, key: str, content: bytes, content_type: str) -> None:
        """Create the object; see `ObjectStore.put`."""
        for _ in range(PUT_ROUNDS_MAX):
            if await self._create(check_key(key), content, content_type):
                return
            try:
                kept = await self.get(key)
            except ObjectMissing:
                continue  # Deleted meanwhile, or another writer is not done: look again.
            if kept != content:
                raise ObjectConflict(f"other bytes are kept under {key!r} already")
            return
        raise ObjectStoreDown(f"{key!r} could not be written: the store keeps reporting other writers")

    async def get(self, key: str) -> bytes:
        """Return the bytes; see `ObjectStore.get`."""
        async with _translated(f"{key!r} cannot be read", missing=f"nothing is kept under {key!r}"):
            answer = await self._client.get_object(Bucket=self._bucket, Key=self._prefix + check_key(key))
            async with answer["Body"] as body:
                content: bytes = await body.read()
                return content

    async def delete(self, key: str) -> None:
        """Remove the object; see `ObjectStore.delete`."""
        async with _translated(f"{key!r} cannot be deleted"):
            await self._client.delete_object(Bucket=self._bucket, Key=self._prefix + check_key(key))

    async def list(self, prefix: str) -> AsyncIterator[str]:
        """Yield keys; see `ObjectStore.list`."""
        wanted = self._prefix + check_prefix(prefix)
        token: dict[str, str] = {}
        while True:
            async with _translated(f"keys under {prefix!r} cannot be listed"):
                page = await self._client.list_objects_v2(
                    Bucket=self._bucket, Prefix=wanted, MaxKeys=LIST_BATCH_KEYS, **token
                )
            for item in page.get("Contents", ()):
                yield item["Key"].removeprefix(self._prefix)
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    async def check(self) -> None:
        """Probe the bucket; see `ObjectStore.check`."""
        await probe(self)

    async def _create(self, key: str, content: bytes, content_type: str) -> bool:
        """Return whether the object was created; False when the key is taken."""
        async with _translated(f"{key!r} cannot be written"):
            try:
                await self._client.put_object(
                    Bucket=self._bucket,
                    Key=self._prefix + key,
                    Body=content,
                    ContentType=content_type,
                    IfNoneMatch="*",
                )
            except ClientError as error:
                if _code(error) in _TAKEN | _BUSY:
                    return False
                raise
        return True


@asynccontextmanager
async def open_s3(url: str, *, endpoint_url: str | None = None) -> AsyncIterator[S3ObjectStore]:
    """Open `s3://bucket/prefix` with credentials and region from the usual AWS variables and files."""
    place = urlsplit(url)
    config = AioConfig(
        signature_version="s3v4",
        # Put together anew for each request otherwise, a seventh of all that one takes here.
        user_agent=f"mintql/{__version__}",
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS_MAX},
        # Servers other than AWS do not know the checksums that newer clients add unasked.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    prefix = place.path.strip("/")
    if prefix:
        check_key(prefix)
    async with aioboto3.Session().client("s3", endpoint_url=endpoint_url, config=config) as client:
        client.meta.events.register_last("before-call.s3", _send_at_once)
        yield S3ObjectStore(client, place.netloc, prefix)


def _send_at_once(params: dict[str, Any], **_: object) -> None:
    """Let a body go with its head: to wait until the server asks for it would be another way there and back."""
    params["headers"].pop("Expect", None)


@asynccontextmanager
async def _translated(what: str, *, missing: str | None = None) -> AsyncIterator[None]:
    """Bound one operation in time and give its errors this module's names."""
    try:
        async with asyncio.timeout(OPERATION_SECONDS):
            yield
    except ClientError as error:
        if missing is not None and _code(error) in _MISSING:
            raise ObjectMissing(missing) from None
        raise ObjectStoreDown(f"{what}: the store answered {_code(error)}") from error
    except (BotoCoreError, TimeoutError, OSError) as error:
        raise ObjectStoreDown(f"{what}: {type(error).__name__}") from error


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", "unknown"))
