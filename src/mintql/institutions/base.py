"""The one interface through which every institution is reached."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from mintql.domain.credentials import Credentials
from mintql.domain.institutions import ParsedPage

__all__ = ["Capabilities", "Connector", "Credentials", "FetchRequest", "RawPage"]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a connector's protocol can do.

    `window` protocols are asked for a range of days, others continue from a cursor. `pending` says whether
    rows that are not booked yet are given, `links_pending` whether a booked row names its pending one.
    """

    window: bool
    pending: bool
    links_pending: bool
    window_days_max: int
    history_days_max: int
    refresh_interval_seconds_min: int


@dataclass(frozen=True, slots=True)
class FetchRequest:
    """What to fetch: the days `first` to `last` (both included), or all since `cursor`."""

    first: date
    last: date
    cursor: str = ""


@dataclass(frozen=True, slots=True)
class RawPage:
    """One answer of the institution, untouched.

    `cursor` is where the next run continues when this is the last page of the run.
    """

    content: bytes
    content_type: str
    cursor: str = ""


class Connector(Protocol):
    """A way to one institution (or to many that speak one protocol).

    Every method but `parse` talks to the institution and raises a `domain.errors.InstitutionFailure`.
    """

    institution_id: str
    name: str
    capabilities: Capabilities

    async def connect(self, credentials: Credentials) -> Credentials:
        """Check that the login works; return the credentials to keep (a claimed token may replace them)."""
        ...

    def fetch(self, credentials: Credentials, request: FetchRequest) -> AsyncIterator[RawPage]:
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
