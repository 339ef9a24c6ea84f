"""The media type of an answer is chosen as the specification says."""

from __future__ import annotations

import pytest

from mintql.api.negotiation import JSON, RESPONSE_JSON, negotiate


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        ("application/json", JSON),
        ("application/json; charset=utf-8", JSON),
        ("application/graphql-response+json", RESPONSE_JSON),
        ("application/json, application/graphql-response+json", RESPONSE_JSON),
        ("application/graphql-response+json; q=0.5, application/json", JSON),
        ("application/graphql-response+json, */*;q=0.1", RESPONSE_JSON),
        ("*/*, application/json;q=0", RESPONSE_JSON),
        ("APPLICATION/JSON", JSON),
        ("text/plain", None),
        ("application/json;q=0", None),
        ("nonsense, ;;;, application/json;q=x", None),
    ],
)
def test_the_type_is_the_one_the_client_likes_best(accept, chosen):
    assert negotiate(accept).json == chosen


def test_a_stream_of_events_has_to_be_named():
    assert negotiate("text/event-stream").events
    assert negotiate("application/json, text/event-stream").events
    assert not negotiate("*/*").events
    assert not negotiate("text/event-stream;q=0").events


def test_a_browser_is_told_by_what_it_accepts():
    assert negotiate("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8").prefers_html
    assert not negotiate("application/json, text/html;q=0.5").prefers_html
    assert not negotiate("*/*").prefers_html
