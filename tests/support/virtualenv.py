"""Programs of the environment that the tests run in."""

from __future__ import annotations

import sys
from pathlib import Path


def program(name: str) -> Path:
    """Return the path of a program that a package of the environment brought."""
    return Path(sys.prefix) / "bin" / name
