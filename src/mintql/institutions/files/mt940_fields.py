"""Cutting an MT940 or MT942 into its fields, each a tag between colons and its lines.

Fields are told from text by the tags that exist, so that a line of text beginning with a time ends none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from mintql.institutions.files import rows

UNCUT_CHARACTERS_MAX = 8 << 20
"""Only a small file comes without any line ends."""

LINES_PER_FIELD_MAX = 200
"""Field 86 has six lines by the book and some dozens at the most talkative banks; further ones are left out."""

_TAGS = r"20|21|25P?|28C?|60[FM]|61|86|62[FM]|64|65|13D?|34F|90[CD]|NS"
_FIELD = re.compile(rf"[\x00-\x20\ufeff]*:({_TAGS}):")
_ANYWHERE = re.compile(rf"(?=:(?:{_TAGS}):)")
_END = re.compile(r"[\x00-\x20]*-(\}.*|X{2,3}|[\x00-\x20]*)|[\x00-\x20]*\{[1-5]:.*", re.DOTALL)


@dataclass(slots=True)
class Field:
    """One field: its tag, empty where a message ends, the line it began in, and its lines without the tag."""

    tag: str
    line: int
    lines: list[str]


def fields_of(text: str) -> Iterator[Field]:
    """Give the fields in order, and one with an empty tag wherever a message ends."""
    current: Field | None = None
    for number, line in _lines(text):
        tag = _FIELD.match(line)
        if tag:
            if current is not None:
                yield current
            current = Field(tag[1], number, [line[tag.end() :]])
        elif _END.fullmatch(line[:200]):
            if current is not None:
                yield current
                yield Field("", number, [])
            current = None
        elif current is not None and len(current.lines) < LINES_PER_FIELD_MAX:
            current.lines.append(line)
    if current is not None:
        yield current


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Give numbered lines, however they are ended; a file without line ends is cut before its tags."""
    ended = rows.with_line_feeds(text).replace("\n:\n86:", "\n:86:")
    if len(ended) < UNCUT_CHARACTERS_MAX and ended.count("\n:") < 2 and len(_ANYWHERE.findall(ended)) > 2:  # noqa: PLR2004
        ended = _ANYWHERE.sub("\n", ended.replace("@@", "\n"))
    return rows.lines_of(ended)
