"""Limits on documents hold, and cost no more to check than the document is long."""

from __future__ import annotations

import pytest
from graphql import GraphQLSyntaxError, build_schema, get_introspection_query, parse

from mintql.api.documents import Documents
from mintql.api.limits import (
    ALIASES_MAX,
    COST_MAX,
    DEPTH_MAX,
    FRAGMENTS_MAX,
    MUTATIONS_MAX,
    SAME_KEY_MAX,
    TOO_COMPLEX,
    check_limits,
)
from mintql.api.schema import build_schema as build_own_schema

SCHEMA = build_schema(
    """
    type Query { thing: Thing things(first: Int, last: Int): ThingConnection list: [Thing!]! }
    type Mutation { change: Boolean }
    type ThingConnection { edges: [ThingEdge!]! nodes: [Thing!]! pageInfo: PageInfo! }
    type ThingEdge { node: Thing! }
    type PageInfo { hasNextPage: Boolean! }
    type Thing { name: String thing: Thing things(first: Int): ThingConnection list: [Thing!]! }
    """
)


def check(text, **variables):
    return check_limits(SCHEMA, parse(text), variables)


def messages(text, **variables):
    return [error.message for error in check(text, **variables).errors]


def nested(depth):
    return "{" + "thing{" * (depth - 1) + "name" + "}" * depth


def test_a_document_may_be_as_deep_as_the_limit_and_no_deeper():
    assert messages(nested(DEPTH_MAX)) == []
    assert messages(nested(DEPTH_MAX + 1)) == [
        f"This asks for too much at once: {DEPTH_MAX + 1} levels of nesting; the limit is {DEPTH_MAX}."
    ]


def test_depth_counts_through_fragments():
    text = "{ thing { ...a } } fragment a on Thing { thing { ...b } } fragment b on Thing" + nested(DEPTH_MAX)
    assert "levels of nesting" in messages(text)[0]


def test_a_bomb_of_doubling_fragments_is_refused_after_looking_at_each_selection_once():
    count = FRAGMENTS_MAX
    bomb = "{ thing { ...f0 ...f0 } }" + "".join(
        f" fragment f{n} on Thing {{ a{n}: name ...f{n + 1} ...f{n + 1} }}" for n in range(count - 1)
    )
    bomb += f" fragment f{count - 1} on Thing {{ name }}"
    verdict = check(bomb)
    assert any("aliases" in error.message for error in verdict.errors)
    assert {error.extensions["code"] for error in verdict.errors} == {TOO_COMPLEX}
    assert verdict.visits == 3 + 3 * (count - 1) + 1


def test_the_work_grows_with_the_text_and_not_with_what_it_expands_to():
    def visits(levels):
        text = "{ thing { ...f0 } }" + "".join(
            f" fragment f{n} on Thing {{ thing {{ ...f{n + 1} }} other: thing {{ ...f{n + 1} }} }}"
            for n in range(levels)
        )
        return check(text + f" fragment f{levels} on Thing {{ name }}").visits

    assert visits(20) - visits(10) == visits(30) - visits(20) == 40


def test_fragments_that_contain_themselves_end():
    assert check("{ thing { ...a } } fragment a on Thing { name ...b } fragment b on Thing { ...a }").errors == []


def test_text_nested_beyond_reason_is_refused_without_overflowing():
    inline = "{" + "...{" * 80 + "__typename" + "}" * 81
    assert "levels of nesting" in messages(inline)[0]


def test_aliases_are_counted():
    many = "{" + " ".join(f"a{n}: thing {{ name }}" for n in range(ALIASES_MAX + 1)) + "}"
    assert messages(many) == [f"This asks for too much at once: {ALIASES_MAX + 1} aliases; the limit is {ALIASES_MAX}."]


def test_one_name_cannot_stand_side_by_side_without_end():
    assert "side by side" in messages("{ thing {" + " name" * (SAME_KEY_MAX + 1) + " } }")[0]
    assert "side by side" in messages("{ thing {" + " ... { name }" * (SAME_KEY_MAX + 1) + " } }")[0]


def test_mutations_of_one_document_are_counted():
    text = "mutation {" + " ".join(f"m{n}: change" for n in range(MUTATIONS_MAX + 1)) + "}"
    assert any("mutations" in message for message in messages(text))


def test_cost_multiplies_by_the_page_sizes_asked_for():
    text = "{ things(first: %d) { nodes { things(first: 100) { nodes { name thing { name } } } } } }"
    assert messages(text % 48) == []
    assert "values in the answer" in messages(text % 70)[0]


def test_edges_and_nodes_of_a_page_do_not_multiply_again():
    text = "{ things(first: 100) { edges { node { things(first: 60) { edges { node { name } } } } } } }"
    assert messages(text) == []


def test_a_page_size_in_a_variable_counts_as_what_is_sent():
    text = "query ($n: Int) { things(first: $n) { nodes { things(first: $n) { nodes { name list { name } } } } } }"
    assert messages(text, n=10) == []
    assert any("values in the answer" in message for message in messages(text, n=100))
    assert any("values in the answer" in message for message in messages(text))
    assert check(text, n=10).size_variables == {"n"}


def test_numbers_of_absurd_length_are_capped():
    levels = 30
    bomb = "{ thing { ...f0 } }" + "".join(
        f" fragment f{n} on Thing {{ list {{ ...f{n + 1} }} thing {{ ...f{n + 1} }} }}" for n in range(levels)
    )
    text = " ".join(messages(bomb + f" fragment f{levels} on Thing {{ name }}"))
    assert f"more than {COST_MAX:,} values" in text
    assert len(text) < 1000


def test_the_standard_introspection_query_passes():
    documents = Documents(build_own_schema()._schema)
    assert documents.prepare(get_introspection_query(), None).errors == []


def test_a_document_is_read_once_and_found_again_by_its_text():
    documents = Documents(SCHEMA)
    first = documents.prepare("{ thing { name } }", None)
    assert documents.prepare("{ thing { name } }", None) is first
    assert documents.prepare("{ thing { name  } }", None) is not first


def test_limits_that_depend_on_variables_are_checked_again_for_a_document_that_is_kept():
    documents = Documents(SCHEMA)
    text = "query ($n: Int) { things(first: $n) { nodes { things(first: $n) { nodes { name list { name } } } } } }"
    assert documents.prepare(text, {"n": 5}).errors == []
    assert documents.prepare(text, {"n": 100}).errors != []
    assert documents.prepare(text, {"n": 5}).errors == []


def test_documents_that_are_kept_are_bounded_by_their_text(monkeypatch):
    monkeypatch.setattr("mintql.api.documents.TEXT_KEPT_BYTES_MAX", 100)
    documents = Documents(SCHEMA)
    first = documents.prepare("{ thing { name } } # first", None)
    for n in range(10):
        documents.prepare(f"{{ thing {{ name }} }} # {n}", None)
    assert documents._kept_bytes <= 100
    assert documents.prepare("{ thing { name } } # first", None) is not first


def test_a_text_of_too_many_tokens_is_not_read_to_its_end():
    with pytest.raises(GraphQLSyntaxError, match="tokens"):
        Documents(SCHEMA).prepare("{" + " name" * 3000 + "}", None)


def test_root_fields_are_found_through_fragments():
    prepared = Documents(SCHEMA).prepare(
        "query a { ...f } query b { list { name } } fragment f on Query { thing { name } ... { things { nodes { name } } } }",
        None,
    )
    a, b = prepared.query("a"), prepared.query("b")
    assert a is not None
    assert a.fields == {"thing", "things"}
    assert b is not None
    assert (b.fields, b.arguments) == ({"list"}, frozenset())
    assert prepared.query("a") is a
    assert prepared.query(None) is None
    assert prepared.query("c") is None
