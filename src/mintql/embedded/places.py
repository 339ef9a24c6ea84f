"""Where local servers keep their data and sockets, and who can reach those places."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
from pathlib import Path

from mintql.embedded.processes import Account, EmbeddedError, as_account

SOCKET_PATH_BYTES_MAX = 107
"""What fits into `sockaddr_un` on Linux, without the closing zero byte."""
LONGEST_SOCKET_NAME = ".s.PGSQL.5432.lock"


def private_directory(path: Path, account: Account | None = None, mode: int = 0o700) -> Path:
    """Make a directory that belongs to `account` (or to us), or check that an existing one does.

    Raises:
        EmbeddedError: It exists and is a link or somebody else's. In a folder that everybody can write to
            another user may have put it there first.
    """
    owner = account.uid if account else os.geteuid()
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.mkdir(mode=mode)
    except FileExistsError:
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {owner, os.geteuid()}:
            raise EmbeddedError(f"{path} is not a directory of ours; remove it and try again") from None
    if account and path.lstat().st_uid != owner:
        os.chown(path, account.uid, account.gid, follow_symlinks=False)
    path.chmod(mode)
    return path


def can_use(account: Account | None, *, execute: Path | None = None, read: Path | None = None) -> bool:
    """Tell whether `account` can reach, execute and read these files, by trying as that user."""
    if account is None:
        return True
    checks = [("-x", execute), ("-r", read)]
    return all(
        subprocess.run(  # noqa: S603
            ["test", flag, str(path)],  # noqa: S607
            check=False,
            cwd="/",
            **as_account(account),
        ).returncode
        == 0
        for flag, path in checks
        if path is not None
    )


def fallback_home(home: Path) -> Path:
    """Return the folder under /var/tmp that stands for `home` where its own path cannot be used."""
    folder = private_directory(_fallback_path(home), mode=0o711)
    (folder / "stands-for").write_text(f"{home.resolve()}\n")
    return folder


def _fallback_path(home: Path) -> Path:
    name = f"mintql-{os.geteuid()}-{hashlib.sha256(str(home.resolve()).encode()).hexdigest()[:10]}"
    return Path("/var/tmp") / name  # noqa: S108 - whoever uses it checks whose it is


def server_home(home: Path, account: Account | None) -> Path:
    """Return where a server run as `account` can keep its data: `home`, or its stand-in under /var/tmp."""
    home.mkdir(parents=True, exist_ok=True)
    return home if can_use(account, execute=home) else fallback_home(home)


def socket_directory(home: Path, name: str, account: Account | None = None) -> Path:
    """Return a private directory for sockets whose path is short enough for the system."""
    wanted = home / name
    if len(os.fsencode(wanted.absolute() / LONGEST_SOCKET_NAME)) > SOCKET_PATH_BYTES_MAX:
        wanted = fallback_home(home) / name
    return private_directory(wanted, account)


def remove_home(home: Path) -> None:
    """Remove `home` and, where there is one, its stand-in under /var/tmp. Whatever ran there has to be stopped."""
    shutil.rmtree(home, ignore_errors=True)
    remove_stand_in(home)


def remove_stand_in(home: Path) -> None:
    """Remove the folder under /var/tmp that stands for `home`, if there is one."""
    if _fallback_path(home).is_dir():
        # Checked to be ours first: anybody can put something there.
        shutil.rmtree(fallback_home(home), ignore_errors=True)
