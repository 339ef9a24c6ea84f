"""A closed loop of HTTP requests over kept connections, as light as Python can be: a program of its own.

    python bench/_load.py FILE PORT CONNECTIONS

FILE is a pickled list of requests, each the bytes to send; they are sent in their order, over and over, each
connection sending its next one as soon as it has its answer. Eight signs @ in a request become digits that no request
had before. Commands come as lines of JSON on standard input, each
answered by one on standard output:

    {"passes": 1}      send each request so many times
    {"seconds": 2.5}   send requests for so long

An answer that is not 200, or has GraphQL errors in it, is counted as failed, and the first one is told.
"""

from __future__ import annotations

import json
import pickle
import select
import socket
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

READ_BYTES = 1 << 18
END_OF_HEAD = b"\r\n\r\n"
LENGTH = b"content-length: "
FRESH = b"@" * 8


@dataclass(slots=True)
class Lane:
    """A connection: when its request was sent, and what has come of the answer."""

    socket: socket.socket
    sent_at: float = 0.0
    head: bytes = b""
    missing: int = 0


@dataclass(slots=True)
class Tally:
    """What a run came to: milliseconds of each answer, bytes of all, and what failed."""

    times: list[float] = field(default_factory=list)
    received: int = 0
    hits: int = 0
    failed: int = 0
    example: str = ""


class Load:
    """So many connections to one server."""

    def __init__(self, requests: list[bytes], port: int, connections: int) -> None:
        self.requests = requests
        self.port = port
        self.lanes: dict[int, Lane] = {}
        self.connections = connections
        self.next = 0
        self.fresh = FRESH in requests[0]
        self.number = time.time_ns() // 1000

    def open(self) -> None:
        """Connect anew."""
        for lane in self.lanes.values():
            lane.socket.close()
        self.lanes = {}
        for _ in range(self.connections):
            connected = socket.create_connection(("127.0.0.1", self.port))
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.lanes[connected.fileno()] = Lane(connected)

    def run(self, count: int | None, seconds: float | None) -> Tally:
        """Send `count` requests, or for `seconds`."""
        self.open()
        tally, poll = Tally(), select.epoll()
        for number in self.lanes:
            poll.register(number, select.EPOLLIN)
        until = time.perf_counter() + (seconds or 3600)
        left, waiting = count or sys.maxsize, 0
        for lane in self.lanes.values():
            if left:
                self.send(lane)
                left, waiting = left - 1, waiting + 1
        while waiting:
            for number, _ in poll.poll():
                lane = self.lanes[number]
                if not self.receive(lane, tally):
                    continue
                now = time.perf_counter()
                tally.times.append((now - lane.sent_at) * 1000)
                if left and now < until:
                    self.send(lane)
                    left -= 1
                else:
                    waiting -= 1
        poll.close()
        return tally

    def send(self, lane: Lane) -> None:
        """Send the next request."""
        lane.sent_at = time.perf_counter()
        request = self.requests[self.next]
        if self.fresh:
            self.number += 1
            request = request.replace(FRESH, b"%08d" % (self.number % 10**8))
        lane.socket.sendall(request)
        self.next = (self.next + 1) % len(self.requests)

    def receive(self, lane: Lane, tally: Tally) -> bool:
        """Take what has come; tell whether the answer is complete."""
        piece = lane.socket.recv(READ_BYTES)
        if not piece:
            raise SystemExit(f"the server on port {self.port} closed a connection")
        tally.received += len(piece)
        if lane.missing:
            lane.missing -= len(piece)
            return lane.missing == 0
        lane.head += piece
        end = lane.head.find(END_OF_HEAD)
        if end < 0:
            return False
        head = lane.head[:end].lower() + b"\r\n"
        place = head.index(LENGTH) + len(LENGTH)
        lane.missing = int(head[place : head.index(b"\r", place)]) - (len(lane.head) - end - 4)
        tally.hits += b"x-cache: hit" in head
        if not head.startswith(b"http/1.1 200") or b'"errors"' in lane.head[end : end + 200]:
            tally.failed += 1
            tally.example = tally.example or lane.head.decode(errors="replace")[:1500]
        lane.head = b""
        return lane.missing == 0


def main() -> None:
    file, port, connections = sys.argv[1:]
    load = Load(pickle.loads(Path(file).read_bytes()), int(port), int(connections))
    for line in sys.stdin:
        command = json.loads(line)
        passes = command.get("passes")
        started, cpu = time.perf_counter(), time.process_time()
        tally = load.run(passes and passes * len(load.requests), command.get("seconds"))
        seconds = time.perf_counter() - started
        times = sorted(tally.times)
        answer = {
            "count": len(times),
            "seconds": seconds,
            "cpu_seconds": time.process_time() - cpu,
            "p50_ms": times[len(times) // 2],
            "p99_ms": times[len(times) * 99 // 100],
            "bytes": tally.received,
            "hits": tally.hits,
            "failed": tally.failed,
            "example": tally.example,
        }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
