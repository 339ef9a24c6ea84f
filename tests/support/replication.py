"""A PostgreSQL with a standby of its own, which can be paused, killed and promoted."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from mintql.embedded import processes
from mintql.embedded.places import private_directory, socket_directory
from mintql.embedded.postgres import SUPERUSER, PostgresServer, running_postgres

COPY_TIMEOUT_SECONDS = 60
STOP_TIMEOUT_SECONDS = 20


class Pair:
    """Two servers; `primary` is the one that took writes at first."""

    def __init__(self, primary: PostgresServer, standby: PostgresServer) -> None:
        self.primary = primary
        self.standby = standby

    def url(self, database: str) -> str:
        """Return the address of a database on whichever server takes writes."""
        folders = ",".join(str(server.socket_dir) for server in (self.primary, self.standby))
        return f"postgresql://{SUPERUSER}@/{database}?host={quote(folders)}"

    def kill_primary(self) -> None:
        """Let it end as when its power goes."""
        self.primary.process.send_signal(signal.SIGQUIT)
        self.primary.process.wait(STOP_TIMEOUT_SECONDS)


@contextmanager
def running_pair(home: Path, *, prepare=None) -> Iterator[Pair]:
    """Run both for the length of the block; `prepare` is given the primary before it is copied."""
    with running_postgres(home / "primary", durable=False) as primary:
        if prepare is not None:
            prepare(primary)
        with running_standby(primary, home / "standby") as standby:
            yield Pair(primary, standby)


@contextmanager
def running_standby(primary: PostgresServer, home: Path) -> Iterator[PostgresServer]:
    """Run a copy of a server that follows it."""
    base = primary.data_dir.parent
    data_dir = private_directory(base / home.name, primary.account)
    log_path = home / "standby.log"
    home.mkdir(parents=True, exist_ok=True)
    copy = processes.spawn(
        [primary.binaries.bin / "pg_basebackup", "--pgdata", data_dir, "--host", primary.socket_dir,
         "--username", SUPERUSER, "--write-recovery-conf", "--checkpoint=fast", "--wal-method=stream", "--no-sync"],
        log_path=log_path,
        account=primary.account,
        cwd=data_dir,
    )  # fmt: skip
    assert copy.wait(COPY_TIMEOUT_SECONDS) == 0, processes.tail(log_path)
    sockets = socket_directory(base, f"run-{home.name}", primary.account)
    standby = PostgresServer(primary.binaries, data_dir, sockets, log_path, primary.account, durable=False)
    standby.launch()
    try:
        standby.wait_until_ready()
        yield standby
    finally:
        processes.stop(standby.process, signal.SIGQUIT, STOP_TIMEOUT_SECONDS)


def psql(server: PostgresServer, database: str, statement: str) -> str:
    """Return what a statement says, without any event loop."""
    told = subprocess.run(
        [server.binaries.bin / "psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "-c", statement,
         server.url(database)],
        capture_output=True, text=True, check=True, timeout=COPY_TIMEOUT_SECONDS,
    )  # fmt: skip
    return told.stdout.strip()
