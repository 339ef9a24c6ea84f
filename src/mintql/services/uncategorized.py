"""Uncategorized transactions, when more becomes known: a rule, a seller's memory, a newer dictionary or crowd.

They are put where they would go if they came in now. Nothing that has a category is touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final

from mintql.domain.categories import UNCATEGORIZED_ID, CategorySource
from mintql.domain.ids import TransactionId, UserId
from mintql.domain.ingest import NOTHING_PERSONAL
from mintql.domain.months import first_day
from mintql.domain.rules import Rule, RuleClues, matches
from mintql.services import alerts, transfers
from mintql.services.categorize import default_categorizer
from mintql.services.crowd import CrowdCache
from mintql.services.effects import Effects
from mintql.services.events import append_events, transactions_changed
from mintql.services.knowledge import NOTHING_KNOWN, Knowledge, clues_of, load_knowledge
from mintql.store import uncategorized as store
from mintql.store.locks import lock_users
from mintql.store.queries import Conn
from mintql.store.uncategorized import Decided, UncategorizedRow

BATCH: Final = 10_000
"""Rows read and written at once: some megabytes, and a second of categorizing."""
ROWS_MAX: Final = 200_000
"""Rows that one call looks at, the newest first: what is asked of them fits into a request."""
PERSONS_PER_NIGHT_MAX: Final = 20_000
"""Persons that a night has time for; with more, each night begins further on."""
PERSONS_PER_PAGE: Final = 200
ROWS_PER_NIGHT_MAX: Final = 2_000
"""Of each person, the newest: what is older was tried many nights."""
_NEWEST: Final = 2**63 - 1


async def categorize_uncategorized(
    conn: Conn,
    user_id: UserId,
    now: datetime,
    *,
    merchant_keys: Sequence[str] | None = None,
    rule: Rule | None = None,
    rows_max: int = ROWS_MAX,
    crowd: CrowdCache | None = None,
) -> tuple[int, Effects]:
    """Put a person's uncategorized transactions where they belong by what is known now; return how many were.

    Args:
        conn: Within the caller's transaction.
        user_id: Whose.
        now: The time of the change.
        merchant_keys: Look only at these sellers, of which something became known; None for all.
        rule: Look only at what this rule holds for.
        rows_max: Look at so many, the newest.
        crowd: What is known of the crowd; asked anew unless given.
    """
    await lock_users(conn, [user_id])
    changed: dict[TransactionId, date] = {}
    before, left = _NEWEST, rows_max
    while left > 0:
        limit = min(BATCH, left)
        rows = await store.rows(conn, user_id, before, merchant_keys, limit)
        wanted = [row for row in rows if rule is None or matches(rule.conditions, _rule_clues(row))]
        decided = await _decide(conn, user_id, wanted, crowd or CrowdCache())
        changed |= await store.write(conn, user_id, decided, now)
        if len(rows) < limit:
            break
        before, left = rows[-1].transaction_id, left - limit
    if not changed:
        return 0, Effects()
    settled = await transfers.follow(conn, user_id, changed, now)
    told = sorted(changed.keys() | settled.changed, reverse=True)
    _, effects = await append_events(conn, [transactions_changed(user_id, changed=told)])
    effects.changed.add(user_id)
    months = {first_day(posted_on) for posted_on in changed.values()} | settled.months
    effects.merge(await alerts.evaluate(conn, {user_id: months}, now))
    return len(changed), effects


async def _decide(
    conn: Conn, user_id: UserId, rows: Sequence[UncategorizedRow], crowd: CrowdCache
) -> dict[TransactionId, Decided]:
    if not rows:
        return {}
    keys = sorted({row.merchant_key for row in rows})
    known = (await load_knowledge(conn, [user_id], keys, crowd)).get(user_id, NOTHING_KNOWN)
    decided = {row.transaction_id: _decision(known, row) for row in rows}
    return {transaction_id: item for transaction_id, item in decided.items() if item[0].category_id != UNCATEGORIZED_ID}


def _decision(known: Knowledge, row: UncategorizedRow) -> Decided:
    clues = clues_of(row.merchant_key, row.amount_minor, row.currency, row.institution_code)
    decision = known.decide(default_categorizer(), _rule_clues(row), clues)
    # Rules that say nothing of the category had their say when the transaction came in.
    by_rule = decision.category.source is CategorySource.RULE
    return decision.category, decision.personal if by_rule else NOTHING_PERSONAL


def _rule_clues(row: UncategorizedRow) -> RuleClues:
    return RuleClues(row.account_id, row.merchant_key, row.description, row.amount_minor, row.currency)


async def next_persons(conn: Conn, after: UserId) -> list[UserId]:
    """Return persons after one that have uncategorized transactions, a bounded number."""
    return await store.users(conn, after, PERSONS_PER_PAGE)


async def first_person(conn: Conn, day: date) -> UserId:
    """Return the id that a night's round begins after: further on each day, so that everybody's turn comes."""
    return UserId(day.toordinal() * PERSONS_PER_NIGHT_MAX % (await store.highest_user(conn) + 1))
