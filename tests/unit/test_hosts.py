"""Which servers an address names, in all the ways that libpq lets it."""

from __future__ import annotations

import pytest

from mintql.store.hosts import Host, hosts_of


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("postgresql:///mintql", []),
        ("postgresql://me:secret@one/mintql", [Host("one", 5432)]),
        ("postgresql://me@one:6432,two,[::1]:7432/mintql", [Host("one", 6432), Host("two", 5432), Host("::1", 7432)]),
        ("postgresql://me:se%2Ccret@one,two/mintql", [Host("one", 5432), Host("two", 5432)]),
        ("postgresql://me@/mintql?host=%2Ftmp%2Fa,%2Ftmp%2Fb", [Host("/tmp/a", 5432), Host("/tmp/b", 5432)]),
        ("postgresql://me@/mintql?host=one,two&port=6432", [Host("one", 6432), Host("two", 6432)]),
        ("postgresql://me@/mintql?host=one,two&port=6432,7432", [Host("one", 6432), Host("two", 7432)]),
        ("postgresql://me@%2Ftmp%2Fa/mintql", [Host("/tmp/a", 5432)]),
    ],
)
def test_hosts_are_found_in_an_address(url, hosts):
    assert hosts_of(url) == hosts


@pytest.mark.parametrize("url", ["postgresql://one:x,two/mintql", "postgresql:///mintql?host=one,two&port=1,2,3"])
def test_an_address_that_cannot_be_is_refused_in_words(url):
    with pytest.raises(ValueError, match="port"):
        hosts_of(url)
