"""Quiet hours end by the clock of the person, also on the days on which clocks are changed."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintql.domain.quiet_hours import QuietHours, undisturbed_at

NIGHT = QuietHours(time(22), time(7))
ZONES = ("UTC", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "America/Santiago", "Asia/Kolkata")


def local(text: str, zone: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-11-12 21:59", "2026-11-12 21:59"),
        ("2026-11-12 22:00", "2026-11-13 07:00"),
        ("2026-11-12 23:30", "2026-11-13 07:00"),
        ("2026-11-12 06:59", "2026-11-12 07:00"),
        ("2026-11-12 07:00", "2026-11-12 07:00"),
        ("2026-03-08 00:30", "2026-03-08 07:00"),
        ("2026-10-31 23:00", "2026-11-01 07:00"),
    ],
)
def test_a_night_ends_in_the_morning_of_the_person(now: str, until: str) -> None:
    zone = "America/New_York"
    assert undisturbed_at(local(now, zone), NIGHT, zone) == local(until, zone)


def test_the_night_on_which_clocks_go_forward_is_an_hour_shorter() -> None:
    began = datetime(2026, 3, 8, 3, tzinfo=UTC)
    assert undisturbed_at(began, NIGHT, "America/New_York") - began == timedelta(hours=8)
    began = datetime(2026, 11, 1, 2, tzinfo=UTC)
    assert undisturbed_at(began, NIGHT, "America/New_York") - began == timedelta(hours=10)


def test_an_end_that_clocks_jump_over_is_the_moment_of_the_jump() -> None:
    quiet = QuietHours(time(22), time(2, 30))
    jump = datetime(2026, 3, 8, 7, tzinfo=UTC)
    assert undisturbed_at(datetime(2026, 3, 8, 5, tzinfo=UTC), quiet, "America/New_York") == jump


def test_an_end_that_comes_twice_counts_the_first_time_and_again_for_who_is_between() -> None:
    quiet, zone = QuietHours(time(22), time(1, 30)), "America/New_York"
    first, second = (local("2026-11-01 01:30", zone, fold).astimezone(UTC) for fold in (0, 1))
    assert second - first == timedelta(hours=1)
    assert undisturbed_at(first - timedelta(hours=1), quiet, zone) == first
    assert undisturbed_at(first + timedelta(minutes=40), quiet, zone) == second


def test_without_quiet_hours_nothing_waits() -> None:
    now = datetime(2026, 11, 12, 3, tzinfo=UTC)
    assert undisturbed_at(now, None, "Europe/Berlin") == now


clocks = st.times(max_value=time(23, 59)).map(lambda clock: clock.replace(second=0, microsecond=0))
YEAR_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
moments = st.integers(0, 2 * 365 * 24 * 60).map(lambda minutes: YEAR_BEGAN + timedelta(minutes=minutes))


@given(now=moments, start=clocks, end=clocks, zone=st.sampled_from(ZONES))
def test_nobody_is_disturbed_and_nobody_waits_longer_than_to_the_end(
    now: datetime, start: time, end: time, zone: str
) -> None:
    quiet = QuietHours(start, end)
    until = undisturbed_at(now, quiet, zone)
    shown = until.astimezone(ZoneInfo(zone))
    assert not quiet.holds(shown.time())
    assert undisturbed_at(until, quiet, zone) == until
    if not quiet.holds(now.astimezone(ZoneInfo(zone)).time()):
        assert until == now
        return
    assert now < until <= now + timedelta(hours=25)
    before = (until - timedelta(seconds=1)).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    ends = [datetime.combine(before.date() + timedelta(days=day), end) for day in (0, 1)]
    jumped = any(before < moment < shown.replace(tzinfo=None) for moment in ends)
    assert shown.time() == end or jumped, "it ends when clocks show the end, or are put forward beyond it"
