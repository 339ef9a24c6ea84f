"""docker-compose.yml as plain values, and its variables filled in."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import yaml

from support.repository import ROOT

_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::[-?](?P<rest>[^}]*))?\}")


def compose() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def required_variables() -> set[str]:
    """Variables without which compose refuses to start."""
    return set(re.findall(r"\$\{(\w+):\?", (ROOT / "docker-compose.yml").read_text()))


def made_variables() -> dict[str, str]:
    """What deploy/make_env.py prints."""
    script = ROOT / "deploy" / "make_env.py"
    text = subprocess.run([sys.executable, script], check=True, capture_output=True, text=True).stdout
    return dict(line.split("=", 1) for line in text.splitlines() if not line.startswith("#"))


def filled(value: str, variables: dict[str, str]) -> str:
    """The text with `${NAME}` filled in, as compose does it."""
    return _VARIABLE.sub(lambda match: variables.get(match["name"], match["rest"] or ""), value)
