"""A short run with a fixed seed, as part of the tests; `./dev faults` is the whole of it."""

from __future__ import annotations

import os
import subprocess
import sys

from faults.checks import INVARIANTS
from faults.prove import BY_HAND, SPOILINGS
from support.repository import ROOT

SECONDS_MAX = 240
"""An idle machine takes a tenth of it."""


def test_a_mintql_that_is_broken_in_every_way_keeps_its_promises_and_the_checks_can_fail():
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(["tests", *filter(None, sys.path)])}
    done = subprocess.run(
        [sys.executable, "-m", "faults", "--slice", "--prove"],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=SECONDS_MAX, check=False,
    )  # fmt: skip
    said = done.stdout + done.stderr[-3000:]
    assert done.returncode == 0, said
    assert "all promises kept; 5 faults" in said
    assert said.count("  ok  ") == len(SPOILINGS) + len(BY_HAND), said
    assert "Traceback" not in said, said


def test_there_is_a_way_to_break_each_promise():
    assert {item.invariant for item in SPOILINGS} | {invariant for _, invariant, _ in BY_HAND} == INVARIANTS.keys()
