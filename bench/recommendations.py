"""How near recommended budgets come to what people then spend, beside simpler ways.

    ./dev bench recommendations [--people 200] [--months 36] [--until 2026-11]

Makes the history of people of the sandbox bank, sums it by month and group of spending as the server does, and goes
through their months: each is estimated from the months before it alone, by

    mintql      `domain.recommendations`: blended with the template, median, season, margin
    no season   the same without the season
    last month  what was spent in the month before
    mean of 6   the mean of the six months before, or of as many as there are
    template    what the template says for the person's income, whatever they spend

and compared with what was spent. Bills that do not come every month are not known beforehand here, as nothing of the
sandbox has any; so this measures the estimate alone. Printed for how many months were known:

    error   mean distance from what was spent in a month and group, and as a part of what was spent on average
    over    share of months and groups that went over the limit; only mintql leaves a margin for that
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date

from mintql.data import load_categories, load_template
from mintql.domain import estimates
from mintql.domain.budgets import MonthlySum, Plan
from mintql.domain.categories import CategoryKind
from mintql.domain.ids import CategoryId
from mintql.domain.merchants import normalize
from mintql.domain.months import add_months, first_day, last_day, months_between, parse_month
from mintql.domain.recommendations import COMPLETE_MONTHS_MAX, recommend
from mintql.domain.templates import monthly_limits
from mintql.sandbox.history import HISTORY_FIRST_DAY, History
from mintql.sandbox.people import AccountName
from mintql.services.categorize import Clues, default_categorizer

TREE, TEMPLATE = load_categories(), load_template()
GROUPS = [group.category_id for group in TREE.groups if group.kind is CategoryKind.EXPENSE and group.offered]
KNOWN = ((0, 0), (1, 2), (3, 5), (6, 11), (12, 24))
MEAN_MONTHS = 6
Guess = Callable[[Sequence[int], int], tuple[int, int]]
"""From history and template's limit: what is expected, and the limit."""


@dataclass
class Score:
    """Distances and months over the limit, of one way and so many months known."""

    errors: list[int] = field(default_factory=list)
    spent: list[int] = field(default_factory=list)
    over: int = 0

    def add(self, expected_minor: int, limit_minor: int, spent_minor: int) -> None:
        """Count one month of one group."""
        self.errors.append(abs(expected_minor - spent_minor))
        self.spent.append(spent_minor)
        self.over += spent_minor > limit_minor


def spending(login: str, first: date, last: date) -> tuple[dict[date, dict[CategoryId, int]], int]:
    """Return what a person spent by month and group, and their income of a year, in cents."""
    categorizer, history = default_categorizer(), History(login)
    spent: dict[date, dict[CategoryId, int]] = {month: defaultdict(int) for month in months_between(first, last)}
    for account in AccountName:
        for entry in history.entries(account, first, last_day(last)):
            key = normalize(entry.description).key
            found = categorizer.categorize(Clues(key, entry.amount_minor, "USD", entry.mcc))
            category = TREE.by_id[found.category_id]
            if category.kind is CategoryKind.EXPENSE:
                spent[first_day(entry.day)][category.parent_id or category.category_id] -= entry.amount_minor
    return spent, history.person.monthly_pay_minor * 12


def ways(category_id: CategoryId, plan: Plan) -> dict[str, Guess]:
    """Return the ways to compare."""
    month = date(2026, 1, 1)

    def mintql(history: Sequence[int], _template: int) -> tuple[int, int]:
        # One month more, which is taken for cut off.
        sums = [
            MonthlySum(add_months(month, place - len(history) - 1), category_id, plan.currency, -spent, 0, 1, 0)
            for place, spent in enumerate([1, *history])
        ]
        item = recommend(TREE, sums if history else [], TEMPLATE, plan, month)[category_id]
        return item.expected_minor, item.limit_minor

    def no_season(history: Sequence[int], template: int) -> tuple[int, int]:
        expected, limit = mintql(history, template)
        season = estimates.estimate(history).season_minor if history else 0
        return expected - season, limit - season

    def last_month(history: Sequence[int], _template: int) -> tuple[int, int]:
        return history[-1], history[-1]

    def mean_of_six(history: Sequence[int], _template: int) -> tuple[int, int]:
        recent = history[-MEAN_MONTHS:]
        mean = sum(recent) // len(recent)
        return mean, mean

    def template_alone(_history: Sequence[int], template: int) -> tuple[int, int]:
        return template, template

    return {"mintql": mintql, "no season": no_season, "last month": last_month, "mean of 6": mean_of_six,
            "template": template_alone}  # fmt: skip


def judge(login: str, first: date, last: date, scores: dict[tuple[str, tuple[int, int]], Score]) -> None:
    """Go through a person's months."""
    spent, income_minor = spending(login, first, last)
    plan = Plan(income_minor, "USD", 0)
    template = monthly_limits(TEMPLATE, income_minor, "USD")
    months = list(spent)
    for category_id in GROUPS:
        series = [spent[month].get(category_id, 0) for month in months]
        if not any(series):
            continue
        for name, guess in ways(category_id, plan).items():
            for known, actual in rounds(series):
                if not known and name in ("last month", "mean of 6"):
                    continue
                expected, limit = guess(known, template.get(category_id, 0))
                band = next(band for band in KNOWN if band[0] <= len(known) <= band[1])
                scores[name, band].add(expected, limit, actual)


def rounds(series: Sequence[int]) -> Iterator[tuple[Sequence[int], int]]:
    """Yield (months known, the month after them)."""
    for place, actual in enumerate(series):
        yield series[max(0, place - COMPLETE_MONTHS_MAX) : place], actual


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--months", type=int, default=36)
    parser.add_argument("--until", default="2026-11", help="the month after the last one")
    given = parser.parse_args()
    last = add_months(parse_month(given.until), -1)
    first = max(add_months(last, 1 - given.months), HISTORY_FIRST_DAY)
    scores: dict[tuple[str, tuple[int, int]], Score] = defaultdict(Score)
    for number in range(given.people):
        judge(f"bench-{number}", first, last, scores)
    print(f"{given.people} people, {first:%Y-%m} to {last:%Y-%m}, {len(GROUPS)} groups")
    for band in KNOWN:
        known = str(band[0]) if band[0] == band[1] else f"{band[0]} to {band[1]}"
        print(f"\n{known} months known")
        for name in ("mintql", "no season", "last month", "mean of 6", "template"):
            score = scores.get((name, band))
            if score is not None:
                error, spent = sum(score.errors) / len(score.errors), sum(score.spent) / len(score.spent)
                print(
                    f"  {name:<11} error {error / 100:8.2f} USD  {error / spent:6.1%}   "
                    f"over {score.over / len(score.errors):6.1%}   of {len(score.errors):,}"
                )


if __name__ == "__main__":
    main()
