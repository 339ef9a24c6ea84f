"""Places in the log of the database server that takes writes, by which what a replica has replayed is told.

A position is a timeline and a place on it. Whoever promotes a standby begins a new timeline at the place where it
parted from the old one: a server on an older timeline does not have what was written on the newer one, however far it
went, and a server on a newer one has everything of the older one that was not lost.
"""

from __future__ import annotations

from typing import NamedTuple

_LOW_BITS = 32


class Position(NamedTuple):
    """Everything that was written up to `lsn`, in bytes, on a timeline (PostgreSQL: WAL location, timeline id)."""

    timeline: int
    lsn: int

    def is_covered_by(self, replayed: Position) -> bool:
        """Tell whether a server that has replayed so far has everything up to here."""
        return replayed.timeline >= self.timeline and replayed.lsn >= self.lsn

    @property
    def lsn_text(self) -> str:
        """Return the place as PostgreSQL writes it: `16/B374D848`."""
        return f"{self.lsn >> _LOW_BITS:X}/{self.lsn & (1 << _LOW_BITS) - 1:X}"

    def __str__(self) -> str:
        return f"{self.timeline:x}:{self.lsn:x}"

    @classmethod
    def read(cls, text: str) -> Position | None:
        """Return the position that `str` wrote, None when the text is none."""
        timeline, _, lsn = text.partition(":")
        try:
            return cls(int(timeline, 16), int(lsn, 16))
        except ValueError:
            return None
