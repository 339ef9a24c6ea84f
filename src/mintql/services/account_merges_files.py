"""Files of an account that is merged: copied to a place of their own, with a plan that names the other account."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import date

from mintql.domain.errors import ProtocolError
from mintql.domain.ids import UserId
from mintql.gateways.objects import ObjectMissing, ObjectStore
from mintql.institutions.files.base import FileUnreadable
from mintql.institutions.imported import ImportedFile, ImportPlan, parse_import
from mintql.services.imports import GZIP, plan_key
from mintql.services.imports_reading import beside, pack, unpack
from mintql.services.imports_targets import sent_to
from mintql.store.account_merges import MergedImport, MovedImport
from mintql.store.imports import TargetAccount


@dataclass(frozen=True, slots=True)
class Reread:
    """A file of an account that is merged: where it lies from now on, and what it tells of the other account.

    `covered` are the first and the last day it tells of completely, `row_ids` the ids of its rows; none of either
    where it cannot be read any more.
    """

    moved: MovedImport
    covered: tuple[date, date] | None
    row_ids: frozenset[str]


async def move_file(
    objects: ObjectStore, user_id: UserId, file: MergedImport, gone: TargetAccount, stays: TargetAccount
) -> Reread:
    """Copy a file, and write the plan that sends what went into `gone` into `stays`; what is there is left alone.

    The place is named by the plan, so that it is the same however often this is done, and never another's.
    """
    plan = _redirected(ImportPlan.from_json(file.plan), gone, stays)
    plan_bytes = plan.to_bytes()
    digest = hashlib.sha256(plan_bytes)
    file_key = f"raw/{user_id}/{file.connection_id}/imports/{file.import_id}/{digest.hexdigest()[:32]}/file.gz"
    await objects.put(plan_key(file_key), await pack(plan_bytes), GZIP)
    moved = MovedImport(file.import_id, file_key, plan_key(file_key), plan.to_json(), digest.digest(), len(plan_bytes))
    said = await _copy(objects, file, file_key, plan_bytes)
    # What cannot be read any more was read once: its rows are merged by what they say themselves.
    return Reread(moved, None, frozenset()) if said is None else _reread(moved, said, plan, stays)


async def _copy(objects: ObjectStore, file: MergedImport, file_key: str, plan: bytes) -> ImportedFile | None:
    """Copy a file and read it by its new plan; None when it is missing, damaged or cannot be read."""
    try:
        packed = await objects.get(file.object_key)
        await objects.put(file_key, packed, GZIP)
        content = await unpack(packed)
        if hashlib.sha256(content).digest() != file.sha256:
            return None
        return await beside(parse_import, plan, content)
    except (ObjectMissing, FileUnreadable, ProtocolError):
        return None


def _redirected(plan: ImportPlan, gone: TargetAccount, stays: TargetAccount) -> ImportPlan:
    statements = tuple(
        sent_to(planned, stays)
        if planned.account is not None and planned.account.external_id == gone.external_id
        else planned
        for planned in plan.statements
    )
    return replace(plan, statements=statements)


def _reread(moved: MovedImport, said: ImportedFile, plan: ImportPlan, stays: TargetAccount) -> Reread:
    targets = {
        planned.target
        for planned in plan.statements
        if planned.account_id == stays.account_id
        or (planned.account is not None and planned.account.external_id == stays.external_id)
    }
    rows = frozenset(row.external_id for row in said.page.transactions if row.account_external_id in targets)
    covered = [days for name, days in said.covered.items() if name in targets]
    return Reread(moved, covered[0] if covered else None, rows)
