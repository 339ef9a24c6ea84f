"""Telling the encodings of Chinese, Japanese and Korean from their pairs of bytes.

The four use the same range for their pairs; what differs is which rows of their tables common words stand in
(GB 2312 rows 16 to 55, KS X 1001 rows 16 to 40, JIS X 0208 rows 4 and 5 for kana, Big5 rows 0xA4 to 0xC6).
"""

from __future__ import annotations

import codecs
import re

PAIRS_MIN = 4
DISTINCT_PAIRS_MIN = 4
COMMON_SHARE_MIN = 0.7
HANGUL_SHARE_MIN = 0.97
HANGUL_PAIRS_MIN = 8
"""Chinese of so many characters is next to never without one from the second half of the alphabet."""

KANA_SHARE_MIN = 0.2
"""Of text in Shift JIS: kana in threes at the least, as half-width ones are single bytes that stand for Polish too."""

KANA_PAIRS_SHARE_MIN = 0.05
KANA_PAIRS_MIN = 2
"""Of text in EUC: Chinese has no kana at all."""

BIG5_COMMON_SHARE_MIN = 0.9
ACCENTED_RUN_LENGTH_MAX = 3
"""Accented western letters seldom stand side by side and never four in a row."""

_HIGH_RUN = re.compile(rb"[\x80-\xff]+")
_PAIRED_RUN = re.compile(rb"(?:[\xa1-\xf7][\xa1-\xfe])+")
_BIG5_PAIR = re.compile(rb"[\xa1-\xf9][\x40-\x7e\xa1-\xfe]")
_KANA = re.compile(r"[\u3041-\u30fe\uff66-\uff9f]{3,}")
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")


def east_asian(sample: bytes) -> str:
    """Return the encoding of text in Chinese, Japanese or Korean; nothing where these bytes are no such text."""
    runs = _HIGH_RUN.findall(sample)
    high = sum(map(len, runs))
    paired = [run for run in runs if _PAIRED_RUN.fullmatch(run)]
    longer = b"".join(run for run in paired if len(run) > ACCENTED_RUN_LENGTH_MAX)
    pairs = [longer[at : at + 2] for at in range(0, len(longer), 2)]
    if len(pairs) >= PAIRS_MIN and len(set(pairs)) >= DISTINCT_PAIRS_MIN and len(longer) * 2 >= high:
        return _of_pairs(pairs, sample)
    if _is_big5(sample):
        return "big5"
    return "cp932" if high >= 2 * PAIRS_MIN and _kana_share(sample, "cp932") >= KANA_SHARE_MIN else ""


def _is_big5(sample: bytes) -> bool:
    big5 = _BIG5_PAIR.findall(sample)
    split = sum(pair[1] < 0x80 for pair in big5)  # noqa: PLR2004
    common = sum(0xA4 <= pair[0] <= 0xC6 for pair in big5)  # noqa: PLR2004
    # Half of Big5's second bytes are ASCII, which in a western word would be a letter behind each accented one.
    few = len(big5) < 2 * PAIRS_MIN or split in {0, len(big5)}
    return not few and common >= BIG5_COMMON_SHARE_MIN * len(big5) and _decodes(sample, "big5")


def _of_pairs(pairs: list[bytes], sample: bytes) -> str:
    rows = [pair[0] for pair in pairs if pair[0] > 0xA3]  # noqa: PLR2004  # Below stand signs, alike in all of them.
    if not rows:
        return ""
    kana = sum(row in {0xA4, 0xA5} for row in rows)
    if kana >= max(KANA_PAIRS_MIN, KANA_PAIRS_SHARE_MIN * len(rows)) and _decodes(sample, "euc_jp"):
        return "euc_jp"
    hangul = sum(0xB0 <= row <= 0xC8 for row in rows)  # noqa: PLR2004
    if len(rows) >= HANGUL_PAIRS_MIN and hangul >= HANGUL_SHARE_MIN * len(rows) and _decodes(sample, "euc_kr"):
        return "euc_kr"
    common = sum(0xB0 <= row <= 0xD7 for row in rows)  # noqa: PLR2004
    return "gb18030" if common >= COMMON_SHARE_MIN * len(rows) and _decodes(sample, "gb18030") else ""


def _kana_share(sample: bytes, encoding: str) -> float:
    if not _decodes(sample, encoding):
        return 0.0
    text = sample.decode(encoding, "ignore")
    beyond = len(_BEYOND_ASCII.findall(text))
    return sum(map(len, _KANA.findall(text))) / beyond if beyond else 0.0


def _decodes(sample: bytes, encoding: str) -> bool:
    """Return whether the sample is possible in this encoding, except that it may end within a character."""
    try:
        codecs.getincrementaldecoder(encoding)().decode(sample)
    except UnicodeDecodeError:
        return False
    return True
