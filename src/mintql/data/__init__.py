"""Data files with their sources and licences (README.md), and the functions that read them.

Each file is read once per process. May import `domain` and nothing else of the project.
"""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files

from mintql.domain.categories import Category, CategoryKind, CategoryTree
from mintql.domain.ids import CategoryId
from mintql.domain.templates import Template, Tier

OVERALL_TIER = "all"


@cache
def load_categories() -> CategoryTree:
    """Return all categories."""
    return CategoryTree(
        Category(
            category_id=CategoryId(int(row["category_id"])),
            parent_id=CategoryId(int(row["parent_id"])) if row["parent_id"] else None,
            slug=row["slug"],
            name=row["name"],
            kind=CategoryKind(row["kind"]),
            icon=row["icon"],
            plaid_code=row["plaid_code"],
        )
        for row in read_rows("categories.tsv")
    )


@cache
def load_template() -> Template:
    """Return the budget template by income tier."""
    by_slug = load_categories().by_slug
    tiers = [
        Tier(
            name=row.pop("tier"),
            income=int(row.pop("income")),
            plan_basis_points=int(row.pop("plan_basis_points")),
            shares_basis_points={by_slug[slug].category_id: int(share) for slug, share in row.items()},
        )
        for row in read_rows("budget_template.tsv")
    ]
    overall = next(tier for tier in tiers if tier.name == OVERALL_TIER)
    return Template(overall, tuple(tier for tier in tiers if tier is not overall))


def read_rows(name: str) -> list[dict[str, str]]:
    """Read a tab-separated data file with a header line into one dict a row.

    Raises:
        ValueError: A row has more or fewer fields than the header.
    """
    with files(__name__).joinpath(name).open(encoding="utf-8") as lines:
        header, *rows = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    return [dict(zip(header, row, strict=True)) for row in rows]
