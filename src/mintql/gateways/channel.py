"""Wake-ups between processes over Redis pub/sub: "these persons have new events".

Nothing but the wake-up is carried. Pub/sub keeps nothing for a listener that is away, so a listener reads
the events themselves from the database, looks there by itself now and then, and once after every reconnect.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from mintql.domain.ids import EventSeq, SessionId, UserId
from mintql.gateways.redis_pause import Pause
from mintql.observing import metrics

log = logging.getLogger(__name__)

CHANNEL = "mintql:wake"
SESSIONS_CHANNEL = "mintql:sessions"
"""Sessions that have ended. Apart from the wake-ups, for processes of an older release, which cannot read it."""
END_MARK = "-"
"""Before a person whose sessions have ended."""
PERSONS_PER_MESSAGE = 1_000
PING_SECONDS = 5.0
"""How long the line may be silent before it is tried; silent for as long again, it counts as cut."""
CANCEL_AGAIN_SECONDS = 0.2
RECONNECT_SECONDS_MIN, RECONNECT_SECONDS_MAX = 0.1, 5.0

OUTAGES = (RedisError, OSError, TimeoutError)
_FAILURES = metrics.REDIS_FAILURES.of("channel")


class Channel:
    """Sends wake-ups, none while Redis is left alone."""

    def __init__(self, redis: Redis, pause: Pause | None = None) -> None:
        self._redis = redis
        self._pause = pause or Pause()

    async def publish(self, user_ids: Iterable[UserId]) -> bool:
        """Wake the listeners of these persons in all processes; say whether Redis took it.

        Never fails: listeners poll as well.
        """
        return await self._send(map(str, sorted(set(user_ids))))

    async def publish_end(self, user_ids: Iterable[UserId]) -> bool:
        """Tell all processes that these persons have no session any more: who is connected as them is cut off.

        Never fails: what is asked over such a connection is refused without it as well.
        """
        return await self._send(f"{END_MARK}{user_id}" for user_id in sorted(set(user_ids)))

    async def publish_session_end(self, session_ids: Iterable[SessionId]) -> bool:
        """Tell all processes that these sessions have ended: who is connected by them is cut off.

        Never fails: streams find out by polling, and what is asked over such a connection is refused without it.
        """
        return await self._send(map(str, sorted(set(session_ids))), SESSIONS_CHANNEL)

    async def _send(self, words: Iterable[str], channel: str = CHANNEL) -> bool:
        ordered = list(words)
        if self._pause.is_on:
            return False
        try:
            for start in range(0, len(ordered), PERSONS_PER_MESSAGE):
                batch = ordered[start : start + PERSONS_PER_MESSAGE]
                await self._redis.publish(channel, " ".join(batch))
        except OUTAGES as error:
            _FAILURES.add()
            self._pause.begin()
            log.warning("wake-ups could not be sent, listeners will find out by polling: %s", error)
            return False
        return True


class Listener:
    """One stream that waits to be woken; thousands of them wait in a process, so it is small.

    Attributes:
        user_id: Whose events it follows.
        session_id: That person's session which it follows them by; None for a stream of somebody else's, through a
            share.
        follower: The session of whoever follows, through a share or not.
        seen: That person's newest event when the stream read last; what is newer is news to it.
    """

    __slots__ = ("_waiter", "_woken", "follower", "seen", "session_id", "user_id")

    def __init__(self, user_id: UserId, session_id: SessionId | None, follower: SessionId | None) -> None:
        self.user_id = user_id
        self.session_id = session_id
        self.follower = follower
        self.seen = EventSeq(0)
        self._woken = False
        self._waiter: asyncio.Future[None] | None = None

    def wake(self) -> None:
        """Let `wait` return, now or when it is called."""
        self._woken = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def clear(self) -> None:
        """Forget that it was woken."""
        self._woken = False

    def is_woken(self) -> bool:
        """Tell whether it was woken since it was cleared."""
        return self._woken

    async def wait(self) -> None:
        """Wait until it is woken. One task may wait at a time."""
        if not self._woken:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None


class Wakeups:
    """Receives wake-ups: one subscription for the whole process, which comes back by itself when cut."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._listeners: dict[UserId, list[Listener]] = {}
        self._task: asyncio.Task[None] | None = None
        self.connected = False
        self.on_end: Callable[[UserId], None] | None = None
        self.on_session_end: Callable[[SessionId], None] | None = None

    async def start(self) -> None:
        """Begin to listen in the background; Redis need not be there yet."""
        self._task = asyncio.create_task(self._run(), name="wakeups")

    async def stop(self) -> None:
        """Stop listening."""
        if self._task is not None:
            # Again and again: a cancellation that meets a timeout of redis-py's own is swallowed by it.
            while not self._task.done():
                self._task.cancel()
                await asyncio.wait([self._task], timeout=CANCEL_AGAIN_SECONDS)
            self._task = None
        self.connected = False

    @contextmanager
    def listen(
        self, user_id: UserId, session_id: SessionId | None = None, follower: SessionId | None = None
    ) -> Iterator[Listener]:
        """Give a listener that is woken whenever this person is, or its session ends; whoever waits on it clears it."""
        listener = Listener(user_id, session_id, follower or session_id)
        self._listeners.setdefault(user_id, []).append(listener)
        try:
            yield listener
        finally:
            left = self._listeners[user_id]
            left.remove(listener)
            if not left:
                del self._listeners[user_id]

    def listening(self) -> list[Listener]:
        """Return all that listen now."""
        return [listener for listeners in self._listeners.values() for listener in listeners]

    async def _run(self) -> None:
        pause = RECONNECT_SECONDS_MIN
        while True:
            try:
                async with self._redis.pubsub() as pubsub:
                    await pubsub.subscribe(CHANNEL, SESSIONS_CHANNEL)
                    if not self.connected:
                        log.info("listening for wake-ups")
                    self.connected, pause = True, RECONNECT_SECONDS_MIN
                    self._wake_all()  # Whatever was said while the line was cut.
                    await self._receive(pubsub)
            except OUTAGES as error:
                if self.connected:
                    log.warning("the line of wake-ups was cut, polling until it is back: %s", error)
            self.connected = False
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311
            pause = min(pause * 2, RECONNECT_SECONDS_MAX)

    async def _receive(self, pubsub: PubSub) -> None:
        pinged = False
        while True:
            message = await pubsub.get_message(timeout=PING_SECONDS)
            if message is not None:
                pinged = False
                self._handle(message)
            elif pinged:
                raise TimeoutError("no answer to a ping")
            else:
                pinged = True
                await pubsub.ping()

    def _handle(self, message: dict[str, Any]) -> None:
        if message["type"] != "message":
            return
        if message["channel"] == SESSIONS_CHANNEL.encode():
            self._end_sessions({SessionId(int(word)) for word in bytes(message["data"]).split()})
            return
        for word in bytes(message["data"]).split():
            ended = word.startswith(END_MARK.encode())
            user_id = UserId(int(word.removeprefix(END_MARK.encode())))
            for listener in self._listeners.get(user_id, ()):
                listener.wake()
            if ended and self.on_end is not None:
                self.on_end(user_id)

    def _end_sessions(self, ended: set[SessionId]) -> None:
        """Let the streams of these sessions notice, whosever events they follow."""
        for listener in self.listening():
            if listener.follower in ended:
                listener.wake()
        if self.on_session_end is not None:
            for session_id in ended:
                self.on_session_end(session_id)

    def _wake_all(self) -> None:
        for listener in self.listening():
            listener.wake()
