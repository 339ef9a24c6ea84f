"""Peers from npm that benches measure beside mintql, installed into folders of their own where node is."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path


def installed(name: str, wanted: Path, packages: Sequence[str], *, builds: Sequence[str] = ()) -> Path | None:
    """Return the folder a peer is installed in, installing it where it is not; None, and why, where that cannot be.

    Args:
        name: Of the peer, as it is printed.
        wanted: The folder.
        packages: With their versions.
        builds: Those among what they need that build themselves when they are installed, which npm has to be told.
    """
    if shutil.which("node") is None or shutil.which("npm") is None:
        print(f"{name} is left out: node and npm are not on PATH")
        return None
    stamp = wanted / "installed"
    if not stamp.exists() or stamp.read_text() != " ".join(packages):
        wanted.mkdir(parents=True, exist_ok=True)
        package = {"private": True, "allowScripts": dict.fromkeys(builds, True)}
        (wanted / "package.json").write_text(json.dumps(package))
        command = ["npm", "install", "--no-audit", "--no-fund", "--loglevel=error", *packages]
        if subprocess.run(command, cwd=wanted, check=False).returncode != 0:
            print(f"{name} is left out: npm could not install it")
            return None
        stamp.write_text(" ".join(packages))
    return wanted
