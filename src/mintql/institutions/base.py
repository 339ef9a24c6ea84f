"""The one interface through which every institution is reached."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol, runtime_checkable

from mintql.domain.credentials import CredentialField, Credentials
from mintql.domain.errors import InstitutionFailure
from mintql.domain.institutions import ParsedPage

__all__ = [
    "AccountFailure",
    "Capabilities",
    "Connector",
    "CredentialField",
    "Credentials",
    "FetchRequest",
    "LinkSession",
    "Linkable",
    "RawPage",
    "Spend",
    "spend_freely",
]

Spend = Callable[[], Awaitable[None]]
"""Called before each request that counts against a day's allowance.

Raises `InstitutionRateLimited`, with the time of the next chance, when the allowance is used up.
"""


async def spend_freely() -> None:
    """Count nothing: the institution sets no limit, or nobody keeps count."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a connector's protocol can do.

    `window` protocols are asked for a range of days, others continue from a cursor. `pending` says whether
    rows that are not booked yet are given, `links_pending` whether a booked row names its pending one.
    `requests_per_day_max` is how often one connection may ask in a day (UTC), None where that is unlimited.
    `farewell` says that the institution has to be told when a connection ends.
    """

    window: bool
    pending: bool
    links_pending: bool
    window_days_max: int
    history_days_max: int
    refresh_interval_seconds_min: int
    requests_per_day_max: int | None = None
    farewell: bool = False


@dataclass(frozen=True, slots=True)
class FetchRequest:
    """What to fetch: the days `first` to `last` (both included), or all since `cursor`.

    `spend` is awaited before each request, for protocols whose capabilities name a daily allowance.
    """

    first: date
    last: date
    cursor: str = ""
    spend: Spend = spend_freely


@dataclass(frozen=True, slots=True)
class RawPage:
    """One answer of the institution, untouched.

    `cursor` is where the next run continues when this is the last page of the run.
    """

    content: bytes
    content_type: str
    cursor: str = ""


@dataclass(frozen=True, slots=True)
class AccountFailure:
    """One account could not be fetched, and the others could: yielded by `fetch` in place of that account's pages."""

    account_external_id: str
    failure: InstitutionFailure


class Connector(Protocol):
    """A way to one institution (or to many that speak one protocol).

    Every method but `parse` talks to the institution and raises a `domain.errors.InstitutionFailure`:
    AuthRequired, ConsentExpired, PaymentRequired, InstitutionRateLimited (with `retry_at`), WindowTooLarge,
    AccountGone, InstitutionDown, NotReady or ProtocolError.
    """

    institution_id: str
    name: str
    capabilities: Capabilities

    @property
    def fields(self) -> tuple[CredentialField, ...]:
        """What a person is asked for to connect, in the order in which to ask."""
        ...

    async def connect(self, credentials: Credentials) -> Credentials:
        """Check that the login works; return the credentials to keep (a claimed token may replace them)."""
        ...

    async def accounts(self, credentials: Credentials, spend: Spend = spend_freely) -> RawPage:
        """Return the accounts with their balances, and no transactions, as one raw page."""
        ...

    def fetch(self, credentials: Credentials, request: FetchRequest) -> AsyncIterator[RawPage | AccountFailure]:
        """Yield raw pages, account by account, until the request is complete."""
        ...

    def parse(self, content: bytes) -> ParsedPage:
        """Read one raw page. Pure: the same bytes always give the same result.

        Raises:
            ProtocolError: The page as a whole cannot be read. A single bad row is put into `rejected`.
        """
        ...

    async def disconnect(self, credentials: Credentials) -> None:
        """Tell the institution that access has ended, where its protocol has a way to."""
        ...


@dataclass(frozen=True, slots=True)
class LinkSession:
    """A visit to the institution's own pages, at whose end it hands the person a token to connect with."""

    token: str
    url: str
    expires_at: datetime


@runtime_checkable
class Linkable(Protocol):
    """A connector whose institution lets the person log in on its own pages.

    Both methods raise a `domain.errors.InstitutionFailure`.
    """

    async def open_link(self, reference: str, credentials: Credentials | None = None) -> LinkSession:
        """Open a session for one person, told to the institution as an opaque `reference`.

        With credentials the visit renews that login in place: afterwards they are good again as they are.
        """
        ...

    async def confirm_link(self, token: str) -> None:
        """Return when the visit of this token, which was to renew a login, has done so.

        Raises:
            AuthRequired: It has not ended yet, or has ended without a login.
        """
        ...
