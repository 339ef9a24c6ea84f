"""How much of what recurs is found, how much of what is found recurs, and whether confidence means what it says.

    ./dev bench recurring [--people 200] [--seed 1]

Labelled histories are made up: of each kind of series (fixed, drifting, stepping, varying with the season, moved off
weekends, missed and doubled now and then, two at one seller, ended, young) and of habits that do not recur
(groceries, coffee at few prices, fuel, visits at no rhythm). Then the people of the sandbox bank, whose bills,
subscriptions and paychecks are known. A series counts as found where at least half of what it and the truth hold
together is common to both (Jaccard), with the frequency right.

The baseline is the usual rule: three or more transactions of a seller whose gaps all fit one frequency by some days
and whose amounts all lie within 10 percent.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import pairwise

from mintql.data import load_categories
from mintql.domain.ids import AccountId, CategoryId, TransactionId
from mintql.domain.merchants import normalize
from mintql.domain.months import add_months, first_day, last_day
from mintql.domain.recurring_categories import leaning, left_out
from mintql.domain.recurring_cycles import PACES, Frequency
from mintql.domain.recurring_detection import NO_LEANING, SUGGESTED_FROM, Occurrence, find_series
from mintql.sandbox.history import History
from mintql.sandbox.people import AccountName
from mintql.services.categorize import Clues, default_categorizer
from mintql.services.recurring import EXPECTED_FROM

TODAY = date(2026, 11, 26)
DAYS = 800
JACCARD_MIN = 0.5
TREE = load_categories()


@dataclass
class Case:
    """A seller's transactions by day, and which of them are a series of which frequency."""

    kind: str
    rows: list[tuple[date, int]]
    truth: list[tuple[Frequency, set[int]]]
    slug: str = ""
    amounts: list[int] = field(default_factory=list)


def due(dice: random.Random, step: int, months: int, *, day: int | None = None, back: int = 0) -> list[date]:
    """Days of the month, every so many months, newest last."""
    day = day or dice.randint(1, 31)
    starts = [add_months(first_day(TODAY), -back - step * number) for number in range(months)]
    days = [start.replace(day=min(day, last_day(start).day)) for start in starts]
    return sorted(one for one in days if one <= TODAY)


def business(one: date, way: int) -> date:
    while one.weekday() > 4:
        one += timedelta(days=way)
    return one


def later(dice: random.Random, days: list[date], most: int) -> list[date]:
    return sorted(one + timedelta(days=dice.randint(0, most)) for one in days)


def one(kind: str, frequency: Frequency, days: list[date], amounts: list[int], slug: str = "") -> Case:
    rows = sorted((day, amount) for day, amount in zip(days, amounts, strict=True) if day <= TODAY)
    return Case(kind, rows, [(frequency, set(range(len(rows))))], slug)


def series(dice: random.Random) -> Iterator[Case]:
    price = dice.randint(499, 19_999)
    count = dice.randint(4, 26)
    fixed = due(dice, 1, count)
    yield one("monthly, fixed", Frequency.MONTHLY, fixed, [price] * len(fixed))
    young = due(dice, 1, 3, day=dice.randint(1, 20))
    yield one("monthly, three so far", Frequency.MONTHLY, young, [price] * 3, dice.choice(["", "tv-and-streaming"]))
    shifted = [business(day, 1) for day in due(dice, 1, count)]
    yield one("monthly, after weekends", Frequency.MONTHLY, shifted, [price] * len(shifted))
    loose = later(dice, due(dice, 1, 18), 4)
    stepped = [price] * 9 + [price * 6 // 5] * 9
    yield one("monthly, loose, price step", Frequency.MONTHLY, loose, stepped[: len(loose)])
    rolling = [TODAY - timedelta(days=5 + 30 * number) for number in reversed(range(20))]
    yield one("every 30 days", Frequency.MONTHLY, rolling, [price] * 20)
    use = due(dice, 1, 24)
    winter = [round(9_000 * (1.4 if day.month in (11, 12, 1, 2) else 1) * dice.uniform(0.8, 1.2)) for day in use]
    yield one("monthly, varying by season", Frequency.MONTHLY, later(dice, use, 3), winter, "electricity-and-gas")
    missed = [day for day in due(dice, 1, 24) if dice.random() > 0.15]
    yield one("monthly, some missed", Frequency.MONTHLY, missed, [price] * len(missed))
    gone = due(dice, 1, 10, back=8)
    yield one("monthly, ended", Frequency.MONTHLY, gone, [price] * len(gone))
    weekly = [TODAY - timedelta(days=2 + 7 * number) for number in reversed(range(dice.randint(8, 60)))]
    yield one("weekly", Frequency.WEEKLY, weekly, [price] * len(weekly))
    pay = [TODAY - timedelta(days=6 + 14 * number) for number in reversed(range(40))]
    varied = [round(250_000 * dice.uniform(0.9, 1.1)) for _ in pay]
    yield one("biweekly, varying", Frequency.BIWEEKLY, pay, varied, "paycheck")
    halves = sorted(
        business(day, -1)
        for back in range(20)
        for start in (add_months(first_day(TODAY), -back),)
        for day in (start.replace(day=15), last_day(start))
    )
    halves = [day for day in halves if day <= TODAY]
    yield one("15th and last, before weekends", Frequency.SEMIMONTHLY, halves, [180_000] * len(halves), "paycheck")
    for frequency, step, number in (
        (Frequency.BIMONTHLY, 2, 9),
        (Frequency.QUARTERLY, 3, 6),
        (Frequency.HALF_YEARLY, 6, 4),
    ):
        days = later(dice, due(dice, step, number), 2)
        yield one(frequency.value.replace("_", "-"), frequency, days, [price] * len(days))
    years = due(dice, 12, 2, back=dice.randint(0, 11))
    yield one("yearly, twice", Frequency.YEARLY, years, [price] * len(years), "memberships")
    yield two_at_one(dice)
    yield among_purchases(dice)


def two_at_one(dice: random.Random) -> Case:
    first, second = due(dice, 1, 14, day=4), due(dice, 1, 14, day=19)
    rows = sorted([(day, 299) for day in first] + [(day, 999) for day in second])
    truth = [(Frequency.MONTHLY, {n for n, row in enumerate(rows) if row[1] == price}) for price in (299, 999)]
    return Case("two at one seller", rows, truth)


def among_purchases(dice: random.Random) -> Case:
    own = due(dice, 1, 20)
    bought = [(TODAY - timedelta(days=dice.randint(0, 700)), dice.randint(800, 9_000)) for _ in range(60)]
    rows = sorted([(day, 1_499) for day in own] + bought)
    members = {n for n, row in enumerate(rows) if row[1] == 1_499}
    return Case("among many purchases", rows, [(Frequency.MONTHLY, members)], "online-marketplaces")


def habits(dice: random.Random) -> Iterator[Case]:
    def visits(kind: str, slug: str, chance: float, amount: Callable[[], int], weekdays: range = range(7)) -> Case:
        days = [TODAY - timedelta(days=back) for back in range(730)]
        rows = [(day, amount()) for day in days if day.weekday() in weekdays and dice.random() < chance]
        return Case(kind, sorted(rows), [], slug)

    known = dice.random() < 0.7
    yield visits("groceries", "groceries" if known else "", 0.2, lambda: dice.randint(1_500, 14_000))
    yield visits("groceries on Saturdays", "groceries", 0.75, lambda: dice.randint(6_000, 14_000), range(5, 6))
    yield visits("coffee at three prices", "coffee" if known else "", 0.35, lambda: dice.choice([450, 525, 595]))
    yield visits("fuel", "fuel" if known else "", 0.1, lambda: dice.randint(2_500, 6_500))
    yield visits("transit at one price", "public-transit" if known else "", 0.25, lambda: 290)
    yield visits("visits now and then", "", 0.03, lambda: dice.randint(1_500, 9_000))
    yield visits("rare, one price", "", 0.012, lambda: 2_500)
    yield visits("to a friend", "person-to-person", 0.012, lambda: dice.choice([2_000, 2_500, 3_000, 5_000, 1_700]))


def occurrences(case: Case) -> list[Occurrence]:
    slug = TREE.by_slug[case.slug].category_id if case.slug else CategoryId(1)
    return [Occurrence(TransactionId(n), day, amount, AccountId(1), slug) for n, (day, amount) in enumerate(case.rows)]


def ours(case: Case) -> list[tuple[Frequency, set[int], int]]:
    said = leaning(TREE, [TREE.by_slug[case.slug].category_id]) if case.slug else NO_LEANING
    return [
        (found.cycle.frequency, {row.transaction_id for row in found.members}, found.confidence)
        for found in find_series(occurrences(case), said)
    ]


def usual_rule(case: Case) -> list[tuple[Frequency, set[int], int]]:
    days, amounts = [row[0] for row in case.rows], [row[1] for row in case.rows]
    gaps = [(later_on - day).days for day, later_on in pairwise(days)]
    if (
        len(days) < 3
        or max(amounts) > 1.1 * statistics.median(amounts)
        or min(amounts) < 0.9 * statistics.median(amounts)
    ):
        return []
    for pace in PACES.values():
        if all(abs(gap - pace.days) <= pace.tolerance_days for gap in gaps):
            return [(pace.frequency, set(range(len(days))), 100)]
    return []


def hits(case: Case, found: list[tuple[Frequency, set[int], int]]) -> list[bool]:
    """Say of each series that was found whether it is a true one; each true one counts once."""
    left, right = list(case.truth), []
    for frequency, members, _ in found:
        match = next(
            (t for t in left if t[0] is frequency and len(t[1] & members) >= JACCARD_MIN * len(t[1] | members)), None
        )
        right.append(match is not None)
        if match is not None:
            left.remove(match)
    return right


def sandbox_cases(logins: list[str]) -> Iterator[Case]:
    """Each seller of each person of the sandbox: what `people` says is paid again and again is the truth."""
    categorizer, own = default_categorizer(), left_out(TREE)
    for login in logins:
        history = History(login)
        who = history.person
        known = {normalize(bill.description).key for bill in who.bills}
        known |= {normalize(f"{who.employer} PAYROLL DIR DEP").key, normalize("INTEREST PAYMENT").key}
        prices = {
            (
                normalize(
                    taken.seller.descriptor.replace("{city}", who.city)
                    .replace("{n4}", "1234")
                    .replace("{code}", "AB12CD34E")
                ).key,
                taken.price_minor,
            )
            for _, taken in who.subscriptions
        }
        sellers: dict[tuple[str, bool], list[tuple[date, int, int]]] = defaultdict(list)
        for name in AccountName:
            for entry in history.entries(name, TODAY - timedelta(days=DAYS), TODAY):
                seller = normalize(entry.description)
                clues = Clues(seller.key, entry.amount_minor, "USD", entry.mcc, "", seller.domain)
                category = categorizer.categorize(clues).category_id
                if category not in own:
                    sellers[seller.key, entry.amount_minor < 0].append((entry.day, abs(entry.amount_minor), category))
        for (key, _), rows in sellers.items():
            rows.sort()
            member = {n for n, row in enumerate(rows) if key in known or (key, row[1]) in prices}
            paid = Frequency.BIWEEKLY if who.paid_biweekly and "payroll" in key else Frequency.MONTHLY
            slug = TREE.by_id[CategoryId(rows[0][2])].slug
            yield Case("sandbox", [row[:2] for row in rows], [(paid, member)] if len(member) > 2 else [], slug)


def report(title: str, cases: list[Case]) -> None:
    kinds: dict[str, Counter[str]] = defaultdict(Counter)
    claims: dict[int, list[bool]] = defaultdict(list)
    for case in cases:
        for name, find in (("ours", ours), ("rule", usual_rule)):
            found = find(case)
            right = hits(case, found)
            kinds[case.kind] += Counter({f"{name} right": sum(right), f"{name} wrong": len(right) - sum(right)})
            if name == "ours":
                for (_, _, confidence), good in zip(found, right, strict=True):
                    claims[min(confidence // 10 * 10, 90)].append(good)
                counted = [good for (_, _, sure), good in zip(found, right, strict=True) if sure >= EXPECTED_FROM]
                kinds[case.kind] += Counter({"sure right": sum(counted), "sure wrong": len(counted) - sum(counted)})
        kinds[case.kind]["true"] += len(case.truth)
    print(f"\n{title}\n{'':32}{'true':>6}{'found':>7}{'wrong':>7}{'sure':>7}{'wrong':>7}{'rule':>7}{'wrong':>7}")
    total: Counter[str] = Counter()
    columns = ("true", "ours right", "ours wrong", "sure right", "sure wrong", "rule right", "rule wrong")
    for kind, counts in kinds.items():
        total += counts
        print(f"{kind:32}{counts['true']:6}" + "".join(f"{counts[column]:7}" for column in columns[1:]))
    for name in ("ours", "sure", "rule"):
        right, wrong = total[f"{name} right"], total[f"{name} wrong"]
        precision = right / (right + wrong) if right + wrong else 0
        print(f"{name}: precision {precision:.3f}, recall {right / total['true']:.3f}")
    print(
        "confidence: "
        + ", ".join(f"{low}+: {sum(right) / len(right):.2f} of {len(right)}" for low, right in sorted(claims.items()))
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    dice = random.Random(arguments.seed)
    made = [case for _ in range(arguments.people) for make in (series, habits) for case in make(dice)]
    began = time.process_time()
    report(f"made up, {len(made)} sellers; suggested from {SUGGESTED_FROM}, counted on from {EXPECTED_FROM}", made)
    print(f"{(time.process_time() - began) / len(made) * 1e3:.2f} ms of processor time a seller, both methods")
    people = [f"person{number}" for number in range(arguments.people // 5)]
    report(f"sandbox, {len(people)} people", list(sandbox_cases(people)))


if __name__ == "__main__":
    main()
