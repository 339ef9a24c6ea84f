"""How failures look to a client.

Mutations return expected failures as typed members of their result; `HANDLERS` turn the exceptions into
them. Queries report them as GraphQL errors with `extensions.code`. Anything unexpected is logged with an
id, and the client is told the id and nothing else.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Protocol, cast

import strawberry
from graphql import GraphQLError, GraphQLSyntaxError, IntValueNode
from strawberry.exceptions import MissingQueryError
from strawberry.extensions import SchemaExtension
from strawberry.schema.exception_handlers import ExceptionHandler
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types import ExecutionResult
from strawberry.types.execution import StreamExecutionResult

from mintql.api.blame import Blame
from mintql.api.documents import Documents
from mintql.api.limits import TOO_COMPLEX
from mintql.api.watching import count_error
from mintql.domain import errors as failures
from mintql.domain.wording import shown
from mintql.gateways.objects import ObjectStoreDown
from mintql.store.hosts import is_lost

log = logging.getLogger(__name__)

BAD_USER_INPUT = "BAD_USER_INPUT"
UNAUTHENTICATED = "UNAUTHENTICATED"
PARSE_FAILED = "GRAPHQL_PARSE_FAILED"
SUGGESTION = " Did you mean "
"""How GraphQL begins to name what somebody may have meant, at the end of its words."""
PARSER_LIMIT = "Parsing aborted."
"""How the parser ends its words when a document passes one of its limits."""
INTERNAL = "INTERNAL_SERVER_ERROR"
UNAVAILABLE = "SERVICE_UNAVAILABLE"
ERROR_ID_BYTES = 8
NOT_OURS = (MissingQueryError, CannotGetOperationTypeError, InvalidOperationTypeError)
"""How strawberry says that a request asks for nothing, which the view answers."""

QUERY_CODES: dict[str, str] = {
    failures.InvalidInput.code: BAD_USER_INPUT,
    failures.NotSignedIn.code: UNAUTHENTICATED,
}
"""Codes of failures that GraphQL clients know by another name in `extensions.code`."""


@strawberry.interface(description="Why something could not be done, in words for the person.")
class Error:
    """What all typed failures have."""

    code: str = strawberry.field(description="Stable code for programs.")
    message: str = strawberry.field(description="What went wrong and what to do, as a sentence to show.")
    field: str | None = strawberry.field(description="The argument or input field that is to blame, if one is.")


@strawberry.type(name="InvalidInput", description="A value that was sent cannot be used.")
class InvalidInputError(Error):
    """See `domain.errors.InvalidInput`."""


@strawberry.type(
    name="NotFound", description="What was asked for does not exist, or is not the viewer's: the two look the same."
)
class NotFoundError(Error):
    """See `domain.errors.NotFound`."""


@strawberry.type(name="NotSignedIn", description="There is no session, or it has ended. Sign in and try again.")
class NotSignedInError(Error):
    """See `domain.errors.NotSignedIn`."""


@strawberry.type(name="BadCredentials", description="E-mail and password do not belong together.")
class BadCredentialsError(Error):
    """See `domain.errors.BadCredentials`."""


@strawberry.type(name="EmailTaken", description="Somebody has signed up with this e-mail address already.")
class EmailTakenError(Error):
    """See `domain.errors.EmailTaken`."""


@strawberry.type(name="RateLimited", description="Too often. Try again later.")
class RateLimitedError(Error):
    """See `domain.errors.RateLimited`."""

    retry_at: datetime | None = strawberry.field(description="When the next try is allowed.")


@strawberry.type(
    name="TooManyAttempts",
    description="A password or code was tried too often. Says nothing of whether there is such an account.",
)
class TooManyAttemptsError(Error):
    """See `domain.errors.TooManyAttempts`."""

    retry_after_seconds: int = strawberry.field(description="How many seconds until the next attempt is taken.")


@strawberry.type(
    name="InstitutionError",
    description="The institution refused or could not be used: AUTH_REQUIRED (login or password refused), "
    "INSTITUTION_DOWN (not reachable), PROTOCOL_ERROR (answered nonsense) and others.",
)
class InstitutionError(Error):
    """See `domain.errors.InstitutionFailure`."""

    action: str = strawberry.field(description="What only the person can do about it; empty when nothing.")
    retryable: bool = strawberry.field(description="Whether trying again later can help by itself.")
    retry_at: datetime | None = strawberry.field(description="When trying again makes sense, if that is known.")


class _PlainHandler:
    """Turns one kind of failure into the type that shows its code, words and field."""

    def __init__(self, exception_type: type[failures.Failure], error_type: type[Error]) -> None:
        self.exception_type = exception_type
        self.error_type = error_type

    def handle(self, exception: failures.Failure, *, field: Any, info: Any) -> Error:  # noqa: ARG002
        count_error(exception.code)
        return self.error_type(code=exception.code, message=exception.message, field=exception.field)


class _RateLimitedHandler(ExceptionHandler[failures.RateLimited, RateLimitedError]):
    def handle(self, exception: failures.RateLimited, *, field: Any, info: Any) -> RateLimitedError:  # noqa: ARG002
        count_error(exception.code)
        return RateLimitedError(
            code=exception.code, message=exception.message, field=exception.field, retry_at=exception.retry_at
        )


class _TooManyAttemptsHandler(ExceptionHandler[failures.TooManyAttempts, TooManyAttemptsError]):
    def handle(self, exception: failures.TooManyAttempts, *, field: Any, info: Any) -> TooManyAttemptsError:  # noqa: ARG002
        count_error(exception.code)
        return TooManyAttemptsError(
            code=exception.code,
            message=exception.message,
            field=exception.field,
            retry_after_seconds=exception.retry_after_seconds,
        )


class _InstitutionHandler(ExceptionHandler[failures.InstitutionFailure, InstitutionError]):
    def handle(self, exception: failures.InstitutionFailure, *, field: Any, info: Any) -> InstitutionError:  # noqa: ARG002
        count_error(exception.code)
        return InstitutionError(
            code=exception.code,
            message=exception.message,
            field=exception.field,
            action=exception.action,
            retryable=exception.retryable,
            retry_at=exception.retry_at,
        )


HANDLERS: tuple[ExceptionHandler[Any], ...] = (
    _PlainHandler(failures.InvalidInput, InvalidInputError),
    _PlainHandler(failures.NotFound, NotFoundError),
    _PlainHandler(failures.NotSignedIn, NotSignedInError),
    _PlainHandler(failures.BadCredentials, BadCredentialsError),
    _PlainHandler(failures.EmailTaken, EmailTakenError),
    _RateLimitedHandler(),
    _TooManyAttemptsHandler(),
    _InstitutionHandler(),
)


def dress(error: GraphQLError, blame: Blame) -> GraphQLError:
    """Return the error as a client may see it: with a code, and without what only we may know.

    `blame` finds the argument that a value was meant for which was refused before anything was executed.
    """
    original = _root_cause(error)
    if isinstance(original, failures.Failure):
        field = original.field or blame.field_of(error)
        if error.path is None:
            error.message = original.message  # A scalar's words, without GraphQL's around them.
        return _with_code(error, QUERY_CODES.get(original.code, original.code), field, original)
    if isinstance(original, ValueError) and error.nodes and isinstance(error.nodes[0], IntValueNode):
        error.message = f"{shown(error.nodes[0].value)} is not a number that can be used."  # Python reads 4,300 digits.
        return _with_code(error, BAD_USER_INPUT, blame.field_of(error))
    if original is not None:
        return _masked(error, original)
    if isinstance(error, GraphQLSyntaxError):
        return _with_code(error, TOO_COMPLEX if error.message.endswith(PARSER_LIMIT) else PARSE_FAILED)
    if (error.extensions or {}).get("code"):
        return error
    return _with_code(error, BAD_USER_INPUT, blame.field_of(error))


def _root_cause(error: GraphQLError) -> Exception | None:
    """Return what a resolver or a scalar raised; None when GraphQL itself found the fault."""
    original = error.original_error
    while isinstance(original, GraphQLError):
        original = original.original_error
    return original


def _with_code(
    error: GraphQLError, code: str, field: str | None = None, failure: failures.Failure | None = None
) -> GraphQLError:
    extensions: dict[str, Any] = {"code": code}
    if field:
        extensions["field"] = field
    retry_at = getattr(failure, "retry_at", None)
    if retry_at is not None:
        extensions["retryAt"] = retry_at.isoformat()
    error.extensions = extensions
    return error


def words_for(unexpected: Exception, error_id: str) -> tuple[str, str]:
    """Return the code and the words of what a client may not know: an outage, which trying again helps, or a defect."""
    if isinstance(unexpected, TimeoutError | ObjectStoreDown) or is_lost(unexpected):
        words = (
            f"The server cannot answer this now; try again in a few seconds. If it stays so, quote the id {error_id}."
        )
        return UNAVAILABLE, words
    return INTERNAL, f"Something went wrong on our side; quote the id {error_id} when you ask us about it."


def _masked(error: GraphQLError, original: Exception) -> GraphQLError:
    error_id = secrets.token_hex(ERROR_ID_BYTES)
    log.error("error %s at %s", error_id, error.path, exc_info=original)
    code, words = words_for(original, error_id)
    return GraphQLError(words, nodes=error.nodes, path=error.path, extensions={"code": code, "id": error_id})


class DressErrors(SchemaExtension):
    """Gives every error that leaves the schema its code, and masks the unexpected ones."""

    _streamed = False

    def on_operation(self) -> Iterator[None]:
        """Dress the errors of an operation with one result.

        What is raised past graphql-core, such as by what goes on around a field, has no result: it is masked here.
        """
        try:
            yield
        except (GraphQLError, *NOT_OURS):
            raise
        except Exception as unexpected:  # noqa: BLE001 - whatever it is, nobody is told of it
            masked = _masked(GraphQLError(""), unexpected)
            count_error(str((masked.extensions or {}).get("code")))
            raise masked from None
        result = self.execution_context.result
        if not self._streamed and result is not None and result.errors:
            result.errors = self._dressed(result.errors)

    def on_stream_result(self, result: StreamExecutionResult) -> Iterator[None]:
        """Dress the errors of one result of a stream."""
        self._streamed = True
        if isinstance(result, ExecutionResult) and result.errors:
            result.errors = self._dressed(result.errors)
        yield

    def _dressed(self, errors: list[GraphQLError]) -> list[GraphQLError]:
        blame = Blame(self.execution_context.graphql_document)
        dressed = [dress(error, blame) for error in errors]
        for error in dressed:
            count_error(str((error.extensions or {}).get("code")))
        if not cast("_TellsOrNot", self.execution_context.schema).documents.tells_schema:
            for error in dressed:
                error.message = without_suggestions(error.message)
        return dressed


class _TellsOrNot(Protocol):
    """The schema, as far as it knows whether clients may learn of it."""

    documents: Documents


def without_suggestions(message: str) -> str:
    """Return the words of an error without the names that would have been right."""
    return message.partition(SUGGESTION)[0]
