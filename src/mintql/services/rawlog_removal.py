"""Taking a person out of the raw log: the files that hold their lines are written anew without these.

Objects are never changed, so a file without the lines gets a key of its own, and then the old one goes. Dying between
any two of these leaves nothing that the next try does not find: the index names the new file before it is there, and
forgets the old one when it is gone. A program that reads the log meanwhile may meet lines twice, as it always may.
Deletions take turns at it: two that wrote one file anew at once would each keep the other's lines.
"""

from __future__ import annotations

import gzip
import logging
import zlib

from mintql.domain.ids import UserId
from mintql.gateways.objects import ObjectMissing
from mintql.services.extract import Workplace
from mintql.services.rawlog import ROOT, pack, put_file, with_digest
from mintql.store import raw_log as index

log = logging.getLogger(__name__)

FILES_MAX = 20
"""Files written anew in one go."""
FILES_SCANNED_MAX = 200
"""Files looked through in one go that no index names."""


async def remove_indexed(place: Workplace, user_id: UserId) -> tuple[int, bool]:
    """Remove a person's lines from files that the index names; return how many lines, and whether that was all."""
    async with place.begin() as conn:
        keys = await index.files_of_person(conn, user_id, FILES_MAX)
    removed = 0
    for key in keys:
        removed += await _rewrite(place, key, user_id)
    return removed, len(keys) < FILES_MAX


async def remove_scanned(place: Workplace, user_id: UserId, after: str) -> tuple[int, str | None]:
    """Remove a person's lines from the next files after a key, whether the index names them or not.

    Returns how many lines, and the key to go on after; None when no file follows.
    """
    removed, looked = 0, 0
    async for key in place.objects.list(f"{ROOT}/"):
        if key <= after:
            continue
        removed += await _rewrite(place, key, user_id)
        looked += 1
        if looked == FILES_SCANNED_MAX:
            return removed, key
    return removed, None


async def _rewrite(place: Workplace, key: str, user_id: UserId) -> int:
    """Write a file anew without a person's lines; return how many it held."""
    try:
        packed = await place.objects.get(key)
    except ObjectMissing:
        packed = None
    removed, persons = 0, {user_id}
    if packed is not None:
        header, *lines = _lines(key, packed)
        kept = [line for line in lines if not line.startswith(f"{user_id}\t")]
        removed = len(lines) - len(kept)
        if not removed and lines:
            return 0
        if kept:
            renewed = await pack(kept, header)
            others = {UserId(int(line.partition("\t")[0])) for line in kept}
            await put_file(place, with_digest(key, renewed), renewed, others)
            persons |= others
        await place.objects.delete(key)
    async with place.begin() as conn:
        await index.forget_file(conn, persons, key)
    return removed


def _lines(key: str, packed: bytes) -> list[str]:
    """Return a file's header and lines; an empty header of one that cannot be read, which is of use to nobody."""
    try:
        # Only "\n" ends a line: texts may hold what Unicode counts as line ends too.
        return [f"{line}\n" for line in gzip.decompress(packed).decode().removesuffix("\n").split("\n")]
    except (OSError, EOFError, zlib.error, ValueError) as error:
        log.exception("%s cannot be read and is removed: %s", key, type(error).__name__)
        return [""]
