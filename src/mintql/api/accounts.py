"""Accounts and their balances."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, cast

import strawberry

from mintql.api.batches import batched
from mintql.api.columns import Reading, Rows, column, read_together
from mintql.api.context import Context, Info
from mintql.api.money import money_or_none_field
from mintql.api.nodes import Node, encode_id, register_node
from mintql.api.scalars import CurrencyCode
from mintql.domain.ids import AccountId, ConnectionId
from mintql.domain.institutions import AccountKind
from mintql.domain.node_ids import node_ids
from mintql.services import accounts as service
from mintql.services.accounts import AccountRow

if TYPE_CHECKING:
    from mintql.api.connections import Connection

_numbers = Reading("row.account_id")

strawberry.enum(AccountKind, description="What sort of account it is.")


async def _load_connections(context: Context, connection_ids: list[Any]) -> list[Any]:
    from mintql.api.connections import load_connections  # noqa: PLC0415 - the two types name each other

    return await load_connections(context, connection_ids)


@strawberry.type(description="Why an account alone is not up to date, while the others of its connection may be.")
class AccountError:
    """An error of an account."""

    code: str = strawberry.field(description="Stable code for programs, e.g. ACCOUNT_GONE or CONSENT_EXPIRED.")
    message: str = strawberry.field(description="What went wrong, as a sentence to show.")
    action: str = strawberry.field(description="What only the person can do about it; empty when nothing.")
    since: datetime | None = strawberry.field(description="Since when it has not been fetched.")


@strawberry.type(description="An account at an institution.")
class Account(Node):
    """An account as shown."""

    row: strawberry.Private[AccountRow]

    @strawberry.field(description="Names this object among all objects. Opaque.")  # type: ignore[misc]
    @read_together(lambda found: node_ids("Account", _numbers(found)))
    def id(self) -> strawberry.ID:
        return encode_id("Account", self.row.account_id)

    name = column("row.name", str, "Name of the account as the institution gives it.")
    kind = column("row.kind", AccountKind, "What sort of account it is.")
    mask = column("row.mask", str, "The last characters of its number; empty where none are known.")
    currency = column("row.currency", CurrencyCode, "The currency it is held in.")
    balance = money_or_none_field(
        "row.balance_minor",
        "row.currency",
        "What is on it, booked; what is owed (on a credit card, say) is negative. Null when the institution does not "
        "tell.",
    )
    available = money_or_none_field(
        "row.available_minor", "row.currency", "What can be spent from it now, if the institution tells."
    )
    balance_at = column("row.balance_at", datetime | None, "When the institution found these balances.")
    created_at = column("row.created_at", datetime, "When the account was first seen.")
    missing_since = column(
        "row.missing_since",
        datetime | None,
        "Since when the institution no longer names the account, so that its balance is an old one; null while it "
        "does.",
    )

    @strawberry.field(description="Why this account is not up to date although its connection is; null when it is.")
    def error(self) -> AccountError | None:
        row = self.row
        if row.error_code is None:
            return None
        return AccountError(
            code=row.error_code,
            message=row.error_message or "",
            action=row.error_action or "",
            since=row.failing_since,
        )

    @batched(
        _load_connections,
        "row.connection_id",
        description="The connection it is read through: when that last worked, and what is wrong if it does not.",
    )
    @staticmethod
    def connection(found: Connection | None) -> Annotated[Connection, strawberry.lazy("mintql.api.connections")]:
        if found is None:
            raise LookupError("an account has no connection")
        return found


async def load_accounts(context: Context, account_ids: list[int]) -> list[Account | None]:
    """Return the viewer's accounts in the order of the ids, None for ids that are not theirs."""
    known = {} if context.known is None else context.known.accounts
    missing = [AccountId(number) for number in account_ids if number not in known]
    if missing:
        async with context.person() as conn:
            rows = await service.get_accounts(conn, context.user_id, missing)
        known |= zip(rows, _shown(list(rows.values())), strict=True)
    return [known.get(number) for number in account_ids]


async def load_connection_accounts(context: Context, connection_ids: list[int]) -> list[list[Account]]:
    """Return the accounts of each of the viewer's connections, oldest first."""
    wanted = [ConnectionId(number) for number in connection_ids]
    async with context.person() as conn:
        rows = await service.list_accounts_of(conn, context.user_id, wanted)
    return [_shown(rows.get(connection_id, [])) for connection_id in wanted]


def _shown(rows: list[AccountRow]) -> list[Account]:
    return cast("list[Account]", Rows(Account, "row", rows))


register_node("Account", load_accounts)


@strawberry.type
class AccountsQuery:
    """Reads of accounts."""

    @strawberry.field(description="The viewer's accounts, oldest first, without those of connections that were ended.")
    async def accounts(self, info: Info) -> list[Account]:
        async with info.context.person() as conn:
            rows = await service.list_accounts(conn, info.context.user_id)
        return _shown(rows)
