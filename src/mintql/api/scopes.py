"""What a request that shows an access token may ask for: decided in one place, before anything runs.

Root fields are named here for each scope. A mutation that is named for none needs a session, so that one that is added
is closed to tokens until somebody opens it; a test wants every mutation to be decided on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphql import GraphQLError

from mintql.api.context import Viewer
from mintql.api.documents import Documents, Operation
from mintql.domain.scopes import Scope

FORBIDDEN_SCOPE = "FORBIDDEN_SCOPE"

OPEN_QUERIES = frozenset({"__typename", "__schema", "__type"})
"""What says nothing of anybody."""
TRANSACTIONS_QUERIES = frozenset({"accounts", "transactions", "searchTransactions", "changes", "categories", "tags"})
IMPORT_QUERIES = frozenset({"imports"})
IMPORT_MUTATIONS = frozenset({"importTransactions", "correctImport", "confirmImport", "discardImport"})
WRITE_MUTATIONS = IMPORT_MUTATIONS | {
    "addCategory",
    "adjustTransactions",
    "annotateTransaction",
    "applyRule",
    "changeCategory",
    "changeRule",
    "confirmMatch",
    "confirmRecurring",
    "confirmTransfer",
    "createRule",
    "deleteCategory",
    "deleteRule",
    "dismissMatch",
    "dismissNotifications",
    "dismissRecurring",
    "dismissTransfer",
    "forgetSeller",
    "markNotificationsRead",
    "markRecurring",
    "mergeAccounts",
    "mergeCategories",
    "moveRule",
    "pairTransfers",
    "recategorize",
    "refreshConnection",
    "removeBudgetOverride",
    "removeManualRate",
    "resendWebhookDelivery",
    "restoreCategory",
    "sendTestWebhook",
    "setBudgetOverride",
    "setLargeTransactionLimit",
    "setLowBalanceLimit",
    "setManualRate",
    "setQuietHours",
    "splitTransaction",
    "tagTransactions",
    "undoImport",
    "undoMatch",
    "undoRecategorize",
    "undoRuleApplication",
    "undoTransfer",
    "updateNotificationSettings",
    "updateProfile",
}
SESSION_MUTATIONS = frozenset(
    {
        # Who one is, and what opens the account.
        "signUp", "signIn", "completeSignIn", "signOut", "changePassword", "revokeSession",
        "createAccessToken", "revokeAccessToken",
        "beginSecondFactor", "confirmSecondFactor", "renewRecoveryCodes", "disableSecondFactor",
        "linkIdentity", "unlinkIdentity",
        # Logins at institutions.
        "connectInstitution", "updateCredentials", "createLinkSession", "disconnect",
        # What hands everything to somebody else, or takes it away.
        "createExport", "deleteAccount", "addWebhookEndpoint", "changeWebhookEndpoint", "removeWebhookEndpoint",
        "rotateWebhookSecret", "inviteToHousehold", "changeHouseholdShare", "revokeHouseholdShare",
        "acceptHouseholdInvitation", "declineHouseholdInvitation", "leaveHousehold",
    }
)  # fmt: skip
"""Mutations that no token may do, whatever it may do otherwise."""

_FOR_REST = frozenset({Scope.READ})
_FOR_QUERIES: dict[str, frozenset[Scope]] = (
    dict.fromkeys(OPEN_QUERIES, frozenset())
    | dict.fromkeys(TRANSACTIONS_QUERIES, frozenset({Scope.READ, Scope.TRANSACTIONS_READ}))
    | dict.fromkeys(IMPORT_QUERIES, frozenset({Scope.READ, Scope.IMPORT}))
)
_FOR_MUTATIONS: dict[str, frozenset[Scope]] = (
    {"__typename": frozenset()}
    | dict.fromkeys(WRITE_MUTATIONS, frozenset({Scope.WRITE}))
    | dict.fromkeys(IMPORT_MUTATIONS, frozenset({Scope.WRITE, Scope.IMPORT}))
)


def reads_everything(viewer: Viewer) -> bool:
    """Tell whether every query is answered to a viewer, so that a kept answer may be given unread."""
    return viewer.scopes is None or Scope.READ in viewer.scopes


def refusal(
    documents: Documents,
    viewer: Viewer | None,
    query: str | None,
    variables: Mapping[str, Any] | None,
    name: str | None,
) -> GraphQLError | None:
    """Return why a token may not run an operation, None when it may. What cannot be read is left to execution."""
    if viewer is None or viewer.scopes is None or not query:
        return None
    try:
        operation = documents.prepare(query, variables).operation(name)
    except (GraphQLError, RecursionError):
        return None
    if operation is None:
        return None
    for field in sorted(operation.fields):
        wanted = _wanted(operation, field)
        if wanted is None:
            return _forbidden(f"`{field}` needs a session: no access token may do this.", None)
        if wanted and not wanted & viewer.scopes:
            least = min(wanted, key=[*reversed(Scope)].index)
            has = ", ".join(f"`{scope}`" for scope in Scope if scope in viewer.scopes) or "none that is known here"
            return _forbidden(f"`{field}` needs the scope `{least}`, and this access token has {has}.", least)
    return None


def _wanted(operation: Operation, field: str) -> frozenset[Scope] | None:
    """Return the scopes of which one is needed for a root field; none for what is open, None where no token may."""
    if operation.is_mutation:
        return _FOR_MUTATIONS.get(field)
    if operation.is_query:
        return _FOR_QUERIES.get(field, _FOR_REST)
    return _FOR_REST


def _forbidden(message: str, scope: Scope | None) -> GraphQLError:
    return GraphQLError(message, extensions={"code": FORBIDDEN_SCOPE, "scope": scope and scope.value})
