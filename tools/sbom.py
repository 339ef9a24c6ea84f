"""Write what a server is made of as CycloneDX JSON: `./dev sbom FILE`.

From `requirements-server.lock`, without the time or a random serial number: the same lock file gives the same bytes.
What was written is held against the lock file before this ends.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements-server.lock"
SPECIFICATION = "1.6"


def differences(lock: str, bill: Mapping[str, Any]) -> list[str]:
    """Return which packages, versions and hashes of a lock file a bill of materials does not have, or has besides."""
    pinned = set(re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?==([^\s;]+)", lock, re.MULTILINE))
    listed = {(item["name"], item["version"]) for item in bill.get("components", ())}
    hashes = set(re.findall(r"--hash=sha256:([0-9a-f]{64})", lock))
    told = {
        found["content"]
        for item in bill.get("components", ())
        for reference in item.get("externalReferences", ())
        for found in reference.get("hashes", ())
    }
    return [
        *(f"{name} {version} is missing" for name, version in sorted(pinned - listed)),
        *(f"{name} {version} is not in the lock file" for name, version in sorted(listed - pinned)),
        *([f"{len(hashes - told)} hashes are missing"] if hashes - told else []),
    ]


def main(arguments: list[str]) -> int:
    """Write the file; return the exit status."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print("usage: ./dev sbom FILE", file=sys.stderr)
        return 2
    target = Path(arguments[0])
    command = [
        sys.executable, "-m", "cyclonedx_py", "requirements", str(LOCK), "--pyproject", str(ROOT / "pyproject.toml"),
        "--spec-version", SPECIFICATION, "--output-reproducible", "--output-format", "JSON",
        "--output-file", str(target),
    ]  # fmt: skip
    status = subprocess.call(command)
    if status:
        return status
    bill = json.loads(target.read_text(encoding="utf-8"))
    wrong = differences(LOCK.read_text(encoding="utf-8"), bill)
    for line in wrong:
        print(f"{target}: {line}", file=sys.stderr)
    print(f"{target}: {len(bill['components'])} packages")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
