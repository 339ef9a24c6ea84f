"""What every resolver is given: the viewer, the resources of the process, and this operation's batches."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

import strawberry
from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket
from strawberry.dataloader import DataLoader

from mintql.domain.errors import NotSignedIn
from mintql.domain.ids import SessionId, UserId
from mintql.store.queries import Conn

if TYPE_CHECKING:
    from mintql.runtime import Runtime  # Printing the schema needs no client of any gateway.

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

BATCH_SIZE_MAX = 500
"""How many keys one batch of a loader may ask the database for."""


class Viewer(NamedTuple):
    """The person a request speaks for, and the session that says so."""

    user_id: UserId
    session_id: SessionId
    expires_at: datetime


@dataclass(slots=True)
class Context:
    """The context of one operation.

    `viewer` is None without a session. `response` is set for HTTP; its headers go out with the answer.
    `connection_params` is the payload of `connection_init` on a WebSocket.
    """

    runtime: Runtime
    viewer: Viewer | None = None
    request: Request | WebSocket | None = None
    response: Response | None = None
    connection_params: dict[str, Any] | None = None
    loaders: dict[object, DataLoader[Any, Any]] = field(default_factory=dict)

    @property
    def user_id(self) -> UserId:
        """The viewer's id; raises `NotSignedIn` when there is no session."""
        return self.signed_in().user_id

    def signed_in(self) -> Viewer:
        """Return the viewer, or raise `NotSignedIn`."""
        if self.viewer is None:
            raise NotSignedIn("Sign in first: this needs a session.")
        return self.viewer

    @asynccontextmanager
    async def person(self) -> AsyncIterator[Conn]:
        """Open a database transaction that sees the viewer's rows only.

        Never await a loader inside: it takes a second connection of the pool, and as many requests as the
        pool has connections would then wait for each other.
        """
        async with self.runtime.person(self.user_id) as conn:
            yield conn

    def loader(self, load: Callable[[Context, list[K]], Awaitable[list[V]]]) -> DataLoader[K, V]:
        """Return this operation's loader for `load`, which maps a list of keys to values in their order."""
        found = self.loaders.get(load)
        if found is None:
            found = DataLoader(load_fn=partial(load, self), max_batch_size=BATCH_SIZE_MAX)
            self.loaders[load] = found
        return found

    def fork(self) -> Context:
        """Return a context for another operation of the same client, with batches of its own."""
        return Context(self.runtime, self.viewer, self.request, self.response, self.connection_params)

    @staticmethod
    def now() -> datetime:
        """Return the time, aware and in UTC."""
        return datetime.now(UTC)


Info: TypeAlias = strawberry.Info[Context, None]
