"""The tab-delimited log: each ingested batch as lines that a batch program can sum without any database.

One gzip file for each batch and month under `log/v1/month=YYYY-MM/`. The columns are those of `COLUMNS`; a
header line names them. The log is written before the database transaction, so it may tell of a row twice,
never too seldom: of lines with the same (user_id, connection_id, account, external_id) the one with the
greatest (version, attempt) holds, and it counts when its state is `posted`. A `pending` line is a picture of
its moment, to be looked at but not summed: that a pending row vanished is seen by comparing with the database,
and stands in no line. Nor does an `imported` line say whether its row is a purchase that a connection told of
as well; that too is known to the database only. Files of the log hold lines of many persons: `raw_log_files`
knows which hold lines of whom, and by that `services/rawlog_removal.py` writes files anew without those of a
person who is deleted. A program that sums the log leaves out connections that are gone, and takes a connection's
`former_ids` for the connection itself.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections.abc import Iterable, Sequence
from datetime import date

from mintql.domain.ids import UserId
from mintql.domain.ingest import Folded
from mintql.domain.institutions import ProviderTransaction
from mintql.domain.money import to_decimal_text
from mintql.domain.months import first_day, month_text
from mintql.gateways.objects import ObjectConflict
from mintql.services.extract import GZIP_LEVEL, Workplace
from mintql.services.fingerprints import fingerprint, unpack
from mintql.store import ingest as store
from mintql.store import raw_log as index
from mintql.store.sync import Ingestion

COLUMNS = (
    "user_id", "timestamp", "seller", "amount", "currency", "connection_id", "account", "external_id",
    "pending_external_id", "state", "merchant_category_code", "version", "attempt",
)  # fmt: skip
PREFIX = "log/v1"


async def write(place: Workplace, runs: Sequence[tuple[Ingestion, Folded]]) -> None:
    """Write what these runs bring that is not known yet; bytes of a batch are the same each time."""
    async with place.begin() as conn:
        accounts = await store.read_seen(conn, [(run.key.user_id, run.connection_id) for run, _ in runs])
    seen = {(item.user_id, item.connection_id, item.external_id): unpack(item.seen) for item in accounts}
    by_month: dict[date, list[tuple[UserId, str]]] = {}
    for run, folded in runs:
        for external_id, account in folded.by_account.items():
            known = seen.get((run.key.user_id, run.connection_id, external_id), {})
            for row in account.rows.values():
                id_hash, content_hash = fingerprint(row)
                if known.get(id_hash) != content_hash:
                    by_month.setdefault(first_day(row.posted_on), []).append((run.key.user_id, _line(run, row)))
            for removed_id in sorted(account.removed):
                month = first_day(run.window_last or date.min)
                by_month.setdefault(month, []).append((run.key.user_id, _removed_line(run, external_id, removed_id)))
    name = hashlib.sha256(repr([(run.key, run.attempt) for run, _ in runs]).encode()).hexdigest()[:32]
    for month, lines in sorted(by_month.items()):
        await _put(place, month, name, lines)


async def _put(place: Workplace, month: date, name: str, lines: Sequence[tuple[UserId, str]]) -> None:
    packed = await pack([line for _, line in lines])
    persons = {user_id for user_id, _ in lines}
    key = f"{PREFIX}/month={month_text(month)}/{name}.tsv.gz"
    try:
        await put_file(place, key, packed, persons)
    except ObjectConflict:
        # The batch is done again and knows some of its rows by now: keep both, lines may repeat.
        await put_file(place, with_digest(key, packed), packed, persons)


async def put_file(place: Workplace, key: str, packed: bytes, persons: Iterable[UserId]) -> None:
    """Put a file of the log after noting whose lines it holds: none is ever there that nobody finds."""
    async with place.begin() as conn:
        await index.note_files(conn, [(user_id, key) for user_id in persons])
    await place.objects.put(key, packed, "application/gzip")


async def pack(lines: Iterable[str]) -> bytes:
    """Return the bytes of a file with these lines, the same each time."""
    text = "\t".join(COLUMNS) + "\n" + "".join(lines)
    return await asyncio.to_thread(gzip.compress, text.encode(), GZIP_LEVEL, mtime=0)


def with_digest(key: str, packed: bytes) -> str:
    """Return the key of another file of the same batch and month."""
    folder, _, name = key.rpartition("/")
    stem = name.removesuffix(".tsv.gz").partition("-")[0]
    return f"{folder}/{stem}-{hashlib.sha256(packed).hexdigest()[:16]}.tsv.gz"


def _line(run: Ingestion, row: ProviderTransaction) -> str:
    timestamp = row.occurred_at.isoformat() if row.occurred_at else row.posted_on.isoformat()
    state = "pending" if row.pending else "posted" if run.import_id is None else "imported"
    return _join(
        run.key.user_id, timestamp, row.description, to_decimal_text(row.amount_minor, row.currency),
        row.currency, run.connection_id, row.account_external_id, row.external_id, row.pending_external_id,
        state, row.merchant_category_code, run.key.run_id, run.attempt,
    )  # fmt: skip


def _removed_line(run: Ingestion, account: str, external_id: str) -> str:
    return _join(
        run.key.user_id, (run.window_last or date.min).isoformat(), "", "0", "", run.connection_id, account,
        external_id, "", "removed", "", run.key.run_id, run.attempt,
    )  # fmt: skip


def _join(*values: object) -> str:
    """Write one line; white space inside a value, tabs and line ends among it, becomes one space."""
    return "\t".join(" ".join(str(value).split()) for value in values) + "\n"
