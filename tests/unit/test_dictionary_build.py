"""Building the dictionary, from a package as small as a package can be."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
import zlib
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mintql.data import load_categories
from mintql.data.dictionary import read_dictionary
from mintql.domain.countries import country_set
from mintql.domain.sellers import SellerColumns, SellerIndex
from support.repository import ROOT

TOOLS = ROOT / "tools"
TREE = load_categories()
SQUARE = [[[7, 45], [11, 45], [11, 49], [7, 49], [7, 45]]]


def brand(name: str, *include, **more) -> dict:
    tags = {"name": name, "brand": name, **more.pop("tags", {})}
    return {"displayName": name, "locationSet": {"include": list(include)}, "tags": tags, **more}


def package(path: Path, name: str = "name-suggestion-index", paths: dict | None = None) -> Path:
    items = paths or {
        "brands/shop/supermarket": [
            brand(
                "Zorgomat (Norge)", "no", tags={"name": "Zorgomat", "brand:wikidata": "Q1"}, matchNames=["zorg o mat"]
            ),
            brand("Blorbex", "ca", "us"),
            brand("Quuxly", [9, 47, 5]),
            brand("Nowheria", [-120, -40, 5]),
        ],
        "brands/shop/shoes": [brand("Zorgomat", "ca-on.geojson"), brand("Blorbex", "ca", "fr")],
        "brands/amenity/bank": [brand("Frobank", "001")],
        "brands/amenity/fuel": [brand("Blorbex Fuel", "001", tags={"brand": "Blorbex"})],
    }
    content = {
        "package.json": {"name": name, "version": "8.0.0"},
        "dist/json/nsi.min.json": {"nsi": {kind: {"items": group} for kind, group in items.items()}},
        "dist/json/featureCollection.min.json": {
            "features": [{"id": "ch-zh.geojson", "geometry": {"type": "Polygon", "coordinates": SQUARE}}]
        },
        "dist/json/genericWords.min.json": {"genericWords": ["^shops?$"]},
        "dist/json/filtered/brands_keep.min.json": {"keep": {"shop/supermarket|Blorbex": 90, "shop/shoes|Blorbex": 9}},
        "dist/json/filtered/operators_keep.min.json": {"keep": {}},
        "dist/json/filtered/transit_keep.min.json": {"keep": {}},
        "dist/wikidata/wikidata.min.json": {
            "wikidata": {
                "Q1": {
                    "label": "Zorgomat",
                    "officialWebsites": ["https://www.zorgomat.example/no", "https://facebook.com/zorgomat"],
                }
            }
        },
    }
    with tarfile.open(path, "w:gz") as archive:
        for member, value in {**content, "LICENSE.md": "Made up for a test."}.items():
            packed = (value if isinstance(value, str) else json.dumps(value)).encode()
            described = tarfile.TarInfo(f"package/{member}")
            described.size = len(packed)
            archive.addfile(described, io.BytesIO(packed))
    return path


def build(packed: Path, into: Path, *options: str) -> subprocess.CompletedProcess:
    into.mkdir(exist_ok=True)
    command = [sys.executable, TOOLS / "build_sellers.py", "--package", packed, "--into", into, *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> bytes:
    folder = tmp_path_factory.mktemp("dictionary")
    packed = package(folder / "package.tgz")
    contents = []
    for name in ("once", "again"):
        done = build(packed, folder / name, "--any-release")
        assert done.returncode == 0, done.stderr
        contents.append((folder / name / "sellers.dat").read_bytes())
    assert contents[0] == contents[1]
    assert (folder / "once" / "sellers.dat.LICENSE").read_text() == "Made up for a test."
    return contents[0]


@pytest.fixture
def index(built) -> SellerIndex:
    category_ids = {slug: category.category_id for slug, category in TREE.by_slug.items()}
    return SellerIndex(curated=SellerColumns(), listed=read_dictionary(built, category_ids))


def found(index: SellerIndex, key: str, country: str, domain: str = ""):
    match = index.find(key, country_set([country]), domain)
    return None if match is None else (match.name, TREE.by_id[match.category_id].slug, match.in_scope)


def test_the_same_package_gives_the_same_bytes_and_says_which_it_was(built):
    header = json.loads(built.partition(b"\n")[0])
    assert header["source"] == "name-suggestion-index 8.0.0"


def test_a_name_means_in_each_country_what_the_map_has_there_most_of(index):
    assert found(index, "zorgomat", "no") == ("Zorgomat", "groceries", True)
    assert found(index, "zorgomat", "ca") == ("Zorgomat", "clothing", True)
    assert found(index, "blorbex", "ca") == ("Blorbex", "groceries", True)
    assert found(index, "blorbex", "fr") == ("Blorbex", "clothing", True)
    assert found(index, "blorbex fuel", "jp") == ("Blorbex Fuel", "fuel", True)


def test_aliases_and_official_domains_lead_to_the_seller(index):
    assert found(index, "zorg o mat", "no") == ("Zorgomat", "groceries", True)
    assert found(index, "bill", "no", "www.zorgomat.example") == ("Zorgomat", "groceries", True)
    assert list(index.domains()) == ["zorgomat.example"]


def test_a_circle_stands_for_the_country_of_the_region_around_it_or_for_none(index):
    assert found(index, "quuxly", "ch") == ("Quuxly", "groceries", True)
    assert found(index, "quuxly", "ca") == ("Quuxly", "groceries", False)
    assert found(index, "nowheria", "cl") == ("Nowheria", "groceries", False)


def test_banks_are_left_out(index):
    assert index.find("frobank") is None


def test_another_release_or_package_is_refused_unless_it_is_asked_for(tmp_path):
    refused = build(package(tmp_path / "other.tgz"), tmp_path)
    assert refused.returncode == 1
    assert "other.tgz is version 8.0.0 with sha512" in refused.stderr
    assert "--any-release" in refused.stderr
    foreign = build(package(tmp_path / "foreign.tgz", name="left-pad"), tmp_path, "--any-release")
    assert "foreign.tgz is the package left-pad, not name-suggestion-index" in foreign.stderr
    assert not (tmp_path / "sellers.dat").exists()


def test_a_path_that_the_table_does_not_know_ends_the_build(tmp_path):
    packed = package(tmp_path / "new.tgz", paths={"brands/shop/moon_rocks": [brand("Moonies", "001")]})
    done = build(packed, tmp_path, "--any-release")
    assert done.returncode == 1
    assert "'brands/shop/moon_rocks' is not in osm_categories.tsv: add a line for it." in done.stderr


@cache
def compress():
    sys.path.insert(0, str(TOOLS))
    try:
        from deflate import compress  # noqa: PLC0415 - the folder of tools is no package
    finally:
        sys.path.remove(str(TOOLS))
    return compress


@settings(max_examples=60)
@given(st.one_of(st.binary(max_size=600), st.lists(st.sampled_from([b"abc", b"abcd", b"\0" * 300])).map(b"".join)))
def test_what_is_packed_is_unpacked_by_zlib(content):
    assert zlib.decompress(compress()(content)) == content


def test_what_repeats_is_packed_small():
    text = "".join(f"seller {number % 97} of town {number % 89}\n" for number in range(20_000)).encode()
    packed = compress()(text)
    assert zlib.decompress(packed) == text
    assert len(packed) < len(text) / 5
