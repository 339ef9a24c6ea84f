"""From everything that speaks for a key to the rows of the dictionary: one category where it is, or none."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache

from entries import Entry, Site, Told, domain_word, read_table, read_words

from mintql.data import load_categories
from mintql.domain.countries import EVERYWHERE, NOWHERE, country_set
from mintql.domain.merchants import normalize

DROP = "drop"
CLEAR_SHARE = 0.6
"""Of two kinds under one name in one country, one is meant when so much of what the map has is of that kind."""
SAME_VISIT = {"fuel", "convenience-stores", "auto-service"}
"""A fuel station, its shop and its car wash: whichever the map has more often is meant."""
FIRST_NAME_COUNT_MIN = 100
"""A first name alone is a seller only if the map has it so often; else it is a person who was paid."""
LETTERS_MIN = 5
SHORT_LETTERS_MIN = 4
SHORT_COUNT_MIN = 200
"""A first word of four letters is telling only for large chains."""
CHAIN_COUNT_MIN = 200
"""Of words that only describe, a chain as large as this has made a name: `the north face`."""
ACRONYM_LENGTH_MAX = 5
ACRONYM_COUNT_MIN = 500
DOMAIN_WORD_LETTERS_MIN = 7
OTHERS_MAX = 2
"""So many sellers of other kinds may begin with a telling word; beyond that it is a word and not a name."""


@dataclass(frozen=True, slots=True)
class Row:
    """One meaning of a key."""

    key: str
    name: str
    slug: str
    countries: int
    telling: bool


class Words:
    """What is known of words, to tell names from them."""

    def __init__(self) -> None:
        self.generic = read_words("generic_words.txt")
        plain = read_words("plain_words.txt")
        self.first_names = frozenset(word.removeprefix("name ") for word in plain if word.startswith("name "))
        self.plain = self.first_names | frozenset(word for word in plain if not word.startswith("name "))

    def core(self, key: str) -> str:
        """Return what is left of a key without words that say only what or where it is."""
        return " ".join(word for word in key.split(" ") if word not in self.generic)

    def only_describes(self, key: str) -> bool:
        """Whether a key of several words names nothing: `city pharmacy`, `paris hotel`, but not `best western`."""
        core = self.core(key)
        return not core or (core != key and core in self.plain) or core in self.first_names


class Traps:
    """What the table of traps decides about keys that look like something else."""

    def __init__(self) -> None:
        rows = read_table("seller_traps.tsv")
        self._decisions = [(re.compile(row["pattern"]), row["decision"]) for row in rows]

    def decision(self, key: str) -> str:
        """Return `drop`, the category that a key means whatever the package says, or nothing. The last line wins."""
        found = [decision for pattern, decision in self._decisions if pattern.fullmatch(key)]
        return found[-1] if found else ""


def rows_of(entries: Iterable[Entry], words: Words) -> list[Row]:
    """Return the rows, ascending by key; those of one key by their countries."""
    by_key: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_key[entry.key].append(entry)
    traps = Traps()
    beginners = _beginners(by_key)
    rows: list[Row] = []
    for key in sorted(by_key):
        decision = traps.decision(key)
        if decision == DROP or not _is_name(key, by_key[key], words):
            continue
        told = [replace(entry, slug=decision) for entry in by_key[key]] if decision else by_key[key]
        for slug, countries in sorted(_meanings(told).items(), key=lambda meaning: (meaning[1], meaning[0])):
            meant = [entry for entry in told if entry.slug == slug]
            telling = _is_telling(key, meant, words, beginners)
            rows.append(Row(key, _shown(meant), slug, countries, telling))
    return rows


def sites_of(sites: Iterable[Site], rows: Iterable[Row]) -> dict[str, tuple[str, str]]:
    """Return key and category of each domain that is one seller's."""
    slugs: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        slugs[row.key].add(row.slug)
    by_domain: dict[str, list[Site]] = defaultdict(list)
    for told in sites:
        word = normalize(domain_word(told.domain)).key
        # Where the house has only a branch's entry with its domain, the domain is still the house's: not the express
        # shop's, but the supermarket's.
        site = replace(told, key=word) if word in slugs and told.key.startswith(f"{word} ") else told
        known = slugs.get(site.key, set())
        if site.slug in known or len(known) == 1:
            by_domain[site.domain].append(site if site.slug in known else replace(site, slug=min(known)))
    found: dict[str, tuple[str, str]] = {}
    for domain, reasons in sorted(by_domain.items()):
        word = normalize(domain_word(domain)).key
        surest = min(site.told for site in reasons)
        # A seller named like its domain comes before other sellers of the same house.
        sure = [site for site in reasons if site.key == word] or [site for site in reasons if site.told is surest]
        counts: Counter[str] = Counter()
        for site in sure:
            counts[site.slug] += site.count
        slug = _clear(counts)
        if slug:
            best = min((site for site in sure if site.slug == slug), key=lambda site: (-site.count, site.key))
            found[domain] = best.key, slug
    return found


def _is_name(key: str, entries: Iterable[Entry], words: Words) -> bool:
    """Whether a key is a name at all."""
    if " " in key:
        return bool(words.core(key)) or any(entry.told is Told.NAME for entry in entries)
    if key in words.generic:
        return False
    counts = [entry.count for entry in entries if entry.told is Told.NAME]
    if key in words.first_names:
        return max(counts, default=0) >= FIRST_NAME_COUNT_MIN
    return key not in words.plain or bool(counts)


def _is_telling(key: str, entries: list[Entry], words: Words, beginners: Mapping[str, Mapping[str, set[str]]]) -> bool:
    """Whether a longer key that begins with this one is the seller's, too."""
    surest = min(entry.told for entry in entries)
    count = max(entry.count for entry in entries)
    if " " in key:
        return not words.only_describes(key) or (surest is Told.NAME and count >= CHAIN_COUNT_MIN)
    if not key.isascii() or key in words.plain or key in words.generic:
        return False
    if surest is Told.DOMAIN_WORD:
        return len(key) >= DOMAIN_WORD_LETTERS_MIN and _stands_alone(key, entries, beginners)
    if surest not in {Told.NAME, Told.ALIAS} or sum(map(str.isalpha, key)) < SHORT_LETTERS_MIN:
        return False
    if len(key) < LETTERS_MIN and count < SHORT_COUNT_MIN:
        return False
    acronym = all(entry.written.isupper() for entry in entries) and len(key) <= ACRONYM_LENGTH_MAX
    return (not acronym or count >= ACRONYM_COUNT_MIN) and _stands_alone(key, entries, beginners)


def _stands_alone(key: str, entries: list[Entry], beginners: Mapping[str, Mapping[str, set[str]]]) -> bool:
    own = {entry.seller for entry in entries}
    slugs = {entry.slug for entry in entries}
    others = {
        seller
        for slug, sellers in beginners.get(key, {}).items()
        if slug not in slugs
        for seller in sellers
        if seller not in own
    }
    return len(others) <= OTHERS_MAX


def _beginners(by_key: Mapping[str, Iterable[Entry]]) -> Mapping[str, Mapping[str, set[str]]]:
    """Return, by first word of names of several words, which sellers of which category have it."""
    found: dict[str, dict[str, set[str]]] = {}
    for key, entries in by_key.items():
        first, _, rest = key.partition(" ")
        if rest:
            for entry in entries:
                found.setdefault(first, {}).setdefault(entry.slug, set()).add(entry.seller)
    return found


def _meanings(entries: list[Entry]) -> dict[str, int]:
    """Return the countries of each category that a key means; where two are as likely, neither is meant."""
    if len({entry.slug for entry in entries}) == 1:
        countries = NOWHERE
        for entry in entries:
            countries |= entry.countries
        return {entries[0].slug: countries}
    everywhere = [entry for entry in entries if entry.countries < 0]
    named = NOWHERE
    for entry in entries:
        named |= entry.countries if entry.countries >= 0 else ~entry.countries
    meanings: dict[str, int] = {}
    rest = _meant(everywhere)
    if rest:
        meanings[rest] = EVERYWHERE & ~named
    for country in _single(named):
        slug = _meant([entry for entry in entries if entry.countries & country])
        if slug:
            meanings[slug] = meanings.get(slug, NOWHERE) | country
    if named == NOWHERE and not everywhere:
        slug = _meant(entries)
        return {slug: NOWHERE} if slug else {}
    return meanings


def _single(countries: int) -> Iterator[int]:
    while countries:
        lowest = countries & -countries
        yield lowest
        countries ^= lowest


def _meant(entries: list[Entry]) -> str:
    """Return the category that the surest entries are clear about, or nothing."""
    if not entries:
        return ""
    surest = min(entry.told for entry in entries)
    counts: Counter[str] = Counter()
    for entry in entries:
        if entry.told is surest:
            counts[entry.slug] += entry.count
    return _clear(counts)


def _clear(counts: Counter[str]) -> str:
    """Return the category with most for it, if it is clear, or if all are of one group."""
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    slug, count = ranked[0]
    by_slug = load_categories().by_slug
    one_group = len({by_slug[other].parent_id for other in counts}) == 1 or set(counts) <= SAME_VISIT
    return slug if one_group or count >= CLEAR_SHARE * counts.total() else ""


def _shown(entries: list[Entry]) -> str:
    """Return the display name that the key itself is of, else that of the entry that is surest and most common."""
    best = min(
        entries, key=lambda entry: (normalize(entry.shown).key != entry.key, entry.told, -entry.count, entry.shown)
    )
    return best.shown


@cache
def countries_text(countries: int) -> str:
    """Write a set of countries: codes in order, after `!` those that are left out."""
    left_out = countries < 0
    codes = [code for code in _CODES if country_set([code]) & (~countries if left_out else countries)]
    return " ".join(["!"] * left_out + codes)


_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_CODES = [first + second for first in _LETTERS for second in _LETTERS]
