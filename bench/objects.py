"""What an object of the object store costs the process that puts or gets it.

    ./dev bench objects [--short] [--count 1000] [--bytes 1300] [--at-once 20]

The floor is the least that keeps bytes on this disk: a file that is opened, written and synced. `folder` is the store
of one machine, `S3` that of a cluster, whose client is aioboto3's; the server it speaks to answers at once and keeps
nothing, so that what is measured is the client. Each object is as large as the pages of a daily refresh of one account.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import re
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection
from pathlib import Path

from mintql.gateways.objects import ObjectStore
from mintql.gateways.objects_disk import DiskObjectStore
from mintql.gateways.objects_s3 import open_s3

SHORT = {"count": 300}
ROUNDS = 3
LENGTH = re.compile(rb"content-length: *(\d+)")
HEAD_END = b"\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue" + HEAD_END
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench", "AWS_DEFAULT_REGION": "us-east-1"}

Act = Callable[[str], Awaitable[None]]


class Answering(asyncio.Protocol):
    """A server of S3's protocol that takes whatever is put, and gives so many bytes for whatever is got."""

    def __init__(self, size: int) -> None:
        head = b'HTTP/1.1 200 OK\r\nETag: "0"\r\nContent-Length: %d\r\n\r\n'
        self.put, self.got = head % 0, head % size + bytes(size)
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer each request that has all come in."""
        self.received += data
        while HEAD_END in self.received:
            head, _, rest = self.received.partition(HEAD_END)
            length = LENGTH.search(head.lower())
            size = int(length[1]) if length else 0
            if len(rest) < size:
                if b"100-continue" in head and not rest:
                    self.transport.write(CONTINUE)
                return
            self.received = rest[size:]
            self.transport.write(self.got if head.startswith(b"GET") else self.put)


def serve(size: int, ready: Connection) -> None:
    """Be the server, and say at which port."""

    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(lambda: Answering(size), "127.0.0.1", 0)
        ready.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


async def cost(act: Act, keys: list[str], at_once: int) -> tuple[float, float]:
    """Return microseconds of this process and by the clock that each key takes, so many at once."""
    slots = asyncio.Semaphore(at_once)

    async def one(key: str) -> None:
        async with slots:
            await act(key)

    clock, processor = time.perf_counter(), time.process_time()
    await asyncio.gather(*(one(key) for key in keys))
    taken = time.process_time() - processor, time.perf_counter() - clock
    return taken[0] / len(keys) * 1e6, taken[1] / len(keys) * 1e6


def put_and_get(name: str, store: ObjectStore, content: bytes) -> list[tuple[str, Act]]:
    """Return the two ways of using a store, each by its name."""

    async def put(key: str) -> None:
        await store.put(key, content, "application/gzip")

    async def get(key: str) -> None:
        if len(await store.get(key)) != len(content):
            raise SystemExit(f"{key} is another object")

    return [(f"{name} put", put), (f"{name} get", get)]


async def measure(options: argparse.Namespace, folder: Path, port: int) -> None:
    """Print what each store takes, in rounds one after the other, and its ratio to the floor."""
    content = os.urandom(options.bytes)

    async def floor(key: str) -> None:
        def write() -> None:
            with (folder / key.replace("/", "-")).open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())

        await asyncio.to_thread(write)

    async with open_s3("s3://bench/raw", endpoint_url=f"http://127.0.0.1:{port}") as s3:
        ways = [("floor put", floor)]
        ways += put_and_get("folder", DiskObjectStore(folder / "store"), content) + put_and_get("S3", s3, content)
        found: dict[str, list[tuple[float, float]]] = {name: [] for name, _ in ways}
        for number in range(ROUNDS + 1):  # The first warms up.
            keys = [f"raw/{place % 100}/7/{number}-{place}.gz" for place in range(options.count)]
            for name, act in ways:
                found[name].append(await cost(act, keys, options.at_once))
    print(f"{options.count} objects of {options.bytes} bytes, {options.at_once} at once, {ROUNDS} rounds; each object")
    print(f"{'':14}{'processor us':>14}{'clock us':>10}{'to floor':>10}")
    least = statistics.median(processor for processor, _ in found["floor put"][1:])
    for name, rounds in found.items():
        processor, clock = (statistics.median(column) for column in zip(*rounds[1:], strict=True))
        print(f"{name:14}{processor:14.0f}{clock:10.0f}{processor / least:10.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000, help="objects of a round")
    parser.add_argument("--bytes", type=int, default=1300, help="the size of each")
    parser.add_argument("--at-once", type=int, default=20, help="how many are under way")
    parser.add_argument("--short", action="store_true", help="some seconds")
    options = parser.parse_args()
    for name, value in SHORT.items() if options.short else ():
        setattr(options, name, value)
    os.environ.update(CREDENTIALS)
    context = multiprocessing.get_context("spawn")
    ready, told = context.Pipe(duplex=False)
    server = context.Process(target=serve, args=(options.bytes, told), daemon=True)
    server.start()
    home = Path(".mintql/bench")
    home.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(dir=home) as folder:  # On a disk, not in memory.
            asyncio.run(measure(options, Path(folder), ready.recv()))
    finally:
        server.terminate()
        server.join()


if __name__ == "__main__":
    main()
