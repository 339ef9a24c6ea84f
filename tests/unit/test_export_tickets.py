"""A ticket is for one file of one person until its time is up, and cannot be made without the operator's key."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from mintql.domain.ids import SessionId, UserId
from mintql.gateways.vault import Vault
from mintql.services.export_tickets import TICKET_SECONDS, issue, read
from mintql.services.exports import ExportKind

NOW = datetime(2026, 11, 23, 10, 15, tzinfo=UTC)
VAULT = Vault({1: b"k" * 32})
CSV, JSON = ExportKind.TRANSACTIONS_CSV, ExportKind.EVERYTHING_JSON


def test_a_ticket_holds_for_its_file_until_its_time_is_up():
    ticket, until = issue(VAULT, UserId(7), SessionId(9), CSV, NOW)
    assert until == NOW + timedelta(seconds=TICKET_SECONDS)
    assert read(VAULT, ticket, CSV, NOW) == (7, 9)
    assert read(VAULT, ticket, CSV, until - timedelta(seconds=1)) == (7, 9)
    assert read(VAULT, ticket, CSV, until) is None
    assert read(VAULT, ticket, JSON, NOW) is None
    assert read(Vault({1: b"x" * 32}), ticket, CSV, NOW) is None


def test_a_ticket_that_was_changed_or_made_up_holds_for_nobody():
    ticket, _ = issue(VAULT, UserId(7), SessionId(9), CSV, NOW)
    claims, _, signature = ticket.rpartition(".")
    later = claims.rpartition(".")[0] + ".9999999999"
    for made_up in (
        f"{later}.{signature}", f"8{claims[1:]}.{signature}", claims, "", ".", "...", "x" * 10_000, f"{claims}.",
        f"{claims}.\u00e9", signature,
    ):  # fmt: skip
        assert read(VAULT, made_up, CSV, NOW) is None
