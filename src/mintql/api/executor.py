"""What of graphql-core's execution is done otherwise: mutations by key, events of a subscription by its plan."""

from __future__ import annotations

from typing import Any

from graphql import ExecutionResult
from graphql.pyutils import AwaitableOrValue
from strawberry.utils.await_maybe import await_maybe

from mintql.api.context import AnswerEvent, Context
from mintql.api.idempotency import KeyedExecutor


class Executor(KeyedExecutor):
    """Executes operations. Of a subscription it is copied for each event, which is its root value then."""

    def execute_operation(self, serially: bool | None = None) -> AwaitableOrValue[Any]:
        """Execute an operation, or one event of a subscription."""
        context = self.context_value
        if isinstance(context, Context) and context.answer_event is not None:
            return self._execute_event(context, context.answer_event)
        return super().execute_operation(serially)

    async def _execute_event(self, context: Context, answer: AnswerEvent) -> ExecutionResult:
        data = await answer(self.root_value, self.variable_values, context)
        if data is not None:
            return ExecutionResult(data, None)
        executed: Any = super().execute_operation(serially=False)
        result: ExecutionResult = await await_maybe(executed)
        return result
