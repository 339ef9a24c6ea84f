"""The execution of a plan: what waits, and how it is settled level by level, each batch for a whole page at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Any, TypeAlias

from graphql import GraphQLResolveInfo
from graphql.execution.values import VariableValues

from mintql.api.batches import Batch
from mintql.api.context import BATCH_SIZE_MAX, Context

Complete: TypeAlias = Callable[[Sequence[Any], "Run"], Sequence[Any]]
"""Makes what goes into the answer from sources or values: for each of them, in their order."""


class NotPlannedError(Exception):
    """This is for graphql-core: the document has something no plan covers, or a value is not as it should be."""


class Asked(dict[str, Any]):
    """The variables of a request that may come again, and what they were found to be worth.

    `coerced` are the variables as the query declares them, `arguments` those of fields that are made of variables, as
    resolvers take them. Neither is ever changed: requests that are the same to the byte share them.
    """

    coerced: VariableValues | None = None
    arguments: Mapping[object, dict[str, Any]] | None = None


class Run:
    """One execution of a plan: its context and variables, and the fields that wait to be settled.

    `keys` are those of the batches that are being settled, `loaded` what was found for them, by what loads it.
    """

    __slots__ = ("arguments", "context", "infos", "keys", "loaded", "variables", "waiting")

    def __init__(
        self, context: Context, variables: VariableValues, arguments: Mapping[object, dict[str, Any]] | None = None
    ) -> None:
        self.context = context
        self.variables = variables
        self.arguments = dict(arguments or {})
        self.infos: dict[object, GraphQLResolveInfo[Context]] = {}
        self.waiting: list[tuple[Waiting, Sequence[Any], Sequence[dict[str, Any]]]] = []
        self.loaded: dict[object, dict[Hashable, Any]] = {}
        self.keys: dict[BatchField, Sequence[Hashable]] = {}

    async def finish(self) -> None:
        """Settle what waits, and what that in turn lets wait."""
        while self.waiting:
            places: dict[Waiting, tuple[Sequence[Any], Sequence[dict[str, Any]]]] = {}
            for field, sources, answers in self.waiting:
                before = places.get(field)
                places[field] = (
                    (sources, answers) if before is None else ([*before[0], *sources], [*before[1], *answers])
                )
            self.waiting = []
            await self._load(
                {field: sources for field, (sources, _) in places.items() if isinstance(field, BatchField)}
            )
            for field, (sources, answers) in places.items():
                key = field.key
                values = await field.answers(sources, self)
                for answer, value in zip(answers, values, strict=True):
                    answer[key] = value

    async def _load(self, fields: dict[BatchField, Sequence[Any]]) -> None:
        """Ask for the keys of all fields that the same function loads at once, for each key once in a run."""
        wanted: dict[Any, dict[Hashable, None]] = {}
        self.keys = {field: field.batch.keys(sources) for field, sources in fields.items()}
        for field, keys in self.keys.items():
            wanted.setdefault(field.batch.load, {}).update(dict.fromkeys(keys))
        for load, different in wanted.items():
            loaded = self.loaded.setdefault(load, {})
            asked = [key for key in different if key not in loaded]
            for start in range(0, len(asked), BATCH_SIZE_MAX):
                some = asked[start : start + BATCH_SIZE_MAX]
                loaded |= zip(some, await load(self.context, some), strict=True)


class Waiting:
    """A field whose values have to be waited for, and what makes their answers."""

    def __init__(self, key: str, complete: Complete) -> None:
        self.key = key
        self.complete = complete

    async def answers(self, sources: Sequence[Any], run: Run) -> Sequence[Any]:
        """Return what goes into the answer for each source."""
        raise NotImplementedError


class BatchField(Waiting):
    """A field that is declared as a batch: its values are loaded already, and answered once for each key."""

    def __init__(self, key: str, complete: Complete, batch: Batch) -> None:
        super().__init__(key, complete)
        self.batch = batch

    async def answers(self, sources: Sequence[Any], run: Run) -> Sequence[Any]:  # noqa: ARG002 - it has their keys
        keys, loaded, value = run.keys[self], run.loaded[self.batch.load], self.batch.value
        different = list(dict.fromkeys(keys))
        made = dict(zip(different, self.complete([value(loaded[key]) for key in different], run), strict=True))
        return [made[key] for key in keys]


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

    async def answers(self, sources: Sequence[Any], run: Run) -> Sequence[Any]:
        return self.complete(await self._values(sources, run), run)

    async def _values(self, sources: Sequence[Any], run: Run) -> list[Any]:
        if len(sources) == 1:
            run.context.asked = self._asked
            try:
                return [await self._resolve(sources[0], run)]
            finally:
                run.context.asked = None
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_awaited(self._resolve(source, run))) for source in sources]
        return [task.result() for task in tasks]


async def _awaited(value: Awaitable[Any]) -> Any:
    return await value
