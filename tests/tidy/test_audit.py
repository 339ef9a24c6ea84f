"""What `./dev audit` makes of what it is told, and `./dev sbom` of what was written."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys

import pytest

from support.repository import ROOT


def load(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


audit, sbom = load("audit"), load("sbom")

CLEAN = {"name": "starlette", "version": "1.0", "vulns": []}
LEFT_OUT = {"name": "redis", "skip_reason": "Dependency not found on PyPI and could not be audited: redis (5.3.1)"}
FAULTY = {"name": "redis", "version": "5.3.1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["5.3.2"]}]}
LOCK = (
    "aioboto3==15.5.0 \\\n    --hash=sha256:"
    + "a" * 64
    + "\nuvicorn[standard]==0.54.1 ; x \\\n    --hash=sha256:"
    + "b" * 64
)
BILL = {
    "components": [
        {"name": name, "version": version, "externalReferences": [{"hashes": [{"content": digest * 64}]}]}
        for name, version, digest in (("aioboto3", "15.5.0", "a"), ("uvicorn", "0.54.1", "b"))
    ]
}


@pytest.mark.parametrize(
    ("reports", "status", "words"),
    [
        ([[CLEAN, {**CLEAN, "name": "redis"}]], 0, "no known vulnerability in 2 packages"),
        ([[CLEAN, FAULTY]], 1, "redis 5.3.1: PYSEC-1, fixed in 5.3.2"),
        ([[FAULTY]], 1, "redis 5.3.1: PYSEC-1, fixed in 5.3.2"),
        ([[CLEAN, LEFT_OUT]], 77, "1 of 2 packages could not be looked up (redis)"),
        ([[LEFT_OUT]], 77, "2 of 2 packages"),
        ([[]], 77, "2 of 2 packages"),
        ([], 77, "2 of 2 packages"),
        ([[CLEAN, LEFT_OUT], [{**CLEAN, "name": "redis"}]], 0, "no known vulnerability"),
    ],
)
def test_only_what_was_looked_up_counts_as_free_of_vulnerabilities(reports, status, words):
    verdict = audit.judge(["starlette", "redis"], [{"dependencies": found} for found in reports])
    assert verdict.status == status
    assert words in "\n".join(verdict.lines)


def test_what_is_not_there_to_ask_is_a_skip_and_no_answer(monkeypatch, tmp_path):
    """Whatever goes wrong in between: the program is not there, or prints no report."""
    (tmp_path / "requirements.lock").write_text(LOCK)
    monkeypatch.setattr(audit, "ROOT", tmp_path)
    monkeypatch.setattr(audit.subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, 1, "", "no"))
    assert audit.main() == audit.SKIPPED


def test_every_package_of_a_lock_file_is_asked_about():
    for lock in ROOT.glob("requirements*.lock"):
        assert len(audit.pinned(lock)) == len(re.findall(r"^[\w.\[\]-]+==", lock.read_text(), re.MULTILINE))


def test_a_bill_of_materials_that_is_not_the_lock_file_is_told():
    assert sbom.differences(LOCK, BILL) == []
    assert sbom.differences(LOCK, {"components": BILL["components"][:1]}) == [
        "uvicorn 0.54.1 is missing",
        "1 hashes are missing",
    ]
    more = {"components": [*BILL["components"], {"name": "leftpad", "version": "1"}]}
    assert sbom.differences(LOCK, more) == ["leftpad 1 is not in the lock file"]


def test_the_bill_wants_a_file():
    done = subprocess.run([sys.executable, ROOT / "tools/sbom.py"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "usage: ./dev sbom FILE\n")
