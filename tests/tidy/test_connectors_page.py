"""docs/connectors.md says of each connector what the connector says of itself, and leaves no scenario out."""

from __future__ import annotations

import re

from mintql.gateways.http import open_http
from mintql.institutions.registry import build_connectors
from mintql.sandbox.scenarios import ONCE, STANDING
from mintql.settings import Settings
from support.repository import ROOT

PAGE = (ROOT / "docs" / "connectors.md").read_text()


def table(beginning: str) -> dict[str, list[str]]:
    """The rows of the table whose first line begins so, by their first cell."""
    lines = PAGE[PAGE.index(beginning) :].split("\n\n")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0]: row[1:] for row in rows if not set(row[0]) <= {"-"} or row[0] == ""}


async def test_what_each_connector_can_is_what_the_page_says():
    settings = Settings(sandbox_url="http://127.0.0.1:1", plaid_url="https://plaid.example")
    async with open_http(settings) as http:
        connectors = build_connectors(settings, http)
    rows = table("| | `sandbox`")
    names = [name.strip("`") for name in rows[""]]
    assert sorted(names) == sorted(connectors)
    for place, name in enumerate(names):
        able = connectors[name].capabilities
        said = {label: cells[place] for label, cells in rows.items()}
        assert {
            "fetched by": "window" if able.window else "cursor",
            "longest window, days": str(able.window_days_max),
            "history, days": str(able.history_days_max),
            "pending rows": "yes" if able.pending else "no",
            "posted rows name their pending one": "yes" if able.links_pending else "no",
            "between two refreshes, seconds": str(able.refresh_interval_seconds_min),
            "requests a day": str(able.requests_per_day_max or ""),
            "told when a connection ends": "yes" if able.farewell else "no",
        }.items() <= said.items(), name


def test_every_scenario_of_the_bank_is_in_the_table():
    named = {re.match(r"`(\w+)`", label)[1] for label in table("| scenario |") if label.startswith("`")}
    assert named == {*STANDING, *ONCE}
