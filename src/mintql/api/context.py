"""What every resolver is given: the viewer, the resources of the process, and this operation's batches."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

import strawberry
from graphql.execution.values import VariableValues
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.websockets import WebSocket
from strawberry.dataloader import DataLoader

from mintql.api.known import Known
from mintql.api.turns import OneConnection, Turn
from mintql.domain.audit import Origin, origin_of
from mintql.domain.categories import CategoryTree
from mintql.domain.errors import NotShared, NotSignedIn
from mintql.domain.household import Entered
from mintql.domain.ids import CategoryId, SessionId, ShareId, TransactionId, UserId
from mintql.domain.periods import Period
from mintql.domain.positions import Position
from mintql.domain.scopes import Scope
from mintql.gateways.channel import Listener
from mintql.services import archive, household
from mintql.services.archive_reading import Finder, kept_for_sure
from mintql.services.budgets import Limits, limits_of
from mintql.services.effects import Effects
from mintql.services.identity import find_session
from mintql.services.personal_categories import standard_tree, tree_of
from mintql.store import streams
from mintql.store.queries import Conn

if TYPE_CHECKING:
    from mintql.api.keyed_run import KeyedRun
    from mintql.runtime import Runtime  # Printing the schema needs no client of any gateway.

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

AnswerEvent: TypeAlias = Callable[[Any, VariableValues, "Context"], Awaitable[dict[str, Any] | None]]
"""Gives the data of a subscription's event without any error; None when graphql-core has to answer it."""

EVER = Period(date.min, date.max)
BATCH_SIZE_MAX = 500
"""How many keys one batch of a loader may ask the database for."""


class Viewer(NamedTuple):
    """The person a request speaks for, and the session that says so.

    `scopes` are what an access token may do in the session's place; None for a session, which may do everything.
    """

    user_id: UserId
    session_id: SessionId
    expires_at: datetime
    scopes: frozenset[Scope] | None = None


@dataclass(slots=True)
class Context:
    """The context of one operation.

    `viewer` is None without a session. `response` is set for HTTP; its headers go out with the answer.
    `connection_params` is the payload of `connection_init` on a WebSocket. `token` is what the viewer showed,
    kept so that a long-lived connection can be asked again whether its session still holds. `tree` holds the viewer's
    categories once `category_tree` was asked.

    `shows_old` says that transactions are shown which may be archived.

    `share` is what a request of a member goes through (`api/sharing.py`). Only what is shared is seen, but for the one
    transaction of a manager's change, before which `fenced` is taken down.

    `position` is what a replica must have replayed to be read for this operation; None when none may be.

    `known` is what this process remembers of the person, for a read under the version that holds. `asked` are the names
    of the fields that are asked for of each node of a page while a plan calls its resolver, which may read it until it
    first waits; None where nobody knows.

    `answer_event` is there for a subscription, and answers its events by their plan.

    `keyed` is the run of a mutation with an idempotency key while its resolver runs; `replayed` names those that were
    answered as they were before.
    """

    runtime: Runtime
    viewer: Viewer | None = None
    request: Request | WebSocket | None = None
    response: Response | None = None
    connection_params: dict[str, Any] | None = None
    token: str | None = field(default=None, repr=False)
    loaders: dict[object, DataLoader[Any, Any]] = field(default_factory=dict)
    tree: CategoryTree | None = None
    share: Entered | None = None
    fenced: bool = True
    position: Position | None = None
    known: Known | None = None
    asked: frozenset[str] | None = None
    shows_old: bool = False
    answer_event: AnswerEvent | None = None
    keyed: KeyedRun | None = None
    replayed: list[str] = field(default_factory=list)
    together: OneConnection | None = field(default=None, init=False, repr=False)

    @property
    def user_id(self) -> UserId:
        """Whose money it is: the viewer's, or that of whoever shares it; raises `NotSignedIn` without a session."""
        viewer = self.signed_in()
        return viewer.user_id if self.share is None else self.share.owner_id

    def entered(self) -> Entered:
        """Return the share that the request goes through; raise `NotShared` when it names none."""
        if self.share is None:
            raise NotShared("This request names no share.")
        return self.share

    def signed_in(self) -> Viewer:
        """Return the viewer, or raise `NotSignedIn`."""
        if self.viewer is None:
            raise NotSignedIn("Sign in first: this needs a session.")
        return self.viewer

    def person(self) -> AbstractAsyncContextManager[Conn]:
        """Open a database transaction that sees the viewer's rows only, or what a share shows of its owner's.

        Within `one_connection`, each statement is a transaction of its own. Never await a loader inside: it takes a
        second connection of the pool, and as many requests as the pool has connections would then wait for each other.

        Raises:
            NotSignedIn: There is no session.
            NotShared: The share has ended, or what is read is not for members.
        """
        viewer = self.signed_in()
        if self.together is not None and self.share is None:
            return Turn(self.together, viewer.user_id)
        return self._transaction(viewer)

    @asynccontextmanager
    async def _transaction(self, viewer: Viewer) -> AsyncIterator[Conn]:
        async with self.acting(viewer.user_id) as conn:
            if self.share is None:
                yield conn
                return
            admitted, fenced, self.fenced = self.share, self.fenced, True
            self.share = await household.enter(conn, admitted.share_id, fenced=fenced)
            if not fenced and self.share != admitted:
                raise NotShared("What is shared with you has just been changed; try again.")
            try:
                yield conn
            except household.RefusedByFence:
                raise NotShared("This is not for members of a household.") from None

    def acting(self, user_id: UserId) -> AbstractAsyncContextManager[Conn]:
        """Open a transaction of who has just said who they are; a change in it is made once for its idempotency key."""
        return (self.keyed or self.runtime).person(user_id)

    async def answer_as_before(self, user_id: UserId) -> None:
        """End the mutation here with its earlier answer, where a person's idempotency key says that it is done."""
        if self.keyed is not None:
            await self.keyed.raise_done(user_id)

    def preparing(self) -> AbstractAsyncContextManager[Conn]:
        """Open a transaction of the viewer's for what comes before the change that a mutation makes.

        What is written or locked in it does not count as that change, whose key stays free until it is made.
        """
        return self.runtime.person(self.signed_in().user_id)

    @asynccontextmanager
    async def following(self, listener: Listener) -> AsyncIterator[Conn]:
        """Open a connection on which a stream reads what is new, once it is its turn; the listener notes how new.

        Raises:
            NotSignedIn: The session has ended or run out.
            NotShared: The share has ended, or what is read is not for members.
        """
        viewer = self.signed_in()
        async with self.runtime.stream_turns:
            begin = partial(streams.begin_reading, user_id=viewer.user_id, session_id=viewer.session_id, now=self.now())
            async with self.runtime.fenced_from(viewer.user_id, begin) as (conn, begun):
                if begun is None:
                    raise NotSignedIn("The session has ended. Sign in again, then go on after the last cursor.")
                listener.seen = begun.event_seq
                if self.share is None:
                    if not begun.has_own_categories:
                        self.tree = standard_tree()
                    yield conn
                    return
            async with self.person() as conn:
                yield conn

    def ledger(self) -> AbstractAsyncContextManager[Conn]:
        """Open a transaction on all rows of whose money it is, for what leaves out by itself what is not shared."""
        return self.person() if self.share is None else self._ledger(self.share)

    @asynccontextmanager
    async def _ledger(self, share: Entered) -> AsyncIterator[Conn]:
        async with self.runtime.person(self.signed_in().user_id) as conn:
            self.share = await household.enter(conn, share.share_id, fenced=False)
            yield conn

    def one_connection(self) -> AbstractAsyncContextManager[None]:
        """Let all reads inside share one connection, taken from the pool when it is first needed.

        For reads that end, if one of them fails, all together.
        """
        return OneConnection(self)

    async def bring_back(
        self,
        spans: Iterable[Period] = (EVER,),
        *,
        account_ids: Sequence[int] | None = None,
        category_ids: Sequence[int] | None = None,
    ) -> None:
        """Have archived months of these days in the database again, for what looks through or changes rows there.

        Only those with one of the accounts and categories, where such are given. Nothing of them is shown by that.

        Raises:
            HoldsConnection: The reads of a plan hold a connection; the operation has to run without one.
        """
        old = [span for span in spans if span.first < kept_for_sure(self.now().date())]
        if not old or self.runtime.archive.is_unused:
            return
        if self.together is not None and self.together.conn is not None:
            raise HoldsConnection
        async with self.runtime.person(self.user_id) as conn:
            if not await self.runtime.archive.in_use(conn):
                return
            self._read_where_written()
            for span in old:
                await archive.bring_back(
                    conn,
                    self.runtime.objects,
                    self.user_id,
                    self.now(),
                    first=span.first,
                    last=span.last,
                    account_ids=account_ids,
                    category_ids=category_ids,
                )

    async def bring_back_of(self, transaction_ids: Sequence[int]) -> None:
        """Have the months of these transactions in the database again, before they are changed."""
        if self.runtime.archive.is_unused:
            return
        async with self.runtime.person(self.user_id) as conn:
            if await self.runtime.archive.in_use(conn):
                self._read_where_written()
                await archive.bring_back_of(conn, self.runtime.objects, self.user_id, transaction_ids, self.now())

    def _read_where_written(self) -> None:
        """Ask no replica: what somebody brings back changes nothing that is shown, and so no version tells of it."""
        self.position = None
        if self.together is not None:
            self.together.position = None

    async def find(
        self, conn: Conn, transaction_ids: Sequence[TransactionId], read: Finder[V]
    ) -> dict[TransactionId, V]:
        """Return what is said of transactions, most of which nothing is said of.

        Archived months are asked only where the operation has shown days of which there may be some.
        """
        if not self.shows_old:
            return await read(conn, self.user_id, transaction_ids)
        return await self.runtime.archive.find(conn, self.user_id, transaction_ids, read)

    def shows_budget(self, category_id: CategoryId) -> bool:
        """Tell whether a budget is the viewer's, or shared with them."""
        return self.share is None or self.share.extent.has_budget(category_id)

    async def carry_out(self, act: Callable[[Conn, UserId, K, datetime], Awaitable[Effects]], subject: K) -> None:
        """Let a service do something to one thing of the viewer's, and then what waits for the commit."""
        async with self.person() as conn:
            effects = await act(conn, self.user_id, subject, self.now())
        await self.runtime.perform(effects)

    def loader(self, load: Callable[[Context, list[K]], Awaitable[list[V]]]) -> DataLoader[K, V]:
        """Return this operation's loader for `load`, which maps a list of keys to values in their order."""
        found = self.loaders.get(load)
        if found is None:
            found = DataLoader(load_fn=partial(load, self), max_batch_size=BATCH_SIZE_MAX)
            self.loaders[load] = found
        return found

    async def category_tree(self, conn: Conn, named: Iterable[CategoryId] = ()) -> CategoryTree:
        """Return the viewer's categories, read once for the operation.

        `named` are the categories of rows that were read on `conn` before: a tree that was read before one of them
        was made is read anew.
        """
        if self.tree is None and self.known is not None:
            self.tree = self.known.tree
        if self.tree is None or not self.tree.by_id.keys() >= set(named):
            self.tree = await tree_of(conn, self.user_id)
            if self.known is not None:
                self.known.tree = self.tree
        return self.tree

    async def limits(self, conn: Conn) -> Limits:
        """Return the limits of the viewer's budgets."""
        if self.known is None:
            return await limits_of(conn, self.user_id)
        if self.known.limits is None:
            self.known.limits = await limits_of(conn, self.user_id)
        return self.known.limits

    def forget(self) -> None:
        """Let what follows be answered from what holds then: after a change, and for each item of a stream."""
        self.loaders.clear()
        self.tree = self.known = None

    async def for_operation(self, *, following: bool) -> Context:
        """Return the context of one operation of a long-lived connection.

        It has batches of its own, and its viewer is who the session says now. A stream, which is `following`, looks
        for its session itself before it reads anything.
        """
        found = Context(self.runtime, None, self.request, self.response, self.connection_params, self.token)
        if following:
            found.viewer = self.viewer
        elif self.token is not None:
            async with self.runtime.stream_turns:
                found.viewer = await find_viewer(self.runtime, self.token)
        if self.share is not None:
            await found.enter(self.share.share_id)
        return found

    async def enter(self, share_id: ShareId) -> None:
        """Speak of what somebody shares with the viewer from here on; raise `NotShared` when nobody does."""
        async with self.runtime.person(self.signed_in().user_id) as conn:
            self.share = await household.enter(conn, share_id, fenced=True)

    @staticmethod
    def now() -> datetime:
        """Return the time, aware and in UTC."""
        return datetime.now(UTC)


class HoldsConnection(Exception):  # noqa: N818 - the plan that holds it gives up, and nobody else sees this
    """A second connection of the pool is wanted by who holds one: enough of them would wait for each other."""


async def find_viewer(runtime: Runtime, token: str) -> Viewer | None:
    """Return whom a token speaks for, None when its session is unknown or over."""
    session = await runtime.ask(lambda conn: find_session(conn, token))
    return None if session is None else Viewer(session.user_id, session.session_id, session.expires_at, session.scopes)


def request_origin(request: HTTPConnection) -> Origin:
    """Return where a request came from. A proxy's word for that counts where the server trusts the proxy."""
    client = request.client
    return origin_of(None if client is None else client.host, request.headers.get("user-agent"))


Info: TypeAlias = strawberry.Info[Context, None]
