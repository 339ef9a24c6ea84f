"""The income that a person's paychecks come to in a year: net pay, as it arrives."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from mintql.domain.categories import CategoryTree
from mintql.domain.ids import RecurringId
from mintql.domain.recurring_categories import is_paycheck
from mintql.domain.recurring_series import Series, SeriesState
from mintql.domain.recurring_words import income_basis
from mintql.services.budgets import income_detected
from mintql.services.effects import Effects
from mintql.services.recurring import EXPECTED_FROM
from mintql.store import recurring as store
from mintql.store import recurring_read
from mintql.store.queries import Conn
from mintql.store.recurring import Income
from mintql.store.recurring_read import Wanted
from mintql.store.users import UserRow

BASIS_CHARACTERS_MAX = 500


async def note_income(conn: Conn, user: UserRow, tree: CategoryTree, live: Sequence[Series], now: datetime) -> Effects:
    """Write what a person's paychecks come to, in their currency alone, and let budgets follow it.

    The sum of the last twelve months where they are known, else the mean as often as it comes in a year. Pay in other
    currencies is left out: what it is worth is another question.
    """
    found = [series for series in live if _counts(series, user.currency, tree)]
    yearly = {series.recurring_id: _yearly_minor(series) for series in found}
    income = None
    if found:
        ids = [series.recurring_id for series in found if series.recurring_id is not None]
        rows = await recurring_read.shown(conn, user.user_id, Wanted(ids=ids))
        names: dict[RecurringId | None, str] = {row.recurring_id: row.merchant for row in rows}
        sources = [
            (names.get(one.recurring_id, one.merchant_key), one, yearly[one.recurring_id])
            for one in sorted(found, key=lambda one: -yearly[one.recurring_id])
        ]
        income = Income(sum(yearly.values()), user.currency, income_basis(sources)[:BASIS_CHARACTERS_MAX])
    await store.note_income(conn, user.user_id, income)
    return await income_detected(conn, user.user_id, None if income is None else income.annual_minor, now)


def _counts(series: Series, currency: str, tree: CategoryTree) -> bool:
    if series.outgoing or series.ended or series.currency != currency or series.newest is None:
        return False
    trusted = series.state is SeriesState.CONFIRMED or series.confidence >= EXPECTED_FROM
    pays = is_paycheck(tree, series.newest.last.category_id)
    return pays and trusted and series.state is not SeriesState.DISMISSED


def _yearly_minor(series: Series) -> int:
    known = None if series.newest is None else series.newest.year_minor
    return series.mean_minor * series.cycle.per_year if known is None else known
