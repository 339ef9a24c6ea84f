"""Mutations that are sent again and done once, by a key: the argument `idempotencyKey` of each, or the header.

Everything hangs on three places. The executor takes a mutation's field with a key into a `KeyedRun`, which looks for
what was done under that key, and keeps the answer. The transactions that the resolver opens go through the run
(`Context.person`, `Context.acting`): the first that writes writes the key down as well. The field extension adds the
argument, and tells the run how the resolver ended.

A mutation without a key pays for none of this, nor does a query.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from graphql import GraphQLError, GraphQLObjectType, Undefined, located_error
from graphql.execution.collect_fields import FieldDetailsList, GroupedFieldSet
from graphql.execution.values import get_argument_values
from graphql.pyutils import AwaitableOrValue, Path
from strawberry.annotation import StrawberryAnnotation
from strawberry.extensions import FieldExtension, SchemaExtension
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.types.arguments import StrawberryArgument
from strawberry.types.field import StrawberryField
from strawberry.utils.await_maybe import await_maybe

from mintql.api.context import Context
from mintql.api.idempotency_requests import ARGUMENT, has_argument, header_of, key_for, keyed_request
from mintql.api.keyed_run import KeyedRun
from mintql.domain.errors import Failure
from mintql.domain.idempotency import KEY_LENGTH_MAX
from mintql.domain.ids import UserId
from mintql.services.idempotency import KeyedRequest

BY_CREDENTIALS = frozenset({"signUp", "signIn", "completeSignIn"})
"""Mutations whose person is known only when they have said who they are: their keys are looked for then."""
DESCRIPTION = (
    f"A key that you make up for this change, a UUID say, up to {KEY_LENGTH_MAX} characters. Sent again within a day, "
    "the change is not made again, and the answer is the same."
)


class IdempotencyKey(FieldExtension):
    """Gives a mutation the argument, which its resolver does not see."""

    def apply(self, field: StrawberryField) -> None:
        """Add the argument to a field, once."""
        if all(argument.python_name != "idempotency_key" for argument in field.arguments):
            annotation = StrawberryAnnotation(str | None)
            argument = StrawberryArgument(
                "idempotency_key", ARGUMENT, annotation, description=DESCRIPTION, default=None
            )
            field.arguments = [*field.arguments, argument]

    async def resolve_async(
        self, next_: Any, source: Any, info: Any, idempotency_key: str | None = None, **kwargs: Any
    ) -> Any:
        """Run the resolver, as part of a keyed run where the executor has begun one."""
        del idempotency_key
        run: KeyedRun | None = info.context.keyed
        if run is None:
            return await next_(source, info, **kwargs)
        return await run.resolve(partial(next_, source, info, **kwargs), kwargs)


def with_keys(mutation: type) -> type:
    """Give every field of a mutation type the argument."""
    definition = mutation.__strawberry_definition__  # type: ignore[attr-defined]
    for field in definition.fields:
        field.extensions = [*field.extensions, IdempotencyKey()]
    return mutation


class KeyedExecutor(StrawberryGraphQLCoreExecutionContext):
    """Executes mutations one after another, as GraphQL wants it, each with what its key says."""

    def execute_fields_serially(
        self,
        parent_type: GraphQLObjectType,
        source_value: Any,
        path: Path | None,
        grouped_field_set: GroupedFieldSet,
        position_context: Any,
    ) -> AwaitableOrValue[dict[str, Any]]:
        """Execute the mutations of an operation."""
        context = self.context_value
        if isinstance(context, Context):
            header = header_of(context)
            if header is not None or any(has_argument(details[0].node) for details in grouped_field_set.values()):
                return self._execute_keyed(context, header, parent_type, grouped_field_set)
        return super().execute_fields_serially(parent_type, source_value, path, grouped_field_set, position_context)

    async def _execute_keyed(
        self, context: Context, header: str | None, parent_type: GraphQLObjectType, grouped: GroupedFieldSet
    ) -> dict[str, Any]:
        names = [details[0].node.name.value for details in grouped.values()]
        named = [name for name in names if not name.startswith("__")]
        results: dict[str, Any] = {}
        for response_name, details in grouped.items():
            path = Path(None, response_name, parent_type.name)
            execute = partial(self.execute_field, parent_type, self.root_value, details, path, None)
            try:
                request = self._request(context, parent_type, details, header, named)
                if request is None:
                    value = await await_maybe(execute())
                else:
                    value = await self._answer(context, details[0].node.name.value, request, execute, response_name)
            except Failure as failure:
                raise located_error(failure, [item.node for item in details], path.as_list()) from None
            if value is not Undefined:
                results[response_name] = value
        return results

    def _request(
        self,
        context: Context,
        parent_type: GraphQLObjectType,
        details: FieldDetailsList,
        header: str | None,
        named: list[str],
    ) -> KeyedRequest | None:
        """Return what is asked under a key; None without one, and for what cannot be executed anyway."""
        node = details[0].node
        field = parent_type.fields.get(node.name.value)
        if field is None:
            return None
        try:
            arguments: Mapping[str, Any] = get_argument_values(field, node, self.variable_values)
        except GraphQLError:
            return None
        key = key_for(arguments.get(ARGUMENT), header, named)
        if key is None:
            return None
        nodes = [item.node for item in details]
        variables = self.variable_values.coerced
        return keyed_request(context, key, nodes, arguments, self.fragment_definitions, variables)

    async def _answer(
        self, context: Context, name: str, request: KeyedRequest, execute: Any, response_name: str
    ) -> Any:
        user_id: UserId | None = None
        place: tuple[object, ...] = (name, request.key, request.fingerprint)
        if name not in BY_CREDENTIALS:
            if context.viewer is None:
                return await await_maybe(execute())  # It says itself that nobody is signed in.
            user_id, place = context.viewer.user_id, (context.viewer.user_id, request.key)
        run, errors = KeyedRun(context, request, user_id), self.collected_errors.errors
        count = len(errors)

        async def answer() -> Any:
            return await run.answer(lambda: await_maybe(execute()), lambda: len(errors) > count)

        value = await context.runtime.key_turns.take(place, request.key, answer)
        if run.replayed:
            context.replayed.append(response_name)
        return value


class TellReplays(SchemaExtension):
    """Says in `extensions.idempotentReplayed` which mutations of an operation were answered as they were before."""

    def get_results(self) -> dict[str, Any]:
        """Return what goes into the extensions of the answer."""
        context = self.execution_context.context
        replayed = context.replayed if isinstance(context, Context) else []
        return {"idempotentReplayed": replayed} if replayed else {}
