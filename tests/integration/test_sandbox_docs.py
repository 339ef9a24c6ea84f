"""The examples of docs/sandbox-bank.md work as they stand, and the tables there name what there is."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from pathlib import Path

import pytest

from mintql.sandbox import create_bank
from mintql.sandbox.bank import PAGE_ROWS_MAX, WINDOW_DAYS_MAX
from mintql.sandbox.scenarios import ONCE, STANDING
from mintql.sandbox.tokens import TOKEN_SECONDS
from support.servers import serving

PAGE = (Path(__file__).parents[2] / "docs" / "sandbox-bank.md").read_text()
SCRIPT = "set -eu\n" + "\n".join(re.findall(r"^```sh\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE))


@pytest.mark.skipif(shutil.which("curl") is None, reason="the examples are for curl")
async def test_the_examples_run_from_top_to_bottom(tmp_path):
    async with serving(create_bank(tmp_path / "bank.sqlite")) as server:
        process = await asyncio.create_subprocess_exec(
            "sh",
            "-c",
            SCRIPT,
            env={"PATH": os.environ["PATH"], "BANK": server.url},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0, errors.decode()
    assert SCRIPT.count("curl") >= 13
    assert b'"amount":"-84.20"' in output
    assert b'"amount":"-45.00"' in output
    assert b'{"scenarios":{"outage":{"on":"transactions"}}}' in output


def test_limits_and_scenarios_are_those_of_the_code():
    assert f"at most {WINDOW_DAYS_MAX} days" in PAGE
    assert f"1 to {PAGE_ROWS_MAX}" in PAGE
    assert f"for {TOKEN_SECONDS} seconds" in PAGE
    section = PAGE[PAGE.index("### Scenarios") :].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == {*STANDING, *ONCE}


def test_every_error_code_of_the_bank_is_explained():
    source = "".join(path.read_text() for path in Path(create_bank.__code__.co_filename).parent.glob("*.py"))
    codes = set(re.findall(r'BankError\(\s*\d+, "(\w+)"', source))
    assert len(codes) > 8
    assert {code for code in codes if f"`{code}`" not in PAGE} == set()
