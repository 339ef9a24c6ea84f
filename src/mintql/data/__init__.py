"""Data files with their sources and licences (README.md), and the functions that read them.

Each file is read once per process. May import `domain` and nothing else of the project.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from mintql.data.dictionary import read_dictionary
from mintql.domain.categories import Category, CategoryKind, CategoryTree
from mintql.domain.countries import EVERYWHERE
from mintql.domain.hints import CategoryHint
from mintql.domain.ids import CategoryId
from mintql.domain.sellers import (
    TELLING,
    Direction,
    Keyword,
    MerchantCode,
    SellerColumns,
    SellerIndex,
)
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


@cache
def load_seller_index() -> SellerIndex:
    """Return what finds sellers: the project's own list before the large one."""
    category_ids = {slug: category.category_id for slug, category in load_categories().by_slug.items()}
    packed = files(__name__).joinpath("sellers.dat").read_bytes()
    return SellerIndex(curated=_own_sellers(), listed=read_dictionary(packed, category_ids))


def _own_sellers() -> SellerColumns:
    rows = read_rows("sellers.tsv")
    by_slug = load_categories().by_slug
    slugs = sorted({row["category"] for row in rows})
    slug_numbers = {slug: number for number, slug in enumerate(slugs)}
    return SellerColumns(
        keys=[row["key"] for row in rows],
        names=[row["name"] for row in rows],
        name_numbers=range(len(rows)),
        category_ids=[by_slug[slug].category_id for slug in slugs],
        category_numbers=bytes(slug_numbers[row["category"]] for row in rows),
        flags=bytes(0 if row["match"] == "whole key" else TELLING for row in rows),
        scopes=[EVERYWHERE],
        scope_numbers=bytes(len(rows)),
    )


@cache
def load_keywords() -> tuple[Keyword, ...]:
    """Return the keywords, most telling first."""
    by_slug = load_categories().by_slug
    return tuple(
        Keyword(
            phrase=row["phrase"],
            category_id=by_slug[row["category"]].category_id,
            direction=Direction(row["direction"]),
            of_bank=row["of_bank"] == "yes",
        )
        for row in read_rows("keywords.tsv")
    )


@cache
def load_merchant_codes() -> Mapping[str, MerchantCode]:
    """Return what merchant category codes mean, by four digits."""
    by_slug = load_categories().by_slug
    described = {row["code"]: row["description"] for row in read_rows("mcc_descriptions.tsv")}
    codes: dict[str, MerchantCode] = {}
    for row in read_rows("mcc.tsv"):
        category_id, vague = by_slug[row["category"]].category_id, row["vague"] == "yes"
        for number in range(int(row["first"]), int(row["last"]) + 1):
            code = f"{number:04d}"
            codes[code] = MerchantCode(category_id, vague, described.get(code, ""))
    return codes


@cache
def load_category_hints() -> Mapping[str, CategoryHint]:
    """Return what institutions' categories mean, by `taxonomy:code` as `ProviderTransaction` carries it."""
    by_slug = load_categories().by_slug
    hints: dict[str, CategoryHint] = {}
    for row in read_rows("pfc.tsv"):
        category = by_slug[row["category"]]
        direction = Direction.IN if category.kind is CategoryKind.INCOME else Direction.EITHER
        hints[f"pfc:{row['code']}"] = CategoryHint(category.category_id, row["vague"] == "yes", direction)
    return hints


def read_rows(name: str) -> list[dict[str, str]]:
    """Read a tab-separated data file with a header line into one dict a row.

    Raises:
        ValueError: A row has more or fewer fields than the header.
    """
    with files(__name__).joinpath(name).open(encoding="utf-8") as lines:
        header, *rows = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    return [dict(zip(header, row, strict=True)) for row in rows]
