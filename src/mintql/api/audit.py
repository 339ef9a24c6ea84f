"""The audit log, as the viewer reads it."""

from __future__ import annotations

from datetime import datetime

import strawberry

from mintql.api.context import Context, Info
from mintql.api.nodes import Node, encode_id, register_node
from mintql.api.paging import (
    NUMBER_MAX,
    AfterArgument,
    Connection,
    FirstArgument,
    build_connection,
    decode_number,
    encode_number,
    page_request,
)
from mintql.domain.audit import words_of
from mintql.domain.ids import AuditEntryId
from mintql.store import audit as store
from mintql.store.audit import AuditEntry as AuditRow

CURSOR_KIND = "audit"


@strawberry.type(description="Something an act was done to.")
class AuditDetail:
    """A name and a value."""

    name: str = strawberry.field(description='What is told, e.g. "institution".')
    value: str = strawberry.field(description="Its value as a text. Never a secret, never an amount.")


@strawberry.type(description="A security-relevant act on the viewer's account.")
class AuditEntry(Node):
    """An act as shown; make it with `audit_node`."""

    act: str = strawberry.field(
        description="What was done, as a stable code for programs, e.g. `signed_in`. Codes are added over time."
    )
    words: str = strawberry.field(description="What was done, as a sentence to show.")
    detail: list[AuditDetail] = strawberry.field(description="To what it was done.")
    address: str | None = strawberry.field(
        description="The network address the request came from, as far as the server could know it."
    )
    user_agent: str | None = strawberry.field(description="The program that sent the request, by its own words.")
    created_at: datetime = strawberry.field(description="When it was done.")


def audit_node(row: AuditRow) -> AuditEntry:
    """Return an act as GraphQL shows it."""
    return AuditEntry(
        id=encode_id("AuditEntry", row.entry_id),
        act=row.act,
        words=words_of(row.act),
        detail=[AuditDetail(name=name, value=str(value)) for name, value in sorted(row.detail.items())],
        address=row.address or None,
        user_agent=row.user_agent or None,
        created_at=row.created_at,
    )


async def _nodes(context: Context, numbers: list[int]) -> list[AuditEntry | None]:
    async with context.person() as conn:
        found = await store.by_ids(conn, context.user_id, numbers)
    return [audit_node(found[number]) if number in found else None for number in numbers]


register_node("AuditEntry", _nodes)


@strawberry.type
class AuditQuery:
    """Reads of the audit log."""

    @strawberry.field(
        description="Security-relevant acts on the viewer's account, newest first: sessions begun, refused and ended, "
        "connections made and ended, exports and the like. Kept for 400 days."
    )
    async def audit_log(
        self, info: Info, first: FirstArgument = None, after: AfterArgument = None
    ) -> Connection[AuditEntry]:
        request = page_request(lambda text, field: decode_number(CURSOR_KIND, text, field), first=first, after=after)
        before = AuditEntryId(NUMBER_MAX if request.after is None else request.after)
        async with info.context.person() as conn:
            rows = await store.list_before(conn, info.context.user_id, before, request.limit)
        return build_connection(rows, request, audit_node, lambda row: encode_number(CURSOR_KIND, row.entry_id))
