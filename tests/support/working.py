"""A started `mintql worker`, which tries more often than one does in earnest."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mintql.work import REDIS_TIMEOUT_SECONDS

PATIENCE_SECONDS = 30
AT_ONCE_SECONDS = 12
"""A machine that is busy with other tests, and jobs under way that may still come to their end."""
PAUSE_SECONDS = 0.2
SHORT_TIMEOUT_SECONDS = 0.5
"""Of an answer of Redis, where one is waited for in vain."""
WORKER = """
from mintql import cli, work
work.PAUSE_SECONDS = {pause_seconds}
work.REDIS_TIMEOUT_SECONDS = {timeout_seconds}
cli.main()
"""
"""`mintql worker` that tries more often than one does in earnest."""


class Running:
    """A started `mintql worker` and its log."""

    def __init__(self, process: subprocess.Popen[bytes], log_path: Path) -> None:
        self.process = process
        self.log_path = log_path

    async def until_said(self, text: str, times: int = 1) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.log_path.read_text().count(text) < times:
            assert self.process.poll() is None, self.log_path.read_text()
            assert time.monotonic() < deadline, self.log_path.read_text()
            await asyncio.sleep(0.05)

    def stop(self, how: signal.Signals) -> int:
        self.process.send_signal(how)
        return self.process.wait(AT_ONCE_SECONDS)


@contextmanager
def worker(
    folder: Path, database_url: str, redis_url: str, timeout_seconds: float = REDIS_TIMEOUT_SECONDS
) -> Iterator[Running]:
    environment = os.environ | {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "MINTQL_OBJECT_STORE": f"file:{folder / 'objects'}",
        "MINTQL_SWEEP_SECONDS": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    log_path = folder / "worker.log"
    with log_path.open("wb") as output:
        code = WORKER.format(pause_seconds=PAUSE_SECONDS, timeout_seconds=timeout_seconds)
        process = subprocess.Popen([sys.executable, "-c", code, "worker"], cwd=folder, env=environment, stderr=output)
    try:
        yield Running(process, log_path)
    finally:
        process.kill()
        process.wait()
