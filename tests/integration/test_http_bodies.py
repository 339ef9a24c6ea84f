"""Answers through the guarded client: how long they may be, and how far they may grow when unpacked."""

from __future__ import annotations

import asyncio
import gzip
import random
import tracemalloc
import zlib

import pytest

from mintql.domain.errors import InstitutionDown, ProtocolError
from mintql.gateways.http import open_http
from mintql.gateways.http_bodies import RATIO_FREE_BYTES, RATIO_MAX
from mintql.gateways.http_network import HEADERS_LIMIT_BYTES
from support.http_server import ONCE, reply, serve, serve_raw

MIB = 1024 * 1024
STATEMENT = b"".join(
    b"<STMTTRN><TRNTYPE>DEBIT<DTPOSTED>202603%02d<TRNAMT>-%d.%02d<FITID>%d<NAME>SHOP %d</STMTTRN>\n"
    % (day % 28 + 1, day * 7 % 90, day % 100, 7_000_000 + day * 13, day * 31 % 977)
    for day in range(3000)
)


def gzipped(content: bytes) -> bytes:
    """Pack without the time of day, which would be part of the names of tests."""
    return gzip.compress(content, mtime=0)


def bare(content: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()


async def answered(*replies: bytes, **options):
    async with serve(*replies) as server, open_http(server.allowing, bounds=ONCE) as client:
        return await client.request("GET", f"{server.url}/", **options)


async def test_an_answer_over_the_limit_is_cut_off():
    with pytest.raises(ProtocolError, match="more than 4999 bytes"):
        await answered(reply("200 OK", b"x" * 5000), body_limit_bytes=4999)
    answer = await answered(reply("200 OK", b"x" * 5000), body_limit_bytes=5000)
    assert len(answer.content) == 5000


async def test_an_answer_that_says_it_is_too_long_is_not_waited_for():
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n"
    with pytest.raises(ProtocolError, match="more than 4999 bytes"):
        await answered(head, body_limit_bytes=4999, deadline_seconds=5)


async def test_an_answer_without_end_is_cut_off_at_the_limit():
    sent = 0

    async def pour(reader, writer):
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while sent < 100 * MIB:
            writer.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
            await writer.drain()
            sent += 0x10000

    async with serve_raw(pour) as port, serve() as server:
        server.port = port
        async with open_http(server.allowing) as client:
            with pytest.raises(ProtocolError, match=f"more than {MIB} bytes"):
                await client.request("GET", f"{server.url}/", body_limit_bytes=MIB)
    assert sent < 20 * MIB


@pytest.mark.parametrize(
    ("coding", "pack"),
    [
        ("gzip", gzipped),
        ("x-gzip", gzipped),
        ("GZIP", gzipped),
        ("identity, gzip", gzipped),
        ("deflate", zlib.compress),
        ("deflate", bare),
        ("identity", bytes),
        ("", bytes),
    ],
)
async def test_what_is_compressed_unasked_is_unpacked(coding, pack):
    packed = reply("200 OK", pack(STATEMENT), content_encoding=coding, content_type="text/ofx")
    async with serve(packed) as server, open_http(server.allowing) as client:
        answer = await client.request("GET", f"{server.url}/")
    assert answer.content == STATEMENT
    assert answer.content_type == "text/ofx"
    assert answer.headers.get("content-length", str(len(STATEMENT))) == str(len(STATEMENT))
    assert server.seen[0].headers["accept-encoding"] == "identity"


async def test_gzip_in_several_members_and_with_padding_is_unpacked_whole():
    packed = gzipped(b"first ") + gzipped(b"second") + bytes(7)
    answer = await answered(reply("200 OK", packed, content_encoding="gzip"))
    assert answer.content == b"first second"


async def test_it_does_not_matter_how_the_bytes_are_cut():
    packed = gzipped(b"first ") + bytes(3) + gzipped(STATEMENT)
    pieces = [packed[at : at + 1] for at in range(40)] + [packed[40:1000], packed[1000:-9], packed[-9:]]
    chunked = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n"
    answer = await answered(head + chunked + b"0\r\n\r\n")
    assert answer.content == b"first " + STATEMENT


async def test_nothing_said_to_be_compressed_is_nothing():
    answer = await answered(reply("200 OK", b"", content_encoding="gzip"))
    assert answer.content == b""
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 512\r\n\r\n"
    async with serve(head) as server, open_http(server.allowing) as client:
        answer = await client.request("HEAD", f"{server.url}/")
    assert (answer.status, answer.content) == (200, b"")


@pytest.mark.parametrize(
    ("coding", "body", "words"),
    [
        ("br", b"\x0b\x02\x80", "in a way that was not asked for"),
        ("zstd", b"\x28\xb5\x2f\xfd", "in a way that was not asked for"),
        ("gzip, gzip", gzipped(gzipped(b"x")), "in a way that was not asked for"),
        ("gzip", b"\x1f", "breaks off"),
        ("gzip", gzipped(STATEMENT)[:-1], "breaks off"),
        ("gzip", gzipped(b"x") + b"\x1f\x8b", "breaks off"),
        ("deflate", zlib.compress(STATEMENT)[:-5], "breaks off"),
        ("gzip", STATEMENT, "cannot be unpacked"),
        ("gzip", gzipped(b"x") + b"rubbish", "cannot be unpacked"),
        ("gzip", gzipped(b"x")[:-8] + bytes(8), "cannot be unpacked"),
        ("deflate", b"\xff\xff" + STATEMENT, "cannot be unpacked"),
        ("deflate", zlib.compress(b"x") + zlib.compress(b"y"), "cannot be unpacked"),
    ],
)
async def test_what_cannot_be_unpacked_is_refused_in_words(coding, body, words):
    with pytest.raises(ProtocolError, match=words):
        await answered(reply("200 OK", body, content_encoding=coding))


async def test_the_limit_holds_for_what_comes_out():
    packed = reply("200 OK", gzipped(STATEMENT), content_encoding="gzip")
    with pytest.raises(ProtocolError, match=f"more than {len(STATEMENT) - 1} bytes"):
        await answered(packed, body_limit_bytes=len(STATEMENT) - 1)
    assert len((await answered(packed, body_limit_bytes=len(STATEMENT))).content) == len(STATEMENT)


@pytest.mark.parametrize(("coding", "pack"), [("gzip", gzipped), ("deflate", zlib.compress), ("deflate", bare)])
async def test_a_bomb_is_refused_in_bounded_memory(coding, pack):
    bomb = reply("200 OK", pack(bytes(64 * MIB)), content_encoding=coding)
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError, match=f"grows more than {RATIO_MAX} times"):
            await answered(bomb)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 25 * MIB


async def test_a_bomb_of_many_members_is_refused_too():
    member = gzipped(bytes(256 * 1024))
    with pytest.raises(ProtocolError, match=f"grows more than {RATIO_MAX} times"):
        await answered(reply("200 OK", member * 400, content_encoding="gzip"))


async def test_a_short_answer_may_repeat_itself():
    packed = gzipped(bytes(RATIO_FREE_BYTES))
    assert len(packed) * RATIO_MAX < RATIO_FREE_BYTES
    answer = await answered(reply("200 OK", packed, content_encoding="gzip"))
    assert answer.content == bytes(RATIO_FREE_BYTES)


async def test_what_does_not_shrink_is_unpacked():
    noise = random.Random(1).randbytes(300_000)
    answer = await answered(reply("200 OK", gzipped(noise), content_encoding="gzip"))
    assert answer.content == noise


@pytest.mark.parametrize(
    "endless",
    [
        b"x-long: " + b"y" * 1000 + b"\r\n",
        b"y" * 1000,
    ],
    ids=["headers", "one header"],
)
async def test_headers_without_end_are_refused(endless):
    sent = 0

    async def pour(reader, writer):
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nx: ")
        while sent < 20 * MIB:
            writer.write(endless)
            await writer.drain()
            sent += len(endless)

    async with serve_raw(pour) as port, serve() as server:
        server.port = port
        async with open_http(server.allowing) as client:
            with pytest.raises(ProtocolError, match=f"more than {HEADERS_LIMIT_BYTES} bytes of headers"):
                await client.request("GET", f"{server.url}/", deadline_seconds=10)
    assert sent < 20 * MIB


async def test_interim_answers_without_end_are_refused_and_one_is_not():
    async def pour(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        for _ in range(200_000):
            writer.write(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100)
            await writer.drain()

    async with serve_raw(pour) as port, serve() as server:
        server.port = port
        async with open_http(server.allowing) as client:
            with pytest.raises(ProtocolError, match="bytes of headers"):
                await asyncio.wait_for(client.request("GET", f"{server.url}/"), 10)
    answer = await answered(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + reply("200 OK", b"rows"))
    assert answer.content == b"rows"


async def test_the_count_of_headers_begins_anew_with_every_request_of_a_connection():
    wide = reply("200 OK", b"x" * HEADERS_LIMIT_BYTES, x_wide="y" * (HEADERS_LIMIT_BYTES // 2))
    async with serve(wide) as server, open_http(server.allowing) as client:
        for _ in range(4):
            assert (await client.request("GET", f"{server.url}/")).status == 200
    assert server.connections == 1


async def test_another_protocol_is_not_changed_over_to():
    with pytest.raises(InstitutionDown, match="does not answer in HTTP"):
        await answered(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nhello")
