"""Files sent with a GraphQL request, as the GraphQL multipart request specification has it (jaydenseric, version 2).

A form of three parts in this order: `operations` (the request as JSON, null where the file goes), `map` (which part
goes where, e.g. `{"0": ["variables.file"]}`) and the file. The file is read as it comes in and never grows beyond
its bound. Batches are not taken.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.message import Message
from functools import lru_cache
from typing import Any

import orjson
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser
from starlette.requests import Request

from mintql.api.requests import BODY_BYTES_MAX, CONTENT_TYPES_KEPT_MAX, Ask, RefusedError, check_ask
from mintql.api.trusted_documents import NO_DOCUMENTS, TrustedDocuments
from mintql.domain.ids import UserId
from mintql.domain.wording import shown
from mintql.institutions.files.base import FILE_BYTES_MAX

MEDIA = "multipart/form-data"
MAP_BYTES_MAX = 4 * 1024
PARTS_MAX = 3
PATHS_MAX = 10
"""How many variables may be given the one file."""
HEADERS_PER_PART_MAX = 8
HEADER_BYTES_MAX = 1_024
OVERHEAD_BYTES_MAX = 64 * 1024
"""Boundaries, headers, and what some clients put before the first part."""
FILE_NAME_CHARACTERS_MAX = 255
UPLOAD_SECONDS_MAX = 300.0
"""64 MiB take this long at 1.8 Mbit/s."""
UPLOADS_AT_ONCE_MAX = 4
"""Files that one process holds in memory at a time."""
QUEUE_SECONDS_MAX = 10.0


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file that came with a request. Its name is what the client says; nothing but its ending is ever believed."""

    name: str
    content: bytes = field(repr=False)


@dataclass(slots=True)
class _Part:
    """A part that is being read: its headers, then its content, of at most `limit` bytes."""

    headers: dict[bytes, bytes] = field(default_factory=dict)
    name: str = ""
    file_name: str = ""
    limit: int = 0
    content: bytearray = field(default_factory=bytearray)


class Gate:
    """Lets a bounded number of uploads in at a time, and one of each person, so that none can take all places."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(UPLOADS_AT_ONCE_MAX)
        self._inside: set[UserId] = set()

    @asynccontextmanager
    async def enter(self, user_id: UserId) -> AsyncIterator[None]:
        """Hold a place; raise `RefusedError` when this person holds one, or none becomes free in time."""
        if user_id in self._inside:
            raise RefusedError(429, "Another file of yours is being read; send this one after it.")
        self._inside.add(user_id)
        try:
            try:
                async with asyncio.timeout(QUEUE_SECONDS_MAX):
                    await self._places.acquire()
            except TimeoutError:
                message = "Too many files are being read at the moment; try again in a minute."
                raise RefusedError(503, message, headers={"retry-after": "60"}) from None
            try:
                yield
            finally:
                self._places.release()
        finally:
            self._inside.discard(user_id)


@lru_cache(maxsize=CONTENT_TYPES_KEPT_MAX)
def is_multipart(method: str, content_type: str | None) -> bool:
    """Tell whether a request carries a form with files."""
    return method == "POST" and (content_type or "").partition(";")[0].strip().lower() == MEDIA


async def read_multipart_ask(request: Request, trusted: TrustedDocuments = NO_DOCUMENTS) -> Ask:
    """Read the request and put the file into its variables; raise `RefusedError` with the reason otherwise."""
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > FILE_BYTES_MAX + BODY_BYTES_MAX + MAP_BYTES_MAX + OVERHEAD_BYTES_MAX:
        raise _too_large()
    reader = _FormReader(_boundary(request.headers["content-type"]), trusted)
    try:
        async with asyncio.timeout(UPLOAD_SECONDS_MAX):
            async for chunk in request.stream():
                reader.feed(chunk)
    except TimeoutError:
        raise RefusedError(408, f"The file did not arrive within {UPLOAD_SECONDS_MAX:.0f} seconds.") from None
    return reader.finish()


class _FormReader:
    """Reads the parts as they come, each checked as soon as it is whole: nothing is read that nobody asked for."""

    def __init__(self, boundary: bytes, trusted: TrustedDocuments) -> None:
        self._trusted = trusted
        self._header_name = bytearray()
        self._header_value = bytearray()
        self._part = _Part()
        self._parts = 0
        self._content_bytes = 0
        self._bytes = 0
        self._ended = False
        self._operations: dict[str, Any] | None = None
        self._map: tuple[str, list[str]] | None = None
        self._file: UploadedFile | None = None
        callbacks: dict[str, Callable[..., None]] = {
            "on_part_begin": self._begin,
            "on_header_field": self._add_name,
            "on_header_value": self._add_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_headers,
            "on_part_data": self._add_content,
            "on_part_end": self._end_part,
            "on_end": self._end,
        }
        try:
            self._parser = MultipartParser(
                boundary,
                callbacks,  # type: ignore[arg-type] # A plain mapping of the same names.
                max_header_count=HEADERS_PER_PART_MAX,
                max_header_size=HEADER_BYTES_MAX,
            )
        except FormParserError as error:
            raise RefusedError(400, f"The boundary of the form cannot be used: {error}.") from None

    def feed(self, chunk: bytes) -> None:
        """Read what has come in; raise `RefusedError` as soon as something is wrong with it."""
        self._bytes += len(chunk)
        if self._bytes - self._content_bytes > OVERHEAD_BYTES_MAX + len(chunk):
            raise RefusedError(400, "The form holds more besides its parts than forms do.")
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise RefusedError(400, f"The body is not a form as its Content-Type says: {error}.") from None

    def finish(self) -> Ask:
        """Return the request with the file in its variables."""
        if not self._ended:
            raise RefusedError(400, "The form ends before its last part does; send the whole of it.")
        if self._operations is None or self._map is None or self._file is None:
            missing = "operations" if self._operations is None else "map" if self._map is None else self._map[0]
            raise RefusedError(400, f"The form lacks the part {shown(missing)}.")
        for path in self._map[1]:
            _put(self._operations, path, self._file)
        return check_ask(self._operations, self._trusted)

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > PARTS_MAX:
            raise RefusedError(400, "The form has more than three parts: `operations`, `map` and one file.")
        self._part = _Part()

    def _add_name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _add_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _end_header(self) -> None:
        self._part.headers[bytes(self._header_name).strip().lower()] = bytes(self._header_value).strip()
        self._header_name.clear()
        self._header_value.clear()

    def _end_headers(self) -> None:
        """Find out which part it is, and how large it may be."""
        part = self._part
        part.name, part.file_name = _names(part.headers.get(b"content-disposition", b""))
        if part.headers.get(b"content-transfer-encoding", b"binary").lower() not in (b"binary", b"8bit", b"7bit"):
            raise RefusedError(400, f"The part {shown(part.name)} is encoded; send its bytes as they are.")
        expected = "operations" if self._operations is None else "map" if self._map is None else self._map[0]
        if part.name != expected:
            raise RefusedError(
                400,
                f"The part {shown(part.name)} came where {shown(expected)} has to be: the order is `operations`, "
                "`map`, then the file that `map` names.",
            )
        part.limit = (BODY_BYTES_MAX, MAP_BYTES_MAX, FILE_BYTES_MAX)[self._parts - 1]

    def _add_content(self, data: bytes, start: int, end: int) -> None:
        self._content_bytes += end - start
        if len(self._part.content) + end - start > self._part.limit:
            if self._parts == PARTS_MAX:
                raise _too_large()
            message = f"The part {shown(self._part.name)} is larger than {self._part.limit:,} bytes."
            raise RefusedError(413, message)
        self._part.content += data[start:end]

    def _end_part(self) -> None:
        part = self._part
        if self._operations is None:
            self._operations = _operations(part.content, self._trusted)
        elif self._map is None:
            self._map = _map(part.content, self._operations)
        else:
            self._file = UploadedFile(part.file_name, bytes(part.content))
        self._part = _Part()

    def _end(self) -> None:
        self._ended = True


def _too_large() -> RefusedError:
    return RefusedError(413, f"The file is larger than {FILE_BYTES_MAX // 1024**2} MiB; export a shorter time.")


def _boundary(content_type: str) -> bytes:
    message = Message()
    message["content-type"] = content_type
    boundary = message.get_param("boundary")
    if not isinstance(boundary, str) or not boundary or not boundary.isascii():
        raise RefusedError(400, "The Content-Type of a form names its boundary; this one does not.")
    return boundary.encode()


def _names(disposition: bytes) -> tuple[str, str]:
    """Return the name of a part and of its file (RFC 7578, section 4.2); browsers send both in UTF-8."""
    message = Message()
    message["content-disposition"] = disposition.decode("utf-8", "replace").replace("\r", " ").replace("\n", " ")
    name = message.get_param("name", header="content-disposition")
    if message.get_content_disposition() != "form-data" or not isinstance(name, str):
        raise RefusedError(400, "Each part of the form has a header `Content-Disposition: form-data` with a name.")
    file_name = message.get_filename() or ""
    last = file_name.replace("\\", "/").rpartition("/")[2]
    printable = "".join(character for character in last if character.isprintable())
    return name, printable[-FILE_NAME_CHARACTERS_MAX:]


def _json(content: bytearray, name: str) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        raise RefusedError(400, f"The part `{name}` is not JSON.") from None


def _operations(content: bytearray, trusted: TrustedDocuments) -> dict[str, Any]:
    found = _json(content, "operations")
    if not isinstance(found, dict):
        raise RefusedError(400, "`operations` has to be one JSON object with a `query`; batches are not taken.")
    check_ask(found, trusted)
    return found


def _map(content: bytearray, operations: dict[str, Any]) -> tuple[str, list[str]]:
    """Return the name of the file's part and where the file goes, once that is known to be possible."""
    found = _json(content, "map")
    if not isinstance(found, dict) or len(found) != 1:
        raise RefusedError(
            400, 'The part `map` has to be a JSON object with the one file, such as {"0": ["variables.file"]}.'
        )
    name, paths = next(iter(found.items()))
    if not isinstance(paths, list) or not 1 <= len(paths) <= PATHS_MAX or not all(isinstance(p, str) for p in paths):
        raise RefusedError(400, f"`map` has to list one to {PATHS_MAX} variables as texts for {shown(name)}.")
    for path in paths:
        holder, last = _holder(operations, path)
        if holder[last] is not None:
            raise RefusedError(400, f"At {shown(path)} the `operations` have to hold null, where the file goes.")
    return name, list(dict.fromkeys(paths))


def _put(operations: dict[str, Any], path: str, file: UploadedFile) -> None:
    holder, last = _holder(operations, path)
    holder[last] = file


def _holder(operations: dict[str, Any], path: str) -> tuple[Any, Any]:
    """Return the object or list that holds what is at the path, with its key there."""
    first, *segments = path.split(".")
    value: Any = operations.get(first) if first == "variables" else None
    holder: Any = None
    key: Any = None
    for segment in segments:
        number = int(segment) if segment.isascii() and segment.isdigit() else -1
        if isinstance(value, dict) and segment in value:
            holder, key = value, segment
        elif isinstance(value, list) and 0 <= number < len(value):
            holder, key = value, number
        else:
            holder = None
            break
        value = holder[key]
    if holder is None:
        raise RefusedError(400, f"`map` names {shown(path)}, which the variables of `operations` do not have.")
    return holder, key
