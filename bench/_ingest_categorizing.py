"""What categorizing takes of an ingestion, for `bench/ingest.py`."""

from __future__ import annotations

import random
import time

from _ingest_people import first_rows

from mintql.domain.merchant_memory import remembered
from mintql.services.categorize import Clues, default_categorizer
from mintql.services.heap import settle_heap


def categorizing(*, new_sellers: bool, count: int = 20_000) -> float:
    """Return seconds a row takes to be categorized whose text was never seen before: its number, or its seller too."""
    dice = random.Random(0)
    rows = first_rows(dice, (0, 0, "a"), count, 0)
    texts = [
        f"{_made_up(number)} {item.description}" if new_sellers else f"{item.description}{number:06d}"
        for number, item in enumerate(rows)
    ]
    categorizer = default_categorizer()
    remembered("warm up")
    settle_heap()  # As a worker does.
    start = time.process_time()
    for item, text in zip(rows, texts, strict=True):
        merchant = remembered(text)
        categorizer.categorize(Clues(merchant.key, item.amount_minor, item.currency, "", "", merchant.domain))
        categorizer.display_name(merchant, item.currency)
    return (time.process_time() - start) / count


def _made_up(number: int) -> str:
    return "".join(chr(ord("A") + number // 26**place % 26) for place in range(4))
