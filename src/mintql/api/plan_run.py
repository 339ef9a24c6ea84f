"""The execution of a plan: what waits, and how it is settled level by level, each batch for a whole page at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Any, TypeAlias

from graphql import GraphQLResolveInfo
from graphql.execution.values import VariableValues

from mintql.api.batches import Batch
from mintql.api.context import BATCH_SIZE_MAX, Context

Complete: TypeAlias = Callable[[Any, "Run"], Any]
"""Makes what goes into the answer from a source or a value."""


class NotPlannedError(Exception):
    """This is for graphql-core: the document has something no plan covers, or a value is not as it should be."""


class Run:
    """One execution of a plan: its context and variables, and the fields that wait to be settled."""

    __slots__ = ("_loaded", "context", "infos", "made", "variables", "waiting")

    def __init__(self, context: Context, variables: VariableValues) -> None:
        self.context = context
        self.variables = variables
        self.infos: dict[object, GraphQLResolveInfo[Context]] = {}
        self.made: dict[object, dict[int, tuple[Any, Any]]] = {}
        self.waiting: list[tuple[Waiting, Any, dict[str, Any]]] = []
        self._loaded: dict[object, dict[Hashable, Any]] = {}

    async def finish(self) -> None:
        """Settle what waits, and what that in turn lets wait."""
        while self.waiting:
            fields: dict[Waiting, list[tuple[Any, dict[str, Any]]]] = {}
            for field, source, answer in self.waiting:
                fields.setdefault(field, []).append((source, answer))
            self.waiting = []
            await self._load([(field, places) for field, places in fields.items() if isinstance(field, BatchField)])
            for field, places in fields.items():
                await field.settle(places, self)

    async def _load(self, fields: Sequence[tuple[BatchField, list[tuple[Any, dict[str, Any]]]]]) -> None:
        """Ask for the keys of all fields that the same function loads at once, for each key once in a run."""
        wanted: dict[Any, dict[Hashable, None]] = {}
        for field, places in fields:
            batch = field.batch
            self._loaded.setdefault(batch.load, {})
            wanted.setdefault(batch.load, {}).update(dict.fromkeys([batch.key(source) for source, _ in places]))
        for load, keys in wanted.items():
            asked = [key for key in keys if key not in self._loaded[load]]
            for start in range(0, len(asked), BATCH_SIZE_MAX):
                some = asked[start : start + BATCH_SIZE_MAX]
                values = await load(self.context, some)
                self._loaded[load] |= zip(some, values, strict=True)

    def loaded(self, batch: Batch) -> Mapping[Hashable, Any]:
        """Return what a batch found, by key."""
        return self._loaded[batch.load]


class Waiting:
    """A field whose value has to be waited for."""

    def __init__(self, key: str, complete: Complete) -> None:
        self.key = key
        self.complete = complete

    async def settle(self, places: Sequence[tuple[Any, dict[str, Any]]], run: Run) -> None:
        """Put the value of the field into each answer, given with the source it belongs to."""
        raise NotImplementedError


class BatchField(Waiting):
    """A field that is declared as a batch: its values are loaded already."""

    def __init__(self, key: str, complete: Complete, batch: Batch) -> None:
        super().__init__(key, complete)
        self.batch = batch

    async def settle(self, places: Sequence[tuple[Any, dict[str, Any]]], run: Run) -> None:
        batch, key, complete, loaded = self.batch, self.key, self.complete, run.loaded(self.batch)
        made: dict[int, tuple[Any, Any]] = {}
        for source, answer in places:
            value = batch.value(source, loaded[batch.key(source)])
            known = made.get(id(value))
            if known is None:
                known = made[id(value)] = (value, complete(value, run))  # Kept, so that no other one gets its id.
            answer[key] = known[1]


class AwaitedField(Waiting):
    """A field whose resolver is a coroutine. `asked` is for `Context.asked`."""

    def __init__(
        self,
        key: str,
        complete: Complete,
        resolve: Callable[[Any, Run], Awaitable[Any]],
        asked: frozenset[str] | None,
    ) -> None:
        super().__init__(key, complete)
        self._resolve = resolve
        self._asked = asked

    async def settle(self, places: Sequence[tuple[Any, dict[str, Any]]], run: Run) -> None:
        if len(places) == 1:
            run.context.asked = self._asked
            try:
                values = [await self._resolve(places[0][0], run)]
            finally:
                run.context.asked = None
        else:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(_awaited(self._resolve(source, run))) for source, _ in places]
            values = [task.result() for task in tasks]
        for (_, answer), value in zip(places, values, strict=True):
            answer[self.key] = self.complete(value, run)


async def _awaited(value: Awaitable[Any]) -> Any:
    return await value
