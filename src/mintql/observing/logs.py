"""How log lines are written: as text for people, or as a JSON object each for programs that collect them.

Every line has time (UTC), level, logger and message, and what it belongs to (`context.fields`). An exception is one
field, `error`. E-mail addresses, and what PostgreSQL quotes of rows, are left out wherever they come from.

`Access` writes a line for each request. It goes around `logging`, whose records cost more than everything else that is
noted of a request; lines are put together and written a few times a second.
"""

from __future__ import annotations

import asyncio
import logging
import re
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple

import orjson

from mintql.observing import context

Format = Literal["text", "json"]

FLUSH_SECONDS: Final = 0.1
LINES_HELD_MAX: Final = 1_000
MESSAGE_CHARACTERS_MAX: Final = 10_000
ERROR_CHARACTERS_MAX: Final = 20_000

CHATTY: Final = ("httpx", "httpcore", "arq", "botocore", "aiobotocore", "asyncio", "uvicorn", "daft", "tracing")
"""A line for each request, each job, each connection; of Daft, whose own logger is `tracing`, for each step."""
ACCESS: Final = "mintql.access"

_EMAIL: Final = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_ROW: Final = re.compile(r"^(DETAIL: ).*$", re.MULTILINE)


def without_persons(text: str) -> str:
    """Return a text without what may tell who somebody is."""
    if "DETAIL: " in text:
        text = _ROW.sub(r"\1(left out)", text)
    return _EMAIL.sub("(e-mail)", text) if "@" in text else text


class _Formatter(logging.Formatter):
    def message_of(self, record: logging.LogRecord) -> str:
        return without_persons(record.getMessage())[:MESSAGE_CHARACTERS_MAX]

    def error_of(self, record: logging.LogRecord) -> str | None:
        """Return the traceback, the end of it where it is very long."""
        if record.exc_info and record.exc_info[0] is not None:
            return without_persons(self.formatException(record.exc_info))[-ERROR_CHARACTERS_MAX:]
        return None


class JsonFormatter(_Formatter):
    """Writes a line as a JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = {
            "time": _time(record.created),
            "level": record.levelname,
            "logger": record.name,
            "message": self.message_of(record),
            **context.fields(),
        }
        error = self.error_of(record)
        if error is not None:
            line["error"] = error
        return orjson.dumps(line, default=str).decode()


class TextFormatter(_Formatter):
    """Writes a line for people, the traceback below it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        said = " ".join(f"{name}={value}" for name, value in context.fields().items())
        message = self.message_of(record) + (f"  [{said}]" if said else "")
        line = f"{_time(record.created)} {record.levelname} {record.name}: {message}"
        error = self.error_of(record)
        return line if error is None else f"{line}\n{error}"


def _time(moment: float) -> str:
    return f"{_second(int(moment))}.{int(moment * 1000) % 1000:03}Z"


@lru_cache(maxsize=2)
def _second(moment: int) -> str:
    """Return a time without its milliseconds: the same for all lines of a second."""
    return datetime.fromtimestamp(moment, UTC).isoformat().removesuffix("+00:00")


class Line(NamedTuple):
    """What the access log says of a request: when it was answered (Unix time), what it was, what became of it.

    `fields` are those of its context.
    """

    moment: float
    method: str
    path: str
    kind: str
    status: int
    milliseconds: float
    cache: str
    cost: int
    fields: Mapping[str, Any]

    @property
    def message(self) -> str:
        """It in words."""
        name = self.fields.get("operation", "")
        return f"{self.method} {self.path} {self.kind} {name} {self.status} {self.milliseconds} ms {self.cache}"

    def as_json(self) -> bytes:
        """Return the line for programs."""
        said = {"time": _time(self.moment), "level": "INFO", "logger": ACCESS, "message": self.message}
        for name in ("method", "path", "kind", "status", "milliseconds", "cache", "cost"):
            said[name] = getattr(self, name)
        return orjson.dumps({**said, **self.fields})

    def as_text(self) -> bytes:
        """Return the line for people, which is shorter."""
        person = f" person={self.fields['person']}" if "person" in self.fields else ""
        belongs = f"[request={self.fields.get('request', '')}{person}]"
        return f"{_time(self.moment)} INFO {ACCESS}: {self.message}  {belongs}".encode()


class Access:
    """A line for each request, once `open` was called and until `close`."""

    def __init__(self) -> None:
        self.is_open = False
        self._form: Callable[[Line], bytes] = Line.as_json
        self._write: Callable[[bytes], object] = sys.stderr.buffer.write
        self._lines: list[Line] = []
        self._flushing: asyncio.TimerHandle | None = None

    def open(self, format_: Format, write: Callable[[bytes], object]) -> None:
        """Write lines from now on."""
        self.is_open, self._write = True, write
        self._form = Line.as_json if format_ == "json" else Line.as_text

    def close(self) -> None:
        """Write what is left, and no more after that."""
        self.flush()
        self.is_open = False

    def note(self, line: Line) -> None:
        """Write a line soon. It takes its form then, with others, while no request waits."""
        self._lines.append(line)
        if len(self._lines) >= LINES_HELD_MAX:
            self.flush()
        elif self._flushing is None:
            self._flushing = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.flush)

    def flush(self) -> None:
        """Write the lines that are held."""
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        lines, self._lines = self._lines, []
        if lines:
            self._write(b"\n".join(map(self._form, lines)) + b"\n")


access = Access()
"""The access log of this process; closed unless it is the API's own process."""


def configure(format_: Format, level: str) -> None:
    """Let all loggers of this process write to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if format_ == "json" else TextFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in CHATTY:  # uvicorn says what it begins and ends, which is ours to say.
        logging.getLogger(name).setLevel(logging.WARNING)


def write_access(format_: Format, level: str) -> None:
    """Write a line for each request to standard error, unless only what is worse than that is wanted."""
    if logging.getLevelNamesMapping()[level] <= logging.INFO:
        access.open(format_, _to_stderr)


def _to_stderr(lines: bytes) -> None:
    sys.stderr.buffer.write(lines)
    sys.stderr.buffer.flush()
