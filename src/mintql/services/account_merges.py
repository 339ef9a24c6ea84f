"""Merging an account that files alone brought into the one that a connection, or other files, tell of.

The usual way of somebody who leaves another budget program: first its export is imported, which makes accounts of its
own, and later the bank is connected. Merged, the file's transactions lie in the bank's account, each purchase counts
once, and what was imported is read into that account from then on.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from mintql.domain.errors import InvalidInput, NotFound
from mintql.domain.ids import AccountId, ImportId, TransactionId, UserId
from mintql.domain.ingest import StoredRow
from mintql.domain.institutions import ProviderTransaction
from mintql.domain.matching import (
    NO_COVERAGE,
    SAME_PURCHASE_DAYS,
    Coverage,
    Match,
    MatchState,
    match_same_purchase,
    with_run,
)
from mintql.domain.months import first_day
from mintql.gateways.objects import ObjectStoreDown
from mintql.services import alerts, examination, transfers
from mintql.services.account_merges_files import Reread, move_file
from mintql.services.effects import Effects
from mintql.services.events import append_events, transactions_changed
from mintql.services.imports import ImportPlace, plan_key
from mintql.services.imports_reading import beside
from mintql.services.imports_targets import FILES
from mintql.services.row_plan import take_over
from mintql.services.transfer_pairs import Settled, Touched, settle
from mintql.store import account_merges as store
from mintql.store import archive_read, choices, ingest, succession
from mintql.store import imports as imports_store
from mintql.store import matches as matches_store
from mintql.store.account_merges import MergedImport
from mintql.store.imports import TargetAccount
from mintql.store.locks import lock_users
from mintql.store.queries import Conn
from mintql.store.succession import NewMatch

SUCCESSION_STEPS_MAX = 100
"""How far rows that gave way are followed: further than any chain of pending rows, changed ids and files."""
TRIES_MAX = 3
"""How often files are read for a merge that something else came before: nobody imports that quickly."""


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge did: how many transactions came along, and how many of them were there already.

    `suggested` counts those of which the person is to say whether they were.
    """

    account_id: AccountId
    moved: int
    matched: int
    suggested: int


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The account that goes, the one that stays, and the files of which a part went into the first."""

    gone: TargetAccount
    stays: TargetAccount
    imports: Sequence[MergedImport]


@dataclass(slots=True)
class _Found:
    """What the merge does to transactions, while it is being found out.

    `links` are certain pairs of a row that gives way and the one that stands for it, `stands` the latter as they were
    and with what moved along to them, `days` those of rows that count no more.
    """

    links: list[tuple[TransactionId, TransactionId]] = field(default_factory=list)
    matches: list[NewMatch] = field(default_factory=list)
    stands: dict[TransactionId, tuple[StoredRow, StoredRow]] = field(default_factory=dict)
    days: dict[TransactionId, date] = field(default_factory=dict)


async def merge(
    place: ImportPlace, user_id: UserId, from_id: AccountId, into_id: AccountId, now: datetime
) -> tuple[Merged, Effects]:
    """Put the transactions of an account that files brought into another account, and remove it.

    Rows that are one purchase are found as if the files were imported into that account now: the row that is there
    stands, what the person set moves along, and pairs that are not certain are suggested.

    Raises:
        NotFound: One of them is not this person's, or its connection was ended.
        InvalidInput: Only accounts that files alone bring go into others, of their currency, while no file is read and
            no month of them is archived.
    """
    for _ in range(TRIES_MAX):
        async with place.begin() as conn:
            wanted = await _wanted(conn, user_id, from_id, into_id)
        # Files are read and copied between the transactions, so that nobody waits for it.
        reread = [await move_file(place.objects, user_id, file, wanted.gone, wanted.stays) for file in wanted.imports]
        async with place.begin() as conn:
            await lock_users(conn, [user_id])
            if await _wanted(conn, user_id, from_id, into_id) == wanted:
                merged, effects = await _merge(conn, user_id, wanted, reread, now)
                break
    else:
        raise InvalidInput("The two accounts are changing at this moment; merge when that is done.", field="from")
    await _leave_old_places(place, wanted.imports)
    return merged, effects


async def _wanted(conn: Conn, user_id: UserId, from_id: AccountId, into_id: AccountId) -> _Wanted:
    accounts = {account.account_id: account for account in await imports_store.accounts(conn, user_id)}
    for account_id, name in ((from_id, "from"), (into_id, "into")):
        if account_id not in accounts:
            raise NotFound("There is no such account, or its connection was ended.", field=name)
    gone, stays = accounts[from_id], accounts[into_id]
    if from_id == into_id:
        raise InvalidInput(f"{gone.name} cannot be merged into itself; name another account.", field="into")
    if gone.institution_id != FILES:
        raise InvalidInput(
            f"{gone.name} is read through a connection; only accounts that files alone bring can be merged.",
            field="from",
        )
    if gone.currency != stays.currency:
        raise InvalidInput(
            f"{gone.name} is held in {gone.currency} and {stays.name} in {stays.currency}; they cannot be one account.",
            field="into",
        )
    old = await archive_read.months(conn, user_id, date.min, date.max, account_ids=[from_id, into_id])
    if not all(month.restored for month in old):
        # What is away would name an account that is gone.
        raise InvalidInput(f"Old months of {gone.name} are just being archived; merge in a moment.", field="from")
    imports = await store.imports_of(conn, user_id, gone.external_id)
    if any(file.run_state not in ("succeeded", "failed") for file in imports):
        raise InvalidInput(f"A file is just being read into {gone.name}; merge when that is done.", field="from")
    return _Wanted(gone, stays, imports)


async def _merge(
    conn: Conn, user_id: UserId, wanted: _Wanted, reread: Sequence[Reread], now: datetime
) -> tuple[Merged, Effects]:
    """Do all of it in the caller's transaction, which holds the person's lock."""
    from_id, into_id = wanted.gone.account_id, wanted.stays.account_id
    found = _Found()
    same = await store.same_rows(conn, user_id, from_id, into_id)
    await _move_along(conn, user_id, list(same.items()), found)
    settled = await settle(conn, {user_id: Touched(changed=[*same, *same.values()])}, now, same) if same else {}
    found.days = await store.drop_same_rows(conn, user_id, same, now)
    matched = len(found.days)
    await _match(conn, user_id, wanted, reread, found)
    await _move_along(conn, user_id, found.links, found)
    await _write(conn, user_id, found, now)
    moved = await store.move_rows(conn, user_id, from_id, into_id, now)
    await store.move_imports(conn, user_id, [file.moved for file in reread], now)
    await store.absorb(conn, user_id, from_id, into_id)
    gave_way = [transaction_id for pair in found.links for transaction_id in pair]
    after = await transfers.follow(conn, user_id, [*moved, *gave_way], now)
    before = settled.get(user_id, Settled())
    changed = sorted({*moved, *after.changed, *before.changed} - found.days.keys())
    changes = transactions_changed(user_id, changed=changed, removed=sorted(found.days))
    _, effects = await append_events(conn, [changes])
    months = {first_day(day) for day in found.days.values()} | before.months | after.months
    effects.merge(await alerts.evaluate(conn, {user_id: months}, now))
    effects.merge(await examination.mark(conn, [user_id], now))
    effects.changed.add(user_id)
    matched += len(found.links)
    suggested = len(found.matches) - len(found.links)
    return Merged(into_id, len(moved) + matched, matched, suggested), effects


async def _move_along(
    conn: Conn, user_id: UserId, pairs: Sequence[tuple[TransactionId, TransactionId]], found: _Found
) -> None:
    """Let what the person set on rows move along to those that stand for them: (gives way, stands)."""
    rows = await matches_store.rows(conn, user_id, [transaction_id for pair in pairs for transaction_id in pair])
    for gives_way_id, stands_id in pairs:
        before, now = found.stands.get(stands_id, (rows[stands_id], rows[stands_id]))
        found.stands[stands_id] = before, take_over(rows[gives_way_id], now)


async def _match(conn: Conn, user_id: UserId, wanted: _Wanted, reread: Sequence[Reread], found: _Found) -> None:
    """Find which rows of the files are purchases that the other account has, file by file in their order."""
    from_id, into_id = wanted.gone.account_id, wanted.stays.account_id
    days = await store.days_of(conn, user_id, from_id)
    if days is None:
        return
    margin = timedelta(days=SAME_PURCHASE_DAYS)
    around = await imports_store.rows_around(conn, user_id, [from_id, into_id], days[0] - margin, days[1] + margin)
    decided = await store.decided(conn, user_id)
    coverage = (await ingest.coverage(conn, [(user_id, into_id)])).get((user_id, into_id), NO_COVERAGE)
    # A whole history takes its time: beside the event loop, like the reading of files.
    await beside(_find, user_id, wanted, reread, around, decided, coverage, found)


def _find(
    user_id: UserId,
    wanted: _Wanted,
    reread: Sequence[Reread],
    around: Mapping[AccountId, Sequence[StoredRow]],
    decided: Collection[TransactionId],
    coverage: Coverage,
    found: _Found,
) -> None:
    """Do the pure part of `_match`; `around` are the rows of both accounts, `decided` stand for themselves."""
    there = {
        row.external_id: row
        for row in _standing_for(around.get(wanted.stays.account_id, ()))
        if row.live and row.transaction_id not in decided
    }
    of_import: dict[ImportId, dict[str, StoredRow]] = {}
    for row in around.get(wanted.gone.account_id, ()):
        if row.import_id is not None and row.live and not row.pending:
            of_import.setdefault(row.import_id, {})[row.external_id] = row
    for file, told in zip(wanted.imports, reread, strict=True):
        mine = of_import.get(file.import_id, {})
        for pair in _pairs(file.import_id, mine, there, told, coverage):
            gives_way, stands = mine[pair.from_id], there[pair.to_id]
            state = MatchState.APPLIED if pair.certain else MatchState.SUGGESTED
            ids = (gives_way.transaction_id, stands.transaction_id)
            found.matches.append(NewMatch(user_id, *ids, pair.kind.value, state.value, file.run_id))
            if pair.certain:
                found.links.append(ids)
                found.days[gives_way.transaction_id] = gives_way.posted_on
                there[pair.to_id] = replace(stands, stands_for=stands.stands_for | {pair.from_id})


def _standing_for(rows: Sequence[StoredRow]) -> list[StoredRow]:
    """Return an account's rows with the ids of those that gave way to each, directly or through others."""
    successors = {row.transaction_id: row.successor_id for row in rows}
    gave_way: dict[TransactionId, set[str]] = {}
    for row in rows:
        to_id = row.successor_id
        for _ in range(SUCCESSION_STEPS_MAX):
            if to_id is None:
                break
            gave_way.setdefault(to_id, set()).add(row.external_id)
            to_id = successors.get(to_id)
    return [replace(row, stands_for=frozenset(gave_way.get(row.transaction_id, ()))) for row in rows]


def _pairs(
    origin: ImportId, mine: Mapping[str, StoredRow], there: Mapping[str, StoredRow], told: Reread, coverage: Coverage
) -> list[Match]:
    return match_same_purchase(
        [_told(row) for row in mine.values()],
        there.values(),
        {row.external_id: row.merchant_key for row in mine.values()},
        told.row_ids | mine.keys(),
        origin=origin,
        coverage=with_run(coverage, origin, told.covered, None),
    )


def _told(row: StoredRow) -> ProviderTransaction:
    """Return a stored row as its file told of it."""
    return ProviderTransaction("", row.external_id, row.posted_on, row.amount_minor, row.currency, row.description)


async def _write(conn: Conn, user_id: UserId, found: _Found, now: datetime) -> None:
    """Let rows give way, move along what the person set on them, and keep why."""
    changed = [(before, after) for before, after in found.stands.values() if before != after]
    recategorized = [after for before, after in changed if _category(before) != _category(after)]
    await choices.hand_on(conn, [(user_id, *pair) for pair in found.links])
    await store.set_categories(conn, user_id, recategorized, now)
    annotated = [after for before, after in changed if before.personal != after.personal]
    await succession.write_personal(conn, [(user_id, row.transaction_id, row.personal) for row in annotated])
    links = [(user_id, *pair) for pair in found.links]
    await succession.supersede_rows(conn, links, now)
    await succession.move_suggestions(conn, links)
    # What was suggested or decided of these before was about another pair.
    await succession.forget_matches(conn, [(user_id, match.from_id) for match in found.matches])
    await succession.write_matches(conn, found.matches, now)


def _category(row: StoredRow) -> tuple[int, str, str]:
    return row.category_id, row.category_source, row.category_detail


async def _leave_old_places(place: ImportPlace, imports: Sequence[MergedImport]) -> None:
    """Remove files from where they lay before; what cannot be removed now goes with the connection one day."""
    with contextlib.suppress(ObjectStoreDown):
        for file in imports:
            await place.objects.delete(file.object_key)
            await place.objects.delete(plan_key(file.object_key))
