"""Accounts and transactions of the sandbox bank, as Plaid writes them.

Amounts are JSON numbers, positive for money out; what is owed on a card is a positive balance.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, timezone
from typing import Any

from mintql.domain.money import to_decimal_text
from mintql.sandbox.ledger import Ledger, Row
from mintql.sandbox.people import CURRENCY, Account
from mintql.sandbox.plaid_categories import category, detailed

_TYPES = {
    "checking": ("depository", "checking"),
    "savings": ("depository", "savings"),
    "credit_card": ("credit", "credit card"),
}
_PLACE = ("address", "city", "region", "postal_code", "country", "lat", "lon", "store_number")
_PAYMENT = (
    "by_order_of", "payee", "payer", "payment_method", "payment_processor", "ppd_id", "reason", "reference_number",
)  # fmt: skip


def account_json(ledger: Ledger, account: Account) -> dict[str, Any]:
    """Return an account with its balances."""
    balance = ledger.balance(account.name)
    kind, subtype = _TYPES[account.kind]
    owed = kind == "credit"
    return {
        "account_id": account.account_id,
        "balances": {
            "available": _number(balance.available_minor),
            "current": _number(-balance.current_minor if owed else balance.current_minor),
            "iso_currency_code": CURRENCY,
            "limit": _number(account.credit_limit_minor) if owed else None,
            "unofficial_currency_code": None,
        },
        "holder_category": "personal",
        "mask": account.mask,
        "name": account.title,
        "official_name": f"Sandbox Bank {account.title}",
        "subtype": subtype,
        "type": kind,
    }


def row_json(row: Row, account_id: str, zone: timezone) -> dict[str, Any]:
    """Return a transaction of a bank whose clock is in this zone; its category as a detailed code alone."""
    authorized = row.occurred_at.replace(tzinfo=zone).astimezone(UTC)
    return {
        "account_id": account_id,
        "account_owner": None,
        "amount": _number(-row.amount_minor),
        "authorized_date": row.occurred_at.date().isoformat(),
        "authorized_datetime": f"{authorized:%Y-%m-%dT%H:%M:%S}Z",
        "category": None,
        "category_id": None,
        "check_number": None,
        "counterparties": [],
        "date": row.posted_on.isoformat(),
        "datetime": f"{authorized:%Y-%m-%dT%H:%M:%S}Z" if row.pending else f"{row.posted_on.isoformat()}T00:00:00Z",
        "iso_currency_code": CURRENCY,
        "location": dict.fromkeys(_PLACE),
        "logo_url": None,
        "merchant_entity_id": None,
        "merchant_name": None,
        "name": row.description,
        "original_description": row.description,
        "payment_channel": "in store" if row.mcc else "other",
        "payment_meta": dict.fromkeys(_PAYMENT),
        "pending": row.pending,
        "pending_transaction_id": row.pending_id or None,
        "personal_finance_category": detailed(row.mcc, row.description),
        "transaction_code": None,
        "transaction_id": row.row_id,
        "transaction_type": "place" if row.mcc else "special",
        "unofficial_currency_code": None,
        "website": None,
    }


def shown(body: Mapping[str, Any], *, version: str, original: bool) -> dict[str, Any]:
    """Return a kept transaction as a request wants it: its category in a version, the bank's words if asked for."""
    found = category(str(body["personal_finance_category"]), version)
    icon = f"https://plaid-category-icons.plaid.com/PFC_{found['primary']}.png"
    row = {**body, "personal_finance_category": found, "personal_finance_category_icon_url": icon}
    if not original:
        del row["original_description"]
    return row


def _number(amount_minor: int) -> float:
    """Return an amount as JSON writes it. Its shortest text has the digits of the amount again, and no others."""
    return float(to_decimal_text(amount_minor, CURRENCY))
