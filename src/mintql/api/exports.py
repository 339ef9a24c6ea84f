"""Downloads of everything a person has: a mutation gives the link, `GET /export/{file}` the file.

No cookie counts there, so that no page of another site can have a download sent to it: a request shows the ticket of
its link, or a session's token as bearer.

The file is read from the database at the database's speed into a spool and sent from there at the client's: however
slow a client is, it holds no transaction. Both are bounded in time, the spool in size. What cannot be finished is cut
off without the end that HTTP, JSON and ZIP want, so that nobody takes a part for the whole.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, TypeAlias, cast

import strawberry
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from mintql.api.admission import Admission
from mintql.api.context import Info, find_viewer, request_origin
from mintql.api.cookies import bearer
from mintql.api.errors import NotSignedInError
from mintql.api.prices import EXPORTS, Price
from mintql.api.requests import RefusedError
from mintql.domain.audit import EXPORTED
from mintql.domain.ids import SessionId, UserId
from mintql.gateways.spool import Spool
from mintql.runtime import Runtime
from mintql.services import audit, export_tickets, exports
from mintql.services.archive import bring_back
from mintql.services.exports import Archive, ExportKind
from mintql.store import sessions

log = logging.getLogger(__name__)

READ_SECONDS_MAX = 300.0
"""How long an export may read from the database and the object store."""
SEND_SECONDS_MAX = 3_600.0
"""How long a client may take for a file."""
BYTES_MAX = 4 * 1024**3
EXPORTS_AT_ONCE_MAX = 3
"""Exports of one process at a time, each of which holds a connection to the database while it reads."""
RETRY_AFTER_SECONDS = 10

A_MISS = Price(0)

MEDIA = {
    ExportKind.TRANSACTIONS_CSV: "text/csv; charset=utf-8",
    ExportKind.EVERYTHING_JSON: "application/json",
    ExportKind.ACCOUNTS_OFX: "application/x-ofx",
    ExportKind.ARCHIVE_ZIP: "application/zip",
}

strawberry.enum(
    ExportKind,
    description="What to export. TRANSACTIONS_CSV: the transactions that count, as a table. EVERYTHING_JSON: "
    "everything there is about the viewer, complete. ACCOUNTS_OFX: posted transactions as statements of accounts. "
    "ARCHIVE_ZIP: the three of them, and what institutions and files said, as it came.",
)


@strawberry.type(description="A download is ready to begin.")
class CreateExportSuccess:
    """What asking for an export gives when it worked."""

    url: str = strawberry.field(
        description="Where to GET the file, without any header: a path on this server with a ticket in it. Whoever has "
        "it can download the file, so pass it on to nobody."
    )
    file_name: str = strawberry.field(description="How the file is called.")
    expires_at: datetime = strawberry.field(
        description="Until when the download can begin. It cannot once the session has ended."
    )


CreateExportPayload: TypeAlias = Annotated[
    CreateExportSuccess | NotSignedInError,
    strawberry.union("CreateExportPayload", description="What became of `createExport`."),
]


@strawberry.type
class ExportsMutation:
    """Asking for an export."""

    @strawberry.mutation(
        description="Gives a link by which a browser downloads what the viewer has, for five minutes. The file is made "
        "when it is downloaded, and shows everything as it is at that moment."
    )
    async def create_export(
        self, info: Info, kind: Annotated[ExportKind, strawberry.argument(description="What to export.")]
    ) -> CreateExportPayload:
        context = info.context
        viewer = context.signed_in()
        vault = context.runtime.vault
        ticket, until = export_tickets.issue(vault, viewer.user_id, viewer.session_id, kind, context.now())
        return CreateExportSuccess(
            url=f"/export/{kind.value}?ticket={ticket}", file_name=_file_name(kind, context.now()), expires_at=until
        )


class ExportRoute:
    """The downloads of one process."""

    def __init__(self) -> None:
        self._under_way: set[UserId] = set()

    def routes(self) -> list[Route]:
        """Return the route."""
        return [Route("/export/{kind}", self.answer, methods=["GET"])]

    async def answer(self, request: Request) -> Response:
        """Answer a request for a file."""
        runtime = cast("Runtime", request.app.state.runtime)
        now = datetime.now(UTC)
        try:
            kind = ExportKind(request.path_params["kind"])
        except ValueError:
            return _refusal(404, "NOT_FOUND", f"There are: {', '.join(kind.value for kind in ExportKind)}.")
        if request.method != "GET":
            return Response(status_code=405, headers={"allow": "GET"})
        admission = cast("Admission", request.app.state.admission)
        try:
            admission.check_address(request, lambda _: None)
            user_id = await _whose(request, runtime, kind, now)
            if user_id is None:
                await admission.admit(request, None, A_MISS)
            else:
                await admission.count(request, user_id, (EXPORTS,))
        except RefusedError as refused:
            return _refusal(refused.status, refused.code, refused.message, refused.headers)
        if user_id is None:
            message = "The link has run out, or there is no session. Ask for a new link with createExport."
            return _refusal(401, "NOT_SIGNED_IN", message)
        if user_id in self._under_way or len(self._under_way) >= EXPORTS_AT_ONCE_MAX:
            message = "An export is under way; try again when it is done."
            return _refusal(429, "RATE_LIMITED", message, {"retry-after": str(RETRY_AFTER_SECONDS)})
        self._under_way.add(user_id)
        try:
            with audit.heard_from(request_origin(request)):
                async with runtime.person(user_id) as conn:
                    await audit.record(conn, user_id, EXPORTED, now, {"file": kind.value})
        except BaseException:
            self.leave(user_id)
            raise
        return Download(self, runtime, user_id, kind, now)

    def leave(self, user_id: UserId) -> None:
        """Count a person's export as under way no more."""
        self._under_way.discard(user_id)


async def _whose(request: Request, runtime: Runtime, kind: ExportKind, now: datetime) -> UserId | None:
    ticket = request.query_params.get("ticket")
    if ticket is None:
        token = bearer(request.headers.get("authorization"))
        viewer = None if token is None else await find_viewer(runtime, token)
        # An access token may not, whatever it may do otherwise.
        return None if viewer is None or viewer.scopes is not None else viewer.user_id
    told: tuple[UserId, SessionId] | None = export_tickets.read(runtime.vault, ticket, kind, now)
    if told is None:
        return None
    user_id, session_id = told
    async with runtime.person(user_id) as conn:
        return user_id if await sessions.is_live(conn, user_id, session_id, now) else None


class Download(Response):
    """A file on its way: read into a spool at one end, sent from it at the other."""

    def __init__(self, route: ExportRoute, runtime: Runtime, user_id: UserId, kind: ExportKind, now: datetime) -> None:
        super().__init__(
            media_type=MEDIA[kind],
            headers={
                "cache-control": "no-store",
                "content-disposition": f'attachment; filename="{_file_name(kind, now)}"',
            },
        )
        del self.headers["content-length"]
        self._route, self._runtime, self._user_id, self._kind, self._now = route, runtime, user_id, kind, now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send the file; raise when it cannot be finished, by which the server cuts the connection."""
        try:
            async with Spool(BYTES_MAX) as spool:
                await self._pass_on(spool, receive, send)
        finally:
            self._route.leave(self._user_id)

    async def _pass_on(self, spool: Spool, receive: Receive, send: Send) -> None:
        reading = asyncio.create_task(self._read(spool))
        sending = asyncio.create_task(self._send(spool, send))
        leaving = asyncio.create_task(_gone(receive))
        try:
            async with asyncio.timeout(SEND_SECONDS_MAX):
                await asyncio.wait([sending, leaving], return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                await sending
        finally:
            for task in (reading, sending, leaving):
                task.cancel()
            await asyncio.gather(reading, sending, leaving, return_exceptions=True)

    async def _send(self, spool: Spool, send: Send) -> None:
        begun = False
        async for piece in spool.read():
            if not begun:
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                begun = True
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _read(self, spool: Spool) -> None:
        try:
            async with asyncio.timeout(READ_SECONDS_MAX):
                await self._write(spool)
                await spool.end()
        except Exception as error:
            log.exception("an export (%s) could not be finished", self._kind.value)
            spool.fail(error)

    async def _write(self, spool: Spool) -> None:
        async with self._runtime.person(self._user_id) as conn:
            await bring_back(conn, self._runtime.objects, self._user_id, self._now)
        if self._kind is not ExportKind.ARCHIVE_ZIP:
            async with self._runtime.snapshot(self._user_id) as conn:
                await exports.WRITERS[self._kind](conn, self._user_id, self._now, spool.write)
            return
        archive = Archive(spool.write)
        async with self._runtime.snapshot(self._user_id) as conn:
            await exports.write_files(conn, self._user_id, self._now, archive)
        await exports.write_raw_pages(self._runtime.objects, self._user_id, self._now, archive)
        await archive.close()


async def _gone(receive: Receive) -> None:
    """Wait until the client has gone."""
    with suppress(Exception):
        while (await receive())["type"] != "http.disconnect":
            pass


def _file_name(kind: ExportKind, now: datetime) -> str:
    return f"mintql-{now:%Y-%m-%d}-{kind.value}"


def _refusal(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Response:
    answer = {"errors": [{"message": message, "extensions": {"code": code}}]}
    return JSONResponse(answer, status, {"cache-control": "no-store", **(headers or {})})
