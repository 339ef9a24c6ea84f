"""Which accounts of files seem to be ones that a connection reads by now."""

from __future__ import annotations

from dataclasses import dataclass

from mintql.domain.ids import AccountId, UserId
from mintql.domain.matching import SAME_PURCHASE_DAYS
from mintql.services.imports_targets import FILES, same_number
from mintql.store import account_merges as store
from mintql.store import imports as imports_store
from mintql.store.account_merges import Candidate
from mintql.store.imports import TargetAccount
from mintql.store.queries import Conn

PAIRS_MAX = 200
"""Pairs of accounts that are looked at; a person has a few."""
COMPARED_MAX = 30
COMPARED_MIN = 5
"""Transactions of an account of files that are looked up in another one: by fewer nothing is told."""
SHARED_PERCENT_MIN = 70
"""Of two accounts that are one nearly all are in both, of two others those of one amount by chance."""
STRANGE_PERCENT_MAX = 20
"""Accounts that share no more than this are two, though their numbers end alike."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Two accounts that seem to be one, and why that is thought, as a sentence to show."""

    from_id: AccountId
    into_id: AccountId
    why: str


async def suggest(conn: Conn, user_id: UserId) -> list[Suggestion]:
    """Return accounts that only files bring and that a connection seems to read, each with the likeliest one."""
    accounts = {account.account_id: account for account in await imports_store.accounts(conn, user_id)}
    pairs = await store.candidates(
        conn, user_id, FILES, pairs_max=PAIRS_MAX, rows_max=COMPARED_MAX, days=SAME_PURCHASE_DAYS
    )
    likeliest: dict[AccountId, Suggestion] = {}
    for pair in sorted(pairs, key=lambda pair: (-pair.shared, pair.from_id, pair.into_id)):
        gone, stays = accounts.get(pair.from_id), accounts.get(pair.into_id)
        why = None if gone is None or stays is None else _why(gone, stays, pair)
        if why is not None:
            likeliest.setdefault(pair.from_id, Suggestion(pair.from_id, pair.into_id, why))
    return [likeliest[from_id] for from_id in sorted(likeliest)]


def _why(gone: TargetAccount, stays: TargetAccount, pair: Candidate) -> str | None:
    """Return why two accounts are thought to be one, None where nothing says so."""
    telling = pair.compared >= COMPARED_MIN
    if telling and pair.shared * 100 >= pair.compared * SHARED_PERCENT_MIN:
        return (
            f"Of the last {pair.compared} transactions that files brought into {gone.name}, {pair.shared} are in "
            f"{stays.name} as well."
        )
    if telling and pair.shared * 100 <= pair.compared * STRANGE_PERCENT_MAX:
        return None
    if same_number(gone, stays):
        return f"{gone.name} and {stays.name} are both held in {gone.currency}, and their numbers end in {gone.mask}."
    return None
