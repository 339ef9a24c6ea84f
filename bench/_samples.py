"""Descriptors with the category that is right for each: the project's own, and what `MINTQL_SHARED_DATA` holds."""

from __future__ import annotations

import csv
import os
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from mintql.data import load_categories, load_merchant_codes
from mintql.domain.ids import CategoryId

LABELLED = Path(__file__).parent / "data" / "labelled.tsv"
AMOUNT_MINOR = 25_00
"""Nobody reads the amount of a labelled descriptor, only its sign."""
_REFERENCE_DIGITS = re.compile(r"\d{4,}")


@dataclass(frozen=True)
class Sample:
    """A descriptor, counted `weight` times.

    Args:
        descriptor: As the statement writes it.
        amount_minor: Signed, money out negative.
        currency: ISO 4217.
        mcc: ISO 18245, or empty.
        category_id: What is right.
        accepted: What is right, and what a person could as well have chosen.
        weight: How many transactions it stands for.
        part: Which part of its data it belongs to.
    """

    descriptor: str
    amount_minor: int
    currency: str
    mcc: str
    category_id: CategoryId
    accepted: frozenset[CategoryId]
    weight: int
    part: str

    def with_other_references(self, dice: random.Random) -> Sample:
        """Return it as the next purchase at the same seller shows it: with other numbers."""
        digits = _REFERENCE_DIGITS.sub(
            lambda found: "".join(dice.choice("0123456789") for _ in found.group()), self.descriptor
        )
        return replace(self, descriptor=digits)


def labelled() -> list[Sample]:
    """Read the project's own set; its parts are `dev` and `test`."""
    by_slug = load_categories().by_slug
    samples = []
    for row in _rows(LABELLED, "\t"):
        category_id = by_slug[row["category"]].category_id
        others = (by_slug[slug].category_id for slug in row["also_accepted"].split(",") if slug)
        amount_minor = AMOUNT_MINOR if row["direction"] == "in" else -AMOUNT_MINOR
        accepted = frozenset((category_id, *others))
        where = (row["currency"], row["mcc"])
        samples.append(Sample(row["descriptor"], amount_minor, *where, category_id, accepted, 1, row["part"]))
    return samples


def card_purchases(name: str) -> list[Sample]:
    """Read card purchases, whose right answer is what their merchant category code means.

    Their parts: `clear`; `vague`, where the code covers too many trades to be an answer; and `mixed`, where the
    seller was seen with codes of several kinds. A code that nobody assigned is left out.
    """
    codes = load_merchant_codes()
    samples = []
    for row in _rows(Path(os.environ["MINTQL_SHARED_DATA"]) / name, ","):
        code = codes.get(row["mcc"])
        if code is None:
            continue
        part = "mixed" if row["mixed_merchant"] == "True" else "vague" if code.vague else "clear"
        right = (code.category_id, frozenset((code.category_id,)))
        samples.append(Sample(row["merchant"], -AMOUNT_MINOR, "CAD", row["mcc"], *right, int(row["n"]), part))
    return samples


def _rows(path: Path, delimiter: str) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL)
