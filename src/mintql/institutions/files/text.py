"""Text of statement files, whatever the format: which encoding the bytes are in, and text that can be kept.

Banks declare one charset and write another, so that a declaration is one piece of evidence among several.
`decode` weighs them from the surest to the weakest:

1. a byte order mark; without one, the zero bytes that plain text in UTF-16 is full of;
2. bytes above ASCII that are valid UTF-8: text in another encoding is next to never so by chance;
3. pairs of bytes that read as common Chinese characters, or letters inside words that only Windows-1250 has,
   where the file declares nothing or one of the western charsets that software writes for lack of thought;
4. the declared charset, if the bytes are possible in it;
5. Windows-1252, and ISO-8859-1 for the bytes that Windows-1252 leaves undefined.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from dataclasses import dataclass

from mintql.institutions.files.base import FILE_BYTES_MAX, FileUnreadable

DESCRIPTION_CHARACTERS_MAX = 500
EXTERNAL_ID_CHARACTERS_MAX = 255
NOTICES_MAX = 100

SAMPLE_BYTES = 1024 * 1024
"""How much of a file is weighed for evidence; no bank changes its encoding after the first megabyte."""

ZERO_BYTES_SAMPLE = 4096
ZERO_SHARE_MIN = 0.4
"""Share of every second byte that is zero in UTF-16 of mostly western text."""

CHINESE_PAIRS_MIN = 4
CHINESE_DISTINCT_MIN = 4
CHINESE_SHARE_MIN = 0.7
"""Share of pairs that are among the 3,755 commonest characters (rows 16 to 55 of GB 2312)."""
CENTRAL_EUROPEAN_WORDS_MIN = 2

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # Before UTF-16, whose mark it begins with.
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CODEC_NAMES = """
    ascii utf-8 utf-16 utf-16-le utf-16-be utf-32 gb18030 big5 shift_jis cp932 euc_jp euc_kr cp949 koi8-r koi8-u
    mac-roman cp437 cp850 cp852 cp858 cp866 cp1250 cp1251 cp1252 cp1253 cp1254 cp1255 cp1256 cp1257 cp1258 iso8859-1
    iso8859-2 iso8859-3 iso8859-4 iso8859-5 iso8859-6 iso8859-7 iso8859-8 iso8859-9 iso8859-10 iso8859-11 iso8859-13
    iso8859-14 iso8859-15 iso8859-16
"""
_CODECS = frozenset(_CODEC_NAMES.split())
_SUPERSETS = {"gb2312": "gb18030", "gbk": "gb18030", "hz": "gb18030"}
_WESTERN = frozenset(("", "ascii", "cp1252", "iso8859-1", "iso8859-15"))

_HIGH_RUN = re.compile(rb"[\x80-\xff]+")
_CHINESE_RUN = re.compile(rb"(?:[\xa1-\xf7][\xa1-\xfe])+")
_CENTRAL_EUROPEAN = re.compile(rb"[A-Za-z\x80-\xff][\xa3\xa5\xaf\xb3\xb9\xbc\xbe\xbf\x8d\x8f\x9d][A-Za-z\x80-\xff]")
"""Letters of Windows-1250 (Polish, Slovak) that are signs such as a pound or a superscript in Windows-1252."""

_UNKEEPABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufeff\ufffe\uffff]+")
_SURROGATE = re.compile("[\ud800-\udfff]+")


@dataclass(frozen=True, slots=True)
class Decoded:
    """A file as text without its byte order mark, the encoding it was read in, and what was unsure."""

    text: str
    encoding: str
    notices: tuple[str, ...] = ()


def codec_of(declared: str) -> str:
    """Return Python's name of a declared charset ("1252", "ISO-8859-1", "UTF8"), "" when it is none we read."""
    name = declared.strip().strip("\"'").lower().replace("windows-", "cp").replace("usascii", "ascii")
    if re.fullmatch(r"125[0-8]", name):
        name = f"cp{name}"
    elif re.fullmatch(r"8859-\d{1,2}", name):
        name = f"iso-{name}"
    try:
        codec = codecs.lookup(name).name
    except (LookupError, ValueError):
        return ""
    codec = _SUPERSETS.get(codec, codec)
    return codec if codec in _CODECS else ""


def decode(content: bytes, declared: str = "") -> Decoded:
    """Read the bytes of a file as text; `declared` is the charset the file names, empty where it names none.

    Raises:
        FileUnreadable: The file is empty, or larger than `FILE_BYTES_MAX`.
    """
    if len(content) > FILE_BYTES_MAX:
        limit = FILE_BYTES_MAX // (1024 * 1024)
        raise FileUnreadable(f"The file is larger than {limit} MB; export a shorter time, or one account at a time.")
    if not content.strip(b" \t\r\n\0"):
        raise FileUnreadable("The file is empty; export it from the bank again.")
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return Decoded(content[len(mark) :].decode(encoding, "replace"), encoding)
    wide = _utf_16_by_zeros(content)
    if wide:
        return Decoded(content.decode(wide, "replace"), wide)
    if content.isascii() and codec_of(declared) in _WESTERN | {"utf-8"}:
        return Decoded(content.decode("ascii"), "ascii")
    encoding = _encoding_of(content, codec_of(declared))
    notices: tuple[str, ...] = ()
    if declared.strip() and not _agrees(encoding, codec_of(declared)):
        notices = (f"The file declares the charset {clean(declared, 40)}, but is written in {encoding}.",)
    return Decoded(content.decode(encoding, "replace"), encoding, notices)


def _encoding_of(content: bytes, codec: str) -> str:
    if not content.isascii() and _decodes(content, "utf-8"):
        return "utf-8"
    if codec in _WESTERN:
        sample = content[:SAMPLE_BYTES]
        if _looks_chinese(sample) and _decodes(content, "gb18030"):
            return "gb18030"
        looks_central = len(_CENTRAL_EUROPEAN.findall(sample)) >= CENTRAL_EUROPEAN_WORDS_MIN
        if looks_central and _decodes(content, "cp1250"):
            return "cp1250"
    # ISO-8859-1 has control characters where Windows-1252 has quotes and the euro: nobody means those.
    candidates = ("cp1252",) if codec in _WESTERN - {"iso8859-15"} else (codec, "cp1252")
    return next((name for name in candidates if _decodes(content, name)), "iso8859-1")


def _agrees(encoding: str, codec: str) -> bool:
    return not codec or encoding == codec or (encoding == "cp1252" and codec in _WESTERN - {"ascii"})


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


def _looks_chinese(sample: bytes) -> bool:
    """Tell GB 2312's pairs from accented western letters, which seldom stand side by side and never four in a row."""
    runs = [run for run in _HIGH_RUN.findall(sample) if _CHINESE_RUN.fullmatch(run)]
    longer = b"".join(run for run in runs if len(run) >= 4)  # noqa: PLR2004
    pairs = [longer[at : at + 2] for at in range(0, len(longer), 2)]
    high = sum(len(run) for run in _HIGH_RUN.findall(sample))
    if len(pairs) < CHINESE_PAIRS_MIN or len(set(pairs)) < CHINESE_DISTINCT_MIN or len(longer) * 2 < high:
        return False
    return sum(0xB0 <= pair[0] <= 0xD7 for pair in pairs) >= len(pairs) * CHINESE_SHARE_MIN  # noqa: PLR2004


def clean(text: str, characters_max: int = DESCRIPTION_CHARACTERS_MAX) -> str:
    """Return text that can be kept and shown on one line.

    Without control characters (PostgreSQL keeps no NUL) and byte order marks, white space collapsed, halves of
    surrogate pairs replaced, cut to `characters_max`.
    """
    shortened = text.lstrip()[: characters_max * 8]  # White space is collapsed in bounded time.
    if shortened.isprintable():
        return " ".join(shortened.split())[:characters_max].rstrip()
    keepable = _UNKEEPABLE.sub(" ", _SURROGATE.sub("\ufffd", shortened))
    return " ".join(keepable.split())[:characters_max].rstrip()


def join_description(name: str, memo: str) -> str:
    """Make one description of a payee and a memo, saying nothing twice.

    Banks cut names after 32 characters and give the whole in the memo, repeat the name inside the memo, or
    put different things into the two.
    """
    name, memo = clean(name), clean(memo)
    folded_name, folded_memo = name.casefold(), memo.casefold()
    if not name or folded_memo.startswith(folded_name):
        return memo or name
    if not memo or folded_memo in folded_name:
        return name
    at = memo.find(name)
    if at >= 0:
        memo = f"{memo[:at]} {memo[at + len(name) :]}".strip(" ;,:/|-")
    return clean(f"{name} - {memo}") if memo else name


def bounded_notices(notices: Sequence[str]) -> tuple[str, ...]:
    """Return the notices, none twice, the first `NOTICES_MAX` of them and how many more there were."""
    unique = list(dict.fromkeys(notices))
    if len(unique) <= NOTICES_MAX:
        return tuple(unique)
    return (*unique[:NOTICES_MAX], f"{len(unique) - NOTICES_MAX} further notices were left out.")
