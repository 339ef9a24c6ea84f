"""Child processes that end with their parent, even when the parent is killed outright."""

from __future__ import annotations

import ctypes
import fcntl
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1
KILL_WAIT_SECONDS = 5
LOG_TAIL_CHARACTERS = 2000
LOG_LIMIT_BYTES = 5_000_000
"""A log longer than this is put aside, over the one put aside before, when its process starts."""

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class EmbeddedError(Exception):
    """A local server could not be started or stopped; the message says what to do."""


class AlreadyRunningError(EmbeddedError):
    """Another process holds the lock; `pid` is the one that wrote itself into it, 0 when unknown."""

    def __init__(self, message: str, pid: int) -> None:
        super().__init__(message)
        self.pid = pid


@dataclass(frozen=True, slots=True)
class Account:
    """A user of this machine that a server can run as."""

    name: str
    uid: int
    gid: int


def unprivileged_account() -> Account | None:
    """Return whom to run PostgreSQL as (it refuses root), or None when this process is not root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise EmbeddedError(
        "PostgreSQL refuses to run as root, and this machine has neither a user `postgres` nor `nobody`; "
        "run this as an ordinary user, or set DATABASE_URL"
    )


def dies_with_parent(death_signal: signal.Signals) -> Callable[[], None]:
    """Return a `preexec_fn` that has the kernel send `death_signal` when the starting thread ends.

    `subprocess` calls it after it has changed the user, which would have cleared the setting. It must be
    used from the main thread: the kernel watches the thread, not the process.
    """
    parent_pid = os.getpid()

    def arrange() -> None:
        if _libc is None:
            return
        _libc.prctl(PR_SET_PDEATHSIG, int(death_signal))
        if os.getppid() != parent_pid:  # The parent died between fork and prctl.
            os._exit(1)

    return arrange


def spawn(
    command: Sequence[str | Path],
    *,
    log_path: Path,
    death_signal: signal.Signals = signal.SIGKILL,
    account: Account | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start a child that ends with this process and appends its output to `log_path`.

    It gets a session of its own, so that ctrl-C reaches only us and we choose the order of stopping.
    """
    if log_path.exists() and log_path.stat().st_size > LOG_LIMIT_BYTES:
        log_path.replace(log_path.with_suffix(".old.log"))
    with log_path.open("ab") as log:
        return subprocess.Popen(  # noqa: S603 - commands are ours
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=dict(env) if env is not None else None,
            cwd=cwd,
            start_new_session=True,
            preexec_fn=dies_with_parent(death_signal),  # noqa: PLW1509 - it calls prctl and nothing else
            **as_account(account),
        )


def as_account(account: Account | None) -> dict[str, Any]:
    """Return the arguments that make `subprocess` run a command as `account`."""
    if account is None:
        return {}
    return {"user": account.uid, "group": account.gid, "extra_groups": []}


def stop(process: subprocess.Popen[bytes], how: signal.Signals, timeout_seconds: float) -> int:
    """Ask a child to end, and kill it when it has not after the timeout; return its exit status."""
    if process.poll() is None:
        process.send_signal(how)
        try:
            return process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait(KILL_WAIT_SECONDS)


@contextmanager
def exclusive_lock(path: Path, held_message: str) -> Iterator[None]:
    """Hold a file lock for the length of the block; the system lets go of it however this process ends.

    Raises:
        AlreadyRunningError: Another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            text = os.read(descriptor, 32).decode(errors="replace").strip()
            pid = int(text) if text.isdigit() else 0
            raise AlreadyRunningError(held_message, pid) from None
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def lock_holder(path: Path) -> int | None:
    """Return the pid of the process that holds a lock (0 when unknown), or None when nobody does."""
    if not path.exists():
        return None
    try:
        with exclusive_lock(path, ""):
            return None
    except AlreadyRunningError as held:
        return held.pid


def tail(log_path: Path) -> str:
    """Return the end of a log, for a message about a server that did not start."""
    try:
        return log_path.read_text(errors="replace")[-LOG_TAIL_CHARACTERS:].strip()
    except OSError:
        return "(no log)"
