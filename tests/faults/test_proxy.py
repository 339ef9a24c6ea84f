"""A link does what it is told to the bytes on it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from faults.proxy import DELAY_SECONDS, Link, Place
from support.ports import free_port

SOON_SECONDS = 0.1


@pytest.fixture(params=["port", "path"])
async def link(request, tmp_path):
    """A link to a server that gives back what it gets; both kinds of places."""
    ports = request.param == "port"
    here, there = ((Place(port=free_port()) if ports else Place(path=tmp_path / name)) for name in ("a", "b"))

    async def echo(reader, writer):
        while data := await reader.read(1000):
            writer.write(data.upper())
        writer.close()

    server = await there.listen(echo)
    made = Link("test", here, there)
    await made.start()
    yield made
    await made.stop()
    server.close()


@asynccontextmanager
async def connection(link):
    reader, writer = await link.place.connect()
    yield reader, writer
    writer.close()


async def test_an_open_link_passes_bytes_and_ends_on(link):
    seen = []
    link.seen = seen.append
    async with connection(link) as (reader, writer):
        writer.write(b"hello")
        assert await reader.read(100) == b"HELLO"
        writer.write_eof()
        assert await reader.read(100) == b""
    assert seen == [b"hello"]


async def test_a_slow_link_holds_bytes_back_both_ways(link):
    link.set("delay")
    async with connection(link) as (reader, writer):
        began = asyncio.get_running_loop().time()
        writer.write(b"hello")
        assert await reader.read(100) == b"HELLO"
        assert asyncio.get_running_loop().time() - began >= 2 * DELAY_SECONDS


async def test_a_dead_link_lets_nothing_through_until_it_lives_again(link):
    async with connection(link) as (reader, writer):
        writer.write(b"one")
        assert await reader.read(100) == b"ONE"
        link.set("blackhole")
        writer.write(b"two")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(100), SOON_SECONDS)
        async with connection(link) as (other_reader, other_writer):
            other_writer.write(b"three")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(other_reader.read(100), SOON_SECONDS)
            link.set("open")
            assert await other_reader.read(100) == b"THREE"
        assert await reader.read(100) == b"TWO"


async def test_a_link_that_is_cut_resets_what_is_open_and_what_is_opened(link):
    async with connection(link) as (reader, writer):
        writer.write(b"one")
        assert await reader.read(100) == b"ONE"
        link.set("reset")
        assert await _ends(reader)
        async with connection(link) as (other_reader, _):
            assert await _ends(other_reader)
        link.set("open")
        async with connection(link) as (third_reader, third_writer):
            third_writer.write(b"again")
            assert await third_reader.read(100) == b"AGAIN"


async def test_behind_a_server_that_is_away_a_link_resets(tmp_path):
    link = Link("nowhere", Place(path=tmp_path / "a"), Place(path=tmp_path / "b"))
    await link.start()
    async with connection(link) as (reader, _):
        assert await _ends(reader)
    await link.stop()


async def _ends(reader):
    try:
        return await asyncio.wait_for(reader.read(100), 5) == b""
    except ConnectionError:
        return True
