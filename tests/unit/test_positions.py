"""Positions compare by timeline and place, and survive being written down."""

from __future__ import annotations

import pytest

from mintql.domain.positions import Position


def test_a_server_has_what_it_has_replayed_and_nothing_after_it():
    replayed = Position(1, 100)
    assert Position(1, 100).is_covered_by(replayed)
    assert not Position(1, 101).is_covered_by(replayed)


def test_a_server_on_the_old_timeline_has_nothing_of_the_new_one_however_far_it_went():
    assert not Position(2, 90).is_covered_by(Position(1, 96))


def test_a_server_on_the_new_timeline_has_what_the_old_one_left():
    assert Position(1, 90).is_covered_by(Position(2, 96))


@pytest.mark.parametrize("position", [Position(1, 0), Position(0x1F, 0x16_B374_D848)])
def test_a_position_is_read_as_it_was_written(position):
    assert Position.read(str(position)) == position


@pytest.mark.parametrize("text", ["", "1", "1:", ":1", "1:xyz", "a@b"])
def test_what_is_no_position_is_none(text):
    assert Position.read(text) is None


def test_a_place_is_shown_as_postgresql_writes_it():
    assert Position(1, 0x16_B374_D848).lsn_text == "16/B374D848"
