"""Whether the work gets done: workers, queues, runs, deliveries, deletions, the comparison of sums."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

from arq.constants import health_check_key_suffix

from mintql.doctor.databases import connection
from mintql.doctor.findings import Check, Finding, bad, ok, warn
from mintql.gateways.queue import background_of
from mintql.gateways.redis_servers import open_redis
from mintql.settings import Settings
from mintql.store import doctor as store
from mintql.store import vitals
from mintql.vitals import CHANNELS, FINDINGS_SINCE

RUNS_OLD_WARN, RUNS_OLD_BAD = timedelta(minutes=2), timedelta(minutes=15)
DELIVERIES_OLD_WARN = timedelta(minutes=10)
DELETIONS_OLD = timedelta(minutes=30)
RECONCILED_OLD = timedelta(hours=30)
"""It works at night; a day and some hours later it has been left out."""


async def _workers(settings: Settings) -> AsyncIterator[Finding]:
    """Look for the marks that arq's workers renew every minute."""
    queues = {
        "workers for persons": settings.queue_name,
        "workers in the background": background_of(settings.queue_name),
    }
    async with open_redis(settings) as client:
        for name, queue in queues.items():
            mark = await client.get(f"{queue}{health_check_key_suffix}")
            waiting = await client.zcount(queue, "-inf", datetime.now(UTC).timestamp() * 1000)
            if mark is None:
                level = bad if waiting else warn
                yield level(name, f"none is at work, and {waiting} jobs are due", "start `mintql worker`")
            else:
                yield ok(name, f"at work; {waiting} jobs are due")


async def _runs(settings: Settings) -> AsyncIterator[Finding]:
    now = datetime.now(UTC)
    async with connection(settings) as conn:
        lanes = await vitals.runs_due(conn, now)
    for lane, name in (("own", "sync runs asked for"), ("daily", "sync runs of the day")):
        waiting = lanes[lane]
        since = timedelta() if waiting.oldest is None else now - waiting.oldest
        words = f"{waiting.due} are due, the oldest for {int(since.total_seconds())} s"
        if since > RUNS_OLD_WARN and lane == "own":
            yield (bad if since > RUNS_OLD_BAD else warn)(name, words, "run more workers, and read what their logs say")
        else:
            yield ok(name, words)


async def _deliveries(settings: Settings) -> AsyncIterator[Finding]:
    now = datetime.now(UTC)
    async with connection(settings) as conn:
        found = await vitals.outbox(conn, CHANNELS, now)
    for item in found:
        name = f"deliveries by {item.channel}"
        since = timedelta() if item.waiting.oldest is None else now - item.waiting.oldest
        if item.dead:
            yield warn(name, f"{item.dead} were given up", "the table outbox has the reasons (state dead)")
        if since > DELIVERIES_OLD_WARN:
            words = f"{item.waiting.due} are due, the oldest for {int(since.total_seconds())} s"
            yield bad(name, words, "see that workers run and that the channel's server answers")
        elif not item.dead:
            yield ok(name, f"{item.waiting.due} are due, none was given up")


async def _sums(settings: Settings) -> AsyncIterator[Finding]:
    now = datetime.now(UTC)
    async with connection(settings) as conn:
        found = await vitals.reconciled(conn, now - FINDINGS_SINCE)
    last = found.night_ended_at
    if found.findings:
        words = f"{found.findings} were wrong within {FINDINGS_SINCE.days} days, and were mended"
        yield bad("sums", words, "each is a defect: look into reconcile_findings, and `mintql replay` the person")
    elif last is None:
        yield warn(
            "sums", "were never compared", "the worker in the background does it at 4:30 UTC; `mintql reconcile` now"
        )
    elif now - last > RECONCILED_OLD:
        yield bad("sums", f"were last compared on {last:%Y-%m-%d %H:%M} UTC", "run a worker in the background at night")
    else:
        yield ok("sums", f"were compared on {last:%Y-%m-%d %H:%M} UTC, and none was wrong lately")


async def _deletions(settings: Settings) -> AsyncIterator[Finding]:
    async with connection(settings) as conn:
        stuck = await store.stuck_deletions(conn, datetime.now(UTC) - DELETIONS_OLD, vitals.COUNTED_MAX)
    if stuck:
        yield bad("deletions", f"{stuck} are stuck", "the worker's log says at which step")
    else:
        yield ok("deletions", "none is stuck")


WORK_CHECKS: dict[str, Check] = {
    "workers": _workers,
    "sync runs": _runs,
    "deliveries": _deliveries,
    "sums": _sums,
    "deletions": _deletions,
}
