"""What an access token may do: a small set, so that a person understands what they give away."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from mintql.domain.errors import InvalidInput


class Scope(StrEnum):
    """One thing that a token may do. A session may do everything."""

    READ = "read"
    WRITE = "write"
    IMPORT = "import"
    TRANSACTIONS_READ = "transactions:read"


def check_scopes(scopes: Iterable[Scope]) -> tuple[Scope, ...]:
    """Return the scopes in their order, each once; raise `InvalidInput` for none."""
    found = tuple(sorted(set(scopes), key=list(Scope).index))
    if not found:
        raise InvalidInput("A token that may do nothing is of no use: name a scope.", field="scopes")
    return found


def known_scopes(stored: Iterable[str]) -> frozenset[Scope]:
    """Return the scopes that are stored with a token. One that a later release gave is none that is known here."""
    return frozenset(scope for scope in Scope if scope in set(stored))
