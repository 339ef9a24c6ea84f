"""The schema is written down, explained, and complete."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLUnionType,
    is_specified_scalar_type,
    parse,
    validate,
)

from mintql.api.documents import Documents
from mintql.api.schema import build_schema, print_sdl
from support.repository import ROOT

CORE = build_schema()._schema
TYPES = {
    name: kind
    for name, kind in CORE.type_map.items()
    if not name.startswith("__") and not is_specified_scalar_type(kind)
}
EXAMPLES = json.loads(files("mintql.api").joinpath("static", "examples.json").read_text())


def test_the_schema_that_is_written_down_is_the_one_that_is_served():
    assert (ROOT / "schema.graphql").read_text() == print_sdl(), "run `./dev schema` and read what it changed"


def places():
    for name, kind in TYPES.items():
        yield name, kind
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType):
            for field_name, field in kind.fields.items():
                yield f"{name}.{field_name}", field
                for argument_name, argument in getattr(field, "args", {}).items():
                    yield f"{name}.{field_name}({argument_name}:)", argument


def test_every_type_field_and_argument_is_described():
    described = [name for name, place in places() if place.description and place.description.strip()]
    assert len(described) > 200
    assert [name for name, place in places() if not (place.description or "").strip()] == []


def test_descriptions_are_sentences():
    bad = [
        name
        for name, place in places()
        if place.description and (not place.description.rstrip().endswith((".", ")")) or "  " in place.description)
    ]
    assert bad == []


STEPS = {"SecondFactorRequired"}
"""Results that are neither: something more is asked for."""


def test_every_result_of_a_mutation_can_be_a_failure_in_words():
    for field in CORE.mutation_type.fields.values():
        payload = field.type.of_type
        assert isinstance(payload, GraphQLUnionType)
        failures = [t for t in payload.types if any(i.name == "Error" for i in t.interfaces)]
        assert failures
        others = {t.name for t in payload.types} - {t.name for t in failures} - STEPS
        assert len(others) == 1


def test_amounts_of_money_are_never_floating_point():
    floats = [name for name, place in places() if "Float" in str(getattr(place, "type", ""))]
    assert floats == []


def test_enums_have_upper_case_values():
    for kind in TYPES.values():
        if isinstance(kind, GraphQLEnumType):
            assert all(value.isupper() for value in kind.values)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["name"])
def test_the_examples_of_the_page_are_valid(example):
    text = "\n".join(example["query"])
    assert validate(CORE, parse(text)) == []
    assert Documents(CORE).prepare(text, example.get("variables")).errors == []
