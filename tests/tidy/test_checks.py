"""The checks of `./dev lint` hold: style, format, types, and who may import whom."""

from __future__ import annotations

import subprocess
import sys

import pytest

from support.repository import ROOT

CHECKS = {
    "style": ("-m", "ruff", "check", ".", "dev"),
    "format": ("-m", "ruff", "format", "--check", ".", "dev"),
    "types": ("-m", "mypy"),
    "layers": ("-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"),
}


@pytest.mark.parametrize("check", CHECKS)
def test_the_code_passes_the_check_of(check):
    done = subprocess.run([sys.executable, *CHECKS[check]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_dev_lint_runs_the_same_checks():
    dev = (ROOT / "dev").read_text()
    for check in CHECKS.values():
        assert ", ".join(f'"{word}"' for word in check) in dev
