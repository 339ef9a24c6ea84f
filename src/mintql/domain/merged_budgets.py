"""What becomes of two categories' budgets when one is merged into the other: no limit vanishes unsaid.

Each currency is a budget of its own. Where both have a limit in one, it is the two together if their periods are of
one kind, else that of the category that stays. Where one has, it is that one. Single periods keep their own limits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

from mintql.domain.budget_periods import CALENDAR_MONTHS, period_of, period_words, schedule_words
from mintql.domain.budgets import Override
from mintql.domain.ids import CategoryId
from mintql.domain.money import AMOUNT_MINOR_MAX, Money
from mintql.domain.months import month_text


@dataclass(frozen=True, slots=True)
class MergedOverride:
    """A limit of the category that stays, as it is after the merge, and in words what became of the other's.

    `words` is empty where the other category had none then.
    """

    override: Override
    words: str


def merge_overrides(
    gone: Sequence[Override], stays: Sequence[Override], stays_id: CategoryId, revision: int
) -> list[MergedOverride]:
    """Return all overrides of the leaf that stays, from those of both leaves. The template has none for leaves.

    `revision` is for limits that change; the others keep theirs, so that no alert is repeated.
    """
    merged: list[MergedOverride] = []
    for currency in sorted({row.currency for row in (*gone, *stays)}):
        theirs = [row for row in gone if row.currency == currency]
        own = [row for row in stays if row.currency == currency]
        if theirs and own and len({row.schedule for row in (*theirs, *own)}) > 1:
            merged += [MergedOverride(row, "") for row in own]
            merged[-1] = replace(merged[-1], words=_ended_beside(theirs))
        else:
            merged += _merge_alike(theirs, own, stays_id, revision)
    return merged


def _merge_alike(
    gone: Sequence[Override], stays: Sequence[Override], stays_id: CategoryId, revision: int
) -> Iterator[MergedOverride]:
    """Yield the overrides of one currency and one kind of period."""
    for recurring in (True, False):
        rows = [row for row in (*gone, *stays) if row.recurring is recurring]
        for since, place in sorted({row.since: replace(row, category_id=stays_id) for row in rows}.items()):
            before = _limit_at(gone, since, recurring=recurring), _limit_at(stays, since, recurring=recurring)
            yield _together(*before, place, revision)


def _ended_beside(gone: Sequence[Override]) -> str:
    """Say that limits end because the category that stays has a budget of another kind of period."""
    return f"{' '.join(ended(gone))} The budget that stays has periods of another kind, so they cannot add up.".lstrip()


def ended(gone: Sequence[Override]) -> Iterator[str]:
    """Yield in words which limits end when their category goes and nothing takes its place."""
    for row in sorted(gone, key=lambda row: (row.since, row.recurring)):
        if row.limit_minor is not None:
            yield f"Its limit of {Money(row.limit_minor, row.currency)} {_when(row)} has ended."


def _limit_at(rows: Sequence[Override], since: date, *, recurring: bool) -> Override | None:
    """Return the row whose limit holds from a day on (`recurring`) or in the period that begins then, if any."""
    from_then_on = [row for row in rows if row.recurring and row.since <= since]
    then_alone = [row for row in rows if not row.recurring and row.since == since and not recurring]
    found = max([*from_then_on, *then_alone], key=lambda row: (not row.recurring, row.since), default=None)
    return None if found is None or found.limit_minor is None else found


def _together(gone: Override | None, stays: Override | None, place: Override, revision: int) -> MergedOverride:
    """Return the limit at the place of a row: of which category, from which day on or in which period."""
    if gone is None:
        held = replace(place, limit_minor=None) if stays is None else stays
        return MergedOverride(_put(held, place), "")
    theirs, when = _shown(gone), _when(place)
    if stays is None:
        taken_over = replace(_put(gone, place), revision=revision)
        return MergedOverride(taken_over, f"The limit of {theirs} {when} was taken over.")
    total_minor = min((gone.limit_minor or 0) + (stays.limit_minor or 0), AMOUNT_MINOR_MAX)
    total = replace(_put(stays, place), limit_minor=total_minor, revision=revision)
    words = f"The limit {when} is {_shown(total)} now: {_shown(stays)} and {theirs} together."
    return MergedOverride(total, words)


def _put(row: Override, place: Override) -> Override:
    return replace(row, category_id=place.category_id, since=place.since, recurring=place.recurring)


def _shown(row: Override) -> str:
    return str(Money(row.limit_minor or 0, row.currency))


def _when(row: Override) -> str:
    if row.schedule == CALENDAR_MONTHS:
        month = month_text(row.since)
        return f"from {month} on" if row.recurring else f"in {month}"
    if row.recurring:
        return f"{schedule_words(row.schedule)}, from {row.since} on,"
    return f"for {period_words(period_of(row.schedule, row.since))}"
