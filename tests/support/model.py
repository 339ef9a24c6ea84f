"""What the API is expected to say, worked out in the plainest way there is: lists, loops and sums over all rows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import NamedTuple

NEWS_DAYS = 7
"""A month raises alerts for so many days after its end (docs/budgets.md)."""


@dataclass
class Tree:
    """The standard categories, as the API names them: the group, and the kind, of each leaf's id."""

    ids: dict[str, str]
    groups: dict[str, str]
    kinds: dict[str, str]

    def inside(self, category_id: str, leaf_id: str) -> bool:
        """Tell whether a leaf is a category, or one of a group."""
        return category_id in (leaf_id, self.groups.get(leaf_id))


@dataclass
class Row:
    """One transaction. Amounts are minor units, negative for money that leaves."""

    external_id: str
    account: str
    description: str
    posted_on: date
    minor: int
    pending: bool
    category: str = ""
    manual: bool = False
    automatic: str = ""
    """The category it had before the person chose one."""
    note: str | None = None
    tags: tuple[str, ...] = ()
    excluded: bool = False
    parts: tuple[tuple[str, int], ...] = ()
    api_id: str = ""
    transfer: bool = False

    @property
    def month(self) -> str:
        return f"{self.posted_on:%Y-%m}"

    def shares(self) -> list[tuple[str, int]]:
        """Return how much of it counts in which category."""
        rest = self.minor - sum(minor for _, minor in self.parts)
        return [(self.category, rest), *self.parts]


class Limit(NamedTuple):
    """A limit that the person set, and which of all limits it is: each raises its alerts anew."""

    minor: int
    number: int


@dataclass
class Person:
    """All that is known of one person."""

    tree: Tree
    dictionary: dict[str, str]
    uncategorized: str
    today: date
    rows: dict[str, Row] = field(default_factory=dict)
    """What the person sees, by the institution's id."""
    memory: dict[str, str] = field(default_factory=dict)
    rules: list[tuple[str, str, str]] = field(default_factory=list)
    """Id, text and category, in their order."""
    merged: dict[str, str] = field(default_factory=dict)
    limits: dict[str, Limit] = field(default_factory=dict)
    limits_set: int = 0
    template: dict[tuple[str, str], int] = field(default_factory=dict)
    """The template's limits by month and group, which do not change here."""
    raised: set[tuple[str, str, int, int, int]] = field(default_factory=set)
    """Alerts so far: month, category, threshold, which limit, and its minor units."""

    # Categories

    def where(self, category_id: str) -> str:
        """Return where what would go into a category goes, after all merges."""
        while category_id in self.merged:
            category_id = self.merged[category_id]
        return category_id

    def known(self, description: str) -> str:
        """Return the category that a new row of this description gets: by rule, by memory, by the dictionary."""
        for _, text, category_id in self.rules:
            if text in description:
                return self.where(category_id)
        if description in self.memory:
            return self.where(self.memory[description])
        return self.where(self.dictionary.get(description, self.uncategorized))

    def try_again(self) -> None:
        """Give rows without a category what is known by now."""
        for row in self.rows.values():
            if row.category == self.uncategorized and not row.manual:
                row.category = row.automatic = self.known(row.description)

    def merge(self, gone: str, into: str) -> None:
        self.merged[gone] = into
        self.memory = {seller: self.where(category_id) for seller, category_id in self.memory.items()}
        for row in self.rows.values():
            row.category = self.where(row.category)
            row.parts = tuple((self.where(category_id), minor) for category_id, minor in row.parts)

    # What the institution says

    def told(self, rows: list[Row], posted: dict[str, str]) -> None:
        """Take in what the institution shows; `posted` says which ids took the place of which pending ones."""
        for said in rows:
            old = self.rows.pop(posted.get(said.external_id, said.external_id), None)
            row = Row(said.external_id, said.account, said.description, said.posted_on, said.minor, said.pending)
            row.transfer = said.transfer
            row.category = row.automatic = self.known(row.description)
            if old is not None:
                row.note, row.tags, row.excluded, row.parts = old.note, old.tags, old.excluded, old.parts
                row.manual = old.manual
                if old.external_id == said.external_id:
                    row.api_id, row.category, row.automatic = old.api_id, old.category, old.automatic
                elif old.manual:
                    row.category = old.category
            self.rows[said.external_id] = row

    # Sums

    def counted(self, month: str) -> list[Row]:
        return [row for row in self.rows.values() if row.month == month and not row.transfer]

    def sums(self, month: str) -> dict[str, tuple[int, int]]:
        """Return what was spent in each category of a month, booked and pending, where anything happened."""
        found: dict[str, list[int]] = {}
        for row in self.counted(month):
            for category_id, minor in row.shares():
                if minor or category_id == row.category:
                    found.setdefault(category_id, [0, 0])[row.pending] -= minor
        return {category_id: (booked, pending) for category_id, (booked, pending) in found.items()}

    def spent(self, month: str, budget_id: str) -> tuple[int, int]:
        """Return what counts in a budget, booked and pending."""
        totals = [0, 0]
        for row in self.counted(month):
            for category_id, minor in row.shares():
                if not row.excluded and self.tree.inside(budget_id, category_id):
                    totals[row.pending] -= minor
        return totals[0], totals[1]

    # Budgets and alerts

    def set_limit(self, category_id: str, minor: int) -> None:
        held = self.limits.get(category_id)
        if held is None or held.minor != minor:
            self.limits_set += 1
            self.limits[category_id] = Limit(minor, self.limits_set)

    def limits_of(self, month: str) -> dict[str, Limit]:
        """Return the limits that hold in a month; what the person sets holds from this month on."""
        found = {group: Limit(minor, 0) for (of, group), minor in self.template.items() if of == month}
        return found | (self.limits if month == f"{self.today:%Y-%m}" else {})

    def months(self) -> list[str]:
        """Return this month and the one before."""
        before = self.today.replace(day=1) - timedelta(1)
        return [f"{before:%Y-%m}", f"{self.today:%Y-%m}"]

    def news(self) -> list[str]:
        before = self.today.replace(day=1) - timedelta(1)
        return [month for month in self.months() if month[-2:] != f"{before:%m}" or self.today.day <= NEWS_DAYS]

    def raise_alerts(self) -> None:
        """Note what has been reached by now; each is raised once."""
        for month in self.news():
            for category_id, limit in self.limits_of(month).items():
                total = sum(self.spent(month, category_id))
                for threshold in (80, 100):
                    if total > 0 and total * 100 >= limit.minor * threshold:
                        self.raised.add((month, category_id, threshold, limit.number, limit.minor))

    def alerts(self) -> Counter[tuple[str, str, int, int]]:
        return Counter(
            (month, category_id, threshold, minor) for month, category_id, threshold, _, minor in self.raised
        )
