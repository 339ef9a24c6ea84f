"""How fast sellers are named and categories found, and what the dictionary costs a process.

    ./dev bench categorize [--texts 50000] [--repeat 5]

Distinct texts are made of the dictionary's names and words that it does not know, with what banks and processors put
around them; with MINTQL_SHARED_DATA set, those of real card purchases are taken as well. The floor of the same texts
in the same run is the least that anybody has to do with them: `text.upper().split()` and one look-up of the words in
a dict. Rounds of floor and each path alternate, in processor seconds of this process, and the median is printed,
because the machine is shared.

    name        domain.merchants.normalize
    category    Categorizer.categorize of a key that was not asked for lately
    both        what the ingestion does with a text it has not met
    repeated    the same by way of both memos, texts drawn from 2,000, the seller of a large batch again and again

Loading is timed in a process of its own, with the memory that the process has more afterwards.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from mintql.data import load_seller_index
from mintql.domain.merchant_memory import remembered
from mintql.domain.merchants import Merchant, normalize
from mintql.services.categorize import Categorizer, Clues, default_categorizer

SHARED = "MINTQL_SHARED_DATA"
PURCHASES = "toronto_pcard_dev_2019.csv"
REPEATED_TEXTS = 2_000
BEFORE = ("", "", "", "SQ *", "TST* ", "PAYPAL *", "POS PURCHASE ", "VISA DEBIT PURCHASE CARD 1234 ", "CHECKCARD 0412 ")
BEHIND = (
    "",
    "",
    " #{n}",
    " {n} TORONTO ON",
    " {n} SEATTLE WA",
    " LTD",
    " 800-555-0{n:03d}",
    " 04/12",
    " STORE {n}",
    ".COM",
)
UNKNOWN = ("ZORBLATT", "QUENDRIX", "MAPLE HOLLOW", "LUCKY PALACE", "J AND R", "OAKRIDGE", "SAN MARZANO", "BLUE HERON")
LOADING = """
import resource, time
from mintql.data import load_categories, load_seller_index
load_categories()
before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
index = load_seller_index()
spent = time.process_time() - began
print(len(index), spent, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def texts_of(count: int) -> list[str]:
    """Return distinct texts as statements have them."""
    dice = random.Random(1)
    keys = load_seller_index().keys()
    names = [*map(str.upper, keys), *UNKNOWN * 2_000]
    found: dict[str, None] = {}
    while len(found) < count:
        number = dice.randrange(1, 10_000)
        found[dice.choice(BEFORE) + dice.choice(names) + dice.choice(BEHIND).format(n=number)] = None
    return list(found)


def real_texts(folder: str) -> list[str]:
    """Return the distinct texts of real card purchases."""
    with Path(folder, PURCHASES).open(encoding="utf-8", newline="") as lines:
        return list(dict.fromkeys(row["merchant"] for row in csv.DictReader(lines)))


def seconds(work: Callable[..., object], *given: object) -> float:
    began = time.process_time()
    work(*given)
    return time.process_time() - began


def floor(texts: Sequence[str]) -> None:
    known: dict[str, int] = {}
    for text in texts:
        known.get(" ".join(text.upper().split()))


def name_all(texts: Sequence[str]) -> None:
    for text in texts:
        normalize(text)


def categorize_all(categorizer: Categorizer, clues: Sequence[Clues]) -> None:
    for item in clues:
        categorizer.categorize(item)


def both(categorizer: Categorizer, texts: Sequence[str], read: Callable[[str], Merchant]) -> None:
    for text in texts:
        categorizer.categorize(clues_of(read(text)))


def clues_of(merchant: Merchant) -> Clues:
    return Clues(merchant.key, -1, "USD", domain=merchant.domain)


def fresh() -> Categorizer:
    """Return a categorizer that remembers nothing yet."""
    default_categorizer.cache_clear()
    return default_categorizer()


def measure(name: str, texts: Sequence[str], repeat: int) -> None:
    """Print how many texts a second each path takes, and how many times the floor that costs."""
    dice = random.Random(2)
    few = dice.sample(texts, min(REPEATED_TEXTS, len(texts)))
    repeated = [dice.choice(few) for _ in texts]
    clues = [clues_of(normalize(text)) for text in texts]

    spent: dict[str, list[float]] = {path: [] for path in ("floor", "name", "category", "both", "repeated")}
    for _ in range(repeat):
        spent["floor"].append(seconds(floor, texts))
        spent["name"].append(seconds(name_all, texts))
        spent["category"].append(seconds(categorize_all, fresh(), clues))
        categorizer = fresh()
        spent["both"].append(seconds(both, categorizer, texts, normalize))
        both(categorizer, few, remembered)
        spent["repeated"].append(seconds(both, categorizer, repeated, remembered))
    least = statistics.median(spent["floor"])
    print(f"\n{name}, {len(texts):,} distinct texts")
    for path, rounds in spent.items():
        median = statistics.median(rounds)
        print(f"  {path:<10}{len(texts) / median:>12,.0f}/s{median / least:>8.1f} x floor")


def loading(repeat: int) -> None:
    """Print what reading the dictionary costs a process that has just begun."""
    runs = [
        subprocess.run([sys.executable, "-c", LOADING], check=True, capture_output=True, text=True).stdout.split()
        for _ in range(repeat)
    ]
    spent = statistics.median(float(run[1]) for run in runs)
    grown = statistics.median(int(run[2]) for run in runs)
    print(f"dictionary: {int(runs[0][0]):,} keys, read in {spent * 1000:.0f} ms, {grown / 1024:.1f} MB more in memory")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=50_000)
    parser.add_argument("--repeat", type=int, default=5)
    asked = parser.parse_args()
    loading(asked.repeat)
    measure("decorated names", texts_of(asked.texts), asked.repeat)
    if SHARED in os.environ:
        measure("real card purchases", real_texts(os.environ[SHARED]), asked.repeat)


if __name__ == "__main__":
    main()
