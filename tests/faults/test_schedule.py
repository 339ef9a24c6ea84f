"""A seed says what goes wrong and when, and nothing else does."""

from __future__ import annotations

import pytest

from faults.injector import Injector
from faults.schedule import WEIGHTS, Shape, draw, links

SHAPE = Shape(2, 4)


def test_the_same_seed_gives_the_same_faults():
    assert draw(12, SHAPE, 20) == draw(12, SHAPE, 20)
    assert [str(fault) for fault in draw(12, SHAPE, 20)] != [str(fault) for fault in draw(13, SHAPE, 20)]


@pytest.mark.parametrize("seed", range(5))
def test_faults_come_in_order_within_the_time_and_each_kind_at_least_once(seed):
    faults = draw(seed, SHAPE, 30)
    times = [fault.at_seconds for fault in faults]
    assert times == sorted(times)
    assert times[0] > 0
    assert times[-1] < 30
    assert {fault.kind for fault in faults} == WEIGHTS.keys()


def test_what_is_named_is_there():
    names = {*SHAPE.members, *links(SHAPE)}
    for seed in range(20):
        for fault in draw(seed, SHAPE, 30):
            assert fault.target in names or fault.kind == "bank" or fault.target in ("", "bank"), fault
            assert fault.target or fault.kind not in ("kill", "terminate", "freeze", "link", "skew")


def test_every_kind_can_be_done():
    assert all(hasattr(Injector, f"_{kind.replace('-', '_')}") for kind in WEIGHTS)
