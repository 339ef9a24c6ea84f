"""Opening a zip that somebody sent: a few files of bounded size, or a refusal.

What the archive says of its sizes is not believed: bytes are counted as they come out.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator

from mintql.institutions.files.base import FILE_BYTES_MAX, FileUnreadable

ENTRIES_MAX = 1_000
"""Three years of daily statements."""

RATIO_MAX = 200
"""Statements shrink to a tenth, at the very best to a fiftieth; a bomb to a thousandth."""

RATIO_FREE_BYTES = 1 << 20
"""Up to this size nothing can do harm, whatever it was packed into."""

CHUNK_BYTES = 1 << 16
_DIRECTORY_MARK = b"PK\x01\x02"
_BROKEN = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError,
    OverflowError, KeyError, IndexError,
)  # fmt: skip
"""What `zipfile` raises on archives that are damaged, encrypted, or packed in ways it does not know."""


def is_zip(content: bytes) -> bool:
    """Return whether these bytes begin as a zip does."""
    return content.startswith((b"PK\x03\x04", b"PK\x05\x06"))


def documents_in(content: bytes, notices: list[str]) -> Iterator[tuple[str, bytes]]:
    """Give name and content of each file that is XML by its first bytes; others are named in `notices`.

    Raises:
        FileUnreadable: Damaged, encrypted, too many files, or unpacking to more than may be.
    """
    if content.count(_DIRECTORY_MARK) > ENTRIES_MAX:
        raise FileUnreadable(f"The zip holds more than {ENTRIES_MAX:,} files; pack fewer of them.")
    budget = min(FILE_BYTES_MAX, max(RATIO_FREE_BYTES, len(content) * RATIO_MAX))
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for entry in archive.infolist():
                if entry.is_dir() or entry.filename.startswith("__MACOSX/"):
                    continue
                document = _unpack(archive, entry, budget)
                budget -= len(document)
                if document.lstrip(b"\xef\xbb\xbf\xff\xfe\0 \t\r\n")[:1] == b"<":
                    yield entry.filename, document
                else:
                    notices.append(f"{entry.filename[:100]!r} in the zip is not XML and was left out.")
    except _BROKEN as error:
        raise FileUnreadable(f"The zip cannot be opened ({str(error)[:100]}); unpack it and send its files.") from None


def _unpack(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, budget: int) -> bytes:
    if entry.flag_bits & 1:
        raise FileUnreadable("The zip is locked with a password; unpack it and send the files in it.")
    if entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise FileUnreadable("The zip is packed in an unusual way; pack it again, or send the files in it.")
    unpacked = io.BytesIO()
    with archive.open(entry) as packed:
        while chunk := packed.read(CHUNK_BYTES):
            if unpacked.tell() + len(chunk) > budget:
                raise FileUnreadable("The zip unpacks to far more than statements do and was not opened.")
            unpacked.write(chunk)
    return unpacked.getvalue()
