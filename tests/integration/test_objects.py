"""A folder and S3 behave alike: one set of tests runs against both."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import time
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mintql.gateways import objects_s3
from mintql.gateways.objects import ObjectConflict, ObjectMissing, ObjectStoreDown, open_object_store
from mintql.gateways.objects_disk import DiskObjectStore
from mintql.settings import Settings
from support.s3 import BUCKET

KEY = "raw/user=7/run=12/0-3.json.gz"


@pytest.fixture(params=["disk", "disk where every file has a name", "s3"])
async def open_store(request, tmp_path, monkeypatch):
    """A function that opens the store anew, as another process would."""
    if request.param == "disk where every file has a name":
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    if request.param != "s3":
        return lambda: open_object_store(Settings(object_store=f"file:{tmp_path}/objects"))
    endpoint = request.getfixturevalue("s3_endpoint")
    prefix = f"p-{os.urandom(4).hex()}"
    settings = Settings(object_store=f"s3://{BUCKET}/{prefix}", s3_endpoint_url=endpoint)
    return lambda: open_object_store(settings)


@pytest.fixture
async def store(open_store):
    async with open_store() as opened:
        yield opened


async def keys(store, prefix):
    return [key async for key in store.list(prefix)]


async def test_what_was_put_is_read_back_by_another_process(open_store):
    async with open_store() as writer:
        await writer.put(KEY, b"\x00page\xff", "application/json")
    async with open_store() as reader:
        assert await reader.get(KEY) == b"\x00page\xff"


async def test_the_same_bytes_again_are_fine_and_other_bytes_are_refused(store):
    await store.put(KEY, b"first", "application/json")
    await store.put(KEY, b"first", "application/json")
    with pytest.raises(ObjectConflict):
        await store.put(KEY, b"second", "application/json")
    assert await store.get(KEY) == b"first"


async def test_of_many_writers_of_one_key_exactly_one_wins(store):
    contents = [f"writer {number}".encode() for number in range(8)]
    results = await asyncio.gather(
        *(store.put(KEY, content, "text/plain") for content in contents), return_exceptions=True
    )
    winners = [content for content, result in zip(contents, results, strict=True) if result is None]
    assert winners == [await store.get(KEY)]
    assert all(isinstance(result, ObjectConflict) for result in results if result is not None)


async def test_a_missing_object_is_named_and_deleting_it_is_fine(store):
    with pytest.raises(ObjectMissing, match="run=12"):
        await store.get(KEY)
    await store.delete(KEY)


async def test_a_deleted_object_is_gone_and_its_key_is_free_again(store):
    await store.put(KEY, b"first", "text/plain")
    await store.delete(KEY)
    with pytest.raises(ObjectMissing):
        await store.get(KEY)
    await store.put(KEY, b"second", "text/plain")
    assert await store.get(KEY) == b"second"


async def test_keys_are_listed_by_prefix_in_byte_order(store):
    written = ["b/2", "a/1", "a/1.x", "a.b", "a/10", "a/sub/0", "ab/0"]
    for key in written:
        await store.put(key, key.encode(), "text/plain")
    assert await keys(store, "") == sorted(written)
    assert await keys(store, "a/") == ["a/1", "a/1.x", "a/10", "a/sub/0"]
    assert await keys(store, "a/1") == ["a/1", "a/1.x", "a/10"]
    assert await keys(store, "nothing/") == []


async def test_listing_goes_on_past_one_page(store, monkeypatch):
    monkeypatch.setattr(objects_s3, "LIST_BATCH_KEYS", 4)
    monkeypatch.setattr("mintql.gateways.objects_disk.LIST_BATCH_KEYS", 4)
    written = [f"raw/{number:02d}" for number in range(11)]
    for key in written:
        await store.put(key, b"x", "text/plain")
    assert await keys(store, "raw/") == written


async def is_refused(doing):
    try:
        await doing
    except ValueError as error:
        return "not an object key" in str(error)
    return False


async def test_keys_that_could_leave_the_store_are_refused(store):
    outside = ["", "/etc/passwd", "../outside", "a/../b", "a//b", "a/", ".partial/x", "a\\b", "ä", "a b", "k" * 513]
    assert [key for key in outside if not await is_refused(store.put(key, b"x", "text/plain"))] == []
    assert [key for key in outside if not await is_refused(store.get(key))] == []


async def test_prefixes_that_could_leave_the_store_are_refused(store):
    outside = ["/", "../", "a/../", "."]
    assert [prefix for prefix in outside if not await is_refused(keys(store, prefix))] == []


async def test_a_check_leaves_nothing_behind(store):
    await store.check()
    assert await keys(store, "") == []


async def test_a_folder_shows_no_half_written_file_and_leaves_no_partial_one(tmp_path):
    store = DiskObjectStore(tmp_path)
    await store.put(KEY, b"x", "text/plain")
    with pytest.raises(ObjectConflict):
        await store.put(KEY, b"y", "text/plain")
    files = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()]
    assert files == [KEY]


@pytest.mark.parametrize("refused", ["open", "link"])
async def test_where_files_without_a_name_cannot_be_had_objects_are_written_all_the_same(
    tmp_path, monkeypatch, refused
):
    wanted = []

    def refuse_nameless(doing):
        def done(path, *rest, **named):
            if "/proc/" in str(path) or (rest and isinstance(rest[0], int) and rest[0] & os.O_TMPFILE == os.O_TMPFILE):
                wanted.append(path)
                raise OSError(errno.EOPNOTSUPP, "not here")
            return doing(path, *rest, **named)

        return done

    monkeypatch.setattr(os, refused, refuse_nameless(getattr(os, refused)))
    store = DiskObjectStore(tmp_path)
    await store.put(KEY, b"x", "text/plain")
    await store.put("raw/2", b"y", "text/plain")
    assert (await store.get(KEY), await store.get("raw/2")) == (b"x", b"y")
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["0-3.json.gz", "2"]
    assert len(wanted) == 1  # It is tried once.


async def test_opening_a_folder_deletes_what_a_dead_writer_left_and_nothing_else(tmp_path):
    settings = Settings(object_store=f"file:{tmp_path}")
    async with open_object_store(settings) as store:
        await store.put(KEY, b"x", "text/plain")
    old, new = tmp_path / ".partial" / "old", tmp_path / ".partial" / "new"
    old.write_bytes(b"half")
    new.write_bytes(b"being written")
    os.utime(old, (time.time() - 7200,) * 2)
    os.utime(tmp_path / KEY, (0, 0))
    async with open_object_store(settings) as store:
        assert await keys(store, "") == [KEY]
    assert (old.exists(), new.exists()) == (False, True)


async def test_in_a_folder_a_key_cannot_be_the_folder_of_another(tmp_path):
    store = DiskObjectStore(tmp_path)
    await store.put("a/b", b"x", "text/plain")
    with pytest.raises(ObjectConflict):
        await store.put("a/b/c", b"x", "text/plain")
    with pytest.raises(ObjectConflict):
        await store.put("a", b"x", "text/plain")
    with pytest.raises(ObjectMissing):
        await store.get("a")
    with pytest.raises(ObjectMissing):
        await store.get("a/b/c")


async def test_a_folder_that_cannot_be_written_is_down():
    with pytest.raises(ObjectStoreDown, match="cannot be written"):
        await DiskObjectStore(Path("/proc/no/such/folder")).check()


@asynccontextmanager
async def unused_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


async def test_an_unreachable_s3_is_down_not_missing(monkeypatch, s3_endpoint):
    monkeypatch.setattr(objects_s3, "ATTEMPTS_MAX", 1)
    async with unused_port() as port:
        settings = Settings(object_store="s3://bucket", s3_endpoint_url=f"http://127.0.0.1:{port}")
        async with open_object_store(settings) as store:
            with pytest.raises(ObjectStoreDown):
                await store.get(KEY)


async def test_a_bucket_that_does_not_exist_is_down(s3_endpoint):
    settings = Settings(object_store="s3://no-such-bucket", s3_endpoint_url=s3_endpoint)
    async with open_object_store(settings) as store:
        with pytest.raises(ObjectStoreDown, match="NoSuchBucket"):
            await store.check()


async def test_a_folder_goes_with_the_last_of_its_objects_and_comes_back_with_the_next(tmp_path):
    store = DiskObjectStore(tmp_path / "objects")
    await store.put("raw/7/1/a.gz", b"a", "application/gzip")
    await store.put("raw/8/1/b.gz", b"b", "application/gzip")
    await store.delete("raw/7/1/a.gz")
    assert sorted(path.name for path in (tmp_path / "objects" / "raw").iterdir()) == ["8"]
    await store.put("raw/7/1/a.gz", b"again", "application/gzip")
    assert await store.get("raw/7/1/a.gz") == b"again"


async def test_objects_that_come_and_go_in_one_folder_at_once_are_all_kept(tmp_path):
    store = DiskObjectStore(tmp_path / "objects")

    async def come_and_go(number):
        for turn in range(15):
            await store.put(f"raw/7/{number}-{turn}", b"x", "text/plain")
            if turn % 3:
                await store.delete(f"raw/7/{number}-{turn}")

    await asyncio.gather(*(come_and_go(number) for number in range(8)))
    assert len([key async for key in store.list("raw/7/")]) == 8 * 5


async def test_s3_is_sent_an_object_at_once_by_our_name(s3_endpoint):
    heads = []

    async def answer(reader, writer):
        heads.append((await reader.readuntil(b"\r\n\r\n")).lower())
        assert await reader.readexactly(4) == b"page"
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        settings = Settings(object_store="s3://bucket", s3_endpoint_url=f"http://127.0.0.1:{port}")
        async with asyncio.timeout(20), open_object_store(settings) as store:
            await store.put(KEY, b"page", "application/json")
    assert b"\r\nuser-agent: mintql/" in heads[0]
    assert b"\r\nexpect:" not in heads[0]
