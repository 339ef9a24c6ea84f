"""Builds the seller dictionary from the npm package name-suggestion-index.

    npm pack name-suggestion-index@8.0.20260918
    .venv/bin/python tools/build_sellers.py --package name-suggestion-index-8.0.20260918.tgz

writes `src/mintql/data/sellers.dat` and the package's licence beside it. The same package and the same normaliser give
the same bytes: run it again whenever `domain/merchants` changes what keys look like.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from dictionary_file import packed_dictionary
from entries import Reader
from meanings import Words, rows_of, sites_of
from nsi_package import LICENSE, NAME, read_package

DATA = Path(__file__).parents[1] / "src" / "mintql" / "data"
FILE = "sellers.dat"
LICENSE_FILE = "sellers.dat.LICENSE"


def main() -> None:
    """Write the two files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--package", type=Path, required=True, help="the package as `npm pack` writes it")
    parser.add_argument("--into", type=Path, default=DATA, help="folder to write to")
    parser.add_argument("--any-release", action="store_true", help="take another release than the pinned one")
    options = parser.parse_args()
    package = read_package(options.package, pinned=not options.any_release)
    reader = Reader(package)
    rows = rows_of(reader.entries, Words())
    sites = sites_of(reader.sites, rows)
    about = {"source": f"{NAME} {package.version}", "license": f"{LICENSE}, see {LICENSE_FILE}"}
    packed = packed_dictionary(rows, sites, about)
    (options.into / FILE).write_bytes(packed)
    (options.into / LICENSE_FILE).write_text(package.license_text, encoding="utf-8")
    keys = {row.key for row in rows}
    print(f"{len(keys)} keys in {len(rows)} rows, {sum(row.telling for row in rows)} telling; {len(sites)} domains")
    print(f"{len(packed)} bytes")
    for slug, count in sorted(Counter(row.slug for row in rows).items()):
        print(f"{count:7} {slug}")


if __name__ == "__main__":
    main()
