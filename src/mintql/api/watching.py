"""What is counted of requests: how long they took, what became of them, and what their root fields took.

Names in it are those of the schema: a document is validated before any of its fields is counted.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from inspect import isawaitable
from time import perf_counter, time
from typing import Any, Final

from graphql import GraphQLObjectType, GraphQLSchema
from starlette.responses import Response

from mintql.api.documents import Operation
from mintql.domain.ids import UserId
from mintql.observing import context, metrics, tracing
from mintql.observing.logs import Line, access

NONE: Final = "none"
NAME_CHARACTERS_MAX: Final = 100


class Seen:
    """One request: what was found out about it while it was answered."""

    __slots__ = ("cache", "cost", "fields", "method", "operation", "path", "started_at")

    def __init__(self, method: str, path: str, given_id: str | None) -> None:
        self.started_at = perf_counter()
        self.method = method
        self.path = path
        self.operation: Operation | None = None
        self.cache = NONE
        self.cost = 0
        self.fields: context.Fields = {"request": context.request_id(given_id)}
        context.begin(self.fields)

    def reads(self, operation: Operation | None, cost: int, cache: str, user_id: UserId | None) -> None:
        """Note what it asks for, what that costs, and who does.

        `cache` says whether the answer is kept: `hit`, `miss`, or `none` where it never is.
        """
        self.operation, self.cost, self.cache = operation, cost, cache
        if operation is not None and operation.node.name is not None:
            self.fields["operation"] = operation.node.name.value[:NAME_CHARACTERS_MAX]
        if user_id is not None:
            self.fields["person"] = context.pseudonym(user_id)

    @property
    def kind(self) -> str:
        """What it asked for: `query`, `mutation`, `subscription`; `none` where that never became clear."""
        return NONE if self.operation is None else self.operation.kind.value

    def answered(self, response: Response) -> None:
        """Count it, write its line, and let the answer say how it is called there."""
        response.raw_headers.append((b"x-request-id", self.fields["request"].encode()))
        seconds, kind = perf_counter() - self.started_at, self.kind
        metrics.REQUEST_SECONDS.of(kind, self.cache).observe(seconds)
        metrics.RESPONSES.of(str(response.status_code)).add()
        if tracing.active is not None:
            name = f"{kind} {self._root_field()}".strip()
            tracing.active.describe(
                name, {"http.response.status_code": response.status_code, "mintql.cache": self.cache}
            )
        if access.is_open:
            status, milliseconds = response.status_code, round(seconds * 1000, 2)
            line = Line(time(), self.method, self.path, kind, status, milliseconds, self.cache, self.cost, self.fields)
            access.note(line)

    def _root_field(self) -> str:
        """Return the root field that is asked for, nothing where there are several: a name of the schema's."""
        return "" if self.operation is None or len(self.operation.fields) != 1 else next(iter(self.operation.fields))


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
