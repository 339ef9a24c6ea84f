"""Reading the npm package name-suggestion-index: checked, and as the few things the dictionary is made from."""

from __future__ import annotations

import base64
import hashlib
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NAME = "name-suggestion-index"
VERSION = "8.0.20260918"
SHA512 = "g09kxye3aswAETIa//gA56MjonmjcyXCzdIwlDhpBVAwLKXOUJA1QZL5eE4ZRstTFFx9I2o9eARONUXVC72SAw=="
LICENSE = "BSD-3-Clause"
"""The release that the committed dictionary is made from; the sum is the `integrity` that npm shows for it."""

TREES = ("brands", "operators", "transit")


@dataclass(frozen=True, slots=True)
class Package:
    """What the dictionary is made from.

    Args:
        version: The package's own.
        license_text: To be kept beside what is made from it.
        items: Sellers by path, such as `brands/shop/supermarket`.
        wikidata: Label and websites by Wikidata id.
        counts: How often OpenStreetMap has `shop/supermarket|Name`, by that text in lower case.
        regions: The shapes that location sets name, by name.
        generic_words: Patterns of names that are no seller's.
    """

    version: str
    license_text: str
    items: Mapping[str, list[dict[str, Any]]]
    wikidata: Mapping[str, dict[str, Any]]
    counts: Mapping[str, int]
    regions: Mapping[str, dict[str, Any]]
    generic_words: tuple[str, ...]


def read_package(path: Path, *, pinned: bool = True) -> Package:
    """Read a package as `npm pack` writes it.

    Raises:
        SystemExit: It is not the pinned release, unless another one is allowed.
    """
    packed = path.read_bytes()
    sum_found = base64.b64encode(hashlib.sha512(packed).digest()).decode()
    with tarfile.open(path) as archive:

        def text(name: str) -> str:
            member = archive.extractfile(f"package/{name}")
            if member is None:
                raise SystemExit(f"{path.name} has no file {name}.")
            return member.read().decode()

        def loaded(name: str) -> dict[str, Any]:
            content: dict[str, Any] = json.loads(text(f"dist/json/{name}"))
            return content

        described = json.loads(text("package.json"))
        if described["name"] != NAME:
            raise SystemExit(f"{path.name} is the package {described['name']}, not {NAME}.")
        if pinned and (described["version"], sum_found) != (VERSION, SHA512):
            raise SystemExit(
                f"{path.name} is version {described['version']} with sha512 {sum_found}, not the pinned {VERSION} with "
                f"{SHA512}. Get that one, or pass --any-release and set both anew in {Path(__file__).name}."
            )
        counts: dict[str, int] = {}
        for tree in TREES:
            for label, count in loaded(f"filtered/{tree}_keep.min.json")["keep"].items():
                counts[label.lower()] = counts.get(label.lower(), 0) + count
        return Package(
            version=described["version"],
            license_text=text("LICENSE.md"),
            items={kind: group["items"] for kind, group in sorted(loaded("nsi.min.json")["nsi"].items())},
            wikidata=json.loads(text("dist/wikidata/wikidata.min.json"))["wikidata"],
            counts=counts,
            regions={shape["id"]: shape["geometry"] for shape in loaded("featureCollection.min.json")["features"]},
            generic_words=tuple(loaded("genericWords.min.json")["genericWords"]),
        )
