"""The processes of a run on one machine: started in order, started again when they die, stopped in reverse."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from mintql.embedded import processes
from mintql.embedded.processes import EmbeddedError

log = logging.getLogger(__name__)

READY_TIMEOUT_SECONDS = 60.0
READY_POLL_SECONDS = 0.05
WATCH_POLL_SECONDS = 0.2
STOP_TIMEOUT_SECONDS = 8.0
RESTART_DELAY_SECONDS_MIN = 0.5
RESTART_DELAY_SECONDS_MAX = 30.0
STEADY_SECONDS = 60.0
"""A process that has run this long starts again without delay when it dies."""


@dataclass(slots=True)
class Child:
    """One process of ours, `mintql <arguments>`, with its log."""

    name: str
    arguments: Sequence[str]
    env: Mapping[str, str]
    log_path: Path
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    restart_at: float = 0.0
    delay_seconds: float = RESTART_DELAY_SECONDS_MIN

    def start(self) -> None:
        """Start it. The kernel ends it when we end."""
        self.process = processes.spawn(
            [sys.executable, "-m", "mintql", *self.arguments], log_path=self.log_path, env={**os.environ, **self.env}
        )
        self.started_at = time.monotonic()


@dataclass(slots=True)
class Supervisor:
    """Runs children. To be used on the main thread, since the kernel binds children to the thread."""

    logs: Path
    children: list[Child] = field(default_factory=list)

    def start(self, name: str, arguments: Sequence[str], env: Mapping[str, str]) -> Child:
        """Start `mintql <arguments>` under a name that is also its log's."""
        child = Child(name, arguments, env, self.logs / f"{name}.log")
        child.start()
        self.children.append(child)
        return child

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
            for child in self.children:
                _revive(child, time.monotonic())
            await asyncio.sleep(WATCH_POLL_SECONDS)

    def stop(self) -> None:
        """Stop all in the reverse order of their start, each within a bounded time."""
        while self.children:
            child = self.children.pop()
            if child.process is not None:
                processes.stop(child.process, signal.SIGTERM, STOP_TIMEOUT_SECONDS)


def _revive(child: Child, now: float) -> None:
    if child.process is None:
        if now >= child.restart_at:
            child.start()
        return
    status = child.process.poll()
    if status is None:
        return
    if now - child.started_at > STEADY_SECONDS:
        child.delay_seconds = RESTART_DELAY_SECONDS_MIN
    log.warning(
        "%s ended with status %s and is started again in %g s; see %s",
        child.name, status, child.delay_seconds, child.log_path,
    )  # fmt: skip
    child.process = None
    child.restart_at = now + child.delay_seconds
    child.delay_seconds = min(child.delay_seconds * 2, RESTART_DELAY_SECONDS_MAX)


def check_port(port: int, flag: str, *, host: str = "127.0.0.1") -> None:
    """Raise `EmbeddedError` that names the flag when a port cannot be listened on."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise EmbeddedError(
                f"port {port} cannot be used ({error.strerror}); choose another one: {flag} {port + 10}"
            ) from None
