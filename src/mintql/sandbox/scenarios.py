"""What can be the matter at the bank: the scenarios by name, with the options each takes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from mintql.sandbox.errors import bad_request
from mintql.sandbox.people import AccountName

GARBAGE = "<html><body><h1>We are improving our online banking for you!</h1></body></html>"
SLOW_SECONDS = 5
RETRY_AFTER_SECONDS = 60
"""When a bank that is asked too often says to come back, unless the scenario says otherwise."""

Scenarios = Mapping[str, Mapping[str, Any]]
"""The scenarios that are on for a login, with their options."""

_NUMBER = (int, float)

STANDING: dict[str, dict[str, tuple[type, ...]]] = {
    "outage": {"on": (str,)},
    "login_expired": {},
    "slow": {"seconds": _NUMBER},
    "garbage": {"on": (str,)},
    "bad_row": {"field": (str,), "account": (str,), "id": (str,)},
    "duplicate_page": {},
    "rate_limited": {"retry_after": (int,)},
    "consent_expired": {},
    "payment_required": {},
    "window_too_large": {"days": (int,)},
    "account_gone": {"account": (str,)},
    "time_zone": {"hours": _NUMBER},
    "not_ready": {},
    "page_mutation": {},
}
"""Scenarios that stay on until they are switched off, with the options they take."""

ONCE = ("changed_amount", "removed_row", "readded_row", "pending_to_posted", "changed_ids")
"""Scenarios that happen when they are asked for."""

CHOICES: dict[str, tuple[str, ...]] = {
    "on": ("all", "login", "accounts", "transactions"),
    "field": ("amount", "posted_on"),
    "account": tuple(AccountName),
}
RANGES: dict[str, tuple[float, float]] = {
    "seconds": (0, 120),
    "retry_after": (0, 86_400),
    "days": (1, 740),
    "hours": (-12, 14),
}
"""From and to, both included. Hours: the zones in use reach from -12 to +14."""
REQUIRED = {"time_zone": "hours", "window_too_large": "days"}
"""Options without which a scenario would change nothing."""


def read_options(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a standing scenario among these values; raise `BankError` for one that is no good."""
    options = {key: values[key] for key in STANDING[name] if key in values}
    if name in REQUIRED and REQUIRED[name] not in options:
        raise bad_request(f"{name} needs `{REQUIRED[name]}`.")
    for key, value in options.items():
        fits = isinstance(value, STANDING[name][key]) and not isinstance(value, bool)
        if fits and key in RANGES:
            low, high = RANGES[key]
            fits = low <= value <= high
        if not fits or (key in CHOICES and value not in CHOICES[key]):
            raise bad_request(f"`{key}` cannot be {str(value)[:40]!r}.")
    return options


def applies(scenarios: Scenarios, name: str, call: str) -> bool:
    """Tell whether a scenario that can be limited to some calls is on for this one."""
    return name in scenarios and scenarios[name].get("on", "all") in ("all", call)


async def be_slow(scenarios: Scenarios) -> None:
    """Wait, if the bank is slow."""
    if "slow" in scenarios:
        await asyncio.sleep(float(scenarios["slow"].get("seconds", SLOW_SECONDS)))
