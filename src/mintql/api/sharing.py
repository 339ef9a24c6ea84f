"""What a member of a household may ask for of what somebody shares with them.

A request that names a share (header `X-Mintql-Share`, or `share` beside `authorization` on a WebSocket) speaks of the
owner's money. Only the root fields named here are let through, before anything runs; reading then happens under a
role that sees the shared rows only (migration 0021), so that no nested field can lead further. A manager's change
names what it changes: that is looked up under the same role first, and written down for the owner.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from graphql import GraphQLError, GraphQLSchema
from graphql.execution.values import get_argument_values, get_variable_values

from mintql.api.categories import decode_category_id
from mintql.api.context import Context
from mintql.api.documents import Documents, Operation
from mintql.api.errors import QUERY_CODES
from mintql.api.nodes import decode_id
from mintql.domain.budgets import EVERYTHING_ID
from mintql.domain.errors import Failure, NotShared
from mintql.domain.household import Entered
from mintql.domain.ids import TransactionId
from mintql.services import household
from mintql.services.choices import Scope

OPEN_QUERIES = frozenset(
    {
        "__typename",
        "__schema",
        "__type",
        "node",
        "accounts",
        "transactions",
        "searchTransactions",
        "tags",
        "categories",
        "institutions",
    }
    | {"budgets", "budgetAlerts"}
)
WHOLE_QUERIES = frozenset({"monthlySpending", "spending", "cashFlow", "netWorth", "topMerchants"}) | frozenset(
    {"recurring", "upcomingBills", "subscriptions"}
)
"""Sums over all accounts: for members to whom all of them are shown."""
OPEN_SUBSCRIPTIONS = frozenset({"__typename", "budgetAlerts"})

TRANSACTIONS_OF: dict[str, str] = {
    "annotateTransaction": "id",
    "splitTransaction": "id",
    "tagTransactions": "ids",
    "adjustTransactions": "ids",
    "recategorize": "ids",
}
"""Mutations of transactions for managers, and the argument that names them."""
BUDGET_CHANGES = frozenset({"setBudgetOverride", "removeBudgetOverride"})
"""Mutations of budgets for managers."""


async def refusal(
    schema: GraphQLSchema,
    documents: Documents,
    context: Context,
    query: str | None,
    variables: Mapping[str, Any] | None,
    operation_name: str | None,
) -> GraphQLError | None:
    """Return why a member may not run an operation, None when they may. What cannot be read is left to execution.

    A change that is let through is written into the owner's audit log, and its transaction is opened on the owner's
    rows (`Context.person`).
    """
    if context.share is None or not query:
        return None
    try:
        prepared = documents.prepare(query, variables)
    except (GraphQLError, RecursionError):
        return None
    operation = prepared.operation(operation_name)
    if operation is None:
        return None
    try:
        if operation.is_mutation:
            await _admit_changes(schema, context, context.share, operation, variables or {})
        else:
            _admit_reads(context.share, operation)
    except Failure as failure:
        return GraphQLError(failure.message, extensions={"code": QUERY_CODES.get(failure.code, failure.code)})
    return None


def _admit_reads(entered: Entered, operation: Operation) -> None:
    if operation.is_subscription:
        allowed = OPEN_SUBSCRIPTIONS
    else:
        allowed = OPEN_QUERIES | WHOLE_QUERIES if entered.extent.is_whole else OPEN_QUERIES
    for name in sorted(operation.fields - allowed):
        if name in WHOLE_QUERIES:
            raise NotShared(f"`{name}` sums up all accounts, and only some of them are shared with you.")
        raise NotShared(f"`{name}` is not for members of a household; leave the share out to ask for your own.")


async def _admit_changes(
    schema: GraphQLSchema,
    context: Context,
    entered: Entered,
    operation: Operation,
    variables: Mapping[str, Any],
) -> None:
    if not household.may_manage(entered):
        raise NotShared("You may look at what is shared with you and not change it; its owner can let you manage it.")
    coerced = get_variable_values(schema, operation.node.variable_definitions or (), dict(variables))
    if isinstance(coerced, list):
        return  # The same fault keeps the operation from being executed.
    if len(operation.root_nodes) != 1:
        raise NotShared("Through a share, send one change at a time.")
    (field,), mutation = operation.root_nodes, schema.mutation_type
    name = field.name.value
    if mutation is None or name not in BUDGET_CHANGES | TRANSACTIONS_OF.keys():
        raise NotShared(f"`{name}` is not for members of a household; leave the share out to change your own.")
    arguments = get_argument_values(mutation.fields[name], field, coerced)
    if name in BUDGET_CHANGES:
        _admit_budget(entered, arguments)
    else:
        _admit_scope(entered, name, arguments)
        await _admit_transactions(context, TRANSACTIONS_OF[name], arguments)
    await _note(context, entered, name, arguments)
    context.fenced = False


def _admit_budget(entered: Entered, arguments: Mapping[str, Any]) -> None:
    named = arguments.get("categoryId")
    if named is None and not arguments.get("everything"):
        return  # The mutation says itself what is missing.
    category_id = EVERYTHING_ID if named is None else decode_category_id(named)
    if not entered.extent.has_budget(category_id):
        raise NotShared("This budget is not shared with you.")


def _admit_scope(entered: Entered, name: str, arguments: Mapping[str, Any]) -> None:
    if name == "recategorize" and arguments.get("scope") is not Scope.ONCE and not entered.extent.is_whole:
        raise NotShared(
            "Only some accounts are shared with you: choose with the scope ONCE, which holds for these alone."
        )


async def _admit_transactions(context: Context, argument: str, arguments: Mapping[str, Any]) -> None:
    ids = list(_listed(arguments[argument]))
    async with context.person() as conn:
        await household.check_visible(
            conn,
            context.entered(),
            [TransactionId(decode_id("Transaction", text, field=argument)) for text in ids],
            argument,
        )


def _listed(given: Any) -> Iterator[str]:
    if isinstance(given, list):
        yield from given
    else:
        yield given


async def _note(context: Context, entered: Entered, name: str, arguments: Mapping[str, Any]) -> None:
    """Write down for the owner what a member changes."""
    named = arguments.get(TRANSACTIONS_OF.get(name, "categoryId"))
    subjects = ["everything"] if named is None else list(_listed(named))
    async with context.runtime.person(entered.owner_id) as conn:
        await household.note_change(conn, entered, name, subjects, context.now())
