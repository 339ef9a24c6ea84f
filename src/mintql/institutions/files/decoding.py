"""Statement files as text: in which encoding the bytes are, found out from the bytes.

Banks declare one charset and write another, so that a declaration is one piece of evidence among several.
`decode` weighs them from the surest to the weakest:

1. what the person said;
2. a byte order mark; without one, the zero bytes that plain text in UTF-16 is full of;
3. bytes above ASCII that are valid UTF-8, or nearly all of them: other text is next to never so by chance;
4. the declared charset, where it is one that nobody declares for lack of thought and the bytes are possible in it;
5. pairs of bytes that read as common Chinese, Japanese or Korean (`decoding_pairs`);
6. the letters and signs that one expects, by their neighbours (`decoding_letters`).
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from mintql.institutions.files.base import FILE_BYTES_MAX, FileUnreadable
from mintql.institutions.files.decoding_letters import likeliest
from mintql.institutions.files.decoding_pairs import east_asian
from mintql.institutions.files.rows import clean

SAMPLE_BYTES = 1 << 20
"""How much of a file is weighed for evidence; no bank changes its encoding after the first megabyte."""

ZERO_BYTES_SAMPLE = 4096
ZERO_SHARE_MIN = 0.4
"""Share of every second byte that is zero in UTF-16 of mostly western text."""

UTF8_DAMAGE_RATIO_MAX = 0.5
"""Up to so many damaged places for each whole character beyond ASCII a file is UTF-8 still: in other encodings, what
is whole in UTF-8 by chance is far rarer than what is not."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # Before UTF-16, whose mark it begins with.
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CODEC_NAMES = """
    ascii utf-8 utf-16 utf-16-le utf-16-be utf-32 utf-32-le utf-32-be gb18030 big5 shift_jis cp932 euc_jp euc_kr cp949
    koi8-r koi8-u mac-roman cp437 cp850 cp852 cp858 cp866 cp1250 cp1251 cp1252 cp1253 cp1254 cp1255 cp1256 cp1257
    cp1258 iso8859-1 iso8859-2 iso8859-3 iso8859-4 iso8859-5 iso8859-6 iso8859-7 iso8859-8 iso8859-9 iso8859-10
    iso8859-11 iso8859-13 iso8859-14 iso8859-15 iso8859-16
"""
ENCODINGS = frozenset(_CODEC_NAMES.split())
"""All encodings that are read, by Python's names. Python knows codecs besides these that are no text's."""

_SUPERSETS = {"gb2312": "gb18030", "gbk": "gb18030", "hz": "gb18030", "shift_jis": "cp932"}
_THOUGHTLESS = frozenset(("", "ascii", "utf-8", "utf-16", "utf-32", "cp1252", "iso8859-1"))
"""Charsets that software declares whatever it writes, and those that would have been told already."""

_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")


@dataclass(frozen=True, slots=True)
class Decoded:
    """A file as text without its byte order mark, the encoding it was read in, why, and what was unsure."""

    text: str
    encoding: str
    words: str = ""
    notices: tuple[str, ...] = ()


def codec_of(declared: str) -> str:
    """Return Python's name of a declared charset ("1252", "ISO-8859-1", "UTF8"), "" when it is none we read."""
    name = declared.strip().strip("\"'").lower().replace("windows-", "cp").replace("usascii", "ascii")
    if re.fullmatch(r"(125[0-8]|437|85[028]|866|932)", name, re.ASCII):
        name = f"cp{name}"
    elif re.fullmatch(r"8859-\d{1,2}", name, re.ASCII):
        name = f"iso-{name}"
    try:
        codec = codecs.lookup(name[:40]).name
    except (LookupError, ValueError):
        return ""
    codec = _SUPERSETS.get(codec, codec)
    return codec if codec in ENCODINGS else ""


def check_size(content: bytes) -> None:
    """Raise `FileUnreadable` for a file that is empty or larger than `FILE_BYTES_MAX`."""
    if len(content) > FILE_BYTES_MAX:
        limit = FILE_BYTES_MAX >> 20
        raise FileUnreadable(f"The file is larger than {limit} MB; export a shorter time, or one account at a time.")
    if not content.strip(b" \t\r\n\0"):
        raise FileUnreadable("The file is empty; export it from the bank again.")


def decode(content: bytes, declared: str = "", *, wanted: str = "") -> Decoded:
    """Read the bytes of a file as text.

    `declared` is the charset that the file names, empty where it names none; `wanted` the one the person says.

    Raises:
        FileUnreadable: The file is empty or too large, or `wanted` is no encoding that is read.
    """
    check_size(content)
    if wanted:
        return _as_wanted(content, wanted)
    return _wide(content) or _by_bytes(content, declared)


def _wide(content: bytes) -> Decoded | None:
    """Read what says its encoding by a mark or by zero bytes; None for anything else."""
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return _replacing(content[len(mark) :], encoding, "the file begins with its mark")
    wide = _utf_16_by_zeros(content)
    return _replacing(content, wide, "every second byte is zero") if wide else None


def _by_bytes(content: bytes, declared: str) -> Decoded:
    if content.isascii():
        return Decoded(content.decode("ascii"), "utf-8", "the file holds plain letters only, alike in all encodings")
    codec = codec_of(declared)
    utf_8 = _utf_8(content)
    if utf_8 is not None:
        return utf_8 if _agrees("utf-8", codec) else _told(utf_8, declared)
    if codec not in _THOUGHTLESS and _decodes(content, codec):
        return Decoded(content.decode(codec), codec, "the file says so and holds nothing that is impossible in it")
    sample = content[:SAMPLE_BYTES]
    pairs = east_asian(sample)
    if pairs:
        decoded = _replacing(content, pairs, "its pairs of bytes are common characters")
    else:
        decoded = _replacing(content, likeliest(content, sample), "its letters and signs are those that one expects")
    return decoded if _agrees(decoded.encoding, codec) else _told(decoded, declared)


def _as_wanted(content: bytes, wanted: str) -> Decoded:
    codec = codec_of(wanted)
    if not codec:
        raise FileUnreadable(f"{clean(wanted, 40)!r} is no encoding that is read; say e.g. utf-8, cp1252 or gb18030.")
    for mark, encoding in _MARKS:
        if content.startswith(mark) and encoding.startswith(codec):
            content, codec = content[len(mark) :], encoding
    if codec in {"utf-16", "utf-32"}:
        codec = _utf_16_by_zeros(content) or f"{codec}-le"
    return _replacing(content, codec, "as you said")


def _replacing(content: bytes, encoding: str, words: str) -> Decoded:
    text = content.decode(encoding, "replace")
    broken = text.count("\ufffd")
    notices = (f"{broken} places are not {encoding} as the rest of the file is, and are lost.",) if broken else ()
    return Decoded(text, encoding, words, notices)


def _told(decoded: Decoded, declared: str) -> Decoded:
    notice = f"The file declares the charset {clean(declared, 40)}, but is written in {decoded.encoding}."
    return Decoded(decoded.text, decoded.encoding, decoded.words, (notice, *decoded.notices))


def _utf_8(content: bytes) -> Decoded | None:
    """Read UTF-8 of which a few bytes may be broken; None where it is no UTF-8 at all."""
    try:
        return Decoded(content.decode(), "utf-8", "all of its bytes are valid in it, which is next to never by chance")
    except UnicodeDecodeError:
        pass
    text = content[:SAMPLE_BYTES].decode(errors="replace")
    broken = text.count("\ufffd")
    whole = len(_BEYOND_ASCII.findall(text)) - broken
    if broken > UTF8_DAMAGE_RATIO_MAX * whole:
        return None
    return _replacing(content, "utf-8", "most of its bytes beyond ASCII are valid in it, which is never by chance")


def _agrees(encoding: str, codec: str) -> bool:
    western = {"", "ascii", "cp1252", "iso8859-1", "iso8859-15"}
    return not codec or encoding == codec or (codec in western and encoding in {"cp1252", "iso8859-1"})


def _decodes(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except (UnicodeError, ValueError):
        return False
    return True


def _utf_16_by_zeros(content: bytes) -> str:
    sample = content[:ZERO_BYTES_SAMPLE]
    sample = sample[: len(sample) // 2 * 2]
    pairs = len(sample) // 2
    first, second = sample[0::2].count(0), sample[1::2].count(0)
    if pairs and second >= pairs * ZERO_SHARE_MIN and first * 10 <= second:
        return "utf-16-le"
    if pairs and first >= pairs * ZERO_SHARE_MIN and second * 10 <= first:
        return "utf-16-be"
    return ""
