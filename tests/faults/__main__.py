"""`./dev faults`: runs seeds, prints what happens and the table, and fails when a promise was not kept."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import pickle
import random
import signal
import sys
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from faults.report import LIMITS_SECONDS, Result, details, table
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
USUAL = Options()


def main() -> int:
    """Run what the command line asks for; return the exit status."""
    told = _read()
    first = told.seed if told.seed is not None else SLICE_SEED if told.slice else random.randrange(1_000_000)
    if told.seeds == 1:
        results = [_run_here(first, told)]
    else:
        results = asyncio.run(_run_apart(range(first, first + told.seeds), told.at_once))
    if told.result:
        Path(told.result).write_bytes(pickle.dumps(results))
        return 0
    bad = [result for result in results if result.violations]
    print("\n" + table(results))
    for result in bad:
        print("\n" + details(result))
    return 1 if bad else 0


def _read() -> argparse.Namespace:
    words = argparse.ArgumentParser(prog="./dev faults", description=__doc__)
    words.add_argument("--seeds", type=int, default=1, help="how many seeds to run, from a random one on")
    words.add_argument("--seed", type=int, help="run this seed, the first of --seeds")
    words.add_argument("--at-once", type=int, default=1, help="how many seeds run at once")
    words.add_argument("--logins", type=int, default=USUAL.logins, help="logins at the bank, three accounts each")
    words.add_argument("--people", type=int, default=USUAL.people, help="persons with clients of their own")
    words.add_argument("--seconds", type=float, default=USUAL.seconds, help="for how long faults begin")
    words.add_argument("--measures", type=int, default=len(LIMITS_SECONDS), help="how many resumptions a seed measures")
    words.add_argument("--slice", action="store_true", help="the short run that is a part of ./dev test")
    words.add_argument("--prove", action="store_true", help="spoil the state at the end, to see that the checks notice")
    words.add_argument("--keep", action="store_true", help="keep the folder of logs even if all went well")
    words.add_argument("--result", help=argparse.SUPPRESS)
    return words.parse_args()


def _run_here(seed: int, told: argparse.Namespace) -> Result:
    wanted = SLICE if told.slice else Options(logins=told.logins, people=told.people, seconds=told.seconds)
    options = replace(wanted, keep=told.keep, prove=told.prove)
    if told.measures < len(options.measured):
        ways = deque(options.measured)
        ways.rotate(-seed)
        options = replace(options, measured=tuple(ways)[: told.measures])
    disks = "file systems of their own" if enter_namespace() else "limits on the sizes of files in place of full disks"
    print(f"==== seed {seed}, with {disks}", flush=True)
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"  [{seed}: {time.monotonic() - began:5.1f}] {line}", flush=True)

    result = asyncio.run(run_seed(seed, options, say))
    print("\n".join(f"  {note}" for note in result.notes))
    print(result.line(), flush=True)
    return result


async def _run_apart(seeds: Sequence[int], at_once: int) -> list[Result]:
    """Run each seed in a process of its own, so many at once."""
    turns = asyncio.Semaphore(at_once)
    asked = [word for word in sys.argv[1:] if word in ("--prove", "--keep")]
    for name in ("--logins", "--people", "--seconds", "--measures"):
        if name in sys.argv:
            asked += [name, sys.argv[sys.argv.index(name) + 1]]

    async def run(seed: int, folder: str) -> list[Result]:
        path = Path(folder) / str(seed)
        command = [sys.executable, "-m", "faults", "--seed", str(seed), "--result", str(path), *asked]
        async with turns:
            process = await asyncio.create_subprocess_exec(*command)
            try:
                status = await process.wait()
            except BaseException:  # Who is told to stop stops what it began.
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(signal.SIGINT)
                await process.wait()
                raise
            if status:
                raise SystemExit(f"seed {seed} ended with status {status}; its words stand above")
        found: list[Result] = pickle.loads(path.read_bytes())
        return found

    with tempfile.TemporaryDirectory() as folder:
        found = await asyncio.gather(*(run(seed, folder) for seed in seeds))
    return [result for results in found for result in results]


if __name__ == "__main__":
    sys.exit(main())
