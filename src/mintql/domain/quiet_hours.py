"""Quiet hours: when a person is not to be disturbed, by the clock of their time zone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from mintql.domain.errors import InvalidInput
from mintql.domain.wording import shown

ENDS_LOOKED_AT_MAX = 4
"""A clock that is put forward can land in quiet hours again; no zone has ever done so twice in a row."""


_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From `start` up to `end`, which is no longer quiet; over midnight where `end` is the earlier of the two."""

    start: time
    end: time

    def holds(self, clock: time) -> bool:
        """Tell whether it is quiet when clocks show this."""
        if self.start <= self.end:
            return self.start <= clock < self.end
        return clock >= self.start or clock < self.end


def parse_clock(text: str, *, field: str) -> time:
    """Read a time of day such as "22:30"; raise `InvalidInput` for anything else."""
    found = _CLOCK.fullmatch(text)
    if found is None:
        raise InvalidInput(f"{shown(text)} is no time of day; write hours and minutes, e.g. 22:30.", field=field)
    return time(int(found[1]), int(found[2]))


def clock_text(clock: time) -> str:
    """Write a time of day as "22:30"."""
    return f"{clock:%H:%M}"


def undisturbed_at(now: datetime, quiet: QuietHours | None, time_zone: str) -> datetime:
    """Return `now` (aware) outside of quiet hours, else the moment (UTC) at which they end.

    That is when clocks next show the end, or are put forward beyond it. Where clocks are put back so that the end
    comes twice, the first time counts.
    """
    zone = ZoneInfo(time_zone)
    moment = now
    for _ in range(ENDS_LOOKED_AT_MAX):
        if quiet is None or not quiet.holds(_clock(moment, zone).time()):
            break
        moment = _next_end(moment, quiet.end, zone)
    return moment


def _clock(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None)


def _next_end(moment: datetime, end: time, zone: ZoneInfo) -> datetime:
    shown = _clock(moment, zone)
    wanted = datetime.combine(shown.date(), end)
    if wanted <= shown:
        wanted += timedelta(days=1)
    first, second = sorted(wanted.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if _clock(first, zone) == wanted:
        return first if first > moment else second
    return _jump(first, second, zone)


def _jump(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """Return the second between two moments at which the zone's clocks are put forward."""
    offset = before.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after
