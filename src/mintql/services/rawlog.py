r"""The tab-delimited log: each ingested batch as lines that a batch program can sum without any database.

One gzip file for each batch and month of posting under `log/v2/month=YYYY-MM/`. The columns are those of `COLUMNS`; a
header line names them. Values are escaped as PostgreSQL's COPY does it: a tab is `\t`, a line end `\n`, a backslash
two, so that texts and ids are what the institution said, to the character. Files under `log/v1/` are older: they have
the columns up to `attempt`, and white space inside a value is one space there.

The log is written before the database transaction, so it may tell of a row twice, never too seldom: of the lines with
the same (user_id, connection_id, account, external_id) those that say `posted` or `imported` come before those that
say `pending`, as a posted row never becomes pending again, and then the one with the greatest (version, attempt) holds.
Which rows count is known to the database: that a pending row vanished, that another row stands for it, or that a file
and a connection told of one purchase, stands in no line. `mintql.batch` takes that from there.

An `imported` line of a file that goes into an account which is there names that in `account_id`; for all others the
pair (connection_id, account) does, where a connection's `former_ids` are the connection itself, and an account's
`former_external_ids` the account. Files of the log hold lines of many persons: `raw_log_files` knows which hold lines
of whom, and by that `services/rawlog_removal.py` writes files anew without those of a person who is deleted.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections.abc import Iterable, Sequence
from datetime import date

import orjson

from mintql.domain.ids import AccountId, UserId
from mintql.domain.institutions import ProviderTransaction
from mintql.domain.money import to_decimal_text
from mintql.domain.months import first_day, month_text
from mintql.gateways.objects import ObjectConflict
from mintql.services.extract import Workplace
from mintql.services.fingerprints import fingerprints_of, says_what_is_known, unpack
from mintql.services.pages import Work
from mintql.services.raw_pages import GZIP_LEVEL
from mintql.store import ingest as store
from mintql.store import raw_log as index
from mintql.store.sync import Ingestion

COLUMNS = (
    "user_id", "timestamp", "seller", "amount", "currency", "connection_id", "account", "external_id",
    "pending_external_id", "state", "merchant_category_code", "version", "attempt", "amount_minor", "category_code",
    "account_id",
)  # fmt: skip
ROOT = "log"
PREFIX = f"{ROOT}/v2"
_ESCAPES = str.maketrans({"\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"})


async def write(place: Workplace, works: Sequence[Work]) -> None:
    """Write what these runs bring that is not known yet; bytes of a batch are the same each time."""
    runs = [work.run for work in works]
    async with place.begin() as conn:
        accounts = await store.read_seen(conn, [(run.key.user_id, run.connection_id) for run in runs])
    seen = {(item.user_id, item.connection_id, item.external_id): unpack(item.seen) for item in accounts}
    by_month: dict[date, list[tuple[UserId, str]]] = {}
    for work in works:
        run = work.run
        for external_id, account in work.folded.by_account.items():
            known = seen.get((run.key.user_id, run.connection_id, external_id), {})
            prints = fingerprints_of(account)
            for row in () if says_what_is_known(account, known) else account.rows.values():
                id_hash, content_hash = prints[row.external_id]
                if known.get(id_hash) != content_hash:
                    line = _line(run, row, work.bound.get(external_id))
                    by_month.setdefault(first_day(row.posted_on), []).append((run.key.user_id, line))
            for removed_id in sorted(account.removed):
                month = first_day(run.window_last or date.min)
                by_month.setdefault(month, []).append((run.key.user_id, _removed_line(run, external_id, removed_id)))
    name = hashlib.sha256(repr([(run.key, run.attempt) for run in runs]).encode()).hexdigest()[:32]
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


async def pack(lines: Iterable[str], header: str = "\t".join(COLUMNS) + "\n") -> bytes:
    """Return the bytes of a file with these lines, the same each time."""
    text = header + "".join(lines)
    return await asyncio.to_thread(gzip.compress, text.encode(), GZIP_LEVEL, mtime=0)


def with_digest(key: str, packed: bytes) -> str:
    """Return the key of another file of the same batch and month."""
    folder, _, name = key.rpartition("/")
    stem = name.removesuffix(".tsv.gz").partition("-")[0]
    return f"{folder}/{stem}-{hashlib.sha256(packed).hexdigest()[:16]}.tsv.gz"


def _line(run: Ingestion, row: ProviderTransaction, account_id: AccountId | None) -> str:
    # As `isoformat` writes a moment or a day, in a third of its time.
    timestamp = orjson.dumps(row.occurred_at or row.posted_on)[1:-1].decode()
    state = "pending" if row.pending else "posted" if run.import_id is None else "imported"
    texts: tuple[str, ...] = (
        row.description, row.account_external_id, row.external_id, row.pending_external_id,
        row.merchant_category_code, row.category_code,
    )  # fmt: skip
    joined = "".join(texts)
    if not joined.isprintable() or "\\" in joined:
        texts = tuple(text.translate(_ESCAPES) for text in texts)
    seller, account, external_id, pending_id, mcc, category_code = texts
    amount = to_decimal_text(row.amount_minor, row.currency)
    return (
        f"{run.key.user_id}\t{timestamp}\t{seller}\t{amount}\t{row.currency}\t{run.connection_id}\t{account}"
        f"\t{external_id}\t{pending_id}\t{state}\t{mcc}\t{run.key.run_id}\t{run.attempt}\t{row.amount_minor}"
        f"\t{category_code}\t{'' if account_id is None else account_id}\n"
    )


def _removed_line(run: Ingestion, account: str, external_id: str) -> str:
    return _join(
        run.key.user_id, (run.window_last or date.min).isoformat(), "", "0", "", run.connection_id, account,
        external_id, "", "removed", "", run.key.run_id, run.attempt, 0, "", "",
    )  # fmt: skip


def _join(*values: object) -> str:
    return "\t".join(str(value).translate(_ESCAPES) for value in values) + "\n"
