"""Look for known vulnerabilities in what the lock files pin: `./dev audit`.

pip-audit asks a service about each package. What it could not ask about, it leaves out and calls the rest free of
vulnerabilities; here only what was asked about counts. The status is 0 when every package was looked up and nothing is
known, 1 when something is, and 77, which means skipped, when something could not be looked up.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
CLEAN, VULNERABLE, SKIPPED = 0, 1, 77
TIMEOUT_SECONDS = 15
RUN_SECONDS_MAX = 900
SHOWN_MAX = 5
SERVICES = ("pypi", "osv")


class Verdict(NamedTuple):
    """What is to be made of the reports: the exit status, and lines to print."""

    status: int
    lines: list[str]


def judge(packages: Iterable[str], reports: Sequence[Mapping[str, Any]]) -> Verdict:
    """Hold reports of pip-audit against the names of the packages that it had to look up."""
    known: dict[str, str] = {}
    looked_up: set[str] = set()
    for report in reports:
        for found in report["dependencies"]:
            if "skip_reason" in found:
                continue
            looked_up.add(found["name"])
            for fault in found["vulns"]:
                fixed = ", ".join(fault["fix_versions"]) or "no version"
                known[f"{found['name']} {found['version']}: {fault['id']}, fixed in {fixed}"] = fault["id"]
    if known:
        return Verdict(VULNERABLE, sorted(known))
    wanted = set(packages)
    missing = sorted(wanted - looked_up)
    if missing:
        some = ", ".join(missing[:SHOWN_MAX]) + (", ..." if len(missing) > SHOWN_MAX else "")
        line = f"nothing can be said: {len(missing)} of {len(wanted)} packages could not be looked up ({some})"
        return Verdict(SKIPPED, [line])
    return Verdict(CLEAN, [f"no known vulnerability in {len(wanted)} packages"])


def pinned(lock: Path) -> list[str]:
    """Return the names of the packages in a lock file, as they are normalised (PEP 503)."""
    lines = lock.read_text(encoding="utf-8").splitlines()
    names = (line.partition("==")[0].partition("[")[0] for line in lines if line[:1].isalnum() and "==" in line)
    return [name.lower().replace("_", "-").replace(".", "-") for name in names]


def ask(service: str, lock: Path) -> dict[str, Any] | None:
    """Return the report of pip-audit on a lock file; None when it has none, having said why."""
    command = [
        sys.executable, "-m", "pip_audit", "--vulnerability-service", service, "--requirement", str(lock),
        "--disable-pip", "--require-hashes", "--format", "json", "--progress-spinner", "off",
        "--timeout", str(TIMEOUT_SECONDS),
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=RUN_SECONDS_MAX)
        report = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, json.JSONDecodeError):
        return None
    return report if isinstance(report, dict) else None


def main() -> int:
    """Ask about every lock file, by the first service that knows all of it; return the exit status."""
    worst = CLEAN
    for lock in sorted(ROOT.glob("requirements*.lock")):
        packages, reports = pinned(lock), []
        for service in SERVICES:
            report = ask(service, lock)
            reports += [report] if report is not None else []
            verdict = judge(packages, reports)
            if verdict.status != SKIPPED:
                break
        for line in verdict.lines:
            print(f"{lock.name}: {line}", flush=True)
        worst = max(worst, verdict.status) if VULNERABLE not in (worst, verdict.status) else VULNERABLE
    return worst


if __name__ == "__main__":
    sys.exit(main())
