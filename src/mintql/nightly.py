"""What goes through everybody's rows by night, page by page, each person or page in a transaction of its own."""

from __future__ import annotations

from time import monotonic

from mintql.domain.ids import UserId
from mintql.runtime import Runtime
from mintql.services import archive, uncategorized
from mintql.services import reconcile as reconciliation
from mintql.services.extract import Workplace, utc_now
from mintql.store import reconcile as persons

PERSONS_PER_PAGE = 200
RECONCILE_SECONDS_MAX = 1_800.0
"""How long a night's comparison may take of the database; well within what a job of the night may."""


async def reconcile_all(runtime: Runtime) -> int:
    """Compare every person's monthly sums with their transactions, mend; return how many sums were wrong."""
    after: UserId | None = UserId(0)
    wrong = 0
    while after is not None:
        after, found = await _reconcile_page(runtime, after)
        wrong += found
    return wrong


async def reconcile_night(runtime: Runtime, seconds_max: float = RECONCILE_SECONDS_MAX) -> int:
    """Compare as `reconcile_all` does, for a bounded time, going on where the last night stopped.

    A night that comes to the last person ends there; the next one begins anew. Whoever dies loses a page.
    """
    async with runtime.system() as conn:
        after: UserId | None = await persons.where_left(conn)
    wrong, until = 0, monotonic() + seconds_max
    while after is not None:
        after, found = await _reconcile_page(runtime, after)
        wrong += found
        async with runtime.system() as conn:
            await persons.leave_at(conn, after, utc_now())
        if monotonic() >= until:
            break
    return wrong


async def _reconcile_page(runtime: Runtime, after: UserId) -> tuple[UserId | None, int]:
    """Compare the next persons; return whom to go on after, None after the last, and how many sums were wrong."""
    async with runtime.system() as conn:
        left, suspected = await reconciliation.reconcile_page(conn, after)
    if not suspected:
        return left, 0
    async with runtime.system() as conn:
        wanted = sorted({item.user_id for item in suspected})
        found, effects = await reconciliation.mend(conn, wanted, utc_now())
    await runtime.perform(effects)
    return left, len(found)


async def categorize_all(runtime: Runtime) -> int:
    """Categorize what is uncategorized, for a bounded number of persons; return how many have a category now."""
    async with runtime.system() as conn:
        after = start = await uncategorized.first_person(conn, utc_now().date())
    left, count, round_over = uncategorized.PERSONS_PER_NIGHT_MAX, 0, False
    while left > 0:
        async with runtime.system() as conn:
            user_ids = await uncategorized.next_persons(conn, after)
        wanted = [user_id for user_id in user_ids if not round_over or user_id <= start][:left]
        for user_id in wanted:
            count += await _categorize(runtime, user_id)
        left -= len(wanted)
        if round_over and (not user_ids or len(wanted) < len(user_ids)):
            break
        after, round_over = (user_ids[-1], round_over) if user_ids else (UserId(0), True)
    return count


async def _categorize(runtime: Runtime, user_id: UserId) -> int:
    async with runtime.system() as conn:
        count, effects = await uncategorized.categorize_uncategorized(
            conn, user_id, utc_now(), rows_max=uncategorized.ROWS_PER_NIGHT_MAX, crowd=runtime.crowd
        )
    await runtime.perform(effects)
    return count


async def archive_all(place: Workplace, months_kept: int) -> int:
    """Move everybody's months beyond so many into the object store; return how many rows went. 0: none do.

    Whoever dies leaves the rest to the next night. Persons of whom nothing is left to move cost next to nothing.
    """
    after, moved = UserId(0), 0
    while months_kept:
        async with place.begin() as conn:
            user_ids = await persons.users_after(conn, after, PERSONS_PER_PAGE)
        if not user_ids:
            break
        moved += await archive.archive_due(place, user_ids, months_kept)
        after = user_ids[-1]
    await archive.tidy(place)
    return moved
