"""Items and link sessions of the bank that speaks as Plaid: how they look, and what the scenarios make of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from mintql.sandbox.bank import Bank
from mintql.sandbox.plaid_errors import PlaidRefusal, login_required
from mintql.sandbox.plaid_store import Item, Link, PlaidStore
from mintql.sandbox.scenarios import RETRY_AFTER_SECONDS, Scenarios, applies

_LIMITS = {"accounts": "ACCOUNTS_LIMIT", "transactions": "TRANSACTIONS_SYNC_LIMIT"}


def open_item(store: PlaidStore, access_token: str) -> Item:
    """Return the item of an access token.

    Raises:
        PlaidRefusal: There never was such a token, or its item was removed.
    """
    item = store.item(access_token)
    if item is None:
        raise PlaidRefusal("INVALID_INPUT", "INVALID_ACCESS_TOKEN", "could not find matching access token")
    if item.removed:
        raise PlaidRefusal("ITEM_ERROR", "ITEM_NOT_FOUND", "the item you requested cannot be found")
    return item


def item_json(item: Item, error: PlaidRefusal | None) -> dict[str, Any]:
    """Return an item as Plaid describes it."""
    return {
        "available_products": [],
        "billed_products": ["transactions"],
        "consent_expiration_time": None,
        "error": error.body() if error is not None else None,
        "institution_id": "ins_sandbox",
        "institution_name": "Sandbox Bank",
        "item_id": item.item_id,
        "products": ["transactions"],
        "update_type": "background",
        "webhook": item.webhook or "",
    }


def link_json(link: Link) -> dict[str, Any]:
    """Return a link session with what it ended with, if it has ended."""
    return {
        "link_token": link.link_token,
        "created_at": time_text(link.created_at),
        "expiration": time_text(link.expires_at),
        "link_sessions": [_session_json(link, link.finished_at)] if link.finished_at is not None else [],
        "metadata": {
            "client_name": None,
            "country_codes": ["US"],
            "initial_products": ["transactions"],
            "language": "en",
            "redirect_uri": None,
            "webhook": link.webhook,
        },
    }


def _session_json(link: Link, finished_at: int) -> dict[str, Any]:
    institution = {"institution_id": "ins_sandbox", "name": "Sandbox Bank"}
    others = ("cra_item_add", "cra_update", "bank_income", "payroll_income")
    return {
        "link_session_id": link.link_token.removeprefix("link-sandbox-"),
        "started_at": time_text(link.created_at),
        "finished_at": time_text(finished_at),
        "results": {
            "item_add_results": [{"public_token": link.public_token, "accounts": [], "institution": institution}],
            **{f"{name}_results": [] for name in others},
            "document_income_results": None,
        },
    }


def time_text(seconds: int) -> str:
    """Return a Unix time as Plaid writes times."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def shown_error(bank: Bank, item: Item) -> PlaidRefusal | None:
    """Return what `/item/get` says is wrong with an item; None where nothing is."""
    if item.login_required:
        return login_required()
    try:
        _check_access(bank.store.scenarios(item.login))
    except PlaidRefusal as refusal:
        return refusal
    return None


def check_scenarios(scenarios: Scenarios, call: str) -> None:
    """Refuse a call (login, accounts, transactions) that the scenarios of its login do not let through.

    Raises:
        PlaidRefusal: The bank is out of order, asked too often, or wants something of the person first.
    """
    if applies(scenarios, "outage", call):
        raise PlaidRefusal(
            "INSTITUTION_ERROR",
            "INSTITUTION_DOWN",
            "this institution is not currently responding to this request. please try again soon",
            display="This financial institution is not currently responding to requests.",
        )
    if "rate_limited" in scenarios:
        raise PlaidRefusal(
            "RATE_LIMIT_EXCEEDED",
            _LIMITS.get(call, "RATE_LIMIT"),
            "rate limit exceeded for attempts to access this item. please try again later",
            status=429,
            retry_after_seconds=scenarios["rate_limited"].get("retry_after", RETRY_AFTER_SECONDS),
        )
    if call != "login":
        _check_access(scenarios)


def _check_access(scenarios: Scenarios) -> None:
    if "login_expired" in scenarios:
        raise login_required()
    if "consent_expired" in scenarios:
        raise login_required("OAUTH_CONSENT_EXPIRED")
    if "payment_required" in scenarios:
        raise PlaidRefusal(
            "INVALID_INPUT",
            "INVALID_PRODUCT",
            "client is not authorized to access the following products: [transactions]",
        )
