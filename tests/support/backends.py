"""Sessions of PostgreSQL that outlive the connection they were opened by, and are lent to the next one like it.

A new session reads the catalogs of every table it meets and plans every statement anew, which takes PostgreSQL longer
than most of what a test asks of it. Here a connection that is closed leaves its session to the next that is opened in
the same way, with the statements that are prepared in it. Between the two it is reset: it has no transaction, settings,
role, locks, cursors, listeners or temporary tables that a new one would not have.

Only connections of this process are like that, to databases that `keep_sessions_of` names, as the owner of the tables.
A connection that is terminated instead of closed, or is lost, ends its session, as without this.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import weakref
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from asyncpg import connect_utils
from asyncpg.connection import Connection
from asyncpg.protocol import Protocol

from mintql.embedded.postgres import SUPERUSER

SESSIONS_MAX = 8
"""Of one kind: more than most pools of tests have."""
RESET_TIMEOUT_SECONDS = 5
_RESET = (
    "RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL; CLOSE ALL; UNLISTEN *; "
    "SELECT pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES"
)
_END_OF_RESET = b"DISCARD SEQUENCES\0"
_TOLD = (
    "server_version", "server_encoding", "client_encoding", "application_name", "default_transaction_read_only",
    "in_hot_standby", "is_superuser", "session_authorization", "DateStyle", "IntervalStyle", "TimeZone",
    "integer_datetimes", "standard_conforming_strings", "scram_iterations", "search_path",
)  # fmt: skip
"""What a server tells of itself when a session begins."""

_open_anew = connect_utils._connect_addr
_close = Connection.close


@dataclass(slots=True)
class _Session:
    """A session nobody uses: the socket it is reached by, how it greeted, and what is prepared in it."""

    socket: socket.socket
    greeting: bytes
    pid: int
    statements: list[tuple[Any, Any]]
    reset: bool = False

    def is_ready(self) -> bool:
        """Wait until it has been reset; tell if it was, and still is there."""
        try:
            if not self.reset:
                _read_reset(self.socket)
                self.reset = True
            return not _has_ended(self.socket)
        except (OSError, EOFError):
            return False


@dataclass(eq=False, slots=True)
class _Kind:
    """What sessions have to have in common to be taken for each other."""

    sessions: list[_Session] = field(default_factory=list)
    greetings: weakref.WeakKeyDictionary[Any, bytes] = field(default_factory=weakref.WeakKeyDictionary)


_kept: dict[str, defaultdict[Any, _Kind]] = {}
"""The kinds of sessions of each database that was named, by the way in which they are opened."""


def keep_sessions_of(database: str) -> None:
    """Keep the sessions of a database from now on."""
    connect_utils._connect_addr = _open
    Connection.close = _close_or_keep
    _kept[database] = defaultdict(_Kind)


def end_sessions_of(database: str) -> None:
    """Keep no sessions of a database any more."""
    for kind in _kept.pop(database).values():
        for session in kind.sessions:
            session.socket.close()


def idle_sessions_of(database: str) -> list[int]:
    """Return the processes of the sessions that wait to be lent, reset."""
    found = []
    for kind in _kept[database].values():
        kind.sessions = [session for session in kind.sessions if _is_ready_or_closed(session)]
        found += [session.pid for session in kind.sessions]
    return found


def _is_ready_or_closed(session: _Session) -> bool:
    if session.is_ready():
        return True
    session.socket.close()
    return False


def _kind_of(addr: Any, params: Any) -> _Kind | None:
    if params.database not in _kept or params.user != SUPERUSER or not isinstance(addr, str):
        return None
    return _kept[params.database][addr, frozenset((params.server_settings or {}).items())]


async def _open(*, addr: Any, loop: Any, params: Any, config: Any, connection_class: Any, record_class: Any) -> Any:
    """Do what asyncpg's own function does, on a session that was kept where there is one."""
    kind = _kind_of(addr, params)
    while kind is not None and kind.sessions:
        session = kind.sessions.pop()
        if not _is_ready_or_closed(session):
            continue
        greeted = loop.create_future()
        transport, _ = await loop.create_unix_connection(asyncio.Protocol, sock=session.socket)
        protocol = Protocol(addr, greeted, params, record_class, loop)
        transport.set_protocol(protocol)
        protocol.connection_made(_GreetedTransport(transport))
        protocol.data_received(session.greeting)
        await greeted
        conn = connection_class(protocol, transport, loop, addr, config, params)
        protocol.set_connection(conn)
        for key, statement in session.statements:
            conn._stmt_cache.put(key, statement)
        kind.greetings[conn] = session.greeting
        return conn
    conn = await _open_anew(
        addr=addr, loop=loop, params=params, config=config, connection_class=connection_class, record_class=record_class
    )
    if kind is not None:
        kind.greetings[conn] = _greeting_of(conn)
    return conn


class _GreetedTransport:
    """A transport that swallows the first message, by which a session would begin that has begun long ago."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport

    def write(self, _beginning: bytes) -> None:
        self.write = self._transport.write

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def _greeting_of(conn: Any) -> bytes:
    """Return what a server says when a session begins, to be said again."""
    settings = conn.get_settings()
    told = [(name, getattr(settings, name, None)) for name in _TOLD]
    return b"".join(
        [
            _message(b"R", struct.pack("!i", 0)),
            *(_message(b"S", f"{name}\0{value}\0".encode()) for name, value in told if value is not None),
            _message(b"K", struct.pack("!ii", conn._protocol.backend_pid, conn._protocol.backend_secret)),
            _message(b"Z", b"I"),
        ]
    )


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


async def _close_or_keep(self: Any, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 - asyncpg's own word
    """Close a connection as asyncpg does, behind whose back its session is kept."""
    kind = _kind_of(self._addr, self._params)
    if kind is not None and not self.is_closed() and self in kind.greetings and len(kind.sessions) < SESSIONS_MAX:
        _keep(self, kind)
    await _close(self, timeout=timeout)


def _keep(conn: Any, kind: _Kind) -> None:
    greeting = kind.greetings.pop(conn)
    end = socket.socket(fileno=os.dup(conn._transport.get_extra_info("socket").fileno()))
    end.settimeout(RESET_TIMEOUT_SECONDS)
    with suppress(OSError):
        begin = "ROLLBACK; " if conn.is_in_transaction() else ""
        end.sendall(_message(b"Q", f"{begin}{_RESET}\0".encode()))
    entries = conn._stmt_cache._entries
    statements = [(key, entry._statement) for key, entry in entries.items()]
    for entry in entries.values():
        conn._stmt_cache._clear_entry_callback(entry)
    entries.clear()
    pid = conn.get_server_pid()
    conn._transport.abort()  # It has an end of its own; asyncpg finds the connection lost where it would close it.
    kind.sessions.append(_Session(end, greeting, pid, statements))


def _read_reset(end: socket.socket) -> None:
    """Read on until the server has done what resets a session."""
    buffer = b""
    is_reset = False
    while True:
        while len(buffer) >= 5 and len(buffer) > (length := struct.unpack_from("!i", buffer, 1)[0]):
            kind, body, buffer = buffer[:1], buffer[5 : length + 1], buffer[length + 1 :]
            if kind == b"E":
                raise EOFError(body.decode(errors="replace"))
            is_reset = is_reset or (kind == b"C" and body == _END_OF_RESET)
            if kind == b"Z" and is_reset:
                return
        more = end.recv(65536)
        if not more:
            raise EOFError
        buffer += more


def _has_ended(end: socket.socket) -> bool:
    """Tell whether the server has said anything since, which can only be a goodbye."""
    end.setblocking(False)
    try:
        end.recv(1)
    except BlockingIOError:
        return False
    return True
