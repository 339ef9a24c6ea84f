"""That the checks can fail: the state of a run that kept all promises is spoilt by hand, and they have to say so."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from faults.checks import check
from faults.facts import UNREADABLE, Facts

QUIET = "SET LOCAL session_replication_role = replica"
"""No trigger makes good what is spoilt."""


@dataclass(frozen=True, slots=True)
class Spoiling:
    """One thing spoilt, and the promise that is broken by it. `statement` may use what a person chose: `$1`, `$2`."""

    words: str
    invariant: str
    statement: str


ONE_LIVE = """(SELECT user_id, transaction_id FROM transactions
    WHERE successor_id IS NULL AND removed_at IS NULL AND NOT pending AND category_source <> 'manual'
    ORDER BY posted_on DESC, transaction_id LIMIT 1 OFFSET {})"""
ONE_SUM = "(SELECT user_id, month, category_id, currency FROM monthly_spending ORDER BY 1, 2, 3, 4 LIMIT 1 OFFSET {})"
ONE_PAGE = """(SELECT user_id, object_id FROM raw_objects WHERE state = 'ingested' AND page = 0
    ORDER BY 1, 2 LIMIT 1 OFFSET {})"""
"""One of each file: pages of a run share them."""
DUE_ALERT = """(SELECT a.user_id, a.alert_id FROM alerts AS a JOIN budget_overrides AS b
    ON b.user_id = a.user_id AND b.category_id = a.category_id AND b.currency = a.currency
        AND b.revision = a.revision AND b.recurring
    WHERE a.period_first = date_trunc('month', now() AT TIME ZONE 'UTC') ORDER BY 1, 2 LIMIT 1)"""
HEARD = "(SELECT user_id, seq FROM events WHERE user_id = $1 AND kind = '{}' ORDER BY seq LIMIT 1)"

SPOILINGS = (
    Spoiling(
        "a transaction is deleted", "transactions",
        f"DELETE FROM transactions WHERE (user_id, transaction_id) IN {ONE_LIVE.format(0)}",
    ),
    Spoiling(
        "a transaction is there twice", "transactions",
        "INSERT INTO transactions SELECT (jsonb_populate_record(t, jsonb_build_object('transaction_id', -1,"
        " 'external_id', t.external_id || '.again'))).* FROM transactions AS t WHERE (user_id, transaction_id) IN "
        + ONE_LIVE.format(1),
    ),
    Spoiling(
        "an amount is off by a cent", "transactions",
        "UPDATE transactions SET amount_minor = amount_minor + 1 WHERE (user_id, transaction_id) IN "
        + ONE_LIVE.format(2),
    ),
    Spoiling(
        "a sum is off by a cent", "sums",
        "UPDATE monthly_spending SET posted_minor = posted_minor + 1 WHERE (user_id, month, category_id, currency) IN "
        + ONE_SUM.format(0),
    ),
    Spoiling(
        "a sum counts one transaction too many", "sums",
        "UPDATE monthly_spending SET posted_count = posted_count + 1 WHERE (user_id, month, category_id, currency) IN "
        + ONE_SUM.format(1),
    ),
    Spoiling(
        "a page is never dealt with", "raw objects",
        f"UPDATE raw_objects SET state = 'stored' WHERE (user_id, object_id) IN {ONE_PAGE.format(0)}",
    ),
    Spoiling(
        "a page is dead without a reason", "raw objects",
        f"UPDATE raw_objects SET state = 'dead', error = NULL WHERE (user_id, object_id) IN {ONE_PAGE.format(1)}",
    ),
    Spoiling(
        "a row is put aside that can be read", "raw objects",
        f"INSERT INTO quarantined_rows SELECT user_id, object_id, 7, '', 'spoilt', '' FROM {ONE_PAGE.format(2)} AS one",
    ),
    Spoiling(
        "the database forgets a file", "raw objects",
        "DELETE FROM raw_objects WHERE object_key ="
        f" (SELECT object_key FROM raw_objects WHERE (user_id, object_id) IN {ONE_PAGE.format(3)})",
    ),
    Spoiling(
        "a run is left alone", "runs",
        "UPDATE sync_runs SET state = 'ingesting' WHERE (user_id, run_id) ="
        " (SELECT user_id, run_id FROM sync_runs ORDER BY 1, 2 LIMIT 1)",
    ),
    Spoiling("an alert is missing", "alerts", f"DELETE FROM alerts WHERE (user_id, alert_id) IN {DUE_ALERT}"),
    Spoiling(
        "an alert is raised twice", "alerts",
        "INSERT INTO alerts SELECT (jsonb_populate_record(a, jsonb_build_object('alert_id', -1))).* FROM alerts AS a"
        f" WHERE (user_id, alert_id) IN {DUE_ALERT}",
    ),
    Spoiling(
        "an alert is told of twice", "alerts",
        "INSERT INTO events (user_id, seq, kind, payload) SELECT user_id, seq + 1000000, kind, payload FROM events"
        " WHERE kind = 'budget_alert' ORDER BY 1, 2 LIMIT 1",
    ),
    Spoiling(
        "an alert is raised for nothing", "alerts",
        f"UPDATE alerts SET spent_minor = 0, pending_minor = 0 WHERE (user_id, alert_id) IN {DUE_ALERT}",
    ),
    Spoiling("a subscriber heard what never was", "subscribers", "DELETE FROM events WHERE (user_id, seq) IN " + HEARD.format("sync_progress")),
    Spoiling(
        "a subscriber was not told of an event", "subscribers",
        "INSERT INTO events (user_id, seq, kind, payload)"
        " SELECT user_id, seq + 2000000, kind, payload FROM events AS e WHERE (user_id, seq) IN "
        + HEARD.format("transactions_changed"),
    ),
    Spoiling(
        "a machine changes what a person chose", "manual choices",
        "UPDATE transactions SET category_id = 1, category_source = 'dictionary'"
        " WHERE user_id = $1 AND category_source = 'manual'",
    ),
    Spoiling(
        "a note that was acknowledged is gone", "acknowledged",
        "UPDATE transactions SET note = NULL WHERE user_id = $1 AND note IS NOT NULL",
    ),
    Spoiling("a rule that was acknowledged is gone", "acknowledged", "DELETE FROM rules WHERE user_id = $1"),
    Spoiling(
        "a limit that was acknowledged is another one", "acknowledged",
        "UPDATE budget_overrides SET limit_minor = limit_minor + 1 WHERE user_id = $1",
    ),
)  # fmt: skip
UNIQUE = """
SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) FROM pg_constraint
WHERE contype = 'u' AND conrelid = 'alerts'::regclass
"""


async def prove(conn: Any, gather: Callable[[], Awaitable[Facts]], facts: Facts, user_id: int) -> list[str]:
    """Spoil one thing after the other; return a line for each, which begins with BAD where no check noticed.

    `facts` are those in which nothing is wrong yet, and `user_id` is a person who wrote notes, rules and limits.
    """
    for row in await conn.fetch(UNIQUE):
        await conn.execute(row[0])
    lines: list[str] = []
    before = _counted(facts)
    for spoiling in SPOILINGS:
        async with conn.transaction():
            await conn.execute(QUIET)
            done = await conn.execute(spoiling.statement, *([user_id] if "$1" in spoiling.statement else []))
        after = _counted(await gather())
        lines.append(_line(spoiling.words, spoiling.invariant, done, before, after))
        before = after
    for words, invariant, spoil in BY_HAND:
        spoilt = copy.deepcopy(facts)
        spoil(spoilt)
        lines.append(_line(words, invariant, "1", _counted(facts), _counted(spoilt)))
    return lines


def _stray(facts: Facts) -> None:
    facts.files.append("raw/1/1/1/1/00099.gz")


def _no_page(facts: Facts) -> None:
    number = next(number for number, item in enumerate(facts.objects) if item.state == "ingested")
    facts.objects[number] = facts.objects[number]._replace(bad_rows=UNREADABLE)


def _twice(facts: Facts) -> None:
    facts.once[0].keyed, facts.once[0].found = True, 2


def _out_of_order(facts: Facts) -> None:
    heard = next(item.heard for item in facts.heard if len(item.heard) > 1)
    heard[0], heard[1] = heard[1], heard[0]


def _never_read(facts: Facts) -> None:
    login = next(iter(facts.bank))
    facts.runs = [run for run in facts.runs if run.user_id != login.user_id]


BY_HAND: tuple[tuple[str, str, Callable[[Facts], None]], ...] = (
    ("a file is there that nobody knows of", "raw objects", _stray),
    ("a page that was ingested is none", "raw objects", _no_page),
    ("a mutation with a key was done twice", "applied once", _twice),
    ("events were heard in another order", "subscribers", _out_of_order),
    ("a login was never read", "transactions", _never_read),
)
"""What is spoilt in what was read, and not in the database."""


def _counted(facts: Facts) -> Counter[str]:
    return Counter(item.invariant for item in check(facts))


def _line(words: str, invariant: str, done: str, before: Counter[str], after: Counter[str]) -> str:
    noticed = after[invariant] > before[invariant] and not done.endswith(" 0")
    return f"{'ok ' if noticed else 'BAD'} {words} ({done}): {invariant} {before[invariant]} -> {after[invariant]}"
