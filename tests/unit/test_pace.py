"""How often a connection may be refreshed, and how long a wait is in words."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from mintql.domain.credentials import CredentialField, Credentials
from mintql.domain.errors import InvalidInput
from mintql.domain.ids import UserId
from mintql.gateways.vault import Vault
from mintql.institutions.base import Capabilities
from mintql.services.logins import check_credentials, device_id, link_reference, login_key, webhook_key
from mintql.services.pace import Pace, wait_in_words

NOON = datetime(2026, 11, 12, 12, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 13, tzinfo=UTC)
TODAY = date(2026, 11, 12)
VAULT = Vault({1: b"1" * 32})
ADA, GRACE = UserId(1), UserId(2)


def capabilities(**changes):
    return Capabilities(**{
        "window": True, "pending": True, "links_pending": True, "window_days_max": 90, "history_days_max": 90,
        "refresh_interval_seconds_min": 3600,
    } | changes)  # fmt: skip


def test_the_longer_of_the_two_pauses_holds():
    assert Pace.of(capabilities(), 30).pause_seconds == 3600
    assert Pace.of(capabilities(refresh_interval_seconds_min=0), 30).pause_seconds == 30


def test_an_allowance_is_of_one_day_in_utc():
    pace = Pace(0, 24)
    assert pace.requests_left(None, 0, NOON) == 24
    assert pace.requests_left(TODAY, 20, NOON) == 4
    assert pace.requests_left(TODAY, 25, NOON) == 0
    assert pace.requests_left(TODAY, 24, MIDNIGHT) == 24
    tonight_in_new_york = datetime(2026, 11, 12, 20, tzinfo=timezone(timedelta(hours=-5)))
    assert pace.requests_left(TODAY, 24, tonight_in_new_york) == 24
    assert Pace(0).requests_left(TODAY, 1_000_000, NOON) is None


@pytest.mark.parametrize(
    ("last_started_at", "requests", "allowed_at"),
    [
        (None, 0, NOON),
        (NOON - timedelta(hours=2), 0, NOON),
        (NOON - timedelta(minutes=20), 0, NOON + timedelta(minutes=40)),
        (None, 24, MIDNIGHT),
        (NOON - timedelta(minutes=20), 24, MIDNIGHT),
        (MIDNIGHT - timedelta(minutes=1), 24, MIDNIGHT + timedelta(minutes=59)),
    ],
)
def test_the_next_refresh_is_after_the_pause_and_when_there_is_an_allowance(last_started_at, requests, allowed_at):
    assert Pace(3600, 24).next_refresh_at(last_started_at, TODAY, requests, NOON) == allowed_at


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 second"), (29.5, "30 seconds"), (179, "179 seconds"), (181, "4 minutes"), (3_600, "60 minutes"),
     (10_741, "3 hours"), (86_399, "24 hours")],
)  # fmt: skip
def test_a_wait_is_said_as_people_say_it_and_never_shorter_than_it_is(seconds, words):
    assert wait_in_words(timedelta(seconds=seconds)) == words


def test_an_empty_option_is_left_out_and_a_token_loses_the_end_of_its_line():
    fields = (CredentialField("password", "Token"), CredentialField("zone", "Zone", required=False))
    found = check_credentials("", "", " tok en\r\n", [("zone", "  ")], fields)
    assert (found.password, found.options) == (" tok en", {})
    assert check_credentials("", "", "t", [("zone", " UTC ")], fields).options == {"zone": "UTC"}
    required = (CredentialField("zone", "Zone of the server"),)
    with pytest.raises(InvalidInput, match="Zone of the server is missing") as refused:
        check_credentials("", "", "", [("zone", " ")], required)
    assert refused.value.field == "zone"


def test_logins_are_told_apart_by_person_webhooks_by_login_and_neither_says_what_it_is_of():
    item = Credentials("", "item-1", "access")
    assert login_key(ADA, "plaid", item, VAULT) != login_key(GRACE, "plaid", item, VAULT)
    assert login_key(ADA, "plaid", item, VAULT) == login_key(ADA, "plaid", Credentials("", "item-1", "other"), VAULT)
    assert login_key(ADA, "plaid", Credentials("", "", "access"), VAULT) == b""
    assert webhook_key("plaid", "item-1", VAULT) != webhook_key("other", "item-1", VAULT)
    assert webhook_key("plaid", "", VAULT) == b""
    assert link_reference(ADA, "plaid", VAULT) == link_reference(ADA, "plaid", VAULT)
    assert len({link_reference(ADA, "plaid", VAULT), link_reference(GRACE, "plaid", VAULT)}) == 2
    assert len(bytes.fromhex(link_reference(ADA, "plaid", VAULT))) == 32


def test_logins_at_two_banks_behind_one_address_are_told_apart_and_the_others_keep_their_keys():
    fields = (CredentialField("org", "ORG", identifies=True), CredentialField("version", "Version"))

    def key(**options):
        return login_key(ADA, "ofx", Credentials("https://a.example", "ada", "x", options), VAULT, fields)

    plain = VAULT.fingerprint(str(ADA), "ofx", "https://a.example", "ada")
    assert key() == key(version="103") == key(org="") == plain
    assert key(org="B1") == key(org="B1", version="103")
    assert len({key(), key(org="B1"), key(org="B2")}) == 3


def test_a_person_is_one_device_at_an_institution_whatever_their_password():
    def device(user_id=ADA, institution_id="ofx", url="https://a.example", login="ada", password="x"):
        return device_id(user_id, institution_id, Credentials(url, login, password), VAULT)

    assert device() == device(password="y")
    assert str(uuid.UUID(device())).upper() == device()
    others = {device(GRACE), device(institution_id="other"), device(url="https://b.example"), device(login="grace")}
    assert len(others | {device()}) == 5
