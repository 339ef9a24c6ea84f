"""Folders whose disk can be full.

Where the system lets us, each is a file system in memory of its own, within a mount namespace of this process that is
gone with it: root may, and so may others where unprivileged user namespaces are allowed. Full is then a real ENOSPC.
Elsewhere the processes that write get a limit on the size of files (RLIMIT_FSIZE): EFBIG from the same system calls.
"""

from __future__ import annotations

import ctypes
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
MS_NOSUID, MS_NODEV, MS_REMOUNT, MS_REC, MS_PRIVATE = 0x2, 0x4, 0x20, 0x4000, 0x40000
MNT_DETACH = 2
SIZE_BYTES = 2 * 1024**3
LEFT_BYTES = 64 * 1024
"""What a full disk still takes."""
FILE_LIMIT_BYTES = 256
_libc = ctypes.CDLL(None, use_errno=True)
_namespaced = False


def enter_namespace() -> bool:
    """Give this process a mount namespace of its own; to be called before it has threads. False where it may not."""
    global _namespaced  # noqa: PLW0603 - it is the process that is in one or not
    uid, gid = os.geteuid(), os.getegid()
    if _libc.unshare(CLONE_NEWNS if uid == 0 else CLONE_NEWNS | CLONE_NEWUSER) != 0:
        return False
    with suppress(OSError):
        if uid != 0:
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
            Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
    # What is mounted here is nobody else's business.
    _namespaced = _libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None) == 0
    return _namespaced


@dataclass
class Volume:
    """A folder; `is_real` says that it is a file system of its own."""

    path: Path
    is_real: bool = False

    @contextmanager
    def mounted(self) -> Iterator[Volume]:
        """Make the folder, and where possible a file system in it, for the length of the block."""
        self.path.mkdir(mode=0o711)
        if _namespaced:
            options = f"size={SIZE_BYTES},mode=0711".encode()
            self.is_real = _libc.mount(b"tmpfs", bytes(self.path), b"tmpfs", MS_NOSUID | MS_NODEV, options) == 0
        try:
            yield self
        finally:
            if self.is_real:
                _libc.umount2(bytes(self.path), MNT_DETACH)

    def fill(self, pids: list[int]) -> None:
        """Let no more be written to it; `pids` are the processes that write."""
        if self.is_real:
            stat = os.statvfs(self.path)
            self._resize((stat.f_blocks - stat.f_bfree) * stat.f_frsize + LEFT_BYTES)
            return
        for pid in pids:
            self._limit(pid, FILE_LIMIT_BYTES)

    def free(self, pids: list[int]) -> None:
        """Let it be written to again."""
        if self.is_real:
            self._resize(SIZE_BYTES)
            return
        for pid in pids:
            self._limit(pid, resource.RLIM_INFINITY)

    def _resize(self, size_bytes: int) -> None:
        options = f"size={size_bytes}".encode()
        if _libc.mount(b"tmpfs", bytes(self.path), b"tmpfs", MS_REMOUNT | MS_NOSUID | MS_NODEV, options) != 0:
            raise OSError(ctypes.get_errno(), f"the size of {self.path} could not be changed")

    def _limit(self, pid: int, size_bytes: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size_bytes, hard))
