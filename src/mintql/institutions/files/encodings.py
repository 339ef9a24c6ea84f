"""Finding out in which encoding a text file was written, from its bytes alone."""

from __future__ import annotations

import codecs
import re
from collections import Counter
from dataclasses import dataclass

SAMPLE_BYTES = 1 << 20
"""How much is looked at to tell encodings apart: a megabyte holds every letter of a language many times."""

GUESS_BYTES_MAX = 4096
"""How many runs of bytes beyond ASCII are weighed: more do not change the outcome."""

UTF8_DAMAGE_RATIO_MAX = 0.1
"""Up to this share of the bytes beyond ASCII may be damaged in a file that is otherwise UTF-8."""

GB18030_PAIRS_SHARE_MIN = 0.9
"""In Chinese text nearly every byte beyond ASCII is half of a pair in the range of common characters."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_BEYOND_ASCII = re.compile(rb"[\x80-\xff]+")
_COMMON_PAIR = re.compile(rb"[\xa1-\xf7][\xa1-\xfe]")
_C1 = re.compile(rb"[\x80-\x9f]")

_LETTERS = {
    "cp1252": "äöüßÄÖÜéèêëàâáãåçñóòôõíìîïúùûæøœÆØÅÉÈÀÇÑÓÍÚÁÊ§°€–„“”’´«»",  # noqa: RUF001
    "cp1250": "äöüßÄÖÜéáóíúýôçëąćęłńśźżěščřžůťďňľĺŕőűăţşĄĆĘŁŃÓŚŹŻÁÉÍÚÝĚŠČŘŽŮŇŐŰ§°€–„“”’´«»",  # noqa: RUF001
    "iso8859-2": "äöüßÄÖÜéáóíúýôçëąćęłńśźżěščřžůťďňľőűăĄĆĘŁŃÓŚŹŻÁÉÍÚÝĚŠČŘŽŮŇŐŰ§°",
    "cp852": "äöüßÄÖÜéáóíúýôçëąćęłńśźżěščřžůťďňľőűăĄĆĘŁŃÓŚŹŻÁÉÍÚÝĚŠČŘŽŮŇŐŰ§°",
    "cp850": "äöüßÄÖÜéèêëàâáãåçñóòôõíìîïúùûæøÆØÅÉÈÀÇÑÓÍÚÁÊ§°",
}
"""Candidates, the likelier first, with what is common in the languages that write in them."""


NAMES = frozenset({*_LETTERS, *(encoding for _, encoding in _MARKS), "iso-8859-1", "iso-8859-2", "gb18030"})
"""All encodings that are found out here, and may be asked for."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """A text, the encoding it was read by, and what was unsure about that (empty where nothing was)."""

    text: str
    encoding: str
    notice: str = ""


def decode(content: bytes) -> Decoded:
    """Read bytes as text by the encoding that explains them best; never fails."""
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return Decoded(content[len(mark) :].decode(encoding, "replace"), encoding)
    wide = _utf16_without_mark(content)
    if wide:
        return Decoded(content.decode(wide, "replace"), wide)
    try:
        return Decoded(content.decode(), "utf-8")
    except UnicodeDecodeError:
        pass
    damaged = _damaged_utf8(content)
    if damaged is not None:
        return damaged
    sample = content[:SAMPLE_BYTES]
    if _is_chinese(sample):
        return Decoded(content.decode("gb18030", "replace"), "gb18030")
    encoding = _single_byte(sample)
    if encoding == "cp1252" and not _C1.search(content):
        encoding = "iso-8859-1"
    return Decoded(content.decode(encoding, "replace"), encoding)


def _utf16_without_mark(content: bytes) -> str:
    """Return the UTF-16 whose every other byte is zero here, as it is in text that is mostly ASCII."""
    sample = content[:4096]
    half = len(sample) // 2
    if half == 0 or len(content) % 2:
        return ""
    if sample[1::2].count(0) > 0.7 * half and sample[0::2].count(0) < 0.1 * half:
        return "utf-16-le"
    if sample[0::2].count(0) > 0.7 * half and sample[1::2].count(0) < 0.1 * half:
        return "utf-16-be"
    return ""


def _damaged_utf8(content: bytes) -> Decoded | None:
    """Read UTF-8 of which a few bytes are broken; None where it is no UTF-8 at all."""
    text = content.decode(errors="replace")
    broken = text.count("\ufffd")
    beyond = sum(len(run) for run in _BEYOND_ASCII.findall(content[:SAMPLE_BYTES]))
    if broken > UTF8_DAMAGE_RATIO_MAX * beyond:
        return None
    return Decoded(text, "utf-8", f"{broken} bytes are not UTF-8 as the rest of the file is; they were left out.")


def _is_chinese(sample: bytes) -> bool:
    beyond = paired = 0
    for run in _BEYOND_ASCII.findall(sample):
        beyond += len(run)
        paired += 2 * len(_COMMON_PAIR.findall(run)) if len(run) % 2 == 0 else 0
    if beyond == 0 or paired < GB18030_PAIRS_SHARE_MIN * beyond:
        return False
    try:
        codecs.getincrementaldecoder("gb18030")().decode(sample)
    except UnicodeDecodeError:
        return False
    return True


def _single_byte(sample: bytes) -> str:
    """Return the candidate under which most of the bytes beyond ASCII are letters one expects."""
    within: Counter[tuple[int, bool]] = Counter()
    for number, run in enumerate(_BEYOND_ASCII.finditer(sample)):
        if number == GUESS_BYTES_MAX:
            break
        neighbours = sample[max(run.start() - 1, 0) : run.start()] + sample[run.end() : run.end() + 1]
        in_word = neighbours.isalpha()
        within.update((byte, in_word) for byte in run.group()[:64])
    scores = {encoding: _score(within, encoding) for encoding in _LETTERS}
    return max(scores, key=lambda encoding: scores[encoding])


def _score(within: Counter[tuple[int, bool]], encoding: str) -> float:
    score = 0.0
    for (byte, in_word), count in within.items():
        char = bytes((byte,)).decode(encoding, "replace")
        if char in _LETTERS[encoding]:
            score += count
        elif in_word and not char.isalpha():
            score -= 2 * count
        elif not char.isprintable() and char != "\xa0":
            score -= 3 * count
        else:
            score -= 0.5 * count
    return score
