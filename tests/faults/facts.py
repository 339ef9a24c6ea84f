"""What is there at the end, as plain values: read from the database, the object store and the bank, and judged elsewhere."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple, Protocol

AMOUNT = re.compile(r"-?\d+\.\d{2}")
UNREADABLE = -1
"""Stands for the number of bad rows of a page that cannot be read at all."""


class BankRow(NamedTuple):
    """A transaction as the bank shows it now."""

    account: str
    row_id: str
    posted_on: date
    amount_minor: int
    pending: bool


class StoredRow(NamedTuple):
    """A transaction as it is stored; `live` ones count."""

    user_id: int
    transaction_id: int
    connection_id: int
    account: str
    external_id: str
    posted_on: date
    amount_minor: int
    currency: str
    pending: bool
    category_id: int
    category_source: str
    note: str | None
    successor_id: int | None
    removed: bool
    excluded: bool
    parts: tuple[tuple[int, int], ...]

    @property
    def live(self) -> bool:
        """Whether it counts."""
        return self.successor_id is None and not self.removed


class SumKey(NamedTuple):
    """What a monthly sum is of."""

    user_id: int
    month: date
    category_id: int
    currency: str


class Amounts(NamedTuple):
    """What a monthly sum says."""

    posted_minor: int = 0
    pending_minor: int = 0
    posted_count: int = 0
    pending_count: int = 0
    excluded_posted_minor: int = 0
    excluded_pending_minor: int = 0


class Run(NamedTuple):
    """A sync run."""

    user_id: int
    run_id: int
    connection_id: int
    state: str
    attempt: int
    error_code: str | None
    window_first: date | None


class RawObject(NamedTuple):
    """A raw page: what the database says of it, and what is in its file (None: there is no file)."""

    user_id: int
    object_id: int
    run_id: int
    attempt: int
    object_key: str
    sha256: bytes
    state: str
    error: str | None
    quarantined: int
    bad_rows: int | None


class Alert(NamedTuple):
    """A budget alert, with how many events tell of it."""

    user_id: int
    alert_id: int
    category_id: int
    currency: str
    period_first: date
    threshold_percent: int
    revision: int
    available_minor: int
    spent_minor: int
    events: int


class Limit(NamedTuple):
    """A limit that a person set, for the running month and those after it."""

    user_id: int
    category_id: int
    currency: str
    since: date
    limit_minor: int
    thresholds: tuple[int, ...]
    revision: int


class Login(NamedTuple):
    """Whose connection a login at the bank is."""

    user_id: int
    connection_id: int
    login: str


@dataclass
class Heard:
    """What one subscriber heard, in its order, over all of its connections; and what there was to hear."""

    who: str
    stream: str
    heard: list[int]
    told: list[int]


@dataclass
class Register:
    """Something one person set again and again: the value acknowledged last, and those nobody knows the outcome of."""

    who: str
    what: str
    acknowledged: Any = None
    unknown: list[Any] = field(default_factory=list)
    found: Any = None
    is_machine: bool = False
    """Whether the value that was found is the work of a machine."""
    is_choice: bool = False


@dataclass
class Once:
    """Something that was to be made once, under one key, however often it was asked for; `found` is how often it is."""

    who: str
    what: str
    acknowledged: bool
    found: int
    keyed: bool


@dataclass
class Facts:
    """All of it."""

    month: date
    bank: Mapping[Login, Sequence[BankRow]] = field(default_factory=dict)
    rows: list[StoredRow] = field(default_factory=list)
    sums: dict[SumKey, Amounts] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)
    objects: list[RawObject] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    limits: list[Limit] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)
    registers: list[Register] = field(default_factory=list)
    once: list[Once] = field(default_factory=list)


class Rows(Protocol):
    """Where the bank's rows come from."""

    def rows(self, login: str) -> list[BankRow]:
        """Return the rows of a login."""


ROWS = """
SELECT t.user_id, transaction_id, a.connection_id, a.external_id AS account, t.external_id, posted_on, amount_minor,
    t.currency, pending, category_id, category_source, note, successor_id, removed_at IS NOT NULL AS removed,
    coalesce(excluded_from_budgets, false) AS excluded, part_category_ids, part_amounts_minor
FROM transactions AS t LEFT JOIN accounts AS a USING (user_id, account_id) ORDER BY 1, 2
"""
RUNS = "SELECT user_id, run_id, connection_id, state, attempt, error_code, window_first FROM sync_runs ORDER BY 1, 2"
OBJECTS = """
SELECT o.user_id, o.object_id, run_id, attempt, object_key, sha256, state, error, count(q.position) AS quarantined
FROM raw_objects AS o LEFT JOIN quarantined_rows AS q USING (user_id, object_id)
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8 ORDER BY 1, 2
"""
ALERTS = """
SELECT a.user_id, alert_id, category_id, currency, period_first, threshold_percent, revision,
    limit_minor + carried_minor AS available_minor, spent_minor + pending_minor AS spent_minor,
    (SELECT count(*) FROM events AS e WHERE e.user_id = a.user_id AND kind = 'budget_alert'
        AND (payload ->> 'alert_id')::bigint = a.alert_id) AS events
FROM alerts AS a ORDER BY 1, 2
"""
LIMITS = """
SELECT user_id, category_id, currency, since, limit_minor, thresholds, revision FROM budget_overrides
WHERE recurring AND limit_minor IS NOT NULL AND period_unit = 'month' AND period_every = 1
    AND NOT carry_surplus AND NOT carry_overspend
"""


async def read_database(conn: Any, facts: Facts) -> None:
    """Read what the database holds."""
    facts.rows = [_stored(row) for row in await conn.fetch(ROWS)]
    facts.sums = {
        SumKey(*row[:4]): Amounts(*row[4:])
        for row in map(
            tuple,
            await conn.fetch(
                "SELECT user_id, month, category_id, currency, posted_minor, pending_minor, posted_count,"
                " pending_count, excluded_posted_minor, excluded_pending_minor FROM monthly_spending"
            ),
        )
    }
    facts.runs = [Run(*row) for row in await conn.fetch(RUNS)]
    facts.objects = [RawObject(*row, None) for row in await conn.fetch(OBJECTS)]
    facts.alerts = [Alert(*row) for row in await conn.fetch(ALERTS)]
    facts.limits = [Limit(*row[:5], tuple(row[5]), row[6]) for row in map(tuple, await conn.fetch(LIMITS))]


def _stored(row: Any) -> StoredRow:
    *columns, part_ids, part_amounts = row
    return StoredRow(*columns, tuple(zip(part_ids or (), part_amounts or (), strict=True)))


def read_objects(folder: Path, facts: Facts) -> None:
    """Read the object store: which files there are, and how many rows of each page cannot be read."""
    facts.files = sorted(str(path.relative_to(folder)) for path in (folder / "raw").rglob("*.gz"))
    there = set(facts.files)
    facts.objects = [
        item._replace(bad_rows=_bad_rows(folder / item.object_key, item.sha256) if item.object_key in there else None)
        for item in facts.objects
    ]


def _bad_rows(path: Path, sha256: bytes) -> int:
    """Count them on the page of a file that has this checksum: pages stand in it one after the other."""
    try:
        texts, decoder = gzip.decompress(path.read_bytes()).decode(), json.JSONDecoder()
        end = 0
        while True:
            page, next_end = decoder.raw_decode(texts, end)
            if hashlib.sha256(texts[end:next_end].encode()).digest() == sha256:
                break
            end = next_end
        rows = page.get("transactions", [])
        return sum(not _readable(row) for row in rows)
    except (OSError, ValueError, AttributeError, EOFError):
        return UNREADABLE


def _readable(row: Mapping[str, Any]) -> bool:
    try:
        date.fromisoformat(row["posted_on"])
    except ValueError:
        return False
    return AMOUNT.fullmatch(row["amount"]) is not None


def read_bank(ledger: Rows, logins: Sequence[Login], facts: Facts) -> None:
    """Ask the bank what it knows of these logins."""
    facts.bank = {login: ledger.rows(login.login) for login in logins}
