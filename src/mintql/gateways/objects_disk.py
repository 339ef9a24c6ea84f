"""The object store in a folder: for one machine, and for tests."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import islice
from pathlib import Path
from uuid import uuid4

from mintql.gateways.objects import (
    LIST_BATCH_KEYS,
    ObjectConflict,
    ObjectMissing,
    ObjectStoreDown,
    check_key,
    check_prefix,
    probe,
)

PARTIAL_FOLDER = ".partial"
"""Where files are written before they get their name. No key begins with a dot, so it is never listed."""
OPEN_FILES = "/proc/self/fd/"
LINK_ROUNDS_MAX = 4
PARTIAL_SECONDS_MAX = 3600
"""No write takes this long: a partial file that is older was left by a process that died."""


class DiskObjectStore:
    """Objects as files under `root`, each with the name of its key.

    A file appears under its name only when its bytes are on the disk, by a hard link, which fails when the
    name is taken: readers never see half a file, and writers never overwrite. One key cannot be the folder
    of another; such a `put` raises `ObjectConflict`.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self._has_nameless = hasattr(os, "O_TMPFILE")

    async def clean(self) -> None:
        """Delete what processes that died while writing have left."""
        await asyncio.to_thread(self._clean)

    async def put(self, key: str, content: bytes, content_type: str) -> None:  # noqa: ARG002
        """Create the object; see `ObjectStore.put`. A folder has no place for the content type."""
        await asyncio.to_thread(self._put, check_key(key), content)

    async def get(self, key: str) -> bytes:
        """Return the bytes; see `ObjectStore.get`."""
        return await asyncio.to_thread(self._get, check_key(key))

    async def delete(self, key: str) -> None:
        """Remove the object; see `ObjectStore.delete`."""
        await asyncio.to_thread(self._delete, check_key(key))

    async def list(self, prefix: str) -> AsyncIterator[str]:
        """Yield keys; see `ObjectStore.list`."""
        folder, _, _ = check_prefix(prefix).rpartition("/")
        keys = (key for key in _walk(self.root, folder) if key.startswith(prefix))
        while batch := await asyncio.to_thread(lambda: tuple(islice(keys, LIST_BATCH_KEYS))):
            for key in batch:
                yield key

    async def check(self) -> None:
        """Probe the folder; see `ObjectStore.check`."""
        await probe(self)

    def _clean(self) -> None:
        oldest = time.time() - PARTIAL_SECONDS_MAX
        for partial in (self.root / PARTIAL_FOLDER).glob("*"):
            with contextlib.suppress(OSError):
                if partial.stat().st_mtime < oldest:
                    partial.unlink()

    def _put(self, key: str, content: bytes) -> None:
        try:
            if self._has_nameless:
                try:
                    self._create(self._open_nameless, key, content)
                except (FileExistsError, NotADirectoryError):
                    raise
                except OSError:  # The file system has none, or `/proc` does not lead to it, or all is full.
                    self._has_nameless = False
                else:
                    return
            self._create(self._open_partial, key, content)
        except (NotADirectoryError, FileExistsError):
            raise ObjectConflict(f"a part of {key!r} is an object already, not a folder") from None
        except OSError as error:
            raise ObjectStoreDown(f"{key!r} cannot be written: {error.strerror}") from error

    def _create(self, open_file: Callable[[], tuple[str, int]], key: str, content: bytes) -> None:
        """Write an object into a file of another name, or of none, and give it its own when it is on the disk."""
        target = f"{self.root}/{key}"
        path, handle = open_file()
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(handle)
                try:
                    _link(path, handle, target)
                except FileExistsError:
                    if Path(target).is_dir() or Path(target).read_bytes() != content:
                        raise ObjectConflict(f"other bytes are kept under {key!r} already") from None
                with contextlib.suppress(FileNotFoundError):  # Somebody else has deleted the object by now.
                    _sync_folder(target.rpartition("/")[0])
        finally:
            if not path.startswith(OPEN_FILES):
                Path(path).unlink()

    def _open_nameless(self) -> tuple[str, int]:
        """Open a file that has no name and goes with its process; return a path that leads to it, and its handle."""
        folder = f"{self.root}/{PARTIAL_FOLDER}"
        try:
            handle = os.open(folder, os.O_TMPFILE | os.O_WRONLY, 0o666)
        except FileNotFoundError:
            _make_folders(Path(folder))
            handle = os.open(folder, os.O_TMPFILE | os.O_WRONLY, 0o666)
        return f"{OPEN_FILES}{handle}", handle

    def _open_partial(self) -> tuple[str, int]:
        folder = self.root / PARTIAL_FOLDER
        _make_folders(folder)
        path = f"{folder}/{uuid4().hex}"
        return path, os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)

    def _get(self, key: str) -> bytes:
        try:
            return (self.root / key).read_bytes()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise ObjectMissing(f"nothing is kept under {key!r}") from None
        except OSError as error:
            raise ObjectStoreDown(f"{key!r} cannot be read: {error.strerror}") from error

    def _delete(self, key: str) -> None:
        target = self.root / key
        try:
            if target.is_file():
                target.unlink(missing_ok=True)
                stays = _remove_empty(target.parent, self.root)
                with contextlib.suppress(FileNotFoundError):  # Somebody else has removed it, and says so above it.
                    _sync_folder(stays)
        except OSError as error:
            raise ObjectStoreDown(f"{key!r} cannot be deleted: {error.strerror}") from error


def _walk(root: Path, folder: str) -> Iterator[str]:
    """Yield the keys in `folder` and below, in ascending order."""
    try:
        entries = [entry for entry in os.scandir(root / folder) if not entry.name.startswith(".")]
    except (FileNotFoundError, NotADirectoryError):
        return
    named = [(entry.name + "/" if entry.is_dir() else entry.name) for entry in entries if entry.name[0] != "."]
    # With the slash at its end a folder sorts where its keys do: "a.b" comes before "a/b".
    for name in sorted(named):
        key = f"{folder}/{name}" if folder else name
        if name.endswith("/"):
            yield from _walk(root, key.removesuffix("/"))
        else:
            yield key


def _link(source: str, handle: int, target: str) -> None:
    """Give a written file its name; a folder that somebody removes meanwhile, because it was empty, is made again."""
    for _ in range(LINK_ROUNDS_MAX - 1):
        try:
            _link_once(source, handle, target)
        except FileNotFoundError:
            with contextlib.suppress(FileNotFoundError):
                _make_folders(Path(target).parent)
        else:
            return
    _make_folders(Path(target).parent)
    _link_once(source, handle, target)


def _link_once(source: str, handle: int, target: str) -> None:
    # Any open file makes Python follow the link that `/proc` has to an open file, and not link to that.
    os.link(source, target, src_dir_fd=handle, follow_symlinks=True)


def _remove_empty(folder: Path, root: Path) -> Path:
    """Remove a folder that holds nothing any more, and those above it: names of folders tell of what was in them.

    Returns the first folder that stays.
    """
    with contextlib.suppress(OSError):  # One that is not empty.
        while folder != root:
            folder.rmdir()
            folder = folder.parent
    return folder


def _make_folders(folder: Path) -> None:
    """Create the folder and those above it, each entered durably in its parent."""
    if folder.is_dir():
        return
    _make_folders(folder.parent)
    with contextlib.suppress(FileExistsError):
        folder.mkdir()
    if not folder.is_dir():
        raise NotADirectoryError(folder)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path | str) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
