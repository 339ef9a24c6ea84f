"""An institution that says exactly what a test tells it to, through the same `Connector` interface."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import date

from mintql.domain.credentials import Credentials
from mintql.domain.errors import InstitutionFailure, ProtocolError
from mintql.domain.institutions import (
    AccountKind,
    ParsedPage,
    ProviderAccount,
    ProviderTransaction,
    RejectedRow,
    Window,
)
from mintql.institutions.base import AccountFailure, Capabilities, FetchRequest, RawPage, Spend, spend_freely

GARBAGE = b"<html>maintenance</html>"


@dataclass
class ScriptedInstitution:
    """`pages` are given in order with every fetch; `failure` is raised after them.

    `names` and `masks` of accounts and `notices` go with every page; windows only of `window_accounts`, all of them
    unless said.
    """

    institution_id: str = "scripted"
    name: str = "Scripted Bank"
    capabilities: Capabilities = field(
        default_factory=lambda: Capabilities(
            window=True,
            pending=True,
            links_pending=True,
            window_days_max=730,
            history_days_max=730,
            refresh_interval_seconds_min=0,
        )
    )
    fields: tuple[()] = ()
    pages: list[bytes] = field(default_factory=list)
    account_failures: list[AccountFailure] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    masks: dict[str, str] = field(default_factory=dict)
    notices: tuple[str, ...] = ()
    window_accounts: tuple[str, ...] | None = None
    failure: Exception | None = None
    requests: list[FetchRequest] = field(default_factory=list)

    async def connect(self, credentials: Credentials) -> Credentials:
        return credentials

    async def accounts(self, credentials: Credentials, spend: Spend = spend_freely) -> RawPage:  # noqa: ARG002
        await spend()
        return RawPage(self.pages[0], "application/json")

    async def fetch(
        self,
        credentials: Credentials,  # noqa: ARG002
        request: FetchRequest,
    ) -> AsyncIterator[RawPage | AccountFailure]:
        self.requests.append(request)
        for content in self.pages:
            await request.spend()
            yield RawPage(content, "application/json")
        for failed in self.account_failures:
            yield failed
        if self.failure is not None:
            raise self.failure

    def parse(self, content: bytes) -> ParsedPage:
        try:
            said = json.loads(content)
        except ValueError:
            raise ProtocolError("the page is not JSON") from None
        return ParsedPage(
            accounts=tuple(
                ProviderAccount(
                    item["id"],
                    self.names.get(item["id"], item["id"].title()),
                    AccountKind(item["kind"]),
                    "USD",
                    mask=self.masks.get(item["id"], ""),
                    balance_minor=1,
                )
                for item in said["accounts"]
            ),
            transactions=tuple(_row(item) for item in said["rows"]),
            removed=tuple((account, external_id) for account, external_id in said["removed"]),
            windows=tuple(
                Window(account, date.fromisoformat(first), date.fromisoformat(last))
                for account, first, last in said["windows"]
                if self.window_accounts is None or account in self.window_accounts
            ),
            notices=self.notices,
            rejected=tuple(RejectedRow(place, "no amount", "{}", "card") for place in said["rejected"]),
        )

    async def disconnect(self, credentials: Credentials) -> None:
        pass

    def fail(self, failure: InstitutionFailure) -> None:
        self.failure = failure


def _row(item: dict[str, object]) -> ProviderTransaction:
    return ProviderTransaction(**(item | {"posted_on": date.fromisoformat(str(item["posted_on"]))}))  # type: ignore[arg-type]


def row(external_id: str, amount_minor: int, posted_on: date, **more: object) -> dict[str, object]:
    """A transaction as the scripted institution writes it."""
    return {
        "account_external_id": "card",
        "external_id": external_id,
        "posted_on": posted_on.isoformat(),
        "amount_minor": amount_minor,
        "currency": "USD",
        "description": "BLUE BOTTLE",
    } | more


def page(
    *rows: dict[str, object],
    accounts: tuple[str, ...] = ("card",),
    removed: tuple[tuple[str, str], ...] = (),
    window: tuple[date, date] | None = None,
    rejected: tuple[int, ...] = (),
) -> bytes:
    """A raw page; with a window it says that the days of it are complete for every account named."""
    windows = [(account, window[0].isoformat(), window[1].isoformat()) for account in accounts] if window else []
    return json.dumps(
        {
            "accounts": [{"id": account, "kind": "credit_card"} for account in accounts],
            "rows": rows,
            "removed": removed,
            "windows": windows,
            "rejected": rejected,
        }
    ).encode()
