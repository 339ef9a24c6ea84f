"""What is known about sellers in general: names, telling words, and merchant category codes.

The dictionary of sellers is parallel columns and one mapping of key to row, without an object for each of its tens
of thousands of rows: a process reads it in milliseconds and holds it in a few megabytes. A row is one meaning of one
key. Where a key means different sellers in different countries, its rows follow each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import count
from typing import NamedTuple

from mintql.domain.countries import EVERYWHERE
from mintql.domain.ids import CategoryId

TELLING = 1
"""Flag of a row: a key that begins with this one names the seller too, whatever follows."""
ALSO_BEFORE = 2
"""Flag of a row: the row before it is another meaning of the same key, in other countries."""

_NOT_FOUND = -1


class Direction(StrEnum):
    """Which way the money went, from the account's point of view."""

    EITHER = ""
    IN = "in"
    OUT = "out"


@dataclass(frozen=True, slots=True)
class Keyword:
    """Words that tell a category wherever they stand in a merchant key.

    A phrase that ends with `*` is a single word of which only the beginning is given. `of_bank` marks words
    of the bank itself, about what it did: they outrank any seller's name.
    """

    phrase: str
    category_id: CategoryId
    direction: Direction
    of_bank: bool


@dataclass(frozen=True, slots=True)
class MerchantCode:
    """What an ISO 18245 code means. A `vague` one covers too many trades to outrank a seller's name.

    `description` names the trade, or the company whose own code it is, in a few words; empty for codes of no known use.
    """

    category_id: CategoryId
    vague: bool
    description: str


class Found(StrEnum):
    """How much of a merchant key names the seller, the most telling first."""

    EXACT = "exact"
    BEGINNING = "beginning"
    FIRST_WORD = "first_word"
    DOMAIN = "domain"


class SellerMatch(NamedTuple):
    """The seller that a merchant key names.

    Args:
        key: The entry's key: the whole merchant key, its beginning, or what the domain stands for.
        name: How the seller writes itself.
        category_id: A leaf.
        how: What of the merchant key names it.
        curated: It is of the project's own list, which comes before the large one.
        in_scope: It is known in one of the countries that were asked for.
        telling: Its name says nothing else. False for a common word, a place or a first name, such as "target"
            or "maria", and for words that only describe, such as "city pharmacy".
    """

    key: str
    name: str
    category_id: CategoryId
    how: Found
    curated: bool
    in_scope: bool
    telling: bool


@dataclass(frozen=True, slots=True)
class SellerColumns:
    """Sellers, a row each, ascending by key.

    Args:
        keys: The merchant key of each row.
        names: Display names; an empty one stands for the key with capital initials.
        name_numbers: Of each row, the place in `names`.
        category_ids: Categories, each once.
        category_numbers: Of each row, the place in `category_ids`.
        flags: Of each row, `TELLING` and `ALSO_BEFORE`.
        scopes: Sets of countries (`domain.countries`), each once.
        scope_numbers: Of each row, the place in `scopes`.
        domains: Domain names that sellers print, without `www`.
        domain_rows: Of each domain, the row of its seller.
    """

    keys: Sequence[str] = ()
    names: Sequence[str] = ()
    name_numbers: Sequence[int] = ()
    category_ids: Sequence[CategoryId] = ()
    category_numbers: Sequence[int] = ()
    flags: bytes = b""
    scopes: Sequence[int] = ()
    scope_numbers: Sequence[int] = ()
    domains: Sequence[str] = ()
    domain_rows: Sequence[int] = ()


class SellerIndex:
    """The project's own list and the large one; a key of the former hides the same key of the latter.

    Args:
        curated: The project's own list.
        listed: The large one.
    """

    def __init__(self, curated: SellerColumns, listed: SellerColumns) -> None:
        self._curated = curated
        self._listed = listed
        self._curated_from = len(listed.keys)
        # Of rows with the same key the last one stays: a curated one, else the last meaning, which leads to the others.
        self._rows = dict(zip(listed.keys, range(self._curated_from), strict=True))
        self._rows.update(zip(curated.keys, count(self._curated_from), strict=False))
        self._flags = listed.flags + curated.flags
        self._domains = dict(zip(listed.domains, listed.domain_rows, strict=True))
        own_rows = (row + self._curated_from for row in curated.domain_rows)
        self._domains.update(zip(curated.domains, own_rows, strict=True))

    def __len__(self) -> int:
        return len(self._rows)

    def keys(self) -> Iterator[str]:
        """Give every key once."""
        return iter(self._rows)

    def domains(self) -> Iterator[str]:
        """Give every domain once."""
        return iter(self._domains)

    def find(self, key: str, countries: int = EVERYWHERE, domain: str = "") -> SellerMatch | None:
        """Return the seller that a merchant key names, or None.

        The whole key comes first, then its longest known beginning of several words, then its first word if that
        is telling, then the domain. A seller of other countries is found by its whole key, and by several words or
        its domain when nothing else is; a first word alone is not enough. A key that means several things in the
        countries asked for is not found.

        Args:
            key: From `domain.merchants.normalize`.
            countries: Where the person pays (`domain.countries`), for instance the countries of the currency.
            domain: The domain that the descriptor carries, in lower case, or empty.
        """
        rows = self._rows
        row = rows.get(key)
        if row is not None:
            found = self._meaning(row, countries, Found.EXACT)
            if found is not None:
                return found
        abroad: SellerMatch | None = None
        flags = self._flags
        end = key.rfind(" ")
        while end != _NOT_FOUND:
            row = rows.get(key[:end])
            shorter = key.rfind(" ", 0, end)
            if row is not None and flags[row] & TELLING:
                found = self._meaning(row, countries, Found.FIRST_WORD if shorter == _NOT_FOUND else Found.BEGINNING)
                if found is not None:
                    if found.in_scope:
                        return found
                    if abroad is None and found.how is Found.BEGINNING:
                        abroad = found
            end = shorter
        if domain:
            found = self._by_domain(domain, countries)
            if found is not None and (found.in_scope or abroad is None):
                return found
        return abroad

    def _by_domain(self, domain: str, countries: int) -> SellerMatch | None:
        """Find `pay.example.com` under its own name, else under `example.com`."""
        while "." in domain:
            row = self._domains.get(domain)
            if row is not None:
                own_row = self._rows[self._key(row)]
                return self._match(own_row if own_row >= self._curated_from else row, countries, Found.DOMAIN)
            domain = domain.partition(".")[2]
        return None

    def _meaning(self, row: int, countries: int, how: Found) -> SellerMatch | None:
        """Of the rows of one key, return the one meant in these countries, unless several contradict each other."""
        if not self._flags[row] & ALSO_BEFORE:
            return self._match(row, countries, how)
        meanings = [self._match(row, countries, how)]
        while self._flags[row] & ALSO_BEFORE:
            row -= 1
            meanings.append(self._match(row, countries, how))
        likely = [meaning for meaning in meanings if meaning.in_scope] or meanings
        return likely[0] if len({meaning.category_id for meaning in likely}) == 1 else None

    def _key(self, row: int) -> str:
        at = row - self._curated_from
        return self._curated.keys[at] if at >= 0 else self._listed.keys[row]

    def _match(self, row: int, countries: int, how: Found) -> SellerMatch:
        telling = self._flags[row] & TELLING != 0
        columns, curated = self._listed, False
        if row >= self._curated_from:
            columns, curated = self._curated, True
            row -= self._curated_from
        key = columns.keys[row]
        return SellerMatch(
            key,
            columns.names[columns.name_numbers[row]] or key.title(),
            columns.category_ids[columns.category_numbers[row]],
            how,
            curated,
            columns.scopes[columns.scope_numbers[row]] & countries != 0,
            telling,
        )
