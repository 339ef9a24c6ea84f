"""Actual's `importTransactions` beside mintql, for `bench/ingest.py`: the same rows, from npm, where node is.

Actual keeps one household in a file of SQLite and has no worker, no raw pages and no log, so what it does lies between
`sql` and `worker`: it finds what is there already, by id or by amount and day, names payees, applies rules and keeps
each change for synchronising. Its file holds nothing but the accounts of the batches, which is in its favour.
"""

from __future__ import annotations

import json
import random
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from _ingest_people import Account, Batch, first_rows, next_day
from _peers import installed

from mintql.domain.institutions import ProviderTransaction

PACKAGES = ("@actual-app/api@26.9.0",)
BUILDS = ("better-sqlite3",)
ROUNDS_TO_WARM_UP = 1


@dataclass(frozen=True)
class Imported:
    """What Actual took for one mix, in seconds a row, the median of the rounds."""

    mix: str
    clock: float
    processor: float


def measure_actual(folder: Path, accounts: int, each: int, rounds: int) -> list[Imported]:
    """Import new rows, the same accounts a day later, and those once more, in every round; nothing where it cannot be.

    Args:
        folder: Where Actual is installed, or is to be.
        accounts: Of one batch.
        each: Rows an account.
        rounds: Counted ones.
    """
    home = installed("Actual", folder, PACKAGES, builds=BUILDS)
    if home is None:
        return []
    dice = random.Random(0)
    steps: list[Batch] = []
    for number in range(rounds + ROUNDS_TO_WARM_UP):
        names: list[Account] = [(0, 0, f"{number}-{place}") for place in range(accounts)]
        new = Batch({account: first_rows(dice, account, each, number) for account in names})
        later = Batch({account: next_day(dice, account, rows, number) for account, rows in new.rows.items()})
        steps += [new, later, later]
    shutil.copy(Path(__file__).with_suffix(".mjs"), home / "actual.mjs")
    with tempfile.TemporaryDirectory() as data:
        written, results = Path(data) / "steps.json", Path(data) / "results.json"
        written.write_text(
            json.dumps([{"accounts": [_account(*item) for item in step.rows.items()]} for step in steps])
        )
        command = ["node", "actual.mjs", written, results, data]
        ran = subprocess.run(command, cwd=home, check=False, capture_output=True, text=True)
        if ran.returncode != 0:
            raise SystemExit(f"Actual did not import:\n{ran.stdout[-1500:]}{ran.stderr[-1500:]}")
        found = json.loads(results.read_text())
    for place, (step, told) in enumerate(zip(steps, found, strict=True)):
        if place % 3 != 1 and told["added"] != (0 if place % 3 else step.count()):
            raise SystemExit(f"Actual added {told['added']} of {step.count()} rows in step {place}")
    counted = [
        (told["clock_seconds"] / step.count(), told["processor_seconds"] / step.count())
        for step, told in zip(steps, found, strict=True)
    ][3 * ROUNDS_TO_WARM_UP :]
    return [
        Imported(mix, *(statistics.median(column) for column in zip(*counted[place::3], strict=True)))
        for place, mix in enumerate(("new", "refresh", "replay"))
    ]


def _account(account: Account, rows: Sequence[ProviderTransaction]) -> dict[str, object]:
    return {
        "name": account[2],
        "rows": [
            {
                "date": row.posted_on.isoformat(), "amount": row.amount_minor, "payee_name": row.description,
                "imported_payee": row.description, "imported_id": row.external_id, "cleared": not row.pending,
            }
            for row in rows
        ],
    }  # fmt: skip
