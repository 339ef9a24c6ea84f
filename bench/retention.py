"""How much room an archived month takes, and how long it takes to read, by what is put into one file.

    ./dev bench retention [--repeat 5] [--short]

Files of a person's month (small and usual), of a person's year, and of a month of many persons together are written
and read back. Printed are bytes a row, the ratio to the rows as JSON, and the time until a page of the month can be
answered from the file, as a ratio to that of a person's month.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import random
import statistics
import time
from datetime import UTC, datetime
from typing import Any

from mintql.domain.archive import Contents
from mintql.gateways import parquet
from mintql.services.archive import rows_json

FILES = {
    "a person's month, 50 rows": (1, 50),
    "a person's month, 500 rows": (1, 500),
    "a person's year, 6,000 rows": (1, 6_000),
    "a month of 64 persons, 32,000 rows": (64, 500),
}
USUAL = "a person's month, 500 rows"


def row(dice: random.Random, user_id: int, number: int) -> dict[str, Any]:
    """Make a transaction as institutions tell them."""
    at = datetime(2024, 1, 1 + number % 28, 12, 0, 0, dice.randrange(10**6), tzinfo=UTC)
    seller = dice.randrange(200)
    blank: dict[str, Any] = dict.fromkeys(parquet.COLUMNS)
    return blank | {
        "user_id": user_id, "transaction_id": 10**9 + user_id * 100_000 + number, "account_id": user_id * 3,
        "external_id": hashlib.sha256(f"{user_id} {number}".encode()).hexdigest()[:32], "posted_on": at.date(),
        "amount_minor": -dice.randrange(20_000), "currency": "USD", "pending": False, "category_id": 1 + seller % 40,
        "category_source": "dictionary", "description": f"POS PURCHASE SELLER {seller} {dice.randrange(10**6)} OSLO",
        "merchant": f"Seller {seller}", "merchant_key": f"seller {seller}", "category_detail": "", "object_id": user_id,
        "created_at": at, "updated_at": at, "institution_code": "",
    }  # fmt: skip


async def run(repeat: int) -> None:
    """Write and read each file, and print the table."""
    found: dict[str, tuple[float, float]] = {}
    for name, (persons, each) in FILES.items():
        dice = random.Random(1)
        contents = Contents([row(dice, user_id, n) for user_id in range(1, persons + 1) for n in range(each)], [], [])
        packed = await parquet.encode(contents)
        took = []
        for _ in range(repeat):
            start = time.perf_counter()
            read = await parquet.decode(packed)
            if read.digest() != contents.digest():
                raise AssertionError("the file does not hold what was written")
            plain = rows_json(read)
            took.append(time.perf_counter() - start)
        found[name] = (len(packed) / len(plain), statistics.median(took))
        print(f"{name:40} {len(packed) / (persons * each):6.0f} bytes a row, {len(packed) / len(plain):5.3f} of JSON")
    for name, (_, took_seconds) in found.items():
        print(f"{name:40} {took_seconds / found[USUAL][1]:6.2f} x the time to read")


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--short", action="store_true")
    options = parser.parse_args()
    asyncio.run(run(2 if options.short else options.repeat))


if __name__ == "__main__":
    main()
