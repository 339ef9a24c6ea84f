"""How resolved values become what goes into an answer, by the type of their field.

Each function takes what is known when a document is compiled and returns a closure. What graphql-core would turn into
an error raises.
"""

from __future__ import annotations

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
from strawberry.types.cast import get_strawberry_type_cast

from mintql.api.plan_run import Complete, NotPlannedError, Run

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
    """Return what writes a scalar or an enum. Values that are written as they are need no call."""
    write = type_.coerce_output_value

    def written(value: Any) -> Any:
        found = write(value)
        if found is None or found is Undefined:
            raise NotPlannedError(f"{type_.name} cannot be written")
        return found

    if isinstance(type_, GraphQLEnumType):
        names: dict[Any, Any] = {}

        def enum(value: Any, _run: Run) -> Any:
            name = names.get(value)
            if name is None:
                name = names[value] = written(value)
            return name

        return enum
    same = write if write is str or write is int else SAME_CLASS.get(type_.name)
    if same is None:
        return lambda value, _run: written(value)
    return lambda value, _run: value if value.__class__ is same else written(value)


def checked_object(type_: GraphQLObjectType, complete: Complete) -> Complete:
    """Let only values through that the type says are its own, as graphql-core does; it is asked once for a class."""
    is_type_of = type_.is_type_of
    if is_type_of is None:
        return complete
    own: set[type] = set()

    def checked(value: Any, run: Run) -> Any:
        if value.__class__ not in own:
            if get_strawberry_type_cast(value) is not None or is_type_of(value, None) is not True:  # type: ignore[arg-type]
                raise NotPlannedError(f"{type(value).__name__} is no {type_.name}")
            own.add(value.__class__)
        return complete(value, run)

    return checked
