"""Which institutions this server offers."""

from __future__ import annotations

from mintql.institutions.base import Connector
from mintql.institutions.http import HttpClient
from mintql.institutions.ofx_direct import OfxDirectConnector
from mintql.institutions.plaid import PlaidConnector
from mintql.institutions.sandbox import SandboxConnector
from mintql.institutions.simplefin import SimpleFinConnector
from mintql.settings import Settings


def build_connectors(settings: Settings, http: HttpClient) -> dict[str, Connector]:
    """Return the connectors by institution id. The sandbox bank is offered where its address is set."""
    connectors: list[Connector] = []
    if settings.sandbox_url:
        connectors.append(SandboxConnector(http, settings.sandbox_url))
    if settings.plaid_url:
        connectors.append(_plaid(settings, http, settings.plaid_url))
    connectors.append(OfxDirectConnector(http))
    connectors.append(SimpleFinConnector(http, settings.sandbox_url or ""))
    return {connector.institution_id: connector for connector in connectors}


def _plaid(settings: Settings, http: HttpClient, url: str) -> PlaidConnector:
    secret = settings.plaid_secret.get_secret_value() if settings.plaid_secret else ""
    return PlaidConnector(
        http,
        url,
        settings.plaid_client_id or "",
        secret,
        webhook_url=settings.webhook_url,
        countries=settings.plaid_countries,
    )
