"""Connections to institutions, as a person makes, refreshes and ends them.

The institution is asked between these calls, never inside a transaction: it may take its time.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from mintql.domain.audit import CONNECTION_ENDED, CONNECTION_MADE, CONNECTION_REMOVED, CONNECTION_RENEWED
from mintql.domain.credentials import CredentialField, Credentials
from mintql.domain.errors import AuthRequired, InstitutionFailure, InvalidInput, NotFound, RateLimited, failure_of
from mintql.domain.ids import ConnectionId, SyncRunId, UserId
from mintql.gateways.vault import Sealed, Vault
from mintql.institutions.base import Connector, Linkable
from mintql.services import alerts, audit, examination
from mintql.services.effects import Effects, Job
from mintql.services.events import EVENT_IDS_MAX, append_events, transactions_changed
from mintql.services.farewells import KEPT as FAREWELL_KEPT
from mintql.services.logins import login_hint, login_key, webhook_key
from mintql.services.pace import Pace, wait_in_words
from mintql.services.sync import open_or_join_run, tell_progress
from mintql.services.transfer_pairs import release
from mintql.store import archive_read
from mintql.store import connections as store
from mintql.store import link_visits as visits
from mintql.store.connections import LastRefresh, LockedConnection
from mintql.store.locks import lock_users
from mintql.store.queries import Conn
from mintql.store.sync import RunKey

CONNECTIONS_MAX = 50
"""How many connections one person may have at a time."""
ROWS_PER_STATEMENT_MAX = 20_000
"""Transactions removed in one statement, which takes a second at most, where statements have ten."""
DISCONNECTED = ("DISCONNECTED", "The connection was ended while it was being refreshed.")
LOGIN_REPLACED = ("LOGIN_REPLACED", "The connection was given another login while it was being refreshed.")
LONG_PAUSE_SECONDS = 600
"""A pause from here on is the institution's own wish, and said to be so."""


@dataclass(frozen=True, slots=True)
class Access:
    """A login that an institution has accepted, as its connector keeps it.

    `farewell` says that the institution has to be told when this access ends, `hears` that it sends webhooks, `fields`
    what it asks for.
    """

    institution_id: str
    credentials: Credentials
    farewell: bool = False
    hears: bool = False
    fields: tuple[CredentialField, ...] = ()

    @classmethod
    def at(cls, connector: Connector, credentials: Credentials) -> Access:
        """Return the access that `connector.connect` has given."""
        farewell, hears = connector.capabilities.farewell, isinstance(connector, Linkable)
        return cls(connector.institution_id, credentials, farewell, hears, connector.fields)

    def login_key(self, user_id: UserId, vault: Vault) -> bytes:
        """Return by what the person's connection with this login is found; empty where there is no login."""
        return login_key(user_id, self.institution_id, self.credentials, vault, self.fields)

    def webhook_key(self, vault: Vault) -> bytes:
        """Return by what a webhook finds the connection; empty where none comes."""
        return webhook_key(self.institution_id, self.credentials.login, vault) if self.hears else b""


async def create(
    conn: Conn, user_id: UserId, access: Access, vault: Vault, now: datetime
) -> tuple[ConnectionId, SyncRunId, Effects]:
    """Store a connection whose login the institution has accepted, and open its first run.

    A login that is connected already, or was before, goes on with that connection and its history: the same
    purchases never stand there twice.

    Raises:
        InvalidInput: The person has as many connections as they may.
    """
    await lock_users(conn, [user_id])
    key = access.login_key(user_id, vault)
    known_id = await store.find_by_login(conn, user_id, access.institution_id, key) if key else None
    known = await store.lock(conn, user_id, known_id) if known_id else None
    if (known is None or known.status == "disconnected") and await store.count_open(conn, user_id) >= CONNECTIONS_MAX:
        raise InvalidInput(f"You have {CONNECTIONS_MAX} connections, which is the most; end one first.")
    await store.take_back_farewell(conn, user_id, key)
    if known is not None:
        return known.connection_id, *await _resume(conn, user_id, known, access, key, vault, now)
    hint = login_hint(access.credentials.login)
    connection_id = await store.insert(conn, user_id, access.institution_id, hint, key, access.webhook_key(vault), now)
    await _keep_secret(conn, user_id, connection_id, vault.seal(user_id, connection_id, access.credentials))
    run_id, effects = await open_or_join_run(conn, user_id, connection_id, "link", now)
    await _record(conn, user_id, CONNECTION_MADE, access.institution_id, hint, now)
    _note_change(effects, user_id)
    return connection_id, run_id, effects


async def _resume(
    conn: Conn, user_id: UserId, known: LockedConnection, access: Access, key: bytes, vault: Vault, now: datetime
) -> tuple[SyncRunId, Effects]:
    """Go on with a connection, with a login that the institution has accepted.

    What is under way with another login ends: it shows what that one may see, and the place where it stops is none
    for the new one to go on from.
    """
    connection_id = known.connection_id
    await _keep_secret(conn, user_id, connection_id, vault.seal(user_id, connection_id, access.credentials))
    hint = login_hint(access.credentials.login)
    await store.reactivate(conn, user_id, connection_id, hint, key, access.webhook_key(vault))
    act = CONNECTION_MADE if known.status == "disconnected" else CONNECTION_RENEWED
    await _record(conn, user_id, act, access.institution_id, hint, now)
    effects = Effects()
    if key != known.login_key:
        effects.merge(await close_runs(conn, user_id, connection_id, now, LOGIN_REPLACED))
    run_id, opened = await _go_on(conn, user_id, connection_id, now)
    effects.merge(opened)
    return run_id, effects


async def close_runs(
    conn: Conn, user_id: UserId, connection_id: ConnectionId, now: datetime, why: tuple[str, str] = DISCONNECTED
) -> Effects:
    """End the runs that a connection has open; `why` is a code, and words."""
    ended = await store.close_runs(conn, user_id, connection_id, now, *why)
    return await tell_progress(conn, [RunKey(user_id, run_id) for run_id in ended])


async def _go_on(conn: Conn, user_id: UserId, connection_id: ConnectionId, now: datetime) -> tuple[SyncRunId, Effects]:
    """Open a run of a connection that works again; visits that were to mend it have had their time."""
    await visits.forget_old(conn, user_id, connection_id)
    run_id, effects = await open_or_join_run(conn, user_id, connection_id, "request", now)
    _note_change(effects, user_id)
    return run_id, effects


async def _keep_secret(conn: Conn, user_id: UserId, connection_id: ConnectionId, sealed: Sealed) -> None:
    await store.replace_secret(conn, user_id, connection_id, sealed.key_version, sealed.wrapped_key, sealed.ciphertext)


async def _forget_secret(
    conn: Conn, user_id: UserId, connection_id: ConnectionId, now: datetime, *, farewell: bool
) -> list[Job]:
    """Forget the login of a connection at once; where the institution has to be told, a farewell takes it over."""
    if not farewell:
        await store.delete_secret(conn, user_id, connection_id)
        return []
    await store.part_with_secret(conn, user_id, connection_id, now + FAREWELL_KEPT)
    return [Job("farewell")]


async def _record(conn: Conn, user_id: UserId, act: str, institution_id: str, hint: str, now: datetime) -> None:
    detail = {"institution": institution_id} | ({"login": hint} if hint else {})
    await audit.record(conn, user_id, act, now, detail)


def _note_change(effects: Effects, user_id: UserId) -> None:
    """Wake the person's clients: what is written onto a connection has appended its event by itself."""
    effects.changed.add(user_id)
    effects.told.add(user_id)


async def open_connection(
    conn: Conn, user_id: UserId, connection_id: ConnectionId, field: str = "id"
) -> LockedConnection:
    """Lock a connection and return it; raise `NotFound` when it is not this person's or was ended."""
    found = await store.lock(conn, user_id, connection_id)
    if found is None or found.status == "disconnected":
        raise NotFound("There is no such connection, or it was ended.", field=field)
    return found


async def refresh(
    conn: Conn, user_id: UserId, connection_id: ConnectionId, pace: Pace, now: datetime, *, balances_only: bool = False
) -> tuple[SyncRunId, Effects]:
    """Open a run because the person asks for it, or join the one that is open.

    Raises:
        NotFound: Not this person's connection, or ended.
        InstitutionFailure: The connection waits for the person: the login is wanted again, say.
        RateLimited: The last run that went well began too lately, today's requests are used up, or the institution
            wants the run that is open to wait.
    """
    await lock_users(conn, [user_id])
    found = await open_connection(conn, user_id, connection_id)
    if found.status == "action_required":
        raise _refusal(found)
    last = await store.last_refresh(conn, user_id, connection_id, balances_only=balances_only)
    if last.waits_until is not None and last.waits_until > now:
        words = found.error_message or "The institution asked to come back later."
        wait = wait_in_words(last.waits_until - now)
        raise RateLimited(f"{words} It is tried by itself in {wait}.", retry_at=last.waits_until)
    if not last.open_run_does(balances_only=balances_only):
        _check_pace(found, last, pace, now)
    return await open_or_join_run(conn, user_id, connection_id, "request", now, balances_only=balances_only)


def _refusal(found: LockedConnection) -> InstitutionFailure:
    """Return why a connection waits for its person, as it was said when that became so."""
    words = found.error_message or "The institution refuses the login that is stored."
    return failure_of(found.error_code or AuthRequired.code, words)


def _check_pace(found: LockedConnection, last: LastRefresh, pace: Pace, now: datetime) -> None:
    allowed_at = pace.next_refresh_at(last.last_started_at, found.requests_on, found.requests, now)
    if allowed_at <= now:
        return
    wait = wait_in_words(allowed_at - now)
    if pace.requests_left(found.requests_on, found.requests, now) == 0:
        words = f"All {pace.requests_per_day_max} requests that the institution allows in a day are used."
    else:
        words = (
            "This was refreshed a moment ago."
            if pace.pause_seconds < LONG_PAUSE_SECONDS
            else (f"The institution is asked once in {wait_in_words(timedelta(seconds=pace.pause_seconds))} at most.")
        )
    raise RateLimited(f"{words} Try again in {wait}.", retry_at=allowed_at)


async def replace_credentials(
    conn: Conn, user_id: UserId, connection_id: ConnectionId, access: Access, vault: Vault, now: datetime
) -> tuple[SyncRunId, Effects]:
    """Store a login that the institution has accepted in place of the old one, and open a run.

    Raises:
        NotFound: Not this person's connection, or ended.
        InvalidInput: Another connection of this person has that login.
    """
    await lock_users(conn, [user_id])
    found = await open_connection(conn, user_id, connection_id)
    key = access.login_key(user_id, vault)
    if key and await store.find_by_login(conn, user_id, found.institution_id, key) not in (None, connection_id):
        raise InvalidInput("Another connection of yours has this login; refresh that one instead.", field="login")
    jobs: list[Job] = []
    if access.farewell and key != found.login_key:
        # The access that this one takes the place of goes on at the institution until somebody says that it ended.
        jobs = await _forget_secret(conn, user_id, connection_id, now, farewell=True)
    await store.take_back_farewell(conn, user_id, key)
    run_id, effects = await _resume(conn, user_id, found, access, key, vault, now)
    effects.jobs += jobs
    return run_id, effects


async def renew(conn: Conn, user_id: UserId, connection_id: ConnectionId, now: datetime) -> tuple[SyncRunId, Effects]:
    """Go on with the login that is kept, which the person has renewed at the institution, and open a run.

    Raises:
        NotFound: Not this person's connection, or ended.
    """
    await lock_users(conn, [user_id])
    found = await open_connection(conn, user_id, connection_id)
    await store.renew(conn, user_id, connection_id)
    await _record(conn, user_id, CONNECTION_RENEWED, found.institution_id, "", now)
    return await _go_on(conn, user_id, connection_id, now)


async def disconnect(
    conn: Conn,
    user_id: UserId,
    connection_id: ConnectionId,
    *,
    keep_history: bool,
    farewells: Collection[str],
    now: datetime,
) -> Effects:
    """End a connection: its login is forgotten at once, its history kept or removed with it.

    An institution among `farewells` is told of the end by a job, which alone can still read the login, for an hour
    at most.

    Raises:
        NotFound: Not this person's connection, or ended already (unless its history is to go now).
        InvalidInput: The history is to go, and old months of it were archived since they were brought back for that.
    """
    await lock_users(conn, [user_id])
    found = await store.lock(conn, user_id, connection_id)
    if found is None or (found.status == "disconnected" and keep_history):
        raise NotFound("There is no such connection, or it was ended.", field="id")
    effects = Effects()
    _note_change(effects, user_id)
    if found.status != "disconnected":
        farewell = found.institution_id in farewells
        effects.jobs += await _forget_secret(conn, user_id, connection_id, now, farewell=farewell)
        await visits.forget_old(conn, user_id, connection_id)
    act = CONNECTION_ENDED if keep_history else CONNECTION_REMOVED
    await _record(conn, user_id, act, found.institution_id, "", now)
    if keep_history:
        await store.disconnect(conn, user_id, connection_id, now)
        effects.merge(await close_runs(conn, user_id, connection_id, now))
    else:
        effects.merge(await _remove(conn, user_id, found, now))
    return effects


async def _remove(conn: Conn, user_id: UserId, found: LockedConnection, now: datetime) -> Effects:
    """Remove a connection with all that came through it, and its raw pages soon after the commit."""
    connection_id = found.connection_id
    if any(not month.restored for month in await archive_read.months(conn, user_id, date.min, date.max)):
        # What is away would stay in the sums for good.
        raise InvalidInput("Old months are just being archived; remove the history in a moment.", field="keepHistory")
    ids, count = await store.transactions_of(conn, user_id, connection_id, EVENT_IDS_MAX)
    for folder_id in (connection_id, *found.former_ids):
        await store.doom_objects(conn, user_id, f"raw/{user_id}/{folder_id}/", now)
    settled = await release(conn, user_id, connection_id, now)
    # However long a history is, no statement is; what few rows are left go with the connection.
    rows_max = ROWS_PER_STATEMENT_MAX
    while await store.delete_transactions(conn, user_id, connection_id, rows_max) == rows_max:
        pass
    await store.delete(conn, user_id, connection_id)
    effects = await alerts.evaluate(conn, {user_id: alerts.recent_months(now) | settled.months}, now)
    if count:
        changed = sorted(settled.changed)
        event = transactions_changed(user_id, changed=changed, removed=ids, removed_count=count)
        _, told = await append_events(conn, [event])
        effects.merge(told)
        effects.merge(await examination.mark(conn, [user_id], now))
    return effects
