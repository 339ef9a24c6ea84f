"""What goes wrong and when: drawn from a seed alone, so that a run can be had again."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

GAP_SECONDS = (0.2, 1.6)
"""Between the beginnings of two faults: they overlap, as they do in the worst hour."""
LINK_MODES = ("delay", "reset", "blackhole")
SCENARIOS = (
    "outage",
    "slow",
    "garbage",
    "bad_row",
    "duplicate_page",
    "rate_limited",
    "not_ready",
    "account_gone",
    "login_expired",
    "consent_expired",
    "payment_required",
)
POISONS = ("truncated", "binary", "huge", "empty")
SKEW_SECONDS = (-90.0, -15.0, 20.0, 75.0)


@dataclass(frozen=True, slots=True)
class Shape:
    """What there is to break."""

    apis: int
    workers: int

    @property
    def members(self) -> list[str]:
        """The processes of mintql."""
        return [f"api-{n}" for n in range(self.apis)] + [f"worker-{n}" for n in range(self.workers)]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: it begins `at_seconds` after the start and is healed `seconds` later."""

    at_seconds: float
    kind: str
    target: str = ""
    seconds: float = 0.0
    value: float | str = field(default="")

    def __str__(self) -> str:
        how_long = f" for {self.seconds:.1f} s" if self.seconds else ""
        with_value = f" ({self.value})" if self.value != "" else ""
        return f"{self.at_seconds:5.1f} s  {self.kind:<18} {self.target}{with_value}{how_long}"


WEIGHTS = {
    "kill": 5,
    "terminate": 3,
    "freeze": 3,
    "kill-postgres": 2,
    "kill-backend": 1,
    "freeze-postgres": 1,
    "kill-valkey": 2,
    "flush-valkey": 2,
    "freeze-valkey": 1,
    "link": 8,
    "bank": 6,
    "poison": 3,
    "skew": 2,
    "full-postgres": 1,
    "full-objects": 1,
    "migrate": 1,
    "rolling-restart": 1,
}
"""How often each kind comes up, against the others."""


def draw(seed: int, shape: Shape, seconds: float) -> list[Fault]:
    """Return the faults of a run of so many seconds, in their order.

    Every kind comes up at least once where there is room for all of them; what is beyond that is drawn by weight.
    """
    dice = random.Random(seed)
    once = list(WEIGHTS)
    dice.shuffle(once)
    faults, at = [], dice.uniform(*GAP_SECONDS)
    while at < seconds:
        kind = once.pop() if once else dice.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        faults.append(_fault(dice, shape, round(at, 2), kind))
        at += dice.uniform(*GAP_SECONDS)
    return faults


def _fault(dice: random.Random, shape: Shape, at: float, kind: str) -> Fault:
    member = dice.choice(shape.members)
    worker = f"worker-{dice.randrange(shape.workers)}"
    short, long = round(dice.uniform(0.3, 3.0), 2), round(dice.uniform(1.0, 6.0), 2)
    # Longer than a lease now and then: its holder wakes up as one who was given up.
    frozen = round(dice.choice((short, long, 12.0)), 2)
    made: dict[str, Fault] = {
        "kill": Fault(at, kind, member),
        "terminate": Fault(at, kind, member),
        "freeze": Fault(at, kind, member, frozen),
        "link": Fault(at, kind, dice.choice(links(shape)), long, dice.choice(LINK_MODES)),
        "bank": Fault(at, kind, str(dice.randrange(1_000_000)), long, dice.choice(SCENARIOS)),
        "poison": Fault(at, kind, "bank", long, dice.choice(POISONS)),
        "skew": Fault(at, kind, worker, long, dice.choice(SKEW_SECONDS)),
    }
    held = short if kind.startswith(("freeze-", "full-")) else 0.0
    return made.get(kind, Fault(at, kind, seconds=held))


def links(shape: Shape) -> list[str]:
    """Return the links on which a proxy stands, by name."""
    inner = [f"{member}>{server}" for member in shape.members for server in ("postgres", "valkey", "bank")]
    return inner + [f"clients>api-{n}" for n in range(shape.apis)]
