"""GraphQL over HTTP, server-sent events and WebSocket at one address.

HTTP follows the GraphQL over HTTP specification (draft of the GraphQL foundation): media types are
negotiated, and under `application/graphql-response+json` the status tells a request that was refused (4xx)
from one that was executed (200, with or without errors in it). A file comes as a form (`api/multipart.py`). Batches are
not taken.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Awaitable
from datetime import timedelta
from typing import cast

import orjson
from graphql import GraphQLError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.exceptions import ConnectionRejectionError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.subscriptions import GRAPHQL_SSE_PROTOCOL, GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types import ExecutionResult, SubscriptionExecutionResult
from strawberry.types.graphql import OperationType
from strawberry.types.unset import UNSET, UnsetType

from mintql.api.admission import Admission, error_of, headers_of
from mintql.api.asks import KnownAsks, ReadAsk
from mintql.api.caching import digest_in
from mintql.api.context import Context, find_viewer, request_origin
from mintql.api.cookies import bearer, cookie_token
from mintql.api.errors import BAD_USER_INPUT, ERROR_ID_BYTES, UNAUTHENTICATED, UNAVAILABLE, words_for
from mintql.api.exchange import take_away
from mintql.api.ide import ide_page
from mintql.api.keyed_run import REPLAYED_HEADER
from mintql.api.live import LiveSockets
from mintql.api.multipart import Gate, is_multipart, read_multipart_ask
from mintql.api.negotiation import JSON, RESPONSE_JSON, Accepted, negotiate
from mintql.api.nodes import decode_id
from mintql.api.requests import Ask, GraphQLRequest, RefusedError, ask_of_body, ask_of_url, read_body
from mintql.api.responses import Answer, encode_result, json_answer
from mintql.api.schema import Schema
from mintql.api.seats import Seats
from mintql.api.socket_protocol import TRY_AGAIN_LATER
from mintql.api.stopping import Stopping
from mintql.api.trust import Trust
from mintql.api.watching import NONE, count_error
from mintql.api.websocket import SocketAdapter, TransportHandler, close_socket
from mintql.api.whose import FORBIDDEN_ORIGIN, Asker, Whose
from mintql.domain.errors import InvalidInput, NotShared, NotSignedIn
from mintql.domain.ids import ShareId
from mintql.observing import tracing
from mintql.runtime import Runtime
from mintql.services import audit
from mintql.settings import Settings

log = logging.getLogger(__name__)

SHARE_HEADER = "X-Mintql-Share"
SHARE_HEADER_NAME = SHARE_HEADER.lower().encode()
CONNECTION_INIT_SECONDS_MAX = 10
OPERATIONS_PER_SOCKET_MAX = 50
HEADERS_OF_CHANGES = (b"set-cookie", REPLAYED_HEADER.encode())
"""Headers that mutations set for their answer."""
HIT = ((b"x-cache", b"hit"),)
MISS = ((b"x-cache", b"miss"),)


class GraphQLView(GraphQL[Context, None]):
    """The one address of the API."""

    schema: Schema
    runtime: Runtime
    """The resources of the process, once there are any."""
    websocket_adapter_class = SocketAdapter
    graphql_transport_ws_handler_class = TransportHandler

    def __init__(self, schema: Schema, settings: Settings) -> None:
        super().__init__(
            schema,
            graphql_ide="graphiql" if settings.shows_ide else None,
            subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL, GRAPHQL_SSE_PROTOCOL),
            connection_init_wait_timeout=timedelta(seconds=CONNECTION_INIT_SECONDS_MAX),
            max_subscriptions_per_connection=OPERATIONS_PER_SOCKET_MAX,
            allowed_origins=settings.allowed_origins,
        )
        schema.plans.enabled = settings.plans
        schema.documents.begin(tells_schema=settings.tells_schema)
        self.trust = Trust(settings, schema.documents)
        self.admission = Admission(settings)
        self.seats = Seats(settings, self.admission)
        self.stopping = Stopping()
        self._gate = Gate()
        self._asks = KnownAsks(schema)
        self._whose = Whose(settings.allowed_origins)
        self.sockets = LiveSockets()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request or serve a WebSocket."""
        if scope["type"] == "websocket":
            await self.seats.serve(super().__call__, scope, receive, send)
            return
        request = GraphQLRequest(scope, receive)
        audit.begin_hearing(request.origin)
        with tracing.span("request", "server", request.header(b"traceparent")):
            try:
                response = await self._respond(request)
            except ClientDisconnect:
                return
            request.seen.answered(response)
            take_away(scope)
            if request.exchange is None or not isinstance(response, Answer) or not response.goes_by(request.exchange):
                await response(scope, receive, send)

    # HTTP

    async def _respond(self, request: GraphQLRequest) -> Response:
        accepted = negotiate(request.header(b"accept"))
        media = accepted.json or JSON
        try:
            return await self._handle(request, accepted)
        except RefusedError as refused:
            count_error(refused.code)
            return json_answer({"errors": [error_of(refused).formatted]}, media, refused.status, refused.headers)
        except ClientDisconnect:
            raise
        except Exception as unexpected:
            error_id = secrets.token_hex(ERROR_ID_BYTES)
            code, message = words_for(unexpected, error_id)
            count_error(code)
            log.exception("error %s while answering", error_id)
            error = GraphQLError(message, extensions={"code": code, "id": error_id})
            return json_answer({"errors": [error.formatted]}, media, 503 if code == UNAVAILABLE else 500)

    async def _handle(self, request: GraphQLRequest, accepted: Accepted) -> Response:
        method = request.scope["method"]
        if method not in ("GET", "POST"):
            raise RefusedError(405, "Send GET or POST.", headers={"allow": "GET, POST"})
        if method == "GET" and accepted.prefers_html and "query" not in request.query_params:
            return await self.render_graphql_ide(request)
        if accepted.json is None and not accepted.events:
            raise RefusedError(406, f"Answers are {RESPONSE_JSON} or {JSON}; accept one of them.")
        self.admission.check_address(request, self._whose.remembered)
        if is_multipart(method, request.header(b"content-type")):
            return await self._answer_form(request, accepted)
        read = await self._read(request)
        shared, digest = request.has_header(SHARE_HEADER_NAME), None
        if read.digest is not None and accepted.json and not shared:
            digest = digest_in(read.digest, accepted.json, time.time())
        return await self._answer(request, read, accepted, await self._asker(request, read, digest, shared=shared))

    async def _read(self, request: GraphQLRequest) -> ReadAsk:
        if request.scope["method"] == "GET":
            self.admission.check_person(self._whose.remembered(request))
            return self._asks.look_at(self.trust.checked(request, ask_of_url(request, self.trust.documents)))
        body = await read_body(request)
        found = self._asks.get(body)
        if found is None:
            self.admission.check_person(self._whose.remembered(request))
            found = self._asks.look_at(self.trust.checked(request, ask_of_body(body, self.trust.documents)))
            self._asks.keep(body, found)
        else:
            self.trust.checked(request, found.ask)
        return found

    def _asker(self, request: GraphQLRequest, read: ReadAsk, digest: str | None, *, shared: bool) -> Awaitable[Asker]:
        token = self._whose.token_of(request, request.header(b"authorization"))
        reading = read.query is not None
        return self._whose.find(self.runtime, token, reading=reading, digest=digest, known=not shared)

    async def _answer_form(self, request: GraphQLRequest, accepted: Accepted) -> Response:
        """Answer a request that carries a file, which is read only for a person, and one at a time.

        Browsers send forms across origins without asking first, unlike JSON. They name the origin with every one,
        so a cookie counts only beside an origin, which `Whose.token_of` then finds to be trusted.
        """
        authorization = request.header(b"authorization")
        by_cookie = bearer(authorization) is None and cookie_token(request) is not None
        if by_cookie and not request.has_header(b"origin"):
            message = "A form with a file needs the header Origin beside a cookie."
            raise RefusedError(403, message, code=FORBIDDEN_ORIGIN)
        token = self._whose.token_of(request, authorization)
        asker = await self._whose.find(self.runtime, token, reading=False, digest=None)
        if asker.viewer is None:
            raise RefusedError(401, "Sign in first: files are taken with a session only.", code=UNAUTHENTICATED)
        async with self._gate.enter(asker.viewer.user_id):
            ask = await read_multipart_ask(request, self.trust.documents)
            read = self._asks.look_at(self.trust.checked(request, ask))
            return await self._answer(request, read, accepted, asker)

    async def _answer(self, request: GraphQLRequest, read: ReadAsk, accepted: Accepted, asker: Asker) -> Response:
        place, payer = asker.place, asker.viewer and asker.viewer.user_id
        body = None if place is None else place.body
        cache = NONE if place is None else "miss" if body is None else "hit"
        request.seen.reads(read.operation, read.price.cost, cache, payer)
        response: Response
        if body is not None and accepted.json is not None:
            standing = self.admission.charge(request, payer)
            response = Answer(body, accepted.json, 200, HIT)
        else:
            standing = await self.admission.admit(request, payer, read.price)
            response = await self._respond_to(request, read, accepted, asker)
        if standing is not None:
            response.raw_headers += headers_of(standing)
        return response

    async def _respond_to(self, request: GraphQLRequest, read: ReadAsk, accepted: Accepted, asker: Asker) -> Response:
        ask, context = read.ask, await self._context(request, asker, reading=read.query is not None)
        follows = read.operation is not None and read.operation.is_subscription
        if accepted.json is None or (accepted.events and follows):
            return await self._stream(request, ask, context)
        media, place = accepted.json, asker.place
        result = await self._execute(request.method, ask, context)
        body, status = encode_result(result, media)
        if place is not None and not result.errors:
            context.runtime.cache.keep(place.user_id, place.version, place.digest, body)
        response = Answer(body, media, status, MISS if place else ())
        if context.response is not None:
            response.raw_headers += [item for item in context.response.raw_headers if item[0] in HEADERS_OF_CHANGES]
        return response

    async def _execute(self, method: str, ask: Ask, context: Context) -> ExecutionResult:
        allowed = {OperationType.QUERY} | ({OperationType.MUTATION} if method == "POST" else set())
        try:
            return await self.schema.execute(
                ask.query,
                ask.variables,
                context_value=context,
                operation_name=ask.operation_name,
                allowed_operation_types=allowed,
                operation_extensions=ask.extensions,
            )
        except CannotGetOperationTypeError as error:
            return _refusal(error.as_http_error_reason())
        except InvalidOperationTypeError as error:
            if error.operation_type is OperationType.MUTATION:
                raise RefusedError(405, "Send mutations by POST.", headers={"allow": "POST"}) from None
            return _refusal(
                "Subscriptions are streams: open a WebSocket (graphql-transport-ws), or accept text/event-stream."
            )

    async def _stream(self, request: Request, ask: Ask, context: Context) -> Response:
        allowed = {OperationType.QUERY, OperationType.SUBSCRIPTION}
        stream = await self.schema.stream(
            ask.query,
            ask.variables,
            context_value=context,
            operation_name=ask.operation_name,
            allowed_operation_types=allowed | ({OperationType.MUTATION} if request.method == "POST" else set()),
            operation_extensions=ask.extensions,
        )
        sub_response = await self.get_sub_response(request)
        ending = cast("SubscriptionExecutionResult", self.stopping.until(stream))
        made = await self._create_streaming_response(request, ending, "sse", sub_response)
        response = cast("StreamingResponse", made)
        response.body_iterator = self.stopping.without_completion(response.body_iterator)
        response.headers["cache-control"] = "no-store, no-transform"
        return response

    async def render_graphql_ide(self, request: Request) -> Response:  # noqa: ARG002
        """Show the IDE, which loads its scripts from the internet; in development only."""
        if self.graphql_ide is None:
            raise RefusedError(406, f"Answers are {RESPONSE_JSON} or {JSON}; accept one of them.")
        return ide_page(self.graphql_ide_html)

    # WebSocket

    async def admit_operation(self, context: Context, ask: Ask) -> None:
        """Charge an operation of a WebSocket; raises `RefusedError`."""
        request, payer = cast("WebSocket", context.request), context.viewer and context.viewer.user_id
        self.admission.check_person(payer)
        if payer is None:
            self.admission.check_address(request, lambda _: None)
        await self.admission.admit(request, payer, self._asks.look_at(self.trust.checked(request, ask)).price)

    # Who it is

    async def _context(self, request: GraphQLRequest, asker: Asker, *, reading: bool) -> Context:
        # Only changes set cookies.
        response = None if reading else Response()
        context = Context(self.runtime, asker.viewer, request, response, token=asker.token)
        context.known, context.position = asker.known, asker.position
        named = request.header(SHARE_HEADER_NAME)
        if named is not None:
            await _enter_share(context, named)
        return context

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> Context:  # noqa: ARG002
        """Return the context of a WebSocket before `connection_init`."""
        if isinstance(request, WebSocket):
            self.sockets.add(request)
            audit.begin_hearing(request_origin(request))
        return Context(self.runtime, None, request, None, {})

    async def on_ws_connect(self, context: Context) -> UnsetType | dict[str, object] | None:
        """Find out who connects: by the payload, or by the cookie, whose origin was checked at the handshake.

        Raises:
            ConnectionRejectionError: A token was shown that does not hold; closes with 4403.
        """
        shown = (context.connection_params or {}).get("authorization")
        token = bearer(shown)
        if shown is not None and token is None:
            raise ConnectionRejectionError
        if token is None and isinstance(context.request, WebSocket):
            token = cookie_token(context.request)
        if token is not None:
            context.token = token
            async with context.runtime.stream_turns:  # After a restart everybody comes at once.
                context.viewer = await find_viewer(context.runtime, token)
                if context.viewer is None:
                    raise ConnectionRejectionError
                await self._whose.note(context.runtime, context.viewer)
            if isinstance(context.request, WebSocket):
                if not self.sockets.seat(context.request, context.viewer):
                    raise ConnectionRejectionError
                if not self.seats.give(context.request, context.viewer.user_id):
                    await close_socket(context.request, TRY_AGAIN_LATER, "Too many connections")
                    raise ConnectionRejectionError
        share = (context.connection_params or {}).get("share")
        if share is not None:
            try:
                await _enter_share(context, str(share))
            except RefusedError:
                raise ConnectionRejectionError from None
        return cast("UnsetType", UNSET)

    # JSON

    def decode_json(self, data: str | bytes) -> object:
        """Read JSON; raises `json.JSONDecodeError`."""
        return cast("object", orjson.loads(data))

    def encode_json(self, data: object) -> str:
        """Write JSON as text: WebSocket messages have to be text."""
        return orjson.dumps(data).decode()


async def _enter_share(context: Context, text: str) -> None:
    """Let a request speak of what somebody shares with the viewer; raise `RefusedError` when that is not so."""
    try:
        await context.enter(ShareId(decode_id("HouseholdShare", text, field=None)))
    except NotSignedIn as failure:
        raise RefusedError(401, failure.message, code=UNAUTHENTICATED) from None
    except NotShared as failure:
        raise RefusedError(403, failure.message, code=failure.code) from None
    except InvalidInput as failure:
        raise RefusedError(400, f"The header {SHARE_HEADER} is wrong: {failure.message}") from None


def _refusal(message: str) -> ExecutionResult:
    return ExecutionResult(None, [GraphQLError(message, extensions={"code": BAD_USER_INPUT})])
