"""The large dictionary as it is committed: how much is in it, what it must not say, and what loading it costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from mintql.data import load_categories, load_merchant_codes, load_seller_index, read_rows
from mintql.data.dictionary import read_dictionary, read_scope
from mintql.domain.countries import EVERYWHERE, NOWHERE, country_set
from mintql.domain.merchants import normalize
from mintql.domain.sellers import ALSO_BEFORE, SellerColumns, SellerIndex
from support.repository import ROOT

TREE = load_categories()
DATA = ROOT / "src" / "mintql" / "data"
LOADING_SECONDS_MAX = 0.1
LOADING_BYTES_MAX = 40_000_000
SLOW_MACHINE = 4
"""Tests run beside each other on any machine; the bound itself is for a process with a core of its own."""


@cache
def columns() -> SellerColumns:
    category_ids = {slug: category.category_id for slug, category in TREE.by_slug.items()}
    return read_dictionary((DATA / "sellers.dat").read_bytes(), category_ids)


@cache
def large() -> SellerIndex:
    """The large dictionary alone, without the project's own list before it."""
    return SellerIndex(curated=SellerColumns(), listed=columns())


def meaning(key: str, country: str, domain: str = ""):
    match = large().find(key, country_set([country]), domain)
    return None if match is None else (TREE.by_id[match.category_id].slug, match.how.value, match.in_scope)


def test_it_has_fifty_thousand_names_and_twenty_thousand_domains():
    assert len(set(columns().keys)) >= 50_000
    assert len(set(columns().domains)) == len(columns().domains) >= 20_000
    assert len(load_seller_index()) > len(large())


def test_every_key_is_its_own_normal_form():
    strange = [key for key in columns().keys if normalize(key).key != key]
    assert strange == []


def test_every_category_is_a_leaf_of_spending_or_of_payments_between_people():
    for category_id in columns().category_ids:
        assert not TREE.is_group(category_id)
        assert TREE.by_id[category_id].kind.value == "expense" or TREE.by_id[category_id].slug == "person-to-person"


def test_columns_are_of_one_length_and_point_to_what_is_there():
    seen = columns()
    rows = len(seen.keys)
    assert len(seen.name_numbers) == len(seen.category_numbers) == len(seen.flags) == len(seen.scope_numbers) == rows
    assert len(seen.domain_rows) == len(seen.domains)
    assert max(seen.name_numbers) == len(seen.names) - 1
    assert max(seen.category_numbers) == len(seen.category_ids) - 1
    assert max(seen.scope_numbers) == len(seen.scopes) - 1
    assert max(seen.domain_rows) < rows
    assert "" not in (*seen.keys, *seen.names[1:], *seen.domains)


def test_rows_of_one_key_follow_each_other_in_countries_of_their_own():
    seen = columns()
    assert list(seen.keys) == sorted(seen.keys)
    for row in range(1, len(seen.keys)):
        same = seen.keys[row] == seen.keys[row - 1]
        assert bool(seen.flags[row] & ALSO_BEFORE) == same
        if same:
            assert seen.scopes[seen.scope_numbers[row]] & seen.scopes[seen.scope_numbers[row - 1]] == NOWHERE


def test_one_name_is_another_seller_in_another_country():
    assert meaning("woolworths", "au") == ("groceries", "exact", True)
    assert meaning("woolworths", "za") == ("clothing", "exact", True)
    assert meaning("woolworths", "no") is None


@pytest.mark.parametrize(
    ("key", "country", "expected"),
    [
        ("amazon", "us", "online-marketplaces"),  # On the map it is parcel lockers.
        ("amazon hub locker", "us", None),
        ("costco", "us", "superstores"),
        ("kroger fuel", "us", "fuel"),
        ("costco gas", "us", "fuel"),
        ("ikea", "us", "furniture"),
        ("shell", "us", "fuel"),
        ("circle k", "us", "convenience-stores"),
        ("tesco", "gb", "groceries"),
        ("chase", "us", None),  # Banks: a payment, a fee, a transfer, a loan and cash have the same name.
        ("bank of america", "us", None),
        ("coinstar", "us", None),
        ("redbox", "us", None),
        ("moneygram", "us", "person-to-person"),
        ("chargepoint", "us", "fuel"),
        ("7 up", "us", "vending-and-snacks"),
        ("city of lakewood", "us", "government-fees"),  # Its parks and schools are on the map.
        ("stockton on tees borough council", "gb", "government-fees"),
        ("stadtwerke witten", "de", "electricity-and-gas"),
        ("paris", "fr", None),
        ("maria", "us", None),
        ("pharmacy", "us", None),
    ],
)
def test_traps_of_the_map_are_avoided(key, country, expected):
    found = meaning(key, country)
    assert (found and found[0]) == expected


@pytest.mark.parametrize(
    ("word", "country"),
    [
        ("target", "us"),
        ("orange", "fr"),
        ("gap", "us"),
        ("next", "gb"),
        ("subway", "us"),
        ("joker", "no"),
        ("mango", "es"),
        ("shell", "us"),
        ("boots", "gb"),
    ],
)
def test_a_common_word_is_a_seller_only_when_it_stands_alone(word, country):
    assert large().find(word, country_set([country])).telling is False
    assert meaning(f"{word} zzyzx", country) is None


@pytest.mark.parametrize(
    ("key", "country", "slug"),
    [
        ("the north face zzyzx", "us", "clothing"),
        ("dollar general zzyzx", "us", "discount-stores"),
        ("penny markt zzyzx", "de", "groceries"),
        ("kaufland zzyzx", "de", "groceries"),
        ("walgreens zzyzx", "us", "pharmacy"),
    ],
)
def test_a_name_that_is_only_a_name_is_known_whatever_follows(key, country, slug):
    assert meaning(key, country)[0] == slug


def test_domains_lead_to_the_seller_and_not_to_its_side_line():
    assert meaning("zzyzx", "us", "costco.com")[:2] == ("superstores", "domain")
    assert meaning("zzyzx", "us", "shop.homedepot.com")[:2] == ("home-improvement", "domain")
    assert meaning("zzyzx", "gb", "tesco.com")[:2] == ("groceries", "domain")
    assert meaning("zzyzx", "us", "facebook.com") is None


def test_loading_is_quick_and_small():
    script = """
import json, os, time
from mintql.data import load_seller_index

def resident():
    with open("/proc/self/statm") as pages:
        return int(pages.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

before, start = resident(), time.process_time()
index = load_seller_index()
print(json.dumps([time.process_time() - start, resident() - before, len(index)]))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    seconds, resident_bytes, keys = json.loads(done.stdout)
    assert keys == len(load_seller_index())
    assert seconds < LOADING_SECONDS_MAX * SLOW_MACHINE
    assert resident_bytes < LOADING_BYTES_MAX


def test_a_dictionary_of_another_format_is_refused():
    with pytest.raises(ValueError, match=r"has format 99, this code reads 1: build it anew"):
        read_dictionary(b'{"format": 99}\n', {})


def test_a_scope_is_countries_or_all_but_some():
    assert read_scope("ca us") == country_set(["us", "ca"])
    assert read_scope("") == NOWHERE
    assert read_scope("!") == EVERYWHERE
    assert not read_scope("! cn") & country_set(["cn"])
    assert read_scope("! cn") & country_set(["us"])


def test_the_dictionary_says_where_it_is_from_and_its_licence_lies_beside_it():
    header = json.loads((DATA / "sellers.dat").read_bytes().partition(b"\n")[0])
    assert header["source"] == "name-suggestion-index 8.0.20260918"
    assert header["license"] == "BSD-3-Clause, see sellers.dat.LICENSE"
    assert "BSD 3-Clause" in (DATA / "sellers.dat.LICENSE").read_text(encoding="utf-8")


def test_every_known_merchant_code_has_a_category_and_words():
    codes = load_merchant_codes()
    described = {row["code"]: row["description"] for row in read_rows("mcc_descriptions.tsv")}
    assert len(described) == 932
    assert set(described) <= set(codes)
    assert all(described.values())
    assert codes["5812"].description == "Eating places and restaurants"
    assert TREE.by_id[codes["3351"].category_id].slug == "rental-cars"
    assert {TREE.by_id[codes[f"{code}"].category_id].slug for code in range(3000, 3351)} == {"flights"}
    assert {TREE.by_id[codes[f"{code}"].category_id].slug for code in range(3501, 4000)} == {"lodging"}


@pytest.mark.skipif(
    "MINTQL_NSI_PACKAGE" not in os.environ, reason="needs the package, which is not part of the project"
)
def test_building_anew_gives_the_committed_file(tmp_path: Path):
    package = os.environ["MINTQL_NSI_PACKAGE"]
    tool = ROOT / "tools" / "build_sellers.py"
    subprocess.run(
        [sys.executable, tool, "--package", package, "--into", tmp_path], capture_output=True, text=True, check=True
    )
    for name in ("sellers.dat", "sellers.dat.LICENSE"):
        assert (tmp_path / name).read_bytes() == (DATA / name).read_bytes()
