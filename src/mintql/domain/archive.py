"""Old months that are moved out of the database: which of their rows may go, and what has to be the same afterwards.

A row is a mapping of the columns of `transactions`, as the database gives it.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, TypeAlias

from mintql.domain.months import add_months, first_day

Row: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CategorySum:
    """What rows add to the sum of a category and currency; `excluded_minor` is the part that budgets leave out."""

    category_id: int
    currency: str
    amount_minor: int
    count: int
    excluded_minor: int


@dataclass(frozen=True, slots=True)
class Contents:
    """All that is moved of a month: transactions, and the transfers and matches between them."""

    transactions: Sequence[Row]
    transfers: Sequence[Row]
    matches: Sequence[Row]

    def digest(self) -> bytes:
        """Return SHA-256 over every value of every row."""
        text = json.dumps(
            [[dict(row) for row in rows] for rows in (self.transactions, self.transfers, self.matches)],
            default=_plain,
            sort_keys=True,
            separators=(",", ":"),
        )
        return hashlib.sha256(text.encode()).digest()

    def amounts(self) -> dict[str, tuple[int, int]]:
        """Return the number of transactions and the sum of their amounts, by currency."""
        found: dict[str, tuple[int, int]] = {}
        for row in self.transactions:
            count, amount_minor = found.get(row["currency"], (0, 0))
            found[row["currency"]] = (count + 1, amount_minor + row["amount_minor"])
        return found

    def tags(self) -> Counter[str]:
        """Return how many counted transactions carry each tag."""
        return Counter(tag for row in self.transactions if counts(row) for tag in row["tags"] or ())

    def sums(self) -> list[CategorySum]:
        """Return what the rows add to `monthly_spending`, split rows by the categories of their parts.

        Categories of rows that do not count are there with nothing: whoever asks for a category needs those, too.
        """
        found: dict[tuple[int, str], list[int]] = defaultdict(lambda: [0, 0, 0])
        for row in self.transactions:
            parts = list(zip(row["part_category_ids"] or (), row["part_amounts_minor"] or (), strict=True))
            rest_minor = row["amount_minor"] - sum(amount_minor for _, amount_minor in parts)
            for category_id, amount_minor in [(row["category_id"], rest_minor), *parts]:
                one = found[category_id, row["currency"]]
                if counts(row):
                    one[0] += amount_minor
                    one[1] += 1
                    one[2] += amount_minor if row["excluded_from_budgets"] else 0
        return [CategorySum(*name, *values) for name, values in sorted(found.items())]


def counts(row: Row) -> bool:
    """Tell whether a transaction counts: neither superseded nor taken back."""
    return row["successor_id"] is None and row["removed_at"] is None


def kept_from(today: date, months_kept: int) -> date:
    """Return the first day that stays in the database: so many whole months before this one, and this one, do."""
    return add_months(first_day(today), -months_kept)


def movable(rows: Iterable[Row], links: Iterable[tuple[int, int]], waiting: Iterable[int] = ()) -> frozenset[int]:
    """Return the ids of rows of a month that may leave the database.

    A pending row that still waits for its posting stays, and so do those of whose links the person has still to say
    whether they are right (`waiting`). So does what is linked (transfer, match, successor) with a
    row that stays or is of another month, over however many links: a link never leads from the database to the archive.
    """
    there = {row["transaction_id"]: row for row in rows}
    linked: dict[int, set[int]] = defaultdict(set)
    successions = [(number, row["successor_id"]) for number, row in there.items() if row["successor_id"] is not None]
    for one, other in [*links, *successions]:
        linked[one].add(other)
        linked[other].add(one)
    staying = [number for number in linked if number not in there]
    staying += [number for number, row in there.items() if row["pending"] and counts(row)]
    staying += waiting
    stays = set(staying)
    while staying:
        near = linked[staying.pop()] - stays
        stays |= near
        staying += near
    return frozenset(there.keys() - stays)


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{value!r} has no place in an archive")
