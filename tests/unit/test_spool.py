"""A spool gives what was written, to a reader that comes early or late, and says when it ends before its time."""

from __future__ import annotations

import asyncio

import pytest

from mintql.gateways.spool import PIECE_BYTES, Spool, SpoolFull


async def read_all(spool):
    return b"".join([piece async for piece in spool.read()])


async def test_a_reader_gets_what_is_written_while_it_is_written():
    async with Spool(10**7) as spool:
        reading = asyncio.create_task(read_all(spool))
        wanted = b""
        for number in range(40):
            piece = bytes([number]) * (PIECE_BYTES // 3)
            wanted += piece
            await spool.write(piece)
            await asyncio.sleep(0)
        await spool.end()
        assert await reading == wanted


async def test_a_reader_that_comes_after_the_end_gets_all_of_it():
    async with Spool(10**6) as spool:
        await spool.write(b"little")
        await spool.end()
        assert await read_all(spool) == b"little"


async def test_nothing_is_nothing():
    async with Spool(1) as spool:
        await spool.end()
        assert await read_all(spool) == b""


async def test_more_than_it_may_hold_is_refused():
    async with Spool(PIECE_BYTES) as spool:
        await spool.write(b"x" * PIECE_BYTES)
        with pytest.raises(SpoolFull, match="65,536"):
            await spool.write(b"x" * PIECE_BYTES)


async def test_a_reader_is_told_that_the_rest_never_comes():
    async with Spool(10**6) as spool:
        await spool.write(b"x" * PIECE_BYTES)
        spool.fail(RuntimeError("the database is gone"))
        pieces = spool.read()
        assert await anext(pieces) == b"x" * PIECE_BYTES
        with pytest.raises(RuntimeError, match="the database is gone"):
            await anext(pieces)
