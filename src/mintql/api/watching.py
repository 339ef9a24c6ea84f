"""What is counted of requests: how long they took, what became of them, and what their root fields took.

Names in it are those of the schema: a document is validated before any of its fields is counted.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from inspect import isawaitable
from time import perf_counter
from typing import Any, Final

from graphql import GraphQLObjectType, GraphQLSchema
from starlette.responses import Response

from mintql.api.documents import Operation
from mintql.observing import metrics

NONE: Final = "none"


class Seen:
    """One request: what was found out about it while it was answered."""

    __slots__ = ("cache", "operation", "started_at")

    def __init__(self) -> None:
        self.started_at = perf_counter()
        self.operation: Operation | None = None
        self.cache = NONE

    def reads(self, operation: Operation | None, cache: str) -> None:
        """Note what it asks for, and whether its answer is kept: `hit`, `miss`, or `none` where it never is."""
        self.operation = operation
        self.cache = cache

    @property
    def kind(self) -> str:
        """What it asked for: `query`, `mutation`, `subscription`; `none` where that never became clear."""
        return NONE if self.operation is None else self.operation.kind.value

    def answered(self, response: Response) -> None:
        """Count it."""
        seconds = perf_counter() - self.started_at
        metrics.REQUEST_SECONDS.of(self.kind, self.cache).observe(seconds)
        metrics.RESPONSES.of(str(response.status_code)).add()


def count_error(code: str) -> None:
    """Count an error that a client is told of. Codes are those of `domain/errors.py` and `api/errors.py`."""
    metrics.ERRORS.of(code).add()


def timed(kind: str, field: str, resolve: Callable[..., Any]) -> Callable[..., Any]:
    """Return a resolver of a root field that notes how long it took."""

    def note(started_at: float) -> None:
        metrics.ROOT_FIELD_SECONDS.of(kind, field).observe(perf_counter() - started_at)

    async def awaited(result: Awaitable[Any], started_at: float) -> Any:
        try:
            return await result
        finally:
            note(started_at)

    def watched(source: Any, info: Any, **arguments: Any) -> Any:
        started_at = perf_counter()
        result = resolve(source, info, **arguments)
        if isawaitable(result):
            return awaited(result, started_at)
        note(started_at)
        return result

    return watched


def watch_root_fields(schema: GraphQLSchema) -> None:
    """Time the root fields of a schema that graphql-core executes; plans time theirs themselves."""
    for kind, type_ in (("query", schema.query_type), ("mutation", schema.mutation_type)):
        for name, field in _fields(type_):
            if field.resolve is not None:
                field.resolve = timed(kind, name, field.resolve)


def _fields(type_: GraphQLObjectType | None) -> list[tuple[str, Any]]:
    return [] if type_ is None else list(type_.fields.items())
