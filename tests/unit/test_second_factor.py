"""Codes by time are those of the standard, good near their step and once; challenges hold for who has the password."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest

from mintql.domain.errors import BadCredentials
from mintql.domain.ids import UserId
from mintql.gateways.vault import Vault
from mintql.services.second_factor import (
    CHALLENGE_SECONDS,
    check_challenge,
    issue_challenge,
    matching_step,
    subject_of,
)

SECRET = base64.b32encode(b"12345678901234567890").decode()
"""RFC 6238, appendix B, for SHA-1; its codes have eight digits, of which the last six are those of six."""
NOW = datetime(2026, 11, 27, tzinfo=UTC)
VAULT = Vault({1: b"k" * 32})
ADA = UserId(7)


@pytest.mark.parametrize(
    ("seconds", "code"),
    [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"), (2000000000, "279037")],
)
def test_codes_are_those_of_the_standard(seconds, code):
    at = datetime.fromtimestamp(seconds, UTC)
    assert matching_step(SECRET, code, at, after=0) == seconds // 30
    assert matching_step(SECRET, f" {code[:3]} {code[3:]} ", at, after=0) == seconds // 30


def test_a_code_is_good_in_its_step_and_the_ones_beside_it():
    step = 1234567890 // 30
    good = {
        shift: matching_step(SECRET, "005924", datetime.fromtimestamp(1234567890 + 30 * shift, UTC), after=0)
        for shift in range(-3, 4)
    }
    assert good == {-3: None, -2: None, -1: step, 0: step, 1: step, 2: None, 3: None}


def test_neither_a_used_code_nor_an_older_one_is_good():
    at = datetime.fromtimestamp(1111111111, UTC)
    assert matching_step(SECRET, "050471", at, after=1111111111 // 30) is None
    assert matching_step(SECRET, "081804", at, after=1111111111 // 30) is None, "of the step before"
    assert matching_step(SECRET, "081804", at, after=0) == 1111111109 // 30


@pytest.mark.parametrize("code", ["", "05047", "0504711", "05047x", "०५०४७१", "-50471"])
def test_what_is_no_code_matches_nothing(code):
    assert matching_step(SECRET, code, datetime.fromtimestamp(1111111111, UTC), after=0) is None


def test_a_challenge_holds_for_its_time_its_person_and_their_password():
    challenge, until = issue_challenge(VAULT, ADA, "hash", NOW)
    assert until == NOW + timedelta(seconds=CHALLENGE_SECONDS)
    assert subject_of(challenge) == ADA
    check_challenge(VAULT, challenge, "hash", until - timedelta(seconds=1))
    claims, _, signature = challenge.rpartition(".")
    for text, password_hash, at in (
        (challenge, "hash", until),
        (challenge, "another hash", NOW),
        (f"8{challenge[1:]}", "hash", NOW),
        (f"{claims}9.{signature}", "hash", NOW),
        (f"{claims}.", "hash", NOW),
        (f"{claims}.!", "hash", NOW),
    ):
        with pytest.raises(BadCredentials):
            check_challenge(VAULT, text, password_hash, at)


@pytest.mark.parametrize("text", ["", "x", "7", "x.1.y", "7." + "1" * 400, "\u0667.1.x"])
def test_what_is_no_challenge_is_nobody_s(text):
    with pytest.raises(BadCredentials):
        subject_of(text)
