"""Waits grow with wrong guesses, end at a bound, and are forgiven with time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintql.domain.audit import origin_of
from mintql.domain.backoff import Backoff, Guesses, network_of
from mintql.services.guessing import ANYWHERE, HERE, NETWORK

NOW = datetime(2026, 11, 27, tzinfo=UTC)
SECONDS = Backoff(
    free=3, wait_first=timedelta(seconds=1), wait_max=timedelta(seconds=10), forgiven_every=timedelta(minutes=1)
)
NONE = Guesses(0, NOW, NOW)


def test_the_first_guesses_are_free_and_each_further_one_costs_twice_as_long_up_to_a_bound():
    waits = [SECONDS.wait_after(count).total_seconds() for count in range(10)]
    assert waits == [0, 0, 0, 0, 1, 2, 4, 8, 10, 10]


def test_a_guess_is_forgiven_for_each_span_without_one():
    guesses = NONE
    for _ in range(5):
        guesses = guesses.counted(SECONDS, NOW)
    assert (guesses.count, guesses.blocked_until) == (5, NOW + timedelta(seconds=2))
    later = NOW + timedelta(minutes=2, seconds=59)
    assert guesses.counted(SECONDS, later).count == 5 - 2 + 1
    assert guesses.counted(SECONDS, NOW + timedelta(days=1)).count == 1


def test_a_free_guess_keeps_none_waiting_that_began_before_it():
    later = NONE.counted(SECONDS, NOW + timedelta(milliseconds=5))
    assert later.blocked_until <= NOW


def test_a_right_guess_is_taken_back_with_the_wait_it_began():
    guesses = NONE
    for _ in range(4):
        guesses = guesses.counted(SECONDS, NOW)
    assert guesses.given_back(SECONDS, NOW) == Guesses(3, NOW, NOW)
    assert NONE.given_back(SECONDS, NOW) == NONE


@pytest.mark.parametrize("backoff", [HERE, ANYWHERE, NETWORK, SECONDS])
@given(count=st.integers(0, 10**6))
def test_no_wait_is_longer_than_its_bound_and_none_shorter_than_the_one_before(backoff, count):
    waits = [backoff.wait_after(count + more) for more in range(3)]
    assert all(one <= next_one for one, next_one in pairwise(waits))
    assert waits[-1] <= backoff.wait_max <= timedelta(minutes=15), "nobody is kept out for longer than that"


def test_guesses_that_never_stop_are_few():
    guesses, now, taken = NONE, NOW, 0
    while now < NOW + timedelta(days=1):
        guesses = guesses.counted(HERE, now)
        taken, now = taken + 1, max(guesses.blocked_until, now)
    assert taken < 96 + 20


def test_an_address_speaks_for_its_network():
    assert network_of("") is None
    assert network_of("203.0.113.7") == "203.0.113.7/32"
    assert network_of("2001:db8:0:1::1") == network_of("2001:db8:0:1:ffff::2") == "2001:db8:0:1::/64"
    assert network_of(origin_of("::ffff:203.0.113.7", None).address) == "203.0.113.7/32"
