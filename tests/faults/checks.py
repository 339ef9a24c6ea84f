"""The promises. Each check takes what was found and says what is wrong; none of them knows which faults there were."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterable, Iterator
from datetime import date
from typing import NamedTuple

from faults.facts import UNREADABLE, Amounts, Facts, Once, RawObject, Register, Run, StoredRow, SumKey

PERCENT = 100
SHOWN_MAX = 5


class Violation(NamedTuple):
    """A promise that was not kept, in words."""

    invariant: str
    where: str


Check = Callable[[Facts], Iterator[str]]


def transactions_are_the_banks(facts: Facts) -> Iterator[str]:
    """The transactions that count are what the bank says, each of them once."""
    first: dict[tuple[int, int], date] = {}
    for run in facts.runs:
        if run.state == "succeeded" and run.window_first is not None:
            key = (run.user_id, run.connection_id)
            first[key] = min(first.get(key, run.window_first), run.window_first)
    stored: dict[tuple[int, int], list[StoredRow]] = defaultdict(list)
    for row in facts.rows:
        if row.live:
            stored[row.user_id, row.connection_id].append(row)
    for login, said in facts.bank.items():
        key = (login.user_id, login.connection_id)
        if key not in first:
            yield f"{login.login}: nothing was ever read"
            continue
        theirs = Counter(row for row in said if row.posted_on >= first[key])
        ours = Counter(
            (row.account, row.external_id, row.posted_on, row.amount_minor, row.pending)
            for row in stored.pop(key, [])
            if row.posted_on >= first[key]
        )
        for row, count in (theirs - ours).items():
            yield f"{login.login}: the bank has {tuple(row)}, {count} of it is missing"
        for found, count in (ours - theirs).items():
            yield f"{login.login}: {found} is stored {count} time(s) more than the bank has it"
    for (user_id, connection_id), rows in stored.items():
        yield f"{len(rows)} transactions of connection {connection_id} of person {user_id} are no login's"


def sums_are_of_transactions(facts: Facts) -> Iterator[str]:
    """Each monthly sum is the sum of its transactions, to the cent."""
    counted: dict[SumKey, list[int]] = defaultdict(lambda: [0] * 6)
    for row in facts.rows:
        if not row.live:
            continue
        for category_id, amount in _shares(row):
            sums = counted[SumKey(row.user_id, row.posted_on.replace(day=1), category_id, row.currency)]
            sums[row.pending] += amount
            sums[2 + row.pending] += 1
            sums[4 + row.pending] += amount if row.excluded else 0
    for key in counted.keys() | facts.sums.keys():
        mine, theirs = Amounts(*counted.get(key, ())), facts.sums.get(key, Amounts())
        if mine != theirs:
            yield f"person {key.user_id}, {key.month:%Y-%m}, category {key.category_id}: {theirs}, counted {mine}"


def raw_objects_are_accounted_for(facts: Facts) -> Iterator[str]:
    """Each raw page was ingested, or put aside with a reason; bad rows were put aside one by one; no file is a stray."""
    runs = {(run.user_id, run.run_id): run for run in facts.runs}
    for item in facts.objects:
        yield from _object_is_accounted_for(item, runs.get((item.user_id, item.run_id)))
    known = {item.object_key for item in facts.objects}
    for name in facts.files:
        if name not in known:
            yield f"{name} is in the object store, and the database knows nothing of it"


def _object_is_accounted_for(item: RawObject, run: Run | None) -> Iterator[str]:
    name = f"{item.object_key} ({item.state})"
    if item.state == "stored":
        yield f"{name} was never dealt with; its run is {run.state if run else 'gone'}"
    if item.state == "dead" and not item.error:
        yield f"{name} is dead without a reason"
    if item.state == "abandoned" and not (item.error or (run and (run.error_code or run.attempt > item.attempt))):
        yield f"{name} was abandoned, and nothing says why"
    if item.state == "ingested":
        if item.bad_rows is None or item.bad_rows == UNREADABLE:
            yield f"{name} counts as ingested, but its file {'is gone' if item.bad_rows is None else 'is no page'}"
        elif item.bad_rows != item.quarantined:
            yield f"{name} has {item.bad_rows} bad rows, of which {item.quarantined} were put aside"


def work_has_ended(facts: Facts) -> Iterator[str]:
    """No run is left that nobody ends."""
    for run in facts.runs:
        if run.state not in ("succeeded", "failed"):
            yield f"run {run.run_id} of person {run.user_id} is still {run.state} after attempt {run.attempt}"


def alerts_are_raised_once(facts: Facts) -> Iterator[str]:
    """One alert, with one event, for each threshold of a limit that was crossed; none for what was not."""
    keys = Counter(
        (alert.user_id, alert.category_id, alert.currency, alert.period_first, alert.threshold_percent, alert.revision)
        for alert in facts.alerts
    )
    for key, count in keys.items():
        if count > 1:
            yield f"{count} alerts for one threshold of one limit: {key}"
    for alert in facts.alerts:
        if alert.events != 1:
            yield f"alert {alert.alert_id} of person {alert.user_id} has {alert.events} events"
        if alert.spent_minor * PERCENT < alert.available_minor * alert.threshold_percent:
            yield (
                f"alert {alert.alert_id} was raised for {alert.threshold_percent} %, and {alert.spent_minor} is less of "
                f"{alert.available_minor}"
            )
    yield from _missing_alerts(facts, keys)


def _missing_alerts(facts: Facts, raised: Container[object]) -> Iterator[str]:
    spent: Counter[tuple[int, int, str]] = Counter()
    for row in facts.rows:
        if row.live and not row.excluded and row.posted_on.replace(day=1) == facts.month:
            for category_id, amount in _shares(row):
                spent[row.user_id, category_id, row.currency] -= amount
    for limit in facts.limits:
        now = spent[limit.user_id, limit.category_id, limit.currency]
        for threshold in limit.thresholds:
            key = (*limit[:3], facts.month, threshold, limit.revision)
            reached = limit.since <= facts.month and 0 < now >= limit.limit_minor * threshold / PERCENT
            if reached and key not in raised:
                yield f"no alert, though {now} is {threshold} % of {limit.limit_minor} or more: {key}"


def _shares(row: StoredRow) -> Iterator[tuple[int, int]]:
    """Yield the categories a transaction counts in, with how much of it."""
    yield row.category_id, row.amount_minor - sum(amount for _, amount in row.parts)
    yield from row.parts


def subscribers_hear_once_in_order(facts: Facts) -> Iterator[str]:
    """A subscriber that comes back with its cursor hears each event once, in order."""
    for item in facts.heard:
        if item.heard == item.told:
            continue
        lost = sorted(set(item.told) - set(item.heard))
        repeated = sorted(number for number, count in Counter(item.heard).items() if count > 1)
        foreign = sorted(set(item.heard) - set(item.told))
        words = [
            f"{what} {_some(numbers)}"
            for what, numbers in (("lost", lost), ("repeated", repeated), ("never told", foreign))
            if numbers
        ]
        yield f"{item.who}, {item.stream}: {'; '.join(words) or 'out of order'}"


def choices_stay(facts: Facts) -> Iterator[str]:
    """What a person chose by hand is changed by no machine."""
    for item in facts.registers:
        if item.is_choice and item.acknowledged is not None and item.is_machine:
            yield f"{item.who}: {item.what} was set to {item.acknowledged!r}, and a machine made it {item.found!r}"


def acknowledged_mutations_stay(facts: Facts) -> Iterator[str]:
    """What was acknowledged is there after whatever happened."""
    yield from filter(None, map(_register_is_lost, facts.registers))
    for made in facts.once:
        if made.acknowledged and made.found == 0:
            yield f"{made.who}: {made.what} was acknowledged, and is not there"


def _register_is_lost(item: Register) -> str | None:
    possible = [item.acknowledged, *item.unknown]
    if item.acknowledged is None or item.found in possible:
        return None
    return f"{item.who}: {item.what} was set to {item.acknowledged!r}, found is {item.found!r}"


def repeated_mutations_apply_once(facts: Facts) -> Iterator[str]:
    """A mutation that is sent again with the same key is done once."""
    yield from filter(None, map(_applied_twice, facts.once))


def _applied_twice(made: Once) -> str | None:
    return f"{made.who}: {made.what} is there {made.found} times" if made.keyed and made.found > 1 else None


INVARIANTS: dict[str, Check] = {
    "transactions": transactions_are_the_banks,
    "sums": sums_are_of_transactions,
    "raw objects": raw_objects_are_accounted_for,
    "runs": work_has_ended,
    "alerts": alerts_are_raised_once,
    "subscribers": subscribers_hear_once_in_order,
    "manual choices": choices_stay,
    "acknowledged": acknowledged_mutations_stay,
    "applied once": repeated_mutations_apply_once,
}


def check(facts: Facts) -> list[Violation]:
    """Return every promise that was not kept."""
    return [Violation(name, where) for name, find in INVARIANTS.items() for where in find(facts)]


def _some(numbers: Iterable[int]) -> str:
    found = list(numbers)
    more = f" and {len(found) - SHOWN_MAX} more" if len(found) > SHOWN_MAX else ""
    return f"{found[:SHOWN_MAX]}{more}"
