"""Ending imports: one that waits is discarded, one that was taken in is taken back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from mintql.domain.errors import InvalidInput, NotFound
from mintql.domain.ids import AccountId, ConnectionId, ImportId, UserId
from mintql.domain.months import first_day
from mintql.institutions.imported import ImportPlan, StatementPlan
from mintql.services import alerts, examination, transfers
from mintql.services.effects import Effects, Job
from mintql.services.events import append_events, transactions_changed
from mintql.services.sync import CARRY_SECONDS, tell_progress
from mintql.store import connections as connections_store
from mintql.store import imports as store
from mintql.store.imports import ImportRow, TargetAccount
from mintql.store.locks import lock_users
from mintql.store.queries import Conn
from mintql.store.sync import RunKey

CARRY = timedelta(seconds=CARRY_SECONDS)


async def locked(conn: Conn, user_id: UserId, import_id: ImportId) -> ImportRow:
    """Lock an import; raise `NotFound` when it is not this person's."""
    await lock_users(conn, [user_id])
    row = await store.lock(conn, user_id, import_id)
    if row is None:
        raise NotFound("There is no such import.", field="id")
    return row


async def discard(conn: Conn, user_id: UserId, import_id: ImportId, now: datetime) -> tuple[ImportRow, Effects]:
    """Forget a file that was not taken in.

    Raises:
        NotFound: Not this person's.
        InvalidInput: It was confirmed: that is undone, not discarded.
    """
    row = await locked(conn, user_id, import_id)
    if row.state not in ("previewed", "discarded"):
        raise InvalidInput(f"This import was {row.state}; only one that waits is discarded.", field="id")
    if row.state == "previewed":
        await doom(conn, user_id, import_id, row.object_key, now)
    return replace(row, state="discarded", decided_at=row.decided_at or now), Effects(changed={user_id})


async def doom(conn: Conn, user_id: UserId, import_id: ImportId, object_key: str, now: datetime) -> None:
    """Have a file that waits removed by the sweeper, which does not give up before it is gone."""
    await store.settle(conn, user_id, [import_id], "discarded", now)
    await connections_store.doom_objects(conn, user_id, object_key.removesuffix("file.gz"), now)


async def undo(conn: Conn, user_id: UserId, import_id: ImportId, now: datetime) -> tuple[ImportRow, int, Effects]:
    """Take back all rows that an import added; rows that gave way to them count again. Returns how many went.

    Other files may have told of the same rows and added nothing, because they were there: those that went into the
    same accounts are read again, and bring back what they tell of.

    Raises:
        NotFound: Not this person's.
        InvalidInput: It was never confirmed, or is just being read.
    """
    row = await locked(conn, user_id, import_id)
    if row.state == "undone":
        return row, 0, Effects()
    if row.state != "confirmed":
        raise InvalidInput(f"This import was only {row.state}; there is nothing to undo.", field="id")
    run = (await store.runs_of(conn, user_id, [import_id])).get(import_id)
    if run is not None and run.state not in ("succeeded", "failed"):
        raise InvalidInput("The file is just being read; undo it when that is done.", field="id")
    taken = await store.take_back(conn, user_id, import_id, now)
    settled = await transfers.follow(conn, user_id, taken.removed.keys() | taken.restored.keys(), now)
    await store.settle(conn, user_id, [import_id], "undone", now)
    effects = await _read_others_again(conn, user_id, row.connection_id, taken.account_ids, now)
    if taken.removed or taken.restored:
        changes = transactions_changed(
            user_id,
            added=sorted(taken.restored),
            changed=sorted(settled.changed - taken.restored.keys()),
            removed=sorted(taken.removed),
        )
        _, told = await append_events(conn, [changes])
        effects.merge(told)
    months = {first_day(day) for day in (*taken.removed.values(), *taken.restored.values())} | settled.months
    effects.merge(await alerts.evaluate(conn, {user_id: months}, now))
    effects.merge(await examination.mark(conn, [user_id], now))
    effects.changed.add(user_id)
    return replace(row, state="undone", decided_at=now), len(taken.removed), effects


async def _read_others_again(
    conn: Conn, user_id: UserId, connection_id: ConnectionId, account_ids: set[AccountId], now: datetime
) -> Effects:
    """Read other files of these accounts again; forget accounts that no file is left of."""
    there = await store.accounts(conn, user_id, ended=True)
    touched = [account for account in there if account.account_id in account_ids]
    again: list[ImportId] = []
    wanted: set[AccountId] = set()
    for other_id, plan in (await store.confirmed(conn, user_id)).items():
        told_of = _told_of(ImportPlan.from_json(plan).statements, touched)
        if told_of:
            again.append(other_id)
            wanted |= told_of
    await store.forget_empty_accounts(conn, user_id, connection_id, account_ids - wanted)
    return await run_again(conn, user_id, again, now)


def _told_of(statements: Sequence[StatementPlan], accounts: Sequence[TargetAccount]) -> set[AccountId]:
    """Return which of these accounts a file told of."""
    taken = [planned for planned in statements if planned.take]
    ids = {planned.account_id for planned in taken}
    names = {planned.account.external_id for planned in taken if planned.account is not None}
    return {account.account_id for account in accounts if account.account_id in ids or account.external_id in names}


async def run_again(conn: Conn, user_id: UserId, import_ids: Sequence[ImportId], now: datetime) -> Effects:
    """Let the runs of files that have ended begin anew: what is known stays as it is, what was lost comes back."""
    runs = await store.run_again(conn, user_id, import_ids, now, CARRY)
    effects = await tell_progress(conn, [RunKey(user_id, run_id) for run_id in runs])
    if runs:
        effects.jobs.insert(0, Job("extract", ([[user_id, run_id] for run_id in runs],)))
    return effects
