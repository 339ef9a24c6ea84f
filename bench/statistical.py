"""Whether a statistical layer would be right where sellers and keywords find nothing.

    ./dev bench statistical [--folds 5] [--temperature 0.1]

Needs the environment variable MINTQL_SHARED_DATA. A multinomial naive Bayes classifier over character n-grams of
merchant keys learns from the dictionary's names and from card purchases of 2011 to 2018, each key once with the
category of its merchant category code. It is judged only on rows that the categorizer leaves without a category, never
on a seller it has learned from: sellers are told apart by the first word of their key, and parted by its hash.

For each threshold of the claimed probability, the table has the share of those rows that gets a category, the share
of these that is right, by leaf and by group, and the probability that was claimed on average.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from _samples import Sample, card_purchases, labelled
from accuracy import PURCHASES, PURCHASES_TO_TUNE_WITH, clues_of, group

from mintql.data import load_categories, read_rows
from mintql.domain.categories import UNCATEGORIZED_ID
from mintql.domain.ids import CategoryId
from mintql.domain.merchants import normalize
from mintql.services.categorize import default_categorizer

GRAM_LENGTHS = (3, 4, 5)
SMOOTHING = 0.1
SKIPPED = 77
"""How this ends where what it needs is not there."""
TEMPERATURE = 0.1
"""Overlapping n-grams are counted as if they were independent, so log-likelihoods are shrunk by this much."""
THRESHOLDS = (0.0, 0.3, 0.5, 0.7, 0.8, 0.9)


@dataclass(frozen=True)
class Example:
    """A merchant key with its category."""

    key: str
    category_id: CategoryId


@dataclass(frozen=True)
class Guess:
    """What the classifier says of a sample, with the probability it claims."""

    sample: Sample
    category_id: CategoryId
    probability: float


class NaiveBayes:
    """Multinomial, over character n-grams, each counted once in a key."""

    def __init__(self, examples: Iterable[Example], temperature: float) -> None:
        self._temperature = temperature
        self._grams: dict[CategoryId, Counter[str]] = defaultdict(Counter)
        self._examples: Counter[CategoryId] = Counter()
        for example in examples:
            self._examples[example.category_id] += 1
            self._grams[example.category_id].update(grams(example.key))
        self._totals = {category_id: found.total() for category_id, found in self._grams.items()}
        self._known = {gram for found in self._grams.values() for gram in found}

    def guess(self, key: str) -> tuple[CategoryId, float]:
        """Return the likeliest category and its probability."""
        known = grams(key) & self._known
        number = self._examples.total()
        scores = {}
        for category_id, found in self._grams.items():
            floor = self._totals[category_id] + SMOOTHING * len(self._known)
            likelihood = sum(math.log((found[gram] + SMOOTHING) / floor) for gram in known)
            scores[category_id] = math.log(self._examples[category_id] / number) + self._temperature * likelihood
        best = max(scores, key=scores.__getitem__)
        return best, 1 / sum(math.exp(score - scores[best]) for score in scores.values())


def grams(key: str) -> set[str]:
    text = f" {key} "
    return {text[start : start + length] for length in GRAM_LENGTHS for start in range(len(text) - length + 1)}


def fold_of(key: str, folds: int) -> int:
    """Return the fold of a seller, told by the first word: branches and departments stay together."""
    return hashlib.sha256(key.partition(" ")[0].encode()).digest()[0] % folds


def key_of(sample: Sample) -> str:
    return normalize(sample.descriptor).key


def examples() -> list[Example]:
    """Return every key once; of card purchases only those with a clear code, in the most frequent category."""
    weights: dict[str, Counter[CategoryId]] = defaultdict(Counter)
    for sample in card_purchases(PURCHASES_TO_TUNE_WITH):
        if sample.part == "clear":
            weights[key_of(sample)][sample.category_id] += sample.weight
    by_slug = load_categories().by_slug
    learned = {row["key"]: by_slug[row["category"]].category_id for row in read_rows("sellers.tsv")}
    learned.update((key, found.most_common(1)[0][0]) for key, found in weights.items())
    return [Example(key, category_id) for key, category_id in learned.items()]


def unknown(samples: Iterable[Sample]) -> list[Sample]:
    """Return the samples with a clear answer for which the categorizer finds nothing."""
    categorizer = default_categorizer()
    left = (sample for sample in samples if sample.part not in {"mixed", "vague"})
    return [one for one in left if categorizer.categorize(clues_of(one, "")).category_id == UNCATEGORIZED_ID]


def guesses(samples: Iterable[Sample], learned: Iterable[Example], folds: int, temperature: float) -> Iterator[Guess]:
    """Guess each fold's samples with what was learned from all other folds."""
    known = list(learned)
    by_fold: dict[int, list[Sample]] = defaultdict(list)
    for sample in samples:
        by_fold[fold_of(key_of(sample), folds)].append(sample)
    for fold, ones in sorted(by_fold.items()):
        classifier = NaiveBayes((one for one in known if fold_of(one.key, folds) != fold), temperature)
        answers = {key: classifier.guess(key) for key in {key_of(sample) for sample in ones}}
        for sample in ones:
            yield Guess(sample, *answers[key_of(sample)])


def print_thresholds(title: str, made: list[Guess]) -> None:
    total = sum(one.sample.weight for one in made)
    print(f"\n{title}: {total} left without a category")
    print(f"  {'claimed at least':<18}{'said':>10}{'right':>10}{'group':>10}{'claimed':>10}")
    for threshold in THRESHOLDS:
        said = [one for one in made if one.probability >= threshold]
        number = sum(one.sample.weight for one in said)
        if not number:
            continue
        right = sum(one.sample.weight for one in said if one.category_id in one.sample.accepted)
        groups = sum(one.sample.weight for one in said if group(one.category_id) == group(one.sample.category_id))
        claimed = sum(one.sample.weight * one.probability for one in said)
        shares = (number / total, right / number, groups / number, claimed / number)
        print(f"  {threshold:<18.0%}" + "".join(f"{part:>10.1%}" for part in shares))


def main() -> None:
    parser = argparse.ArgumentParser(description="What a statistical layer would bring.")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--temperature", type=float, default=TEMPERATURE)
    asked = parser.parse_args()
    if "MINTQL_SHARED_DATA" not in os.environ:
        print("Set MINTQL_SHARED_DATA to the folder of card purchases; the classifier learns from them.")
        sys.exit(SKIPPED)
    learned = examples()
    print(f"{len(learned)} keys to learn from, {asked.folds} folds by seller")
    for title, samples in {
        "labelled descriptors": labelled(),
        f"card purchases, {PURCHASES[:-4]}": card_purchases(PURCHASES),
    }.items():
        print_thresholds(title, list(guesses(unknown(samples), learned, asked.folds, asked.temperature)))


if __name__ == "__main__":
    main()
