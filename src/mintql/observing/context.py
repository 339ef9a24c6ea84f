"""What a log line belongs to: the request, the person, the job, the run.

Each request and each job has a set of fields of its own in a context variable. Persons are never named by number or
address but by a pseudonym: a keyed hash that stays the same, by which lines of one person are found together, and by
which nobody who has the log alone can tell who that is.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, Token
from functools import lru_cache
from typing import Any, Final

REQUEST_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/+=-]{3,127}", re.ASCII)
"""What somebody else's id of a request may look like, to be taken over."""
PSEUDONYM_CHARACTERS: Final = 12
PSEUDONYMS_KEPT_MAX: Final = 50_000
_PURPOSE: Final = b"mintql pseudonyms of persons in logs"

Fields = dict[str, Any]

_fields: ContextVar[Fields | None] = ContextVar("mintql_log_fields", default=None)
_serial = itertools.count(1)
_process = secrets.token_hex(4)
_key = secrets.token_bytes(32)


def fields() -> Mapping[str, Any]:
    """Return what the present line belongs to."""
    return _fields.get() or {}


def begin(found: Fields) -> Token[Fields | None]:
    """Let all that follows in this task, and in tasks that it starts, belong to `found`, which may grow."""
    return _fields.set(found)


def end(token: Token[Fields | None]) -> None:
    """Let what follows belong to what it did before."""
    _fields.reset(token)


def note(**found: Any) -> None:
    """Add to what the present request or job is known to be of."""
    known = _fields.get()
    if known is not None:
        known.update(found)


@contextmanager
def within(**found: Any) -> Iterator[None]:
    """Let what is said in the block belong to more than what is said around it."""
    token = _fields.set({**fields(), **found})
    try:
        yield
    finally:
        _fields.reset(token)


def request_id(given: str | None) -> str:
    """Return the id of a request: the one that came with it, if that is well-formed, or a new one."""
    if given is not None and REQUEST_ID.fullmatch(given):
        return given
    return f"{_process}-{next(_serial):x}"


def name_persons_by(secret: bytes) -> None:
    """Make pseudonyms from one of the operator's secrets, the same in all processes; before, each has its own."""
    global _key  # noqa: PLW0603 - loggers are everywhere, and so is what they name persons by
    _key = hmac.digest(secret, _PURPOSE, "sha256")
    pseudonym.cache_clear()


@lru_cache(maxsize=PSEUDONYMS_KEPT_MAX)
def pseudonym(user_id: int) -> str:
    """Return what a person is called in logs."""
    digest = hmac.digest(_key, b"%d" % user_id, hashlib.sha256)
    return digest.hex()[:PSEUDONYM_CHARACTERS]


def masked_key(object_key: str) -> str:
    """Return a key of the object store as it may be logged: its second part is a person's number."""
    first, _, rest = object_key.partition("/")
    person, slash, left = rest.partition("/")
    return f"{first}/{pseudonym(int(person))}{slash}{left}" if person.isdecimal() else object_key
