"""Deleting a person with everything there is of them, in bounded steps, to the end whatever dies on the way.

`ask` makes an end of every way in within one transaction: sessions, password, bank logins, shares. `drive` does the
rest step by step. Its state is a row that names the person while it is under way; what is left then is a proof that
names nobody: what was removed, each entry chained to the one before by its digest.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from mintql.domain.deletion import DeletionStep, after, chained
from mintql.domain.errors import NotFound, NotSignedIn
from mintql.domain.ids import DeletionId, SessionId, UserId
from mintql.gateways.cache import Cache
from mintql.gateways.queue import Queue
from mintql.services import archive, connections, rawlog_removal
from mintql.services.effects import Effects, Job
from mintql.services.extract import Workplace
from mintql.services.removal import WRITERS_GONE
from mintql.store import connections as connection_rows
from mintql.store import deletions as store
from mintql.store import sessions
from mintql.store.deletions import DeletionEntry, DeletionState, DeletionWork
from mintql.store.locks import lock_users
from mintql.store.queries import Conn

log = logging.getLogger(__name__)

TOKEN_BYTES = 32
TOKEN_LENGTH_MAX = 100
ENTRIES_MAX = 1_000
"""Entries of a proof that are told at once."""
ROWS_MAX = 2_000
"""Rows deleted in one transaction, which takes well below a second."""
FOLDERS = {"raw": "raw objects", archive.PREFIX: "archived months"}
"""Where objects of persons are, each person's in a folder of their own, and what a proof calls them."""
OBJECTS_MAX = 200
"""Objects of a folder removed before the state is written again."""
LEASE = timedelta(seconds=120)
"""How long one turn may take. A turn of somebody who died is done again after it."""
DRIVE_SECONDS_MAX = 240.0
"""How long one job goes on; the sweeper sends the next one."""
INSTITUTIONS_PAUSE = timedelta(seconds=15)
TURN_PAUSE = timedelta(seconds=5)
RETRY_PAUSE = timedelta(seconds=30)
DELETIONS_PER_SWEEP = 10


@dataclass(frozen=True, slots=True)
class Desk:
    """What a deletion works with."""

    place: Workplace
    cache: Cache
    queue: Queue


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn has come to: what was removed, whether the step is done, when to go on if not at once."""

    removed: list[tuple[str, int]] = field(default_factory=list)
    done: bool = False
    due_at: datetime | None = None
    log_scanned_to: str | None = None


async def ask(
    conn: Conn, user_id: UserId, session_id: SessionId, farewells: Collection[str], now: datetime
) -> tuple[str, Effects]:
    """Begin the deletion of a person whose password was checked; return the token by which it can be watched.

    In this transaction their sessions end, bank logins are forgotten (where an institution has to be told, moved to
    where only that is done with them), shares end, and nobody can sign in any more. The e-mail address is free at once.

    Raises:
        NotSignedIn: The session has ended meanwhile, by another deletion, say.
    """
    await lock_users(conn, [user_id])
    if not await sessions.is_live(conn, user_id, session_id, now):
        raise NotSignedIn("The session has ended meanwhile.")
    effects = Effects(changed={user_id}, told={user_id}, ended={user_id})
    for connection_id in await connection_rows.open_ids(conn, user_id):
        try:
            ended = await connections.disconnect(
                conn, user_id, connection_id, keep_history=True, farewells=farewells, now=now
            )
        except NotFound:
            continue
        effects.merge(ended)
    await sessions.delete_all(conn, user_id)
    token = secrets.token_urlsafe(TOKEN_BYTES)
    token_hash = hash_token(token)
    deletion_id = await store.begin(conn, token_hash, DeletionStep.ROWS, now)
    await store.empty_profile(conn, user_id, f"deleted-{secrets.token_hex(16)}")
    effects.jobs.append(Job("delete_person", (deletion_id,)))
    return token, effects


def hash_token(token: str) -> bytes:
    """Return what is stored of a token."""
    return hashlib.sha256(token.encode()).digest()


async def find(conn: Conn, token: str) -> tuple[DeletionState, list[DeletionEntry]] | None:
    """Return how far the deletion of a token is, and what it has removed."""
    if not token or len(token) > TOKEN_LENGTH_MAX:
        return None
    found = await store.by_token(conn, hash_token(token))
    return None if found is None else (found, await store.entries_by_token(conn, hash_token(token), 0, ENTRIES_MAX))


async def due_jobs(conn: Conn, now: datetime) -> list[Job]:
    """Return the jobs that go on with what is due."""
    return [Job("delete_person", (number,)) for number in await store.due(conn, now, DELETIONS_PER_SWEEP)]


async def drive(desk: Desk, deletion_id: DeletionId) -> None:
    """Go on with a deletion until it is done, waits for something, or has had its time. May die anywhere."""
    clock = desk.place.clock
    until = clock() + timedelta(seconds=DRIVE_SECONDS_MAX)
    while clock() < until:
        async with desk.place.begin() as conn:
            work = await store.claim(conn, deletion_id, clock(), clock() + LEASE)
        if work is None:
            return
        try:
            await _STEPS[DeletionStep(work.step)](desk, work)
        except Exception:
            log.exception("deletion %s is tried again: its step %s failed", deletion_id, work.step)
            async with desk.place.begin() as conn:
                if await store.hold(conn, work):
                    await store.advance(conn, work, clock() + RETRY_PAUSE)
            return


async def _rows(desk: Desk, work: DeletionWork) -> None:
    """Delete rows of the first table that has some, and write that down in the same transaction."""
    async with desk.place.begin() as conn:
        await lock_users(conn, [work.subject_user_id])
        if not await store.hold(conn, work):
            return
        found = await store.delete_rows(conn, work.subject_user_id, ROWS_MAX)
        await _write(conn, work, Turn([found] if found else [], done=found is None), desk.place.clock())


async def _objects(desk: Desk, work: DeletionWork) -> None:
    found: list[tuple[str, int]] = []
    for folder, what in FOLDERS.items():
        removed = 0
        async for key in desk.place.objects.list(f"{folder}/{work.subject_user_id}/"):
            if removed == OBJECTS_MAX:
                break
            await desk.place.objects.delete(key)
            removed += 1
        found.append((what, removed))
    await _settle(desk, work, Turn(found, done=all(removed < OBJECTS_MAX for _, removed in found)))


async def _log(desk: Desk, work: DeletionWork) -> None:
    """Write files of the raw log anew, when no earlier deletion is at it."""
    now = desk.place.clock()
    async with desk.place.begin() as conn:
        mine = await store.first_in_steps(conn, work.deletion_id, (DeletionStep.LOG, DeletionStep.LOG_AGAIN))
    if not mine:
        await _settle(desk, work, Turn(due_at=now + TURN_PAUSE, log_scanned_to=work.log_scanned_to))
        return
    removed, done = await rawlog_removal.remove_indexed(desk.place, work.subject_user_id)
    position = work.log_scanned_to
    if done and position is not None:
        more, position = await rawlog_removal.remove_scanned(desk.place, work.subject_user_id, position)
        removed, done = removed + more, position is None
    await _settle(desk, work, Turn([("lines of the raw log", removed)], done=done, log_scanned_to=position))


async def _cache(desk: Desk, work: DeletionWork) -> None:
    """Forget cached answers and take the person out of jobs that wait; again later when Redis is away."""
    answers = await desk.cache.forget(work.subject_user_id)
    jobs = await desk.queue.forget(work.subject_user_id)
    if answers is None or jobs is None:
        await _settle(desk, work, Turn(due_at=desk.place.clock() + RETRY_PAUSE))
        return
    await _settle(desk, work, Turn([("cached answers", answers), ("waiting jobs", jobs)], done=True))


async def _institutions(desk: Desk, work: DeletionWork) -> None:
    """Wait until every institution was told that access has ended, or could not be for an hour."""
    async with desk.place.begin() as conn:
        left = await store.farewells_left(conn, work.subject_user_id)
    due_at = desk.place.clock() + INSTITUTIONS_PAUSE
    await _settle(desk, work, Turn(done=True) if left == 0 else Turn(due_at=due_at))


async def _waiting(desk: Desk, work: DeletionWork) -> None:
    """Wait until work that was under way when the deletion was asked for has had its time."""
    look_again_at = work.requested_at + WRITERS_GONE
    waits = look_again_at > desk.place.clock()
    await _settle(desk, work, Turn(due_at=look_again_at) if waits else Turn(done=True))


async def _person(desk: Desk, work: DeletionWork) -> None:
    """Delete the person's own row, when nothing else is left, and forget whose deletion it was."""
    now = desk.place.clock()
    async with desk.place.begin() as conn:
        await lock_users(conn, [work.subject_user_id])
        if not await store.hold(conn, work):
            return
        late = await store.delete_rows(conn, work.subject_user_id, ROWS_MAX)
        if late is not None:  # Written since the second look; nothing is left of it either.
            await _write(conn, work, Turn([late]), now)
            return
        gone = await store.delete_person(conn, work.subject_user_id)
        left = await store.remnants(conn, work.subject_user_id)
        if left:
            raise RuntimeError(f"rows of the person are left in {', '.join(left)}")
        await _write(conn, work, Turn([("person", int(gone))], done=True), now)
        await store.finish(conn, work.deletion_id, DeletionStep.DONE, now)


async def _settle(desk: Desk, work: DeletionWork, turn: Turn) -> None:
    async with desk.place.begin() as conn:
        if await store.hold(conn, work):
            await _write(conn, work, turn, desk.place.clock())


async def _write(conn: Conn, work: DeletionWork, turn: Turn, now: datetime) -> None:
    """Append what was removed to the proof, and give the deletion back as it is now."""
    position, digest = work.position, work.digest
    for what, removed in turn.removed:
        if removed:
            position += 1
            digest = chained(digest, position, what, removed, now)
            await store.insert_entry(conn, work.deletion_id, DeletionEntry(position, what, removed, now, digest))
    step = after(DeletionStep(work.step)) if turn.done else DeletionStep(work.step)
    scanned_to = turn.log_scanned_to if DeletionStep(work.step) in _LOG_STEPS else work.log_scanned_to
    moved = replace(work, step=step, position=position, digest=digest, log_scanned_to=scanned_to)
    await store.advance(conn, moved, turn.due_at or now)


_LOG_STEPS = (DeletionStep.LOG, DeletionStep.LOG_AGAIN)
_STEPS: dict[DeletionStep, Callable[[Desk, DeletionWork], Awaitable[None]]] = {
    DeletionStep.ROWS: _rows,
    DeletionStep.OBJECTS: _objects,
    DeletionStep.LOG: _log,
    DeletionStep.CACHE: _cache,
    DeletionStep.INSTITUTIONS: _institutions,
    DeletionStep.WAITING: _waiting,
    DeletionStep.ROWS_AGAIN: _rows,
    DeletionStep.OBJECTS_AGAIN: _objects,
    DeletionStep.LOG_AGAIN: _log,
    DeletionStep.CACHE_AGAIN: _cache,
    DeletionStep.PERSON: _person,
}
