"""How resolved values become what goes into an answer, by the type of their field: whole columns of values at a time.

Each function takes what is known when a document is compiled and returns a closure over lists. What graphql-core would
turn into an error raises.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from itertools import chain
from typing import Any, Final

from graphql import (
    GRAPHQL_MAX_INT,
    GRAPHQL_MIN_INT,
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLID,
    GraphQLInt,
    GraphQLLeafType,
    GraphQLObjectType,
    GraphQLString,
    Undefined,
)
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.cast import get_strawberry_type_cast

from mintql.api.columns import Unmade
from mintql.api.plan_run import Complete, NotPlannedError, Run, Waiting

SAME_CLASS: Final = {GraphQLString.name: str, GraphQLID.name: str, GraphQLBoolean.name: bool}
"""Scalars of the specification that leave values of this class as they are."""
NOTHING: Final = type(None)
DISPLAYED_MAX: Final = 4
SHARED_ANSWERS_MAX: Final = 1_000
"""How many answers of objects a plan keeps at one place; there are some hundred categories, beside persons' own."""


def nullable(complete: Complete) -> Complete:
    """Return what makes the answers of values that may be null, given what makes those of the others."""

    def completed(values: Sequence[Any], run: Run) -> Sequence[Any]:
        there = values if isinstance(values, Unmade) else [value for value in values if value is not None]
        if len(there) == len(values):
            return complete(values, run)
        made = iter(complete(there, run) if there else ())
        return [None if value is None else next(made) for value in values]

    return completed


def not_null(complete: Complete) -> Complete:
    """Return what makes the answers of values that may not be null."""

    def completed(values: Sequence[Any], run: Run) -> Sequence[Any]:
        for value in values:
            if value is None:
                raise NotPlannedError("a null where none may be")
        return complete(values, run)

    return completed


def listed(item: Complete) -> Complete:
    """Return what makes the answers of lists, whose items `item` makes, those of all lists at once."""

    def completed(values: Sequence[Any], run: Run) -> Sequence[Any]:
        for value in values:
            if not isinstance(value, list | tuple | Unmade):
                raise NotPlannedError(f"{type(value).__name__} is no list")
        if len(values) == 1:
            return [item(values[0], run)]
        made = item(list(chain.from_iterable(values)), run)
        answers, start = [], 0
        for value in values:
            answers.append(made[start : start + len(value)])
            start += len(value)
        return answers

    return completed


def leaf(type_: GraphQLLeafType, *, may_be_null: bool) -> Complete:
    """Return what writes the values of a scalar or an enum; most are of a class that is written as it is."""
    if isinstance(type_, GraphQLEnumType):
        return _enum(type_, may_be_null=may_be_null)
    write, same = _writer(type_), _same_class(type_)
    as_they_are = set() if same is None else {same} | ({NOTHING} if may_be_null else set())
    whole_numbers = {int} if type_.name == GraphQLInt.name else None

    def completed(values: Sequence[Any], _run: Run) -> Sequence[Any]:
        classes = set(map(type, values))
        if classes <= as_they_are or (classes == whole_numbers and fits(values)):
            return values
        if NOTHING not in classes:
            return list(map(write, values))
        if not may_be_null:
            raise NotPlannedError("a null where none may be")
        return [None if value is None else write(value) for value in values]

    return completed


def fits(numbers: Sequence[int]) -> bool:
    """Tell whether all numbers are some that an `Int` may be."""
    return min(numbers) >= GRAPHQL_MIN_INT and max(numbers) <= GRAPHQL_MAX_INT


def _enum(type_: GraphQLEnumType, *, may_be_null: bool) -> Complete:
    write = _writer(type_)
    names: dict[Any, Any] = {None: None} if may_be_null else {}

    def completed(values: Sequence[Any], _run: Run) -> Sequence[Any]:
        try:
            return [names[value] for value in values]
        except KeyError:
            names.update((value, write(value)) for value in set(values) - names.keys())
        return [names[value] for value in values]

    return completed


def _same_class(type_: GraphQLLeafType) -> type | None:
    """Return the class of values that are written as they are; None where there is none."""
    write = type_.coerce_output_value
    if write is str or write is int:
        return write
    return SAME_CLASS.get(type_.name)


def _writer(type_: GraphQLLeafType) -> Callable[[Any], Any]:
    """Return what writes a value that is not null, or raises."""
    coerce: Callable[[Any], Any] = type_.coerce_output_value
    if coerce == date.isoformat:
        return coerce

    def write(value: Any) -> Any:
        found = coerce(value)
        if found is None or found is Undefined:
            raise NotPlannedError(f"{type_.name} cannot be written")
        return found

    return write


def whole_objects(
    type_: GraphQLObjectType, fields: Sequence[tuple[str, Complete]], waiting: Sequence[Waiting]
) -> Complete:
    """Return what makes the answers of objects: field by field for all of them, the waiting ones left open.

    Only values that the type says are its own pass, as with graphql-core; it is asked once for a class.
    """
    is_type_of = type_.is_type_of
    own: set[type] = set()
    makers = [complete for _, complete in fields]
    put_together = _dicts([key for key, _ in fields])

    def check(value: Any) -> None:
        if value is None:
            raise NotPlannedError("a null where none may be")
        if is_type_of is not None and (
            get_strawberry_type_cast(value) is not None or is_type_of(value, None) is not True  # type: ignore[arg-type]
        ):
            raise NotPlannedError(f"{type(value).__name__} is no {type_.name}")
        own.add(value.__class__)

    def completed(values: Sequence[Any], run: Run) -> Sequence[Any]:
        classes = {values.kind} if isinstance(values, Unmade) else set(map(type, values))
        if not classes <= own:
            for value in values:
                check(value)
        answers = put_together([make(values, run) for make in makers], len(values))
        for field in waiting:
            run.waiting.append((field, values, answers))
        return answers

    return completed


def unchecked_objects(fields: Sequence[tuple[str, Complete]]) -> Complete:
    """Return what makes the answers of objects that are of their type for sure and that nothing waits in."""
    makers = [complete for _, complete in fields]
    put_together = _dicts([key for key, _ in fields])
    return lambda values, run: put_together([make(values, run) for make in makers], len(values))


def _dicts(keys: Sequence[str]) -> Callable[[Sequence[Sequence[Any]], int], list[dict[str, Any]]]:
    """Return what puts columns together into an answer for each row. Up to four in one go is three times as fast."""
    first, rest = keys[:DISPLAYED_MAX], keys[DISPLAYED_MAX:]
    displayed = _displayed(first)
    if not rest:
        return displayed

    def put_together(columns: Sequence[Sequence[Any]], count: int) -> list[dict[str, Any]]:
        answers = displayed(columns[:DISPLAYED_MAX], count)
        for key, column in zip(rest, columns[DISPLAYED_MAX:], strict=True):
            for answer, value in zip(answers, column, strict=True):
                answer[key] = value
        return answers

    return put_together


def _displayed(keys: Sequence[str]) -> Callable[[Sequence[Sequence[Any]], int], list[dict[str, Any]]]:
    match keys:
        case ():
            return lambda _columns, count: [{} for _ in range(count)]
        case (one,):
            return lambda columns, _: [{one: a} for a in columns[0]]
        case (one, two):
            return lambda columns, _: [{one: a, two: b} for a, b in zip(*columns, strict=True)]
        case (one, two, three):
            return lambda columns, _: [{one: a, two: b, three: c} for a, b, c in zip(*columns, strict=True)]
        case (one, two, three, four):
            return lambda columns, _: [{one: a, two: b, three: c, four: d} for a, b, c, d in zip(*columns, strict=True)]
    raise ValueError(f"{len(keys)} keys are more than {DISPLAYED_MAX}")


def is_shared(type_: GraphQLObjectType) -> bool:
    """Tell whether objects of a type are declared to be the same ones wherever they are shown (`plan_once`)."""
    declared = type_.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    return getattr(getattr(declared, "origin", None), "plan_once", False) is True


def once_each(complete: Complete) -> Complete:
    """Return what makes the answer of each object once, however often it is among the values."""

    def completed(values: Sequence[Any], run: Run) -> Sequence[Any]:
        names = list(map(id, values))
        different = dict(zip(names, values, strict=True))
        made = dict(zip(different, complete(list(different.values()), run), strict=True))
        return [made[name] for name in names]

    return completed


def once_for_all(complete: Complete) -> Complete:
    """Return what makes the answer of an object once for all runs, for answers that nothing but the object decides."""
    answers: dict[int, Any] = {}
    held: list[Any] = []  # The objects themselves, so that none of their names comes to be another's.

    def completed(values: Sequence[Any], run: Run) -> Sequence[Any]:
        names = list(map(id, values))
        if not answers.keys() >= set(names):
            if len(answers) > SHARED_ANSWERS_MAX:
                answers.clear()
                held.clear()
            new = {name: value for name, value in zip(names, values, strict=True) if name not in answers}
            made = complete(list(new.values()), run)
            held.extend(new.values())
            answers.update(zip(new, made, strict=True))
        return [answers[name] for name in names]

    return completed
