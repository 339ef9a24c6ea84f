"""How often categories are right, and whether they are as sure as they say.

    ./dev bench accuracy [--ablate] [--codes] [--failures 40] [--people 300] [--seed 1] [--tuning]

On the project's own labelled descriptors (`bench/data/labelled.tsv`), and on card purchases of a city, where the
environment variable MINTQL_SHARED_DATA names the folder that holds them, each counted as often as it occurred:

    covered    share that gets a category
    precision  share of those whose category is right
    right      share of all whose category is right
    group      the same two, where any category of the right group counts as right

Then what each source claims against what is measured, each category, and the first 90 days of a person who corrects
what is wrong once a week. `--codes` gives the categorizer the merchant category codes too; for card purchases the
code is the answer, so that shows only what overrules it. `--ablate` leaves layers out. `--failures` lists the most
frequent errors of the parts that may be looked at. `--tuning` takes the older card purchases in place of the newer.
"""

from __future__ import annotations

import argparse
import os
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from _samples import Sample, card_purchases, labelled

from mintql.data import load_categories, load_category_hints, load_keywords, load_merchant_codes, load_seller_index
from mintql.domain.categories import UNCATEGORIZED_ID, Categorization
from mintql.domain.ids import CategoryId
from mintql.domain.merchants import normalize
from mintql.domain.sellers import SellerColumns, SellerIndex
from mintql.services.categorize import Categorizer, Clues, default_categorizer

PURCHASES = "toronto_pcard_dev_2019.csv"
PURCHASES_TO_TUNE_WITH = "toronto_pcard_seed_2011_2018.csv"
OPEN_PARTS = {"dev", "clear"}
"""Failures of the others are not looked at."""
UNCLEAR_PARTS = {"mixed", "vague"}
"""Their merchant category codes do not tell what is right, so nothing is held against a claim."""
TREE = load_categories()

DAYS = 91
PURCHASES_A_DAY = 2.5
NEW_SELLER_DISCOUNT = 0.6
NEW_SELLER_STRENGTH = 6.0
"""How often a person meets a seller for the first time: a two-parameter Chinese restaurant process, whose number of
sellers grows as a power of the number of purchases. With these, some 80 sellers in 90 days."""


@dataclass(frozen=True)
class Judged:
    """A sample and what was found for it."""

    sample: Sample
    found: Categorization

    @property
    def covered(self) -> bool:
        """Something was found."""
        return self.found.category_id != UNCATEGORIZED_ID

    @property
    def right(self) -> bool:
        """The category is one that is accepted."""
        return self.found.category_id in self.sample.accepted

    @property
    def right_group(self) -> bool:
        """The category is in the group of one that is accepted."""
        return group(self.found.category_id) in {group(accepted) for accepted in self.sample.accepted}


def group(category_id: CategoryId) -> CategoryId:
    category = TREE.by_id[category_id]
    return category_id if category.parent_id is None else category.parent_id


def clues_of(sample: Sample, mcc: str) -> Clues:
    merchant = normalize(sample.descriptor)
    return Clues(merchant.key, sample.amount_minor, sample.currency, mcc, domain=merchant.domain)


def judge(samples: Iterable[Sample], categorizer: Categorizer, *, codes: bool = False) -> list[Judged]:
    return [Judged(sample, categorizer.categorize(clues_of(sample, sample.mcc if codes else ""))) for sample in samples]


def share(judged: Iterable[Judged], counts: Callable[[Judged], bool]) -> float:
    total = yes = 0
    for one in judged:
        total += one.sample.weight
        yes += one.sample.weight if counts(one) else 0
    return yes / total if total else 0.0


def row(name: str, judged: Sequence[Judged]) -> str:
    covered = [one for one in judged if one.covered]
    shares = (
        share(judged, lambda one: one.covered),
        share(covered, lambda one: one.right),
        share(judged, lambda one: one.right),
        share(covered, lambda one: one.right_group),
        share(judged, lambda one: one.right_group),
    )
    number = sum(one.sample.weight for one in judged)
    return f"{name:<44}{number:>8}" + "".join(f"{part:>10.1%}" for part in shares)


def print_parts(title: str, judged: Sequence[Judged]) -> None:
    heads = ("covered", "precision", "right", "group:prec", "right")
    print(f"\n{title:<44}{'n':>8}" + "".join(f"{head:>10}" for head in heads))
    by_part: dict[str, list[Judged]] = defaultdict(list)
    for one in judged:
        by_part[one.sample.part].append(one)
    for part, ones in sorted(by_part.items()):
        print(row(f"  {part}", ones))
    if judged:
        print(row("  all", judged))


def print_reliability(judged: Sequence[Judged]) -> None:
    """Compare what each source claims with what is measured, leaf by leaf, where the right answer is known.

    Few sellers make up most card purchases, so each descriptor is counted as often as it occurred, then once.
    """
    print(f"\n{'source, claimed confidence':<44}{'n':>8}{'measured':>10}{'group':>10}{'texts':>8}{'measured':>10}")
    kinds: dict[tuple[str, int, str], list[Judged]] = defaultdict(list)
    for one in judged:
        if one.covered and one.sample.part not in UNCLEAR_PARTS:
            kinds[str(one.found.source), one.found.confidence, kind_of(one.found)].append(one)
    for (source, confidence, kind), ones in sorted(kinds.items(), key=lambda item: (item[0][0], -item[0][1])):
        number = sum(one.sample.weight for one in ones)
        measured = share(ones, lambda one: one.right), share(ones, lambda one: one.right_group)
        each = sum(one.right for one in ones) / len(ones)
        print(
            f"  {source} {kind} {confidence} %".ljust(44)
            + f"{number:>8}{measured[0]:>10.1%}{measured[1]:>10.1%}{len(ones):>8}{each:>10.1%}"
        )


def kind_of(found: Categorization) -> str:
    """Return what of the detail says how it was found, without the entry itself."""
    return found.detail.partition(":")[0] if ": " in found.detail else ""


def print_categories(judged: Sequence[Judged]) -> None:
    """Print recall and precision of every category that is right for anything or was said of anything."""
    print(f"\n{'category':<44}{'n':>8}{'found':>10}{'precision':>10}")
    truth: dict[CategoryId, list[Judged]] = defaultdict(list)
    said: dict[CategoryId, list[Judged]] = defaultdict(list)
    for one in judged:
        truth[one.sample.category_id].append(one)
        said[one.found.category_id].append(one)
    leaves = sorted(truth, key=lambda leaf: (group(leaf), leaf))
    for leaf in leaves:
        number = sum(one.sample.weight for one in truth[leaf])
        shares = share(truth[leaf], lambda one: one.right), share(said[leaf], lambda one: one.right)
        print(f"  {TREE.by_id[leaf].slug:<42}{number:>8}{shares[0]:>10.1%}{shares[1]:>10.1%}")


def print_failures(judged: Sequence[Judged], number: int) -> None:
    wrong = [one for one in judged if not one.right and one.sample.part in OPEN_PARTS]
    for one in sorted(wrong, key=lambda one: -one.sample.weight)[:number]:
        said = f"{TREE.by_id[one.found.category_id].slug} ({one.found.source} {one.found.detail})"
        right = TREE.by_id[one.sample.category_id].slug
        print(f"  {one.sample.weight:>6}  {one.sample.descriptor:<40}  {right:<24} {said}")


def print_ablation(sets: dict[str, list[Sample]]) -> None:
    """Print what is right with layers left out, each line with one more."""
    sellers, keywords = load_seller_index(), load_keywords()
    nobody = SellerIndex(SellerColumns(), SellerColumns())
    bank_words = tuple(word for word in keywords if word.of_bank)
    codes, hints = load_merchant_codes(), load_category_hints()
    layers = {
        "the bank's words": Categorizer(nobody, bank_words, {}),
        "+ the seller dictionary": Categorizer(sellers, bank_words, {}),
        "+ keywords": Categorizer(sellers, keywords, {}),
        "+ merchant category codes": Categorizer(sellers, keywords, codes, hints),
    }
    for name, samples in sets.items():
        print_parts(f"{name}, layer by layer", [])
        for layer, categorizer in layers.items():
            print(row(f"  {layer}", judge(samples, categorizer, codes="codes" in layer)))


def learning_curve(samples: Sequence[Sample], people: int, seed: int) -> tuple[list[float], list[float], float]:
    """Simulate persons' first 13 weeks; return the share right by week with memory and without, and sellers met."""
    dice = random.Random(seed)
    by_currency: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        by_currency[sample.currency].append(sample)
    pools = [pool for pool in by_currency.values() if len(pool) >= 100]
    weights = [len(pool) for pool in pools]
    right: Counter[tuple[int, bool]] = Counter()
    total: Counter[int] = Counter()
    met = 0
    for _ in range(people):
        pool = dice.choices(pools, weights)[0]
        met += live_through(dice.sample(pool, len(pool)), dice, right, total)
    with_memory = [right[week, True] / total[week] for week in range(DAYS // 7)]
    return with_memory, [right[week, False] / total[week] for week in range(DAYS // 7)], met / people


def live_through(
    unmet: list[Sample], dice: random.Random, right: Counter[tuple[int, bool]], total: Counter[int]
) -> int:
    """Let one person buy for 13 weeks and correct once a week what is wrong; return how many sellers they met."""
    categorizer = default_categorizer()
    visits: Counter[Sample] = Counter()
    memory: dict[str, CategoryId] = {}
    for week in range(DAYS // 7):
        seen: list[tuple[str, Sample, CategoryId]] = []
        for _ in range(round(7 * PURCHASES_A_DAY)):
            sample = next_seller(visits, unmet, dice)
            visits[sample] += 1
            clues = clues_of(sample.with_other_references(dice), "")
            found = categorizer.categorize(clues).category_id
            shown = memory.get(clues.merchant_key, found)
            total[week] += 1
            right[week, True] += shown in sample.accepted
            right[week, False] += found in sample.accepted
            seen.append((clues.merchant_key, sample, shown))
        memory.update((key, sample.category_id) for key, sample, shown in seen if shown not in sample.accepted)
    return len(visits)


def next_seller(visits: Counter[Sample], unmet: list[Sample], dice: random.Random) -> Sample:
    """Draw a seller: a new one, or one met before, the more often the more likely."""
    number = visits.total()
    new = NEW_SELLER_STRENGTH + NEW_SELLER_DISCOUNT * len(visits)
    if unmet and dice.random() * (number + NEW_SELLER_STRENGTH) < new:
        return unmet.pop()
    met = list(visits)
    return dice.choices(met, [visits[sample] - NEW_SELLER_DISCOUNT for sample in met])[0]


def print_curve(samples: Sequence[Sample], people: int, seed: int) -> None:
    remembered, alone, sellers = learning_curve(samples, people, seed)
    print(f"\nfirst 13 weeks of {people} persons, seed {seed}; each meets {sellers:.0f} sellers; no codes")
    for title, shares in (("right, with memory", remembered), ("right, without", alone)):
        print(f"  {title:<24}" + "".join(f"{part:>7.1%}" for part in shares))


def main() -> None:
    parser = argparse.ArgumentParser(description="How often categories are right.")
    parser.add_argument("--ablate", action="store_true")
    parser.add_argument("--codes", action="store_true")
    parser.add_argument("--categories", action="store_true")
    parser.add_argument("--failures", type=int, default=0)
    parser.add_argument("--people", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tuning", action="store_true")
    asked = parser.parse_args()
    sets = {"labelled descriptors": labelled()}
    if "MINTQL_SHARED_DATA" in os.environ:
        purchases = PURCHASES_TO_TUNE_WITH if asked.tuning else PURCHASES
        sets[f"card purchases, {purchases[:-4]}"] = card_purchases(purchases)
    for name, samples in sets.items():
        judged = judge(samples, default_categorizer(), codes=asked.codes)
        print_parts(name, judged)
        print_reliability(judged)
        if asked.categories:
            print_categories(judged)
        if asked.failures:
            print_failures(judged, asked.failures)
    if asked.ablate:
        print_ablation(sets)
    if asked.people:
        print_curve(labelled(), asked.people, asked.seed)


if __name__ == "__main__":
    main()
