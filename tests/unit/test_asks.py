"""Bodies of requests that were read before."""

import orjson
import pytest

from mintql.api import asks as module
from mintql.api.asks import KnownAsks
from mintql.api.requests import ask_of_body
from mintql.api.schema import build_schema

PAGE = "query ($first: Int) { transactions(first: $first) { nodes { id } } }"


def body(text: str, **variables: object) -> bytes:
    return orjson.dumps({"query": text, "variables": variables})


@pytest.fixture
def asks():
    return KnownAsks(build_schema())


def read(asks: KnownAsks, text: bytes):
    found = asks.get(text)
    if found is None:
        found = asks.look_at(ask_of_body(text))
        asks.keep(text, found)
    return found


def test_the_same_body_is_read_once(asks):
    first = read(asks, body(PAGE, first=5))
    assert read(asks, body(PAGE, first=5)) is first
    assert first.query is not None
    assert first.digest is not None
    assert read(asks, body(PAGE, first=6)).digest != first.digest


def test_only_queries_are_kept(asks):
    for text in (
        "mutation { signOut { __typename } }",
        "{ no such",
        "{ nothing }",
        "subscription { budgetAlerts { cursor } }",
    ):
        found = read(asks, body(text))
        assert (found.query, found.digest) == (None, None)
        assert asks.get(body(text)) is None


def test_a_query_that_may_not_be_cached_has_no_digest(asks):
    found = read(asks, body("{ connections { id } }"))
    assert found.query is not None
    assert found.digest is None


def test_what_asks_for_too_much_is_no_query_and_is_not_kept(asks):
    below = "transactions(first: $first) { nodes { account { connection { runs(first: $first) { nodes { id } } } } } }"
    text = f"query ($first: Int) {{ {below} }}"
    assert read(asks, body(text, first=1)).query is not None
    assert read(asks, body(text, first=100)).query is None
    assert asks.get(body(text, first=100)) is None


def test_bodies_are_kept_within_a_bound(asks, monkeypatch):
    monkeypatch.setattr(module, "BODIES_KEPT_BYTES_MAX", 500)
    for number in range(20):
        read(asks, body(PAGE, first=1 + number))
    assert asks._kept_bytes <= 500
    assert asks.get(body(PAGE, first=1)) is None
    assert asks.get(body(PAGE, first=20)) is not None
    large = body(PAGE + " " * module.BODY_KEPT_BYTES_MAX, first=1)
    read(asks, large)
    assert asks.get(large) is None
