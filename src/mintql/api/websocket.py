"""The protocol graphql-transport-ws, with messages checked before they are used."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from typing import Any, Protocol, cast

from graphql import GraphQLError
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from starlette.websockets import WebSocketDisconnected as ClosedBefore
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.http.exceptions import NonJsonMessageReceived, NonTextMessageReceived, WebSocketDisconnected
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler
from strawberry.subscriptions.protocols.graphql_transport_ws.types import (
    ConnectionInitMessage,
    Message,
    SubscribeMessage,
)

from mintql.api.admission import error_of
from mintql.api.context import Context
from mintql.api.limits import too_complex
from mintql.api.requests import BODY_BYTES_MAX, NOT_FOUND, Ask, RefusedError, check_ask
from mintql.api.trust import Trust
from mintql.api.trusted_documents import TrustedDocuments

OPERATION_ID_LENGTH_MAX = 200
MESSAGE_TOO_BIG = 1009
GOING_AWAY = 1001
SESSION_ENDED = 4403
"""As for a token that does not hold: connecting again makes no sense without another one."""


class Admitting(Protocol):
    """The view, as far as it decides what may be asked."""

    trust: Trust

    async def admit_operation(self, context: Context, ask: Ask) -> None:
        """Charge an operation; raises `RefusedError`."""


class SocketAdapter(ASGIWebSocketAdapter):
    """Reads JSON messages of bounded size from a WebSocket."""

    async def iter_json(self, *, ignore_parsing_errors: bool = False) -> AsyncGenerator[object, None]:  # noqa: ARG002
        """Yield messages until the client goes."""
        while self.ws.application_state != WebSocketState.DISCONNECTED:
            try:
                text = await self.ws.receive_text()
            except KeyError as error:
                raise NonTextMessageReceived from error
            except WebSocketDisconnect:
                return
            if len(text.encode()) > BODY_BYTES_MAX:
                await self.close(MESSAGE_TOO_BIG, "Message too big")
                return
            try:
                yield self.view.decode_json(text)
            except ValueError as error:
                raise NonJsonMessageReceived from error

    async def send_json(self, message: Mapping[str, object]) -> None:
        """Send a message; raise `WebSocketDisconnected` where the WebSocket has been closed by then, by either side."""
        try:
            await super().send_json(message)
        except ClosedBefore as closed:
            raise WebSocketDisconnected from closed

    async def close(self, code: int, reason: str) -> None:
        """Close the WebSocket, unless it is closed."""
        await close_socket(self.ws, code, reason)


async def close_socket(socket: WebSocket, code: int, reason: str) -> None:
    """Close a WebSocket, unless it is closed. The server or the client may have done so without our knowing."""
    if socket.application_state == WebSocketState.CONNECTED:
        with suppress(WebSocketDisconnect, RuntimeError):
            await socket.close(code, reason)


class TransportHandler(BaseGraphQLTransportWSHandler[Context, None]):
    """Closes with 4400 on a message that is none of the protocol's, and says by a code that a limit is reached."""

    async def handle_task_exception(self, error: Exception) -> None:
        """Log what went wrong in a stream, but not that its WebSocket was closed before it had something to send."""
        if not isinstance(error, WebSocketDisconnected):
            await super().handle_task_exception(error)

    async def handle_message(self, message: Message) -> None:
        """Take one message."""
        fault = _fault(message, cast("Admitting", self.view).trust.documents)
        if fault:
            await self.handle_invalid_message(fault)
        else:
            await super().handle_message(message)

    async def handle_connection_init(self, message: ConnectionInitMessage) -> None:
        """Let the client in, and forget the task that waited for it to say who it is."""
        await super().handle_connection_init(message)
        if self.connection_acknowledged:
            self.connection_init_timeout_task = None

    async def handle_subscribe(self, message: SubscribeMessage) -> None:
        """Begin an operation, unless as many are open as may be: that one is refused, the others go on."""
        count, limit = len(self.operations) + 1, self.max_subscriptions_per_connection
        is_new = self.connection_acknowledged and message["id"] not in self.operations
        if is_new and limit is not None and count > limit:
            await self._refuse(message, too_complex("operations at once on a WebSocket", count, limit))
            return
        if is_new:
            try:
                view = cast("Admitting", self.view)
                ask = check_ask(message["payload"], view.trust.documents)
                await view.admit_operation(self.context, ask)
                message["payload"]["query"] = ask.query  # Where it was named by its id.
            except RefusedError as refused:
                await self._refuse(message, error_of(refused))
                return
        await super().handle_subscribe(message)

    async def _refuse(self, message: SubscribeMessage, error: GraphQLError) -> None:
        await self.send_message({"id": message["id"], "type": "error", "payload": [error.formatted]})


def _fault(message: object, trusted: TrustedDocuments) -> str | None:
    """Return what is wrong with a message, None when it can be used."""
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        return "Message must be an object with a type"
    found = cast("dict[str, Any]", message)
    if found["type"] in ("subscribe", "complete"):
        operation_id = found.get("id")
        if not isinstance(operation_id, str) or not 1 <= len(operation_id) <= OPERATION_ID_LENGTH_MAX:
            return "Message must have an id"
    if found["type"] == "subscribe":
        try:
            check_ask(found.get("payload"), trusted)
        except RefusedError as refused:
            if refused.status == NOT_FOUND:
                return None  # The operation alone is refused.
            return refused.message[:120]  # A close frame holds 123 bytes.
    return None
