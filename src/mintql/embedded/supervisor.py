"""The processes of a run on one machine: started in order, started again when they die, stopped in reverse."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import httpx

from mintql.embedded import processes
from mintql.embedded.processes import EmbeddedError

READY_TIMEOUT_SECONDS = 60.0
READY_POLL_SECONDS = 0.05
WATCH_POLL_SECONDS = 0.2
STOP_TIMEOUT_SECONDS = 8.0
RESTART_DELAY_SECONDS_MIN = 0.5
RESTART_DELAY_SECONDS_MAX = 30.0
STEADY_SECONDS = 10.0
"""A process that has run this long starts again with the shortest delay when it dies."""
PORT_MAX = 65_535
PORTS_LOOKED_AT = 100
PORT_STEP = 10
"""How far from a port that is taken another one is suggested."""

Launch = Callable[[], subprocess.Popen[bytes]]
"""Starts a process that the kernel ends when we end, and returns without waiting for it to be ready."""


class Server(Protocol):
    """A database server of ours: running, and stopped by whoever started it."""

    log_path: Path
    process: subprocess.Popen[bytes]

    def launch(self) -> subprocess.Popen[bytes]:
        """Start its process again, in the same place with the same data."""


@dataclass(slots=True)
class Child:
    """One process of ours with its log. `process` is None between its death and its next start."""

    name: str
    launch: Launch
    log_path: Path
    process: subprocess.Popen[bytes] | None
    started_at: float
    restart_at: float = 0.0
    delay_seconds: float = RESTART_DELAY_SECONDS_MIN

    def revive(self, now: float) -> str | None:
        """Start it again when it is dead and its delay is over; return what there is to say about it."""
        if self.process is None:
            return self._start_again(now) if now >= self.restart_at else None
        status = self.process.poll()
        if status is None:
            return None
        return self._put_off(now, f"ended, {_status_in_words(status)}")

    def _start_again(self, now: float) -> str | None:
        self.started_at = now
        try:
            self.process = self.launch()
        except (OSError, subprocess.SubprocessError) as error:
            return self._put_off(now, f"could not be started ({error})")
        return None

    def _put_off(self, now: float, what: str) -> str:
        if now - self.started_at >= STEADY_SECONDS:
            self.delay_seconds = RESTART_DELAY_SECONDS_MIN
        delay_seconds = self.delay_seconds
        self.process = None
        self.restart_at = now + delay_seconds
        self.delay_seconds = min(delay_seconds * 2, RESTART_DELAY_SECONDS_MAX)
        return f"{self.name} {what}; it is started again in {delay_seconds:g} s (log: {self.log_path})"


@dataclass(slots=True)
class Supervisor:
    """Runs children. To be used on the main thread, since the kernel binds children to the thread."""

    logs: Path
    announce: Callable[[str], None]
    servers: list[Child] = field(default_factory=list)
    children: list[Child] = field(default_factory=list)

    def start(self, name: str, arguments: Sequence[str], env: Mapping[str, str]) -> Child:
        """Start `mintql <arguments>` under a name that is also its log's."""
        log_path = self.logs / f"{name}.log"

        def launch() -> subprocess.Popen[bytes]:
            command = [sys.executable, "-m", "mintql", *arguments]
            return processes.spawn(command, log_path=log_path, env={**os.environ, **env})

        child = Child(name, launch, log_path, launch(), time.monotonic())
        self.children.append(child)
        return child

    def look_after(self, name: str, server: Server) -> None:
        """Start a running server again too when it dies; to stop it stays with whoever started it."""
        self.servers.append(Child(name, server.launch, server.log_path, server.process, time.monotonic()))

    async def until_ready(self, child: Child, health_url: str) -> None:
        """Wait until a child answers; raise `EmbeddedError` with the end of its log when it does not."""
        deadline = time.monotonic() + READY_TIMEOUT_SECONDS
        async with httpx.AsyncClient(trust_env=False, timeout=READY_TIMEOUT_SECONDS) as client:
            while True:
                try:
                    if (await client.get(health_url)).is_success:
                        return
                except httpx.TransportError:
                    pass
                died = child.process is not None and child.process.poll() is not None
                if died or time.monotonic() > deadline:
                    raise EmbeddedError(f"{child.name} did not start:\n{processes.tail(child.log_path)}")
                await asyncio.sleep(READY_POLL_SECONDS)

    async def watch(self) -> None:
        """Start again what dies, until cancelled; what keeps dying waits longer and longer."""
        while True:
            for child in (*self.servers, *self.children):
                if news := child.revive(time.monotonic()):
                    self.announce(news)
            await asyncio.sleep(WATCH_POLL_SECONDS)

    def stop(self) -> None:
        """Stop all children in the reverse order of their start, each within a bounded time."""
        self.servers.clear()
        while self.children:
            child = self.children.pop()
            if child.process is not None:
                processes.stop(child.process, signal.SIGTERM, STOP_TIMEOUT_SECONDS)


def _status_in_words(status: int) -> str:
    if status >= 0:
        return f"status {status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"


def check_port(port: int, flag: str, *, host: str = "127.0.0.1") -> None:
    """Raise `EmbeddedError` that names the flag when a port cannot be listened on."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise EmbeddedError(
                f"port {port} cannot be used ({error.strerror}); choose another one: {flag} {other_port(port)}"
            ) from None


def free_ports(first: int, count: int, *, host: str = "127.0.0.1") -> list[int]:
    """Return ports from `first` on that can be listened on at the moment.

    Raises:
        EmbeddedError: There are not as many within a hundred.
    """
    found: list[int] = []
    for port in range(first, min(first + PORTS_LOOKED_AT, PORT_MAX + 1)):
        if len(found) == count:
            break
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            found.append(port)
    if len(found) < count:
        raise EmbeddedError(f"there are no {count} free ports among the {PORTS_LOOKED_AT} from {first} on")
    return found


def other_port(port: int) -> int:
    """Return a port to suggest in the place of this one."""
    return port + PORT_STEP if port + PORT_STEP <= PORT_MAX else port - PORT_STEP
