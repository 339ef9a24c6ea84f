"""Programs that a bench starts, and what they cost in processor seconds, children included."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 10
AS_MUCH_AS_WANTED = {
    "MINTQL_COST_PER_MINUTE": str(10**12),
    "MINTQL_COST_PER_MINUTE_OF_ADDRESS": str(10**12),
    "MINTQL_SIGN_UPS_PER_HOUR": "0",
    "MINTQL_SOCKETS_PER_PERSON": "0",
    "MINTQL_SOCKETS_PER_ADDRESS": "0",
    "MINTQL_STREAMS_PER_PERSON": "0",
}
"""Settings of an API whose limits are counted as ever, and never reached."""
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """Return a port of loopback that nobody has at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def running(
    command: Sequence[str | Path], env: Mapping[str, str], log: Path, ready_url: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program until the block ends, and wait until `ready_url` answers."""
    with log.open("wb") as out:
        process = subprocess.Popen(command, env={**os.environ, **env}, stdout=out, stderr=out)
    try:
        _wait(process, log, ready_url)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], log: Path, url: str) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while True:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except urllib.error.HTTPError as error:
            if error.code < HTTPStatus.INTERNAL_SERVER_ERROR:
                return
        except OSError:
            pass
        if process.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"a server did not start:\n{log.read_text(errors='replace')[-3000:]}")
        time.sleep(0.05)


def cpu_seconds(pid: int) -> float:
    """Return what a process has used, with its children that are alive and those that have ended."""
    total = 0.0
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            times = [int(text) for text in fields[11:15]]
            if int(folder.name) == pid:
                total += sum(times)
            elif int(fields[1]) == pid:
                total += times[0] + times[1]
    return total / TICKS_PER_SECOND
