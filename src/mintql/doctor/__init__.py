"""`mintql doctor`: is everything there that mintql needs, does it answer, and is it set up as it should be?

Each check looks at one thing by itself, so that what is wrong with one does not hide another, and every finding that is
not well says what is to be done. Nothing is changed, but for a probe in the object store.
"""

from __future__ import annotations

import asyncio

from mintql.doctor.databases import DATABASE_CHECKS
from mintql.doctor.findings import Check, Finding, Level, bad, report
from mintql.doctor.places import PLACE_CHECKS
from mintql.doctor.setup import SETUP_CHECKS
from mintql.doctor.work import WORK_CHECKS
from mintql.settings import Settings

__all__ = ["Finding", "Level", "examine", "report"]

CHECK_SECONDS_MAX = 20.0
CHECKS: dict[str, Check] = {**SETUP_CHECKS, **DATABASE_CHECKS, **PLACE_CHECKS, **WORK_CHECKS}


async def examine(settings: Settings) -> list[Finding]:
    """Return what all checks find, one after the other, so that none looks slow because of another."""
    return [finding for name, check in CHECKS.items() for finding in await _looked_at(name, check, settings)]


async def _looked_at(name: str, check: Check, settings: Settings) -> list[Finding]:
    findings: list[Finding] = []
    try:
        async with asyncio.timeout(CHECK_SECONDS_MAX):
            findings += [finding async for finding in check(settings)]
    except Exception as error:  # noqa: BLE001 - whatever the reason, it does not work
        words = str(error) or f"{type(error).__name__} after {CHECK_SECONDS_MAX:g} s"
        findings.append(bad(name, words, "see that it runs and can be reached from here with these settings"))
    return findings
