"""`./dev faults`: runs seeds one after the other, prints what happens and the table, and fails when a promise did."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from dataclasses import replace

from faults.report import Result, details, table
from faults.run import Options, run_seed
from faults.schedule import Shape
from faults.volumes import enter_namespace

SLICE = Options(
    logins=10,
    people=2,
    seconds=5,
    shape=Shape(apis=1, workers=2),
    sweep_seconds=1,
    measured=("a crash of PostgreSQL",),
)
SLICE_SEED = 10


def main() -> int:
    """Run what the command line asks for; return the exit status."""
    words = argparse.ArgumentParser(prog="./dev faults", description=__doc__)
    words.add_argument("--seeds", type=int, default=1, help="how many seeds to run, from a random one on")
    words.add_argument("--seed", type=int, help="run this seed, the first of --seeds")
    words.add_argument("--logins", type=int, default=Options().logins, help="logins at the bank, three accounts each")
    words.add_argument("--seconds", type=float, default=Options().seconds, help="for how long faults begin")
    words.add_argument("--slice", action="store_true", help="the short run that is a part of ./dev test")
    words.add_argument("--prove", action="store_true", help="spoil the state at the end, to see that the checks notice")
    words.add_argument("--keep", action="store_true", help="keep the folder of logs even if all went well")
    told = words.parse_args()
    wanted = SLICE if told.slice else Options(logins=told.logins, seconds=told.seconds)
    options = replace(wanted, keep=told.keep, prove=told.prove)
    first = told.seed if told.seed is not None else SLICE_SEED if told.slice else random.randrange(1_000_000)
    print(
        f"a file system of its own for each disk: {'yes' if enter_namespace() else 'no, limits of file sizes instead'}"
    )
    results: list[Result] = []
    for seed in range(first, first + told.seeds):
        print(f"\n==== seed {seed}", flush=True)
        began = time.monotonic()

        def say(line: str, began: float = began) -> None:
            print(f"  [{time.monotonic() - began:5.1f}] {line}", flush=True)

        result = asyncio.run(run_seed(seed, options, say))
        results.append(result)
        print("\n".join(f"  {note}" for note in result.notes))
        print(result.line(), flush=True)
    bad = [result for result in results if result.violations]
    print("\n" + table(results))
    for result in bad:
        print("\n" + details(result))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
