"""Files that a person imports: kept as they came, shown as they would be read, taken in once that is confirmed.

    file -> object store, untouched -> read -> preview <-> corrections -> confirmed: the plan is written beside the
    file, and a sync run brings it in like any institution's pages

Files are read in threads and stored between the transactions that `place.begin` opens, never inside of one but for
the plan, which has to be the one that is confirmed.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from mintql.domain.errors import InvalidInput
from mintql.domain.ids import AccountId, ImportId, SyncRunId, UserId
from mintql.domain.periods import Period
from mintql.gateways.objects import ObjectConflict, ObjectMissing, ObjectStore, ObjectStoreDown
from mintql.institutions.files.base import FILE_BYTES_MAX, FileUnreadable
from mintql.institutions.files.reading import Preview, ReadOptions
from mintql.institutions.imported import ImportPlan, statements_of
from mintql.services import archive
from mintql.services.effects import Effects
from mintql.services.extract import Begin, utc_now
from mintql.services.imports_ending import doom, locked, run_again
from mintql.services.imports_preview import BringBack, Previewed, build
from mintql.services.imports_reading import pack, read, unpack
from mintql.services.imports_targets import FILES, Correction, Targets, brought_up_to_date, memory_of
from mintql.services.sync import CARRY_SECONDS, open_or_join_run
from mintql.store import imports as store
from mintql.store import users
from mintql.store.imports import ImportRow
from mintql.store.locks import lock_users
from mintql.store.queries import Conn

CONNECTION_NAME = "Imported files"
LOGIN_KEY = hashlib.sha256(FILES.encode()).digest()
"""The same for everybody: a person has one connection of files."""
PREVIEWED_MAX = 20
"""Files that may wait to be confirmed; the oldest makes way for another one."""
SIGNATURE_CHARACTERS_MAX = 500
CARRY = timedelta(seconds=CARRY_SECONDS)
GZIP = "application/gzip"


@dataclass(frozen=True, slots=True)
class ImportPlace:
    """What importing needs: `begin` opens a transaction that sees the person's rows.

    `prepare` does so for what comes before the change that was asked for, or clears up after it; `begin` unless given.
    """

    begin: Begin
    objects: ObjectStore
    prepare: Begin | None = None

    def preparing(self) -> contextlib.AbstractAsyncContextManager[Conn]:
        """Open a transaction for what is no part of the change itself."""
        return (self.prepare or self.begin)()


@dataclass(slots=True)
class _Read:
    """A file as read, with what of the person's it depends on."""

    found: Preview
    targets: Targets


async def import_file(
    place: ImportPlace,
    user_id: UserId,
    file_name: str,
    content: bytes,
    options: Mapping[str, Any],
    account_id: AccountId | None,
    now: datetime,
) -> tuple[Previewed, Effects]:
    """Keep a file and say what it would bring.

    `options` are fields of `ReadOptions`, of which those that are left out are found out. With `account_id` the file
    goes into that account.

    Raises:
        FileUnreadable: It is empty, too large, or cannot be read; nothing of it is kept.
        InvalidInput: An option that cannot be, or an account for a file that has several.
        NotFound: The account is not this person's.
    """
    if not 1 <= len(content) <= FILE_BYTES_MAX:
        size = "is empty" if not content else f"is larger than {FILE_BYTES_MAX // 1024**2} MiB"
        raise FileUnreadable(f"The file {size}; send one with transactions in it.", field="file")
    asked = ReadOptions.from_json(dict(options))
    async with place.preparing() as conn:
        await lock_users(conn, [user_id])
        connection_id = await store.open_connection(conn, user_id, FILES, CONNECTION_NAME, LOGIN_KEY, now)
        import_id = await store.take_id(conn)
    folder = f"raw/{user_id}/{connection_id}/imports/{import_id}"
    row = ImportRow(
        import_id=import_id,
        connection_id=connection_id,
        state="previewed",
        file_name=file_name,
        object_key=f"{folder}/file.gz",
        sha256=hashlib.sha256(content).digest(),
        size_bytes=len(content),
        kind="",
        signature="",
        plan={},
        created_at=now,
        decided_at=None,
    )
    try:
        await place.objects.put(row.object_key, await pack(content), GZIP)
        return await _preview_new(place, user_id, row, content, asked, account_id, now)
    except BaseException:
        await _forget(place, user_id, row)
        raise


async def _preview_new(
    place: ImportPlace,
    user_id: UserId,
    row: ImportRow,
    content: bytes,
    asked: ReadOptions,
    account_id: AccountId | None,
    now: datetime,
) -> tuple[Previewed, Effects]:
    done = await _read(place, user_id, row, content, asked, account_id, remembering=asked == ReadOptions())
    statements = statements_of(done.found.parsed)
    corrections = _all_into(account_id, done.found) if account_id is not None else ()
    plan = ImportPlan(row.file_name, done.found.options, done.targets.plan(statements, corrections))
    row = _as_read(row, done.found, plan)
    async with place.begin() as conn:
        await lock_users(conn, [user_id])
        earlier = await store.same_file(conn, user_id, row.sha256)
        if earlier is not None:
            name, when = earlier
            done.targets.unsure.append(f"You imported this very file on {when:%-d %B %Y}, as {name!r}.")
        await store.insert(conn, user_id, row)
        effects = Effects(changed={user_id})
        for old_id, object_key in await store.previewed_beyond(conn, user_id, PREVIEWED_MAX):
            await doom(conn, user_id, old_id, object_key, now)
        previewed = await build(conn, user_id, row, plan, done.found, done.targets, _bring_back(place))
    return previewed, effects


def _bring_back(place: ImportPlace) -> BringBack:
    async def days(conn: Conn, user_id: UserId, span: Period) -> int:
        return await archive.bring_back(conn, place.objects, user_id, utc_now(), first=span.first, last=span.last)

    return days


def _all_into(account_id: AccountId, found: Preview) -> list[Correction]:
    """Send the file into one account, which only a file of one account can go into."""
    places = [place for place, said in enumerate(statements_of(found.parsed)) if said.transactions]
    if len(places) > 1:
        message = (
            f"The file has {len(places)} accounts with transactions; leave accountId out and say of each where to."
        )
        raise InvalidInput(message, field="accountId")
    return [Correction(place, account_id=account_id) for place in places]


async def _forget(place: ImportPlace, user_id: UserId, row: ImportRow) -> None:
    """Leave nothing of a file that was not taken; what cannot be removed now goes with the connection one day."""
    with contextlib.suppress(ObjectStoreDown):
        await place.objects.delete(row.object_key)
    async with place.preparing() as conn:
        await lock_users(conn, [user_id])
        await store.forget_unused_connection(conn, user_id, row.connection_id)


async def _read(
    place: ImportPlace,
    user_id: UserId,
    row: ImportRow,
    content: bytes,
    asked: ReadOptions,
    account_id: AccountId | None = None,
    *,
    remembering: bool,
) -> _Read:
    """Read a file; once more, where the last such file or the account it is for tells how to do it better."""
    found = await read(content, row.file_name, asked)
    async with place.begin() as conn:
        person = await users.get(conn, user_id)
        accounts = await store.accounts(conn, user_id)
        signature = _signature(found)
        profile = await store.profile(conn, user_id, signature) if signature else None
    targets = Targets(row.import_id, row.file_name, accounts)
    if profile is not None:
        targets.remembered = profile["targets"]
        remembered = ReadOptions.from_json(profile["options"])
        if remembering and remembered != found.options:
            with contextlib.suppress(FileUnreadable):
                found, asked = await read(content, row.file_name, remembered), remembered
    if found.parsed.without_currency:
        account = next((one for one in accounts if one.account_id == account_id), None)
        currency = account.currency if account else person.currency if person else "USD"
        found = await read(content, row.file_name, replace(asked, currency=currency))
        if account is None:
            targets.unsure.append(f"The file names no currency; {currency} was taken, which is yours.")
    return _Read(found, targets)


def _signature(found: Preview) -> str:
    signature = found.parsed.signature
    if len(signature) <= SIGNATURE_CHARACTERS_MAX:
        return signature
    return "sha256:" + hashlib.sha256(signature.encode()).hexdigest()


def _as_read(row: ImportRow, found: Preview, plan: ImportPlan) -> ImportRow:
    return replace(row, kind=found.parsed.kind.value, signature=_signature(found), plan=plan.to_json())


async def correct(
    place: ImportPlace,
    user_id: UserId,
    import_id: ImportId,
    options: Mapping[str, Any],
    corrections: Sequence[Correction],
) -> tuple[Previewed, Effects]:
    """Read a file that waits in another way, or send its statements elsewhere, and say what it would bring now.

    Raises:
        NotFound: Not this person's, or an account that is not.
        InvalidInput: It does not wait any more, or a correction that cannot be.
        FileUnreadable: It cannot be read in this way; the way before holds.
    """
    async with place.preparing() as conn:
        row = await _waiting(conn, user_id, import_id)
    before = ImportPlan.from_json(row.plan)
    asked = ReadOptions.from_json(_merged(before.options.to_json(), options))
    done = await _read(place, user_id, row, await _content(place, row), asked, remembering=False)
    done.targets.before = before.statements
    plan = ImportPlan(
        row.file_name, done.found.options, done.targets.plan(statements_of(done.found.parsed), corrections)
    )
    changed = _as_read(row, done.found, plan)
    async with place.begin() as conn:
        await lock_users(conn, [user_id])
        await _waiting(conn, user_id, import_id)
        await store.change_plan(conn, user_id, import_id, changed.kind, changed.signature, changed.plan)
        previewed = await build(conn, user_id, changed, plan, done.found, done.targets, _bring_back(place))
    return previewed, Effects(changed={user_id})


def _merged(before: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options with what the person says now.

    Columns that were found in another reading hold no more, and a currency is that of the columns as well.
    """
    merged = {**before, **options}
    if "mapping" in options or merged["mapping"] is None:
        return merged
    if any(name in options and options[name] != before[name] for name in ("kind", "encoding")):
        return {**merged, "mapping": None}
    if options.get("currency"):
        return {**merged, "mapping": {**merged["mapping"], "currency": options["currency"]}}
    return merged


async def _content(place: ImportPlace, row: ImportRow) -> bytes:
    try:
        content = await unpack(await place.objects.get(row.object_key))
    except ObjectMissing:
        raise FileUnreadable("The file is not there any more; send it again.") from None
    if hashlib.sha256(content).digest() != row.sha256:
        raise FileUnreadable("What was kept of the file is damaged; send it again.")
    return content


async def _waiting(conn: Conn, user_id: UserId, import_id: ImportId) -> ImportRow:
    """Lock an import that its person can still decide about."""
    row = await locked(conn, user_id, import_id)
    if row.state != "previewed":
        raise InvalidInput(f"This import was {row.state}; send the file again to import it otherwise.", field="id")
    return row


async def confirm(place: ImportPlace, user_id: UserId, import_id: ImportId, now: datetime) -> tuple[SyncRunId, Effects]:
    """Take a file in as its preview said; return the run that does it, the same one however often this is asked.

    A run that failed begins anew, and so does the connection of files, should it have been ended meanwhile.

    Raises:
        NotFound: Not this person's.
        InvalidInput: It was discarded or undone, or nothing of it is to be taken.
    """
    async with place.begin() as conn:
        row = await locked(conn, user_id, import_id)
        if row.state not in ("previewed", "confirmed"):
            raise InvalidInput(f"This import was {row.state}; send the file again to import it.", field="id")
        plan = ImportPlan.from_json(row.plan)
        if not any(statement.take for statement in plan.statements):
            raise InvalidInput("Nothing of this file would be taken in: it has no transactions to take.", field="id")
        await store.open_connection(conn, user_id, FILES, CONNECTION_NAME, LOGIN_KEY, now)
        if row.state == "previewed":
            accounts = await store.accounts(conn, user_id)
            plan = replace(plan, statements=brought_up_to_date(plan.statements, accounts))
            await _write_plan(place, row, plan)
            await store.change_plan(conn, user_id, import_id, row.kind, row.signature, plan.to_json())
            await store.settle(conn, user_id, [import_id], "confirmed", now)
            await _remember(conn, user_id, row, plan, now)
        return await _open_run(conn, user_id, row, now)


async def _write_plan(place: ImportPlace, row: ImportRow, plan: ImportPlan) -> None:
    """Write the plan beside the file, over one that was never confirmed because a process died on the way."""
    key = plan_key(row.object_key)
    packed = await pack(plan.to_bytes())
    try:
        await place.objects.put(key, packed, GZIP)
    except ObjectConflict:
        await place.objects.delete(key)
        await place.objects.put(key, packed, GZIP)


def plan_key(object_key: str) -> str:
    """Return where the plan of an import lies, by where its file does."""
    return f"{object_key.removesuffix('file.gz')}plan.json.gz"


async def _remember(conn: Conn, user_id: UserId, row: ImportRow, plan: ImportPlan, now: datetime) -> None:
    if not row.signature:
        return
    earlier = await store.profile(conn, user_id, row.signature)
    targets = memory_of(plan.statements, [] if earlier is None else earlier["targets"])
    await store.put_profile(conn, user_id, row.signature, {"options": plan.options.to_json(), "targets": targets}, now)


async def _open_run(conn: Conn, user_id: UserId, row: ImportRow, now: datetime) -> tuple[SyncRunId, Effects]:
    run = (await store.runs_of(conn, user_id, [row.import_id])).get(row.import_id)
    if run is None:
        run_id, effects = await open_or_join_run(
            conn, user_id, row.connection_id, "import", now, import_id=row.import_id
        )
    else:
        run_id = run.run_id
        effects = await run_again(conn, user_id, [row.import_id], now) if run.state == "failed" else Effects()
    effects.changed.add(user_id)
    return run_id, effects


def is_sure(previewed: Previewed) -> bool:
    """Tell whether a file can be taken in without asking its person anything."""
    return not previewed.unsure and not previewed.rejected_total
