"""What a run says at its end: a line for each seed, and the table of promises."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from faults.checks import INVARIANTS, Violation

PROMISES = {
    "transactions": ("transactions are what the bank says, each once", "0 differences"),
    "sums": ("monthly sums are the sums of transactions, to the cent", "0 differences"),
    "raw objects": ("raw pages ingested or put aside with a reason, bad rows singly", "0 unaccounted"),
    "runs": ("runs that nobody ends", "0"),
    "alerts": ("an alert for each threshold crossed", "0 missing, 0 doubled"),
    "subscribers": ("events a subscriber hears, with its cursor, once and in order", "0 lost, 0 repeated"),
    "manual choices": ("manual choices changed by a machine", "0"),
    "acknowledged": ("acknowledged mutations missing", "0"),
    "applied once": ("mutations repeated with their key and done twice", "0"),
    "answers": ("requests that hang, or are answered in no known form", "0"),
    "replay": ("what `mintql replay` rebuilds from raw pages of persons", "0 differences"),
}
LIMITS_SECONDS = {
    "a killed worker": 15.0,
    "a stopped worker": 7.0,
    "the loss of Redis": 10.0,
    "a crash of PostgreSQL": 5.0,
}
"""Within how long work resumes after what."""
SHOWN_MAX = 12


@dataclass
class Result:
    """What came of one seed."""

    seed: int
    logs: Path
    faults: int = 0
    counted: Counter[str] = field(default_factory=Counter)
    violations: list[Violation] = field(default_factory=list)
    resumed: dict[str, list[float]] = field(default_factory=dict)
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)

    def line(self) -> str:
        """Return it in one line."""
        found = Counter(item.invariant for item in self.violations)
        words = ", ".join(f"{count} x {name}" for name, count in found.items()) or "all promises kept"
        resumed = ", ".join(f"{max(times):.1f} s after {what}" for what, times in self.resumed.items())
        numbers = ", ".join(f"{count:,} {what}" for what, count in self.counted.items())
        return (
            f"seed {self.seed}: {words}; {self.faults} faults, {numbers}; work resumed {resumed}; {self.seconds:.0f} s"
        )


def table(results: Sequence[Result]) -> str:
    """Return the promises with what was found, as Markdown."""
    found: Counter[str] = Counter(item.invariant for result in results for item in result.violations)
    lines = ["| promise | allowed | found |", "|---|---|---|"]
    for name, (words, allowed) in PROMISES.items():
        lines.append(f"| {words} | {allowed} | {found.pop(name, 0)} |")
    for what, limit in LIMITS_SECONDS.items():
        times = sorted(seconds for result in results for seconds in result.resumed.get(what, ()))
        if times:
            middle, longest = times[len(times) // 2], times[-1]
            words = f"{longest:.1f} s at most, {middle:.1f} s in the middle, of {len(times)}"
            found.pop(f"resumes after {what}", None)
            lines.append(f"| work resumes after {what} | {limit:.0f} s | {words} |")
    lines += [f"| {name} | 0 | {count} |" for name, count in found.items()]
    return "\n".join(lines)


def details(result: Result) -> str:
    """Return what was wrong, where, and where to look further."""
    lines = [f"seed {result.seed}: ./dev faults --seed {result.seed}; logs are in {result.logs}"]
    shown: Counter[str] = Counter()
    for item in result.violations:
        shown[item.invariant] += 1
        if shown[item.invariant] <= SHOWN_MAX:
            lines.append(f"  {item.invariant}: {item.where}")
    lines += [f"  {name}: and {count - SHOWN_MAX} more" for name, count in shown.items() if count > SHOWN_MAX]
    return "\n".join(lines)


def _complete() -> bool:
    return INVARIANTS.keys() <= PROMISES.keys()


if not _complete():
    raise AssertionError("each invariant has a line in the table")
