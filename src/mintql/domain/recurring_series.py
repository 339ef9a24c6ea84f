"""A recurring series as it is kept, and how what is kept follows what is found.

A series keeps its id for as long as it shares transactions with what is found. What a person said of it stays: a
dismissed one is not suggested again, whatever is found of its transactions, and the frequency and amount they gave
are not changed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from mintql.domain.ids import AccountId, RecurringId, TransactionId
from mintql.domain.money import exponent
from mintql.domain.recurring_amounts import AmountsKind, Rise, amounts_of, rise_of
from mintql.domain.recurring_cycles import Cycle, Frequency
from mintql.domain.recurring_detection import STEP_MOST, Found, Leaning, Occurrence, find_series
from mintql.domain.recurring_fits import fit

TRANSACTIONS_MAX = 130
"""So many of a series' newest transactions are kept with it: those of the days looked at, of a weekly one."""
CERTAIN = 100
YEAR_DAYS = 364
"""A year less the day that the next payment of a cycle would fall on."""


@dataclass(frozen=True, slots=True)
class Newest:
    """What the transactions of a series say that is not kept with it: of the newest one, and of the last year.

    `rise` is there where the newest amount is above all that was usual. `year_minor` is the sum of the last twelve
    months, None where fewer are known.
    """

    last: Occurrence
    rise: Rise | None
    year_minor: int | None


class SeriesState(StrEnum):
    """What the person said of a series: nothing yet, that it is one, or that it is none."""

    SUGGESTED = "suggested"
    CONFIRMED = "confirmed"
    DISMISSED = "dismissed"


@dataclass(frozen=True, slots=True)
class Series:
    """A series as it is kept. Amounts are in minor units and without sign; `outgoing` says which way they go.

    `transaction_ids` are newest first. `said_frequency` and `said_amount_minor` are the person's own word, and then
    equal `cycle.frequency` and `expected_minor`. `recurring_id` is None until it is written.
    """

    recurring_id: RecurringId | None
    merchant_key: str
    currency: str
    outgoing: bool
    state: SeriesState
    transaction_ids: tuple[TransactionId, ...]
    cycle: Cycle
    first_on: date
    last_on: date
    next_on: date
    ended: bool
    amounts_kind: AmountsKind
    mean_minor: int
    last_minor: int
    expected_minor: int
    spread_minor: int
    occurrences: int
    missed: int
    off_tenths: int
    confidence: int
    said_frequency: Frequency | None = None
    said_amount_minor: int | None = None
    said_subscription: bool | None = None
    created_at: datetime | None = field(default=None, compare=False)
    newest: Newest | None = field(default=None, compare=False)

    @property
    def seller(self) -> tuple[str, str, bool]:
        """Whose transactions it is made of."""
        return self.merchant_key, self.currency, self.outgoing

    @property
    def is_marked(self) -> bool:
        """Whether the person said how often it recurs, so that the machine only follows."""
        return self.said_frequency is not None

    @property
    def yearly_minor(self) -> int:
        """What it comes to in a year at the expected amount."""
        return self.expected_minor * self.cycle.per_year


@dataclass(frozen=True, slots=True)
class Seller:
    """The transactions of one seller, in one currency and direction, by day, and what their category says."""

    merchant_key: str
    currency: str
    outgoing: bool
    rows: tuple[Occurrence, ...]
    leaning: Leaning
    found: tuple[Found, ...] | None = None
    """What was found in all of the rows, where that was looked for already."""

    def looked_through(self) -> Seller:
        """Return the seller with what is found in its rows."""
        return replace(self, found=tuple(find_series(self.rows, self.leaning)))

    @property
    def key(self) -> tuple[str, str, bool]:
        """What series name it by."""
        return self.merchant_key, self.currency, self.outgoing


class Counted(NamedTuple):
    """On which account and day, and with which seller, a transaction is that counts."""

    account_id: AccountId
    day: date
    merchant_key: str


@dataclass(slots=True)
class Settled:
    """What is to be written: series that are new or changed, and ids of those that are gone.

    `same` are those that stay as they are written, with what their transactions say now.
    """

    written: list[Series] = field(default_factory=list)
    same: list[Series] = field(default_factory=list)
    gone: list[RecurringId] = field(default_factory=list)


def settle(
    stored: Sequence[Series],
    sellers: Sequence[Seller],
    known: Mapping[AccountId, date],
    there: Collection[TransactionId],
    since: date,
) -> Settled:
    """Let stored series follow a person's transactions.

    `known` says until when each account is known, `there` which transactions of stored series still count, be it in
    the archive, and `since` from which day on transactions were looked at: a series that ended before is left alone.
    """
    settled = Settled()
    rows_of = {seller.key: seller for seller in sellers}
    taken: set[TransactionId] = set()
    rest = []
    for series in stored:
        if not series.is_marked or series.state is not SeriesState.CONFIRMED:
            rest.append(series)
            continue
        seller = rows_of.get(series.seller)
        after = follow(series, seller.rows if seller else (), known, taken)
        taken |= set(after.transaction_ids if after else series.transaction_ids)
        _note(settled, series, after, there)
    found = list(_found(sellers, taken, known))
    matches = _matched(rest, found)
    for number, series in enumerate(rest):
        if number in matches:
            _note(settled, series, kept(series, found[matches[number]]), there)
        elif series.state is SeriesState.CONFIRMED:
            seller = rows_of.get(series.seller)
            _note(settled, series, follow(series, seller.rows if seller else (), known, taken), there)
        elif series.state is SeriesState.SUGGESTED and series.last_on >= since:
            settled.gone.append(_id(series))
        else:
            _note(settled, series, None, there)
    dismissed = {one for series in rest if series.state is SeriesState.DISMISSED for one in series.transaction_ids}
    held = set(matches.values())
    settled.written += [
        series
        for number, series in enumerate(found)
        if number not in held and 2 * len(dismissed & set(series.transaction_ids)) < len(series.transaction_ids)
    ]
    return settled


def _note(settled: Settled, before: Series, after: Series | None, there: Collection[TransactionId]) -> None:
    if after is not None:
        (settled.same if after == before else settled.written).append(after)
    elif not any(one in there for one in before.transaction_ids):
        settled.gone.append(_id(before))


def _id(series: Series) -> RecurringId:
    if series.recurring_id is None:
        raise ValueError("a stored series has an id")
    return series.recurring_id


def _found(sellers: Sequence[Seller], taken: set[TransactionId], known: Mapping[AccountId, date]) -> Iterator[Series]:
    for seller in sellers:
        rows = [row for row in seller.rows if row.transaction_id not in taken]
        is_whole = seller.found is not None and len(rows) == len(seller.rows)
        for found in seller.found or () if is_whole else find_series(rows, seller.leaning):
            yield series_of(seller, found, known)


def _matched(stored: Sequence[Series], found: Sequence[Series]) -> dict[int, int]:
    """Return which stored series is which found one, by position: those that share the most transactions first."""
    owners: dict[TransactionId, list[int]] = {}
    for number, series in enumerate(stored):
        for one in series.transaction_ids:
            owners.setdefault(one, []).append(number)
    shared: dict[tuple[int, int], int] = {}
    for place, series in enumerate(found):
        for one in series.transaction_ids:
            for number in owners.get(one, ()):
                shared[number, place] = shared.get((number, place), 0) + 1
    matches: dict[int, int] = {}
    held: set[int] = set()
    for number, place in sorted(shared, key=lambda pair: (-shared[pair], pair)):
        if number not in matches and place not in held:
            matches[number] = place
            held.add(place)
    return matches


def kept(series: Series, found: Series) -> Series:
    """Return what was found under the id of a stored series, with what the person said of it.

    A dismissed one keeps what it held, or what it is not found with any more would be suggested next.
    """
    held = () if series.state is not SeriesState.DISMISSED else series.transaction_ids
    ids = dict.fromkeys((*found.transaction_ids, *held))
    return replace(
        found,
        transaction_ids=tuple(ids)[:TRANSACTIONS_MAX],
        recurring_id=series.recurring_id,
        state=series.state,
        expected_minor=series.said_amount_minor or found.expected_minor,
        said_amount_minor=series.said_amount_minor,
        said_subscription=series.said_subscription,
        created_at=series.created_at,
    )


def series_of(seller: Seller, found: Found, known: Mapping[AccountId, date]) -> Series:
    """Return what was found as a new series."""
    return Series(
        recurring_id=None,
        merchant_key=seller.merchant_key,
        currency=seller.currency,
        outgoing=seller.outgoing,
        state=SeriesState.SUGGESTED,
        transaction_ids=_newest(found.members, found.extras),
        cycle=found.cycle,
        first_on=found.members[0].day,
        last_on=found.last.day,
        next_on=found.next_on,
        ended=_ended(found.cycle, found.last.day, found.last.account_id, known),
        amounts_kind=found.amounts.kind,
        mean_minor=found.amounts.mean_minor,
        last_minor=found.amounts.last_minor,
        expected_minor=found.amounts.expected_minor,
        spread_minor=found.amounts.spread_minor,
        occurrences=len(found.members),
        missed=found.missed,
        off_tenths=round(10 * found.off_days),
        confidence=found.confidence,
        newest=_newest_of(seller.currency, found.cycle, found.members),
    )


def follow(
    series: Series, rows: Sequence[Occurrence], known: Mapping[AccountId, date], taken: set[TransactionId]
) -> Series | None:
    """Return a series with what came of it by its own cycle and amount; None where none of its rows are there."""
    own = set(series.transaction_ids)
    least, most = series.expected_minor / STEP_MOST, series.expected_minor * STEP_MOST
    near = [
        row
        for row in rows
        if row.transaction_id in own or (row.transaction_id not in taken and least <= row.amount_minor <= most)
    ]
    if not any(row.transaction_id in own for row in near):
        return None
    laid = fit([row.day for row in near], series.cycle)
    members = tuple(near[position] for position in laid.members) if laid else (near[-1],)
    amounts = amounts_of([row.amount_minor for row in members], series.cycle.pace.per_year)
    return replace(
        series,
        transaction_ids=_newest(members, tuple(row for row in near if row.transaction_id in own)),
        first_on=members[0].day,
        last_on=members[-1].day,
        next_on=series.cycle.next_after(members[-1].day),
        ended=_ended(series.cycle, members[-1].day, members[-1].account_id, known),
        amounts_kind=amounts.kind,
        mean_minor=amounts.mean_minor,
        last_minor=amounts.last_minor,
        expected_minor=series.said_amount_minor or amounts.expected_minor,
        spread_minor=amounts.spread_minor,
        occurrences=len(members),
        missed=laid.missed if laid else 0,
        off_tenths=round(10 * laid.off_days) if laid else 0,
        newest=_newest_of(series.currency, series.cycle, members),
    )


def _newest_of(currency: str, cycle: Cycle, members: Sequence[Occurrence]) -> Newest:
    last = members[-1]
    within = [row.amount_minor for row in members if (last.day - row.day).days < YEAR_DAYS]
    return Newest(
        last=last,
        rise=rise_of([row.amount_minor for row in members], cycle.pace.per_year, 10 ** exponent(currency)),
        year_minor=sum(within) if (last.day - members[0].day).days >= YEAR_DAYS else None,
    )


def _newest(members: Sequence[Occurrence], extras: Sequence[Occurrence]) -> tuple[TransactionId, ...]:
    rows = {row.transaction_id: row for row in (*members, *extras)}
    ordered = sorted(rows.values(), key=lambda row: (row.day, row.transaction_id), reverse=True)
    return tuple(row.transaction_id for row in ordered[:TRANSACTIONS_MAX])


def waited(series: Series, there: Mapping[TransactionId, Counted], known: Mapping[AccountId, date]) -> Series | None:
    """Return a series whose transactions are what they were, as it is now that its accounts are known until these days.

    None where that does not follow from what is kept: transactions of several accounts came on its last day, or none is
    left of it.
    """
    accounts = {
        there[one].account_id for one in series.transaction_ids if one in there and there[one].day == series.last_on
    }
    if len(accounts) != 1:
        return None
    return replace(series, ended=_ended(series.cycle, series.last_on, accounts.pop(), known))


def _ended(cycle: Cycle, last_on: date, account_id: AccountId, known: Mapping[AccountId, date]) -> bool:
    until = known.get(account_id, last_on)
    return cycle.next_after(last_on) + timedelta(days=cycle.pace.grace_days) < until
