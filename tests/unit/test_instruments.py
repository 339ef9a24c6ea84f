"""Counting is exact, bounded, and told in Prometheus's words."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from mintql.gateways.metrics import Exported
from mintql.observing.instruments import OTHER, SERIES_MAX, Instruments
from support.metrics import samples


@pytest.fixture
def instruments():
    return Instruments()


def told(instruments: Instruments):
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Exported(instruments))
    return samples(generate_latest(registry).decode())


def test_a_histogram_counts_a_value_on_a_bound_within_it_and_a_larger_one_in_the_last_place(instruments):
    times = instruments.histogram("wait_seconds", "Waits.", "pool", bounds=(0.1, 1.0)).of("api")
    for value in (0.1, 0.5, 1.0, 7.0):
        times.observe(value)
    assert told(instruments) == {
        ("wait_seconds_bucket", (("le", "0.1"), ("pool", "api"))): 1,
        ("wait_seconds_bucket", (("le", "1.0"), ("pool", "api"))): 3,
        ("wait_seconds_bucket", (("le", "+Inf"), ("pool", "api"))): 4,
        ("wait_seconds_count", (("pool", "api"),)): 4,
        ("wait_seconds_sum", (("pool", "api"),)): 8.6,
    }


def test_counters_and_gauges_are_told_with_their_labels(instruments):
    instruments.counter("answers_total", "Answers.", "status").of("200").add(3)
    instruments.gauge("depth", "Depth.").of().set(-2)
    assert told(instruments) == {("answers_total", (("status", "200"),)): 3, ("depth", ()): -2}


def test_what_owners_say_is_added_up_until_they_say_no_more(instruments):
    sockets = instruments.gauge("sockets", "Open ones.", "pool")
    sockets.read_from("one", lambda: {("api",): 2})
    sockets.read_from("other", lambda: {("api",): 3, ("worker",): 1})
    assert told(instruments) == {("sockets", (("pool", "api"),)): 5, ("sockets", (("pool", "worker"),)): 1}
    sockets.read_no_more("other")
    assert told(instruments) == {("sockets", (("pool", "api"),)): 2}


def test_an_owner_that_cannot_say_does_not_keep_the_others_from_being_told(instruments):
    instruments.gauge("broken", "Broken.").read_from("pool", lambda: 1 / 0)
    instruments.gauge("depth", "Depth.").of().set(4)
    assert told(instruments) == {("depth", ()): 4}


def test_label_values_beyond_the_bound_are_added_up_as_other(instruments):
    family = instruments.counter("errors_total", "Errors.", "code")
    for number in range(SERIES_MAX + 30):
        family.of(f"CODE_{number}").add()
    assert family.of(OTHER).value == 30
    assert len(list(family.series())) == SERIES_MAX + 1


def test_a_series_that_is_not_named_any_more_goes_back_to_zero(instruments):
    depth = instruments.gauge("depth", "Depth.", "channel")
    depth.set_all({("email",): 5, ("live",): 1})
    depth.set_all({("live",): 2})
    assert told(instruments) == {("depth", (("channel", "email"),)): 0, ("depth", (("channel", "live"),)): 2}


def test_labels_have_to_be_those_of_the_family_and_names_are_used_once(instruments):
    family = instruments.counter("errors_total", "Errors.", "code")
    with pytest.raises(ValueError, match="code"):
        family.of()
    with pytest.raises(ValueError, match="errors_total"):
        instruments.gauge("errors_total", "Again.")
