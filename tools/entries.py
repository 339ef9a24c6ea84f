"""From the package's items to what speaks for a key: names, aliases and domains, each with its kind and countries."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from nsi_package import TREES, Package
from places import Places

from mintql.domain.merchants import normalize

TABLES = Path(__file__).parent
KEY_LENGTH_MAX = 60
KEY_WORDS_MAX = 8
"""Longer names are in no descriptor: card networks give 25 characters, SEPA 70 of which names take few."""
DOMAIN_WORD_LENGTH_MIN = 4

_OWN_NAMES = {
    "brands": re.compile(r"name(:[\w-]+)?"),
    "operators": re.compile(r"(name|operator)(:(?!short|type|wikidata)[\w-]+)?"),
    "transit": re.compile(r"network(:(?!short|guid|wikidata)[\w-]+)?"),
}
_ALIASES = re.compile(
    r"(brand(:(?!wikidata|wikipedia)[\w-]+)?|(brand|operator|network):short(:[\w-]+)?|\w+_name(:[\w-]+)?)"
)
_OPERATORS = re.compile(r"operator(:(?!short|type|wikidata|wikipedia)[\w-]+)?")
_WIKIDATA = ("brand:wikidata", "operator:wikidata", "network:wikidata")
_WEBSITES = ("website", "contact:website")
_DISTINGUISHING = re.compile(r"\s*[(\uff08][^()\uff08\uff09]*[)\uff09]\s*$")
_HOST = re.compile(r"(?:www\d?\.)?([a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,})")
_SECOND_LEVELS = {"ac", "co", "com", "edu", "go", "gob", "gouv", "gov", "govt", "ne", "net", "nom", "or", "org"}
_LOCALE = re.compile(r"/?([a-z]{2}([_-][a-z]{2})?|home|index\.\w+)?/?", re.IGNORECASE)


class Told(IntEnum):
    """How a key was told, the surest first."""

    NAME = 1
    ALIAS = 2
    WEAK_NAME = 3
    WEAK_ALIAS = 4
    OPERATOR = 5
    DOMAIN_WORD = 6


@dataclass(frozen=True, slots=True)
class Kind:
    """What the package's path means here; a `weak` one counts only where no other is known."""

    slug: str
    weak: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """One reason to take a key for a seller.

    Args:
        key: From `normalize`.
        written: The name as it was given.
        shown: The seller's display name.
        seller: One text for all entries of a seller, whatever it sells.
        slug: The category.
        countries: Where it is.
        told: How.
        count: How often OpenStreetMap has the name with this kind, at least 1.
    """

    key: str
    written: str
    shown: str
    seller: str
    slug: str
    countries: int
    told: Told
    count: int


@dataclass(frozen=True, slots=True)
class Site:
    """One reason to take a domain for the seller with this key and category."""

    domain: str
    key: str
    slug: str
    seller: str
    told: Told
    count: int


def read_table(name: str) -> list[dict[str, str]]:
    """Read a table of this folder."""
    with (TABLES / name).open(encoding="utf-8") as lines:
        header, *rows = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    return [dict(zip(header, row, strict=True)) for row in rows]


def read_words(name: str) -> frozenset[str]:
    """Read the words of a list of this folder; lines that begin with `#` say where they come from."""
    lines = (TABLES / name).read_text(encoding="utf-8").splitlines()
    return frozenset(word for line in lines if not line.startswith("#") for word in [line.strip()] if word)


class Kinds:
    """The table of paths."""

    def __init__(self) -> None:
        self._kinds: dict[tuple[str, str], Kind | None] = {}
        self._tags: dict[str, set[str]] = {}
        for row in read_table("osm_categories.tsv"):
            kind = Kind(row["category"], row["evidence"] == "weak") if row["category"] else None
            self._kinds[row["path"], row["when"]] = kind
            if row["when"]:
                self._tags.setdefault(row["path"], set()).add(row["when"].partition("=")[0])

    def find(self, path: str, tags: Mapping[str, str]) -> Kind | None:
        """Return the kind of an item, or None when it is no seller.

        Raises:
            ValueError: The path is unknown; it belongs into the table.
        """
        for tag in sorted(self._tags.get(path, ())):
            kind = self._kinds.get((path, f"{tag}={tags.get(tag)}"))
            if kind is not None:
                return kind
        if (path, "") not in self._kinds:
            raise ValueError(f"Path {path!r} is not in osm_categories.tsv: add a line for it.")
        return self._kinds[path, ""]


class Reader:
    """Gives the entries and sites of a package."""

    def __init__(self, package: Package) -> None:
        self._package = package
        self._kinds = Kinds()
        self._places = Places(package.regions)
        self._shared_hosts = read_words("shared_hosts.txt")
        self._generic = re.compile("|".join(package.generic_words), re.IGNORECASE)
        self.entries: list[Entry] = []
        self.sites: list[Site] = []
        for path, items in package.items.items():
            if path.partition("/")[0] in TREES:
                for item in items:
                    self._read(path, item)

    def _read(self, path: str, item: Mapping[str, Any]) -> None:
        tags: Mapping[str, str] = item["tags"]
        kind = self._kinds.find(path, tags)
        if kind is None:
            return
        countries = self._places.countries(item.get("locationSet", {}))
        shown = _DISTINGUISHING.sub("", item["displayName"]).strip()
        known = [self._package.wikidata.get(tags[tag], {}) for tag in _WIKIDATA if tag in tags][:1]
        seller = next((tags[tag] for tag in _WIKIDATA if tag in tags), shown.lower())
        names = list(_names(path, item, [known_of.get("label", "") for known_of in known]))
        places_of = "/".join(path.split("/")[1:])
        own = max(
            (self._package.counts.get(f"{places_of}|{name.lower()}", 0) for name, told in names if told is Told.NAME),
            default=0,
        )
        first = ""
        for name, told in names:
            key = self._key(name)
            if key:
                said = _weakened(told) if kind.weak else told
                count = 1 + (self._package.counts.get(f"{places_of}|{name.lower()}", 0) if told is Told.NAME else 0)
                self.entries.append(Entry(key, name, shown, seller, kind.slug, countries, said, count))
                first = first or key
        if not first:
            return
        said = Told.WEAK_NAME if kind.weak else Told.NAME
        for host in sorted(set(self._hosts(tags, known))):
            self.sites.append(Site(host, first, kind.slug, seller, said, 1 + own))
            word = normalize(domain_word(host)).key
            if len(word) >= DOMAIN_WORD_LENGTH_MIN and normalize(word).key == word and not kind.weak:
                entry = Entry(word, host, shown, seller, kind.slug, countries, Told.DOMAIN_WORD, 1 + own)
                self.entries.append(entry)

    def _key(self, name: str) -> str:
        """Return the key of a name, or nothing when it can't be one."""
        if self._generic.search(name):
            return ""
        key = normalize(name).key
        fits = 1 < len(key) <= KEY_LENGTH_MAX and key.count(" ") < KEY_WORDS_MAX and any(map(str.isalpha, key))
        return key if fits and normalize(key).key == key else ""

    def _hosts(self, tags: Mapping[str, str], known: Iterable[Mapping[str, Any]]) -> Iterator[str]:
        addresses = [tags[tag] for tag in _WEBSITES if tag in tags]
        for one in known:
            addresses += [*one.get("officialWebsites", ()), one.get("identities", {}).get("website", "")]
        for address in addresses:
            parts = urlsplit(address if "//" in address else f"//{address}")
            found = _HOST.fullmatch((parts.netloc.lower().rpartition("@")[2]).partition(":")[0])
            if found is None or not _LOCALE.fullmatch(parts.path):
                continue  # A page within a site is not the seller's own site.
            host = found[1]
            if not any(host == shared or host.endswith(f".{shared}") for shared in self._shared_hosts):
                yield host


def _names(path: str, item: Mapping[str, Any], labels: Iterable[str]) -> Iterator[tuple[str, Told]]:
    """Give an item's names, its own first."""
    tree = path.partition("/")[0]
    tags: Mapping[str, str] = item["tags"]
    own = _OWN_NAMES[tree]
    if tree == "brands" and "name" not in tags:
        own = re.compile(r"brand(:(?!short|wikidata|wikipedia)[\w-]+)?")
    told: dict[str, Told] = {}
    by_depth = sorted(tags, key=lambda tag: (tag.count(":"), tag))
    for pattern, how in ((own, Told.NAME), (_ALIASES, Told.ALIAS)):
        for tag in filter(pattern.fullmatch, by_depth):
            for name in tags[tag].split(";"):
                told.setdefault(name.strip(), how)
    for name in (*item.get("matchNames", ()), *labels, _DISTINGUISHING.sub("", item["displayName"])):
        told.setdefault(name.strip(), Told.ALIAS)
    for tag in filter(_OPERATORS.fullmatch, by_depth):
        told.setdefault(tags[tag].strip(), Told.OPERATOR)
    told.pop("", None)
    yield from told.items()


def _weakened(told: Told) -> Told:
    return {Told.NAME: Told.WEAK_NAME, Told.ALIAS: Told.WEAK_ALIAS}.get(told, told)


def domain_word(host: str) -> str:
    """Return the word of a host that is the seller's: `homedepot` of `shop.homedepot.co.uk`."""
    labels = host.split(".")[:-1]
    if len(labels) > 1 and labels[-1] in _SECOND_LEVELS:
        labels.pop()
    return labels[-1]
