"""How resolved values become what goes into an answer, by the type of their field.

Each function takes what is known when a document is compiled and returns a closure. What graphql-core would turn into
an error raises.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLID,
    GraphQLLeafType,
    GraphQLObjectType,
    GraphQLString,
    Undefined,
)
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.cast import get_strawberry_type_cast

from mintql.api.plan_run import Complete, NotPlannedError, Run, Waiting

SAME_CLASS: Final = {GraphQLString.name: str, GraphQLID.name: str, GraphQLBoolean.name: bool}
"""Scalars of the specification that leave values of this class as they are."""


def not_null(complete: Complete) -> Complete:
    """Return what makes the answer of a value that may not be null."""

    def checked(value: Any, run: Run) -> Any:
        if value is None:
            raise NotPlannedError("a null where none may be")
        return complete(value, run)

    return checked


def nullable(complete: Complete) -> Complete:
    """Return what makes the answer of a value that may be null."""
    return lambda value, run: None if value is None else complete(value, run)


def listed(item: Complete) -> Complete:
    """Return what makes the answer of a list, whose items `item` makes."""

    def complete(value: Any, run: Run) -> list[Any]:
        if not isinstance(value, list | tuple):
            raise NotPlannedError(f"{type(value).__name__} is no list")
        return [item(each, run) for each in value]

    return complete


def leaf(type_: GraphQLLeafType) -> Complete:
    """Return what writes a scalar or an enum."""
    write, same = writer(type_), same_class(type_)
    return lambda value, _run: value if value.__class__ is same else write(value)


def read_leaf(read: Callable[[Any], Any], type_: GraphQLLeafType, *, may_be_null: bool) -> Complete:
    """Return what reads a scalar or an enum from a source and writes it, in one step: most of an answer is this."""
    write, same = writer(type_), same_class(type_)

    def complete(source: Any, _run: Run) -> Any:
        value = read(source)
        if value.__class__ is same:
            return value
        if value is None:
            if may_be_null:
                return None
            raise NotPlannedError("a null where none may be")
        return write(value)

    return complete


def same_class(type_: GraphQLLeafType) -> type | None:
    """Return the class of values that are written as they are; None where there is none."""
    write = type_.coerce_output_value
    if write is str or write is int:
        return write
    return SAME_CLASS.get(type_.name)


def writer(type_: GraphQLLeafType) -> Callable[[Any], Any]:
    """Return what writes a value that is not null, or raises. The members of an enum are written once."""
    coerce = type_.coerce_output_value

    def write(value: Any) -> Any:
        found = coerce(value)
        if found is None or found is Undefined:
            raise NotPlannedError(f"{type_.name} cannot be written")
        return found

    if not isinstance(type_, GraphQLEnumType):
        return write
    names: dict[Any, Any] = {}

    def write_member(value: Any) -> Any:
        name = names.get(value)
        if name is None:
            name = names[value] = write(value)
        return name

    return write_member


def whole_object(
    type_: GraphQLObjectType, fields: Sequence[tuple[str, Complete]], waiting: Sequence[Waiting]
) -> Complete:
    """Return what makes the answer of an object: its fields, of which the waiting ones are left open.

    Only values that the type says are its own pass, as with graphql-core; it is asked once for a class.
    """
    is_type_of = type_.is_type_of
    own: set[type] = set()

    def check(value: Any) -> None:
        if value is None:
            raise NotPlannedError("a null where none may be")
        if is_type_of is not None and (
            get_strawberry_type_cast(value) is not None or is_type_of(value, None) is not True  # type: ignore[arg-type]
        ):
            raise NotPlannedError(f"{type(value).__name__} is no {type_.name}")
        own.add(value.__class__)

    def complete(value: Any, run: Run) -> dict[str, Any]:
        if value.__class__ not in own:
            check(value)
        answer = {}
        for key, field in fields:
            answer[key] = field(value, run)
        return answer

    def complete_and_wait(value: Any, run: Run) -> dict[str, Any]:
        answer = complete(value, run)
        for field in waiting:
            run.waiting.append((field, value, answer))
        return answer

    return complete_and_wait if waiting else complete


def is_shared(type_: GraphQLObjectType) -> bool:
    """Tell whether objects of a type are declared to be the same ones wherever they are shown (`plan_once`)."""
    declared = type_.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    return getattr(getattr(declared, "origin", None), "plan_once", False) is True


def once_each(read: Callable[[Any], Any], complete: Complete) -> Complete:
    """Return what reads an object from a source and makes its answer, for each object once in a run."""
    mark = object()

    def completed(source: Any, run: Run) -> Any:
        value = read(source)
        try:
            return run.made[mark][id(value)][1]
        except KeyError:
            answer = complete(value, run)
            run.made.setdefault(mark, {})[id(value)] = value, answer  # Kept, so that no other one gets its id.
            return answer

    return completed
