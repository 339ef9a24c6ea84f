"""What was spent of limits, whatever their periods, and what earlier periods carry into them: two queries at most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import NamedTuple

from mintql.domain.budget_timeline import Timeline, carried_into
from mintql.domain.budgets import NOTHING_SPENT, Limit, Spent, spent_by_budget
from mintql.domain.categories import CategoryTree
from mintql.domain.ids import CategoryId, UserId
from mintql.domain.periods import Period
from mintql.domain.tuples import tuples
from mintql.store import budgets as store
from mintql.store.queries import Conn


@dataclass(frozen=True, slots=True)
class Holder:
    """What of a person the amounts of their budgets depend on; `today` is on their calendar."""

    user_id: UserId
    timeline: Timeline
    tree: CategoryTree
    today: date


class Measured(NamedTuple):
    """A limit with what was carried into its period, and what was spent in it."""

    holder: Holder
    limit: Limit
    spent: Spent


async def measure(conn: Conn, wanted: Sequence[tuple[Holder, Limit]]) -> list[Measured]:
    """Return these limits, in their order, with what was carried into them and spent."""
    before = [
        holder.timeline.carrying(limit, holder.today) if holder.timeline.is_changed else () for holder, limit in wanted
    ]
    periods: dict[tuple[UserId, Period], None] = {}
    last = None
    for (holder, limit), earlier in zip(wanted, before, strict=True):
        place = (holder.user_id, limit.period)
        if place != last:
            periods[place] = None
            last = place
        for item in earlier:
            periods[holder.user_id, item.period] = None
    sums = await store.sums(conn, list(periods))
    known: dict[tuple[UserId, Period, str], dict[CategoryId, Spent]] = {}

    def spent_in(holder: Holder, limit: Limit) -> dict[CategoryId, Spent]:
        place = (holder.user_id, limit.period, limit.currency)
        found = known.get(place)
        if found is None:
            found = known[place] = spent_by_budget(holder.tree, sums.get(place[:2], ()), limit.currency)
        return found

    def total_of(holder: Holder, limit: Limit) -> int:
        return spent_in(holder, limit).get(limit.category_id, NOTHING_SPENT).total_minor

    measured: list[tuple[Holder, Limit, Spent]] = []
    asked: tuple[Holder, Period, str] | None = None
    spent: dict[CategoryId, Spent] = {}
    for (holder, limit), earlier in zip(wanted, before, strict=True):
        asks = (holder, limit.period, limit.currency)
        if asks != asked:
            asked, spent = asks, spent_in(holder, limit)
        carried = carried_into(limit, earlier, partial(total_of, holder)) if earlier else limit
        measured.append((holder, carried, spent.get(limit.category_id, NOTHING_SPENT)))
    return tuples(Measured, measured)
