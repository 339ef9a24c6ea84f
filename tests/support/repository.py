"""The files of the repository, as tests that read them find them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_MADE_FOLDERS = frozenset({".git", ".venv", ".venv-judges", ".mintql", "__pycache__", "dist"})
_MADE_ENDINGS = ("_cache", ".egg-info")


def text_files(*endings: str) -> Iterator[tuple[Path, str]]:
    """Give path and text of every file with one of these endings (all when none is given) that is not made by a tool."""
    for folder, inner, names in os.walk(ROOT):
        inner[:] = sorted(name for name in inner if not _is_made(name))
        for name in sorted(names):
            path = Path(folder, name)
            if endings and path.suffix not in endings:
                continue
            try:
                yield path.relative_to(ROOT), path.read_text(encoding="utf-8")
            except (UnicodeDecodeError, FileNotFoundError):
                continue


def _is_made(folder: str) -> bool:
    return folder in _MADE_FOLDERS or folder == ".hypothesis" or folder.endswith(_MADE_ENDINGS)
