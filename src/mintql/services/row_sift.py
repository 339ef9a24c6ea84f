"""Which rows of a batch are not known by their fingerprints. Values only; most rows of a refresh end here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter

from mintql.domain.ingest import AccountRows, Folded
from mintql.domain.institutions import ProviderTransaction, RejectedRow
from mintql.domain.merchant_memory import remembered
from mintql.services.fingerprints import fingerprints_of, pack, says_what_is_known, unpack
from mintql.services.row_plan import AccountWork, Candidate, Slice
from mintql.store.ingest import KnownAccount
from mintql.store.sync import RunKey

REJECTED_ACCOUNT_POSITION = -1_000_000
"""Positions of rows whose account is unknown count down from here, clear of all others."""

_account_of = attrgetter("account_external_id")


def sift(slices: Sequence[Slice], known: Mapping[tuple[RunKey, str], KnownAccount]) -> list[AccountWork]:
    """Return the accounts of these slices with what of their rows is not known; put rows of unknown accounts aside."""
    works: dict[tuple[RunKey, str], AccountWork] = {}
    for part in slices:
        for external_id, said in part.folded.by_account.items():
            account = known.get((part.run.key, external_id))
            if account is None:
                _reject_account(part.folded, external_id, said)
                continue
            key = (account.user_id, account.account_id)
            works[part.run.key, external_id] = AccountWork(
                part.run, key, said, part.closing, account.is_new, part.covered.get(external_id)
            )
        for external_id, rows in groupby(part.rows, key=_account_of):
            work = works.get((part.run.key, external_id))
            if work is not None:
                _find(part, work, known[part.run.key, external_id].seen, rows)
    return list(works.values())


def _find(part: Slice, work: AccountWork, seen: bytes, rows: Iterable[ProviderTransaction]) -> None:
    """Add the candidates among the rows of one account."""
    contents, prints = unpack(seen), fingerprints_of(work.said)
    work.is_as_seen = says_what_is_known(work.said, contents)
    if work.is_as_seen:
        return
    run, account, candidates = part.run.key, work.account, work.candidates
    page_of, object_ids = work.said.pages, part.object_ids
    for row in rows:
        external_id = row.external_id
        id_hash, content_hash = prints[external_id]
        known_hash = contents.get(id_hash)
        if known_hash != content_hash:
            # The raw page that had the last word on the row.
            page = page_of.get(external_id)
            object_id = None if page is None or page >= len(object_ids) else object_ids[page]
            merchant = remembered(row.description)
            candidates[external_id] = Candidate(run, account, row, merchant, object_id, known_hash is not None)
    if not part.closing:
        # The run may never come to its end, and then the next one say again what was known.
        changed = {prints[external_id][0] for external_id, item in candidates.items() if item.id_known}
        left = (pair for pair in sorted(contents.items()) if pair[0] not in changed)
        work.still_known = pack(left) if changed else None


def _reject_account(folded: Folded, external_id: str, said: AccountRows) -> None:
    """Put the rows of an account that the institution never described into quarantine."""
    reason = f"it belongs to account {external_id!r}, which the institution did not describe"
    put_aside = [row for _, row in folded.rejected if row.position <= REJECTED_ACCOUNT_POSITION]
    if any(row.account_external_id == external_id for row in put_aside):
        return  # By an earlier slice of the run.
    for place, row in enumerate(said.rows.values(), len(put_aside)):
        position = REJECTED_ACCOUNT_POSITION - place
        folded.rejected.append((0, RejectedRow(position, reason, row.description, external_id)))
