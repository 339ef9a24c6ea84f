"""Every control that docs/security.md names has its test."""

from __future__ import annotations

import re

from support.repository import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text()
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)


def test_the_tests_that_the_page_names_exist():
    assert len(NAMED) > 10
    missing = [
        f"{path}::{name}"
        for path, name in NAMED
        if not re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(), re.MULTILINE)
    ]
    assert missing == []


def test_every_row_of_its_tables_names_a_test():
    tables = re.findall(r"^\| control \|.*\n\|[-| ]+\|\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    rows = [row for table in tables for row in table.splitlines()]
    assert len(rows) > 10
    assert [row for row in rows if "::" not in row and not row.endswith("| the same |")] == []
