"""What an examination finds, and how a check says it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass
from enum import StrEnum

import orjson

from mintql.settings import Settings


class Level(StrEnum):
    """How well a thing is: as it should be, worth a look, or not working."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, how well it is, the details in words, and what is to be done about it."""

    name: str
    level: Level
    words: str
    todo: str = ""


Check = Callable[[Settings], AsyncIterator[Finding]]
"""Looks at one thing. What it raises is a finding as well: the thing does not work."""


def ok(name: str, words: str) -> Finding:
    """Return that all is well."""
    return Finding(name, Level.OK, words)


def warn(name: str, words: str, todo: str) -> Finding:
    """Return what works, and had better be otherwise."""
    return Finding(name, Level.WARN, words, todo)


def bad(name: str, words: str, todo: str) -> Finding:
    """Return what does not work, or must not stay so."""
    return Finding(name, Level.BAD, words, todo)


def report(findings: list[Finding], *, as_json: bool) -> str:
    """Return the findings as lines for people, or as JSON for programs."""
    if as_json:
        return orjson.dumps([asdict(finding) for finding in findings], option=orjson.OPT_INDENT_2).decode()
    marks = {Level.OK: "ok  ", Level.WARN: "WARN", Level.BAD: "BAD "}
    lines: list[str] = []
    for finding in findings:
        lines.append(f"{marks[finding.level]}  {finding.name}: {finding.words}")
        if finding.todo:
            lines.append(f"      -> {finding.todo}")
    return "\n".join(lines)
