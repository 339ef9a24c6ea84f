"""The schema, composed of what each noun's file offers."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from functools import cache, partial
from typing import Any

import strawberry
from graphql import GraphQLError
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext, ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from mintql.api import scopes, sharing
from mintql.api.access_tokens import AccessTokensMutation, AccessTokensQuery
from mintql.api.account_merges import AccountMergesMutation, AccountMergesQuery
from mintql.api.accounts import AccountsQuery
from mintql.api.adjustments import AdjustmentsMutation
from mintql.api.alerts import AlertsQuery
from mintql.api.annotations import AnnotationsMutation, AnnotationsQuery
from mintql.api.audit import AuditQuery
from mintql.api.budgets import BudgetsMutation, BudgetsQuery
from mintql.api.cash_flow import CashFlowQuery
from mintql.api.categories import CategoriesQuery
from mintql.api.category_changes import CATEGORY_HANDLERS, CategoryChangesMutation
from mintql.api.changes import ChangesQuery
from mintql.api.choices import ChoicesMutation, ChoicesQuery
from mintql.api.connecting import ConnectionsMutation
from mintql.api.connections import ConnectionsQuery
from mintql.api.context import Context
from mintql.api.deletion import DeletionMutation, DeletionQuery
from mintql.api.digests import DigestsQuery
from mintql.api.documents import Documents, Operation, Prepared, Preparing
from mintql.api.errors import HANDLERS, QUERY_CODES, DressErrors
from mintql.api.executor import Executor
from mintql.api.exports import ExportsMutation
from mintql.api.household import HouseholdMutation, HouseholdQuery
from mintql.api.idempotency import TellReplays, with_keys
from mintql.api.identity import IdentityMutation, IdentityQuery
from mintql.api.imports import ImportsMutation, ImportsQuery
from mintql.api.imports_inputs import IMPORT_SCALARS
from mintql.api.imports_types import IMPORT_HANDLERS
from mintql.api.institutions import InstitutionsQuery
from mintql.api.linked_identities import LinkedIdentitiesMutation, LinkedIdentitiesQuery
from mintql.api.linking import LinkingMutation
from mintql.api.matches import MatchesMutation, MatchesQuery
from mintql.api.nodes import NodesQuery
from mintql.api.notification_settings import NotificationSettingsMutation, NotificationSettingsQuery
from mintql.api.notifications import NotificationsMutation, NotificationsQuery, NotificationsSubscription
from mintql.api.outgoing_webhooks import OutgoingWebhooksMutation, OutgoingWebhooksQuery
from mintql.api.passwords import PasswordsMutation
from mintql.api.plans import Plans
from mintql.api.rates import RatesMutation, RatesQuery
from mintql.api.recommendations import RecommendationsQuery
from mintql.api.recurring import RecurringMutation, RecurringQuery
from mintql.api.rules import RulesMutation, RulesQuery
from mintql.api.rules_past import RulesPastMutation, RulesPastQuery
from mintql.api.scalars import SCALARS
from mintql.api.search import SearchQuery
from mintql.api.second_factor import SecondFactorMutation, SecondFactorQuery
from mintql.api.sessions import SessionsMutation, SessionsQuery
from mintql.api.signing_in import SigningInMutation
from mintql.api.spending import SpendingQuery
from mintql.api.spending_groups import SpendingGroupsQuery
from mintql.api.subscriptions import SubscriptionsSubscription
from mintql.api.transactions import TransactionsQuery
from mintql.api.transfers import TransfersMutation, TransfersQuery
from mintql.api.watching import watch_root_fields
from mintql.domain.errors import NotShared, NotSignedIn


@strawberry.type(description="What can be read.")
class Query(
    NodesQuery,
    IdentityQuery,
    AuditQuery,
    SessionsQuery,
    AccessTokensQuery,
    SecondFactorQuery,
    LinkedIdentitiesQuery,
    DeletionQuery,
    InstitutionsQuery,
    ConnectionsQuery,
    AccountsQuery,
    AccountMergesQuery,
    TransactionsQuery,
    SearchQuery,
    ChangesQuery,
    AnnotationsQuery,
    CategoriesQuery,
    ChoicesQuery,
    SpendingQuery,
    SpendingGroupsQuery,
    CashFlowQuery,
    RatesQuery,
    BudgetsQuery,
    RecommendationsQuery,
    DigestsQuery,
    AlertsQuery,
    NotificationsQuery,
    NotificationSettingsQuery,
    ImportsQuery,
    MatchesQuery,
    OutgoingWebhooksQuery,
    RulesQuery,
    TransfersQuery,
    RecurringQuery,
    RulesPastQuery,
    HouseholdQuery,
):
    """The root of queries."""


@strawberry.type(description="What can be changed. Expected failures are members of each result, with words to show.")
class Mutation(
    SigningInMutation,
    IdentityMutation,
    PasswordsMutation,
    SessionsMutation,
    AccessTokensMutation,
    SecondFactorMutation,
    LinkedIdentitiesMutation,
    ExportsMutation,
    DeletionMutation,
    LinkingMutation,
    ConnectionsMutation,
    AnnotationsMutation,
    AdjustmentsMutation,
    ChoicesMutation,
    CategoryChangesMutation,
    BudgetsMutation,
    NotificationsMutation,
    NotificationSettingsMutation,
    RatesMutation,
    ImportsMutation,
    AccountMergesMutation,
    MatchesMutation,
    OutgoingWebhooksMutation,
    RulesMutation,
    TransfersMutation,
    RecurringMutation,
    RulesPastMutation,
    HouseholdMutation,
):
    """The root of mutations."""


@strawberry.type(description="What can be followed live, over graphql-transport-ws or server-sent events.")
class Subscription(SubscriptionsSubscription, NotificationsSubscription):
    """The root of subscriptions."""


class Schema(strawberry.Schema):
    """Strawberry's schema with documents and plans of its own, and a context for each operation of a stream."""

    documents: Documents
    plans: Plans

    async def stream(
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Any | None = None,
        root_value: Any | None = None,
        operation_name: str | None = None,
        operation_extensions: dict[str, Any] | None = None,
        allowed_operation_types: Iterable[OperationType] | None = None,
    ) -> AsyncGenerator[Any, None]:
        """Execute an operation of a long-lived connection in a context of its own."""
        operation = self.operation_of(query, variable_values, operation_name)
        if isinstance(context_value, Context):
            following = operation is not None and operation.is_subscription
            try:
                context_value = await context_value.for_operation(following=following)
            except (NotShared, NotSignedIn) as failure:
                code = QUERY_CODES.get(failure.code, failure.code)
                return _only(GraphQLError(failure.message, extensions={"code": code}))
            refused = await self._refusal(query, variable_values, context_value, operation_name)
            if refused is not None:
                return _only(refused)
            if operation is not None and operation.is_subscription:
                context_value.answer_event = partial(self.plans.answer_event, operation)
        found = await super().stream(
            query,
            variable_values,
            context_value,
            root_value,
            operation_name,
            operation_extensions,
            allowed_operation_types,
        )
        if isinstance(context_value, Context) and operation is not None and operation.is_mutation:
            return _to_its_end(context_value, found)
        return found

    async def execute(
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Any | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> ExecutionResult:
        """Execute an operation, unless it is a member's and not for members."""
        operation_name = kwargs.get("operation_name")
        refused = await self._refusal(query, variable_values, context_value, operation_name)
        if refused is not None:
            return ExecutionResult(None, [refused])
        planned = self.query_of(query, variable_values, operation_name)
        if planned is not None and isinstance(context_value, Context):
            data = await self.plans.answer(planned, variable_values, context_value)
            if data is not None:
                return ExecutionResult(data, None)
        if planned is None or not isinstance(context_value, Context):
            return await super().execute(query, variable_values, context_value, *args, **kwargs)
        database = context_value.runtime.servers.database
        losses = database.losses
        result = await super().execute(query, variable_values, context_value, *args, **kwargs)
        if result.errors and database.losses > losses:  # A server was lost meanwhile; a query can be asked again.
            context_value.forget()
            result = await super().execute(query, variable_values, context_value, *args, **kwargs)
        return result

    def query_of(
        self, query: str | None, variables: dict[str, Any] | None, operation_name: str | None
    ) -> Operation | None:
        """Return the query that would run; None when something else would, or nothing."""
        prepared = self.prepared(query, variables)
        return None if prepared is None else prepared.query(operation_name)

    def prepared(self, query: str | None, variables: dict[str, Any] | None) -> Prepared | None:
        """Return a document, measured and validated; None for what is no GraphQL."""
        try:
            return None if not query else self.documents.prepare(query, variables)
        except (GraphQLError, RecursionError):
            return None

    def operation_of(
        self, query: str | None, variables: dict[str, Any] | None, operation_name: str | None
    ) -> Operation | None:
        """Return the operation that would run; None when that is not clear, or nothing would."""
        prepared = self.prepared(query, variables)
        return None if prepared is None else prepared.operation(operation_name)

    async def _refusal(
        self, query: str | None, variables: dict[str, Any] | None, context: Any, operation_name: str | None
    ) -> GraphQLError | None:
        if not isinstance(context, Context):
            return None
        refused = scopes.refusal(self.documents, context.viewer, query, variables, operation_name)
        if refused is not None:
            return refused
        return await sharing.refusal(self._schema, self.documents, context, query, variables, operation_name)

    def process_errors(self, errors: list[Any], execution_context: ExecutionContext | None = None) -> None:
        """Log nothing here: `DressErrors` logs what is unexpected, with the id the client is given."""


async def _to_its_end(context: Context, stream: AsyncGenerator[Any, None]) -> AsyncGenerator[Any, None]:
    """Yield what a mutation gives, which is carried out whether or not its client waits for that."""

    async def results() -> list[Any]:
        return [result async for result in stream]

    for result in await context.runtime.to_its_end(results()):
        yield result


async def _only(error: GraphQLError) -> AsyncGenerator[PreExecutionError, None]:
    """Yield an error as the one result of a stream."""
    yield PreExecutionError(data=None, errors=[error])


def print_sdl() -> str:
    """Return the schema in GraphQL's schema language, as `schema.graphql` holds it."""
    return build_schema().as_str().rstrip() + "\n"


@cache
def build_schema() -> Schema:
    """Return the schema, built once in a process."""
    prepare = Preparing()
    schema = Schema(
        query=Query,
        mutation=with_keys(Mutation),
        subscription=Subscription,
        extensions=[DressErrors, prepare, TellReplays],
        execution_context_class=Executor,
        config=StrawberryConfig(scalar_map={**SCALARS, **IMPORT_SCALARS}),
        exception_handlers=(*HANDLERS, *IMPORT_HANDLERS, *CATEGORY_HANDLERS),
    )
    core = schema._schema  # noqa: SLF001 - strawberry gives no other way
    schema.documents = prepare.documents = Documents(core)
    schema.plans = Plans(core)
    watch_root_fields(core)
    return schema
