"""Validated queries and subscriptions, each compiled once into a plan that answers it without walking it again.

graphql-core decides for every field of every row anew what it is, how it is resolved and how its value is
written. All of that depends on the document alone, so it is decided once (`api/plan_fields.py`) and kept with the
document in `api/documents.py`, whose bound holds for plans too. Strawberry's schema stays the only source of truth: a
plan calls its resolvers, and coerces variables, arguments and values by graphql-core.

A plan knows success only. Whatever is not plain (an error, a null where none may be, a value that is not what its type
says) raises, and the operation runs again on graphql-core, from whose answer nothing is left out. That is no loss:
queries change nothing, nor does an event. docs/decisions/compiled-plans.md has the reasons and the figures.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Final

from graphql import GraphQLError, GraphQLSchema
from graphql.execution.collect_fields import FragmentDetails, collect_fields
from graphql.execution.values import VariableValues, get_variable_values

from mintql.api.context import Context
from mintql.api.documents import Operation
from mintql.api.plan_fields import Compiler
from mintql.api.plan_run import Asked, Complete, NotPlannedError, Run

log = logging.getLogger(__name__)

PLANS_PER_OPERATION_MAX = 16
"""An operation has a plan for each way its @skip and @include can go; of more than so many ways, the rest have none."""

ROOT: Final = object()
"""Stands for the root value, which no resolver looks at."""


@dataclass(slots=True)
class PlanCounts:
    """How many queries and events plans answered, began and left to graphql-core, and how many have no plan."""

    answered: int = 0
    repeated: int = 0
    unplanned: int = 0


class Plans:
    """The plans of one schema. `enabled` is there for comparing the two ways."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema
        self.counts = PlanCounts()
        self.enabled = True

    async def answer(
        self, operation: Operation, variables: Mapping[str, Any] | None, context: Context
    ) -> dict[str, Any] | None:
        """Return the data that answers a query without any error; None when graphql-core has to answer it."""
        if not self.enabled:
            return None
        asked = variables if isinstance(variables, Asked) else Asked(variables or {})
        coerced = asked.coerced or self._coerced(operation, asked)
        plan = None if coerced is None else self._plan(operation, coerced)
        if plan is None or coerced is None:
            self.counts.unplanned += 1
            return None
        run = Run(context, coerced, asked.arguments)
        data = await self._carried_out(plan, run, ROOT)
        if data is not None and asked.arguments is None:
            asked.arguments = run.arguments
        return data

    async def answer_event(
        self, operation: Operation, event: Any, variables: VariableValues, context: Context
    ) -> dict[str, Any] | None:
        """Return the data of a subscription's event without any error; None when graphql-core has to answer it.

        A stream takes its turn before it reads, as when it looks for events: a burst of them waits for itself.
        """
        if not self.enabled:
            return None
        plan = self._plan(operation, variables)
        if plan is None:
            self.counts.unplanned += 1
            return None
        return await self._carried_out(plan, Run(context, variables), event, context.runtime.stream_turns)

    async def _carried_out(
        self, plan: Complete, run: Run, source: Any, turns: asyncio.Semaphore | None = None
    ) -> dict[str, Any] | None:
        try:
            async with run.context.one_connection():
                data: dict[str, Any] = plan([source], run)[0]
                if run.waiting:
                    async with turns or nullcontext():
                        await run.finish()
        except Exception as error:  # noqa: BLE001 - whatever it is, graphql-core finds it again and says it well
            log.debug("a plan gave up: %r", error)
            self.counts.repeated += 1
            run.context.forget()
            return None
        self.counts.answered += 1
        return data

    def _coerced(self, operation: Operation, asked: Asked) -> VariableValues | None:
        found = get_variable_values(self._schema, operation.node.variable_definitions or (), asked)
        if not isinstance(found, list):
            asked.coerced = found
        return asked.coerced

    def _plan(self, operation: Operation, variables: VariableValues) -> Complete | None:
        key = tuple(variables.coerced.get(name) for name in operation.switches)
        if key in operation.plans:
            found: Complete | None = operation.plans[key]
            return found
        if len(operation.plans) >= PLANS_PER_OPERATION_MAX:
            return None
        plan = operation.plans[key] = self._compile(operation, variables)
        return plan

    def _compile(self, operation: Operation, variables: VariableValues) -> Complete | None:
        """Return what makes the data of the answer from the root value; None where a plan does not cover the query."""
        root = self._schema.get_root_type(operation.kind)
        if root is None:
            return None
        fragments = {name: FragmentDetails(node) for name, node in operation.fragments.items()}
        compiler = Compiler(self._schema, operation.node, fragments, variables)
        try:
            collected = collect_fields(self._schema, fragments, variables, root, operation.node)
            return compiler.selection(root, collected)
        except (NotPlannedError, GraphQLError) as reason:
            log.debug("a query has no plan: %s", reason)
            return None
