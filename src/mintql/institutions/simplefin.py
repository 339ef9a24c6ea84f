"""The connector to SimpleFIN servers, such as the SimpleFIN Bridge (https://www.simplefin.org/protocol.html).

A person makes a setup token there, which is claimed once for an access URL; the server then tells all accounts of
all the person's banks in one answer. Versions 1 and 2 of the protocol are read alike: an answer says itself
which it is.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from mintql.domain.errors import InstitutionFailure, InstitutionRateLimited, NotReady, WindowTooLarge
from mintql.domain.institutions import ParsedPage
from mintql.domain.months import check_time_zone
from mintql.institutions.base import (
    AccountFailure,
    Capabilities,
    CredentialField,
    Credentials,
    FetchRequest,
    RawPage,
    Spend,
    spend_freely,
)
from mintql.institutions.http import HttpClient
from mintql.institutions.simplefin_access import Access, Claim, is_allowed, read_pasted
from mintql.institutions.simplefin_errors import Verdict, judge, revoked
from mintql.institutions.simplefin_fields import Row
from mintql.institutions.simplefin_pages import (
    ZONE_DEFAULT,
    Head,
    failing,
    has_transactions,
    load_account_set,
    parse_page,
    write_page,
)
from mintql.institutions.simplefin_server import DEADLINE_SECONDS, SimpleFinServer

WINDOW_DAYS_MAX = 90
"""The longest range the Bridge gives at once; it caps longer ones."""
HISTORY_DAYS_MAX = 730
REQUESTS_PER_DAY_MAX = 24
"""What the Bridge allows an access, which it disables when it is asked much more often."""
REQUESTS_PER_FETCH_MAX = 16
"""A history takes nine requests, more where a server gives fewer days at once. What is older is then left out: a
history that used up the day's allowance would be begun anew, and used up, every day."""
PENDING_DAYS = timedelta(days=WINDOW_DAYS_MAX)
"""Pending rows are asked for in windows that end in the last three months: no bank holds an amount for longer."""
EMPTY_WINDOWS_MAX = 2
"""The protocol has no word for "there is nothing older": half a year without a row on any account is taken for it."""
NOT_READY_PAUSE = timedelta(hours=1)
"""A bridge gathers for hours, and each look at it counts against the day's allowance."""
TOO_OFTEN_PAUSE = timedelta(hours=6)
"""Quotas are filled up again over the day."""

log = logging.getLogger(__name__)


class SimpleFinConnector:
    """Any SimpleFIN server. What is kept of a claimed token: the address as `url`, `login` and `password`.

    `allowed_url` is the one address that may be plain http, that of the sandbox bank.
    """

    institution_id = "simplefin"
    name = "SimpleFIN"
    capabilities = Capabilities(
        window=True,
        pending=True,
        links_pending=False,
        window_days_max=WINDOW_DAYS_MAX,
        history_days_max=HISTORY_DAYS_MAX,
        refresh_interval_seconds_min=3_600,
        requests_per_day_max=REQUESTS_PER_DAY_MAX,
    )
    fields: tuple[CredentialField, ...] = (
        CredentialField(
            "password",
            "Setup token",
            secret=True,
            help="Made at your SimpleFIN server, for instance the SimpleFIN Bridge, and used once. An access URL that "
            "was claimed before will do as well.",
        ),
        CredentialField(
            "time_zone",
            "Time zone of the server",
            required=False,
            help="Only where its days are off by one: the zone of its calendar, such as Asia/Jerusalem. UTC unless "
            "given.",
        ),
    )

    def __init__(self, http: HttpClient, allowed_url: str = "", *, deadline_seconds: float = DEADLINE_SECONDS) -> None:
        self._http = http
        self._allowed_url = allowed_url
        self._deadline_seconds = deadline_seconds

    async def connect(self, credentials: Credentials) -> Credentials:
        """Claim a setup token, or check an access URL; return the address, login and password to keep.

        A token can be claimed once only, so nothing that goes wrong after its claim fails the connection: it is
        kept, and the first synchronising meets what is wrong.

        Raises:
            InvalidInput: What was pasted is neither a token nor an access URL, or leads to where it may not.
            AuthRequired: The token was claimed before, which can mean that somebody else has it; or the access
                was revoked.
            InstitutionFailure: Another one, as for `fetch`.
        """
        zone = check_time_zone(credentials.options.get("time_zone") or ZONE_DEFAULT, field="time_zone")
        options = {"time_zone": zone} if zone != ZONE_DEFAULT else {}
        claim = self._pasted(credentials)
        if isinstance(claim, Claim):
            access = await SimpleFinServer.claim(self._http, claim, self._allowed_url, self._deadline_seconds)
            server = self._server(access)
            try:
                version = await server.version()
            except InstitutionFailure as failure:
                log.warning("the versions of a SimpleFIN server were not told: %s", failure.message)
                version = ""
        else:
            access = claim
            server = self._server(access)
            version = await server.version()
            verdict = judge(load_account_set(await server.accounts(version, {"balances-only": "1"}, probe=True)))
            if verdict.whole is not None:
                raise verdict.whole
        return Credentials(
            access.url, access.login, access.password, options | ({"version": version} if version else {})
        )

    async def accounts(self, credentials: Credentials, spend: Spend = spend_freely) -> RawPage:
        """Return the accounts with their balances as one raw page; failures as for `fetch`."""
        await spend()
        content = await self._kept(credentials).accounts(_version(credentials), {"balances-only": "1"})
        _raise_whole(judge(load_account_set(content)))
        return RawPage(write_page(Head(_zone(credentials)), content), "application/json")

    async def fetch(self, credentials: Credentials, request: FetchRequest) -> AsyncIterator[RawPage | AccountFailure]:
        """Yield one page for each window of days, the newest first, then what is the matter with single accounts.

        Raises:
            AuthRequired: The access was revoked.
            PaymentRequired: The server wants its subscription paid.
            InstitutionRateLimited: The day's allowance is used up, or the server says so.
            WindowTooLarge: The server gives not even one day at once.
            NotReady: The server is still gathering the rows of all accounts.
            InstitutionDown: The server is out of order, unreachable or too slow.
            ProtocolError: An answer that is not the protocol.
        """
        walk = _Walk(self._kept(credentials), _version(credentials), ZoneInfo(_zone(credentials)), request)
        async for page in walk.pages():
            yield page
        for account_id, failure in walk.failures.items():
            yield AccountFailure(account_id, failure)

    def parse(self, content: bytes) -> ParsedPage:
        """Read a page; see `Connector.parse`."""
        return parse_page(content)

    async def disconnect(self, credentials: Credentials) -> None:
        """Do nothing: the protocol has no way to give an access back; the person disables it at the server."""

    def _pasted(self, credentials: Credentials) -> Claim | Access:
        kept = credentials.url.strip()
        if kept and credentials.login:
            if not is_allowed(kept, self._allowed_url):
                return read_pasted(kept, self._allowed_url)
            return Access(kept.rstrip("/"), credentials.login, credentials.password)
        return read_pasted(credentials.password or kept, self._allowed_url)

    def _server(self, access: Access) -> SimpleFinServer:
        return SimpleFinServer(self._http, access, self._deadline_seconds)

    def _kept(self, credentials: Credentials) -> SimpleFinServer:
        access = Access(credentials.url, credentials.login, credentials.password)
        if not is_allowed(access.url, self._allowed_url):
            raise revoked(f"The address of the SimpleFIN server {access.host} is not one that may be asked any more.")
        return self._server(access)


class _Walk:
    """One fetch: back through the days, window by window."""

    def __init__(self, server: SimpleFinServer, version: str, zone: ZoneInfo, request: FetchRequest) -> None:
        self._server = server
        self._version = version
        self._zone = zone
        self._request = request
        self._days_max = WINDOW_DAYS_MAX
        self.failures: dict[str, InstitutionFailure] = {}

    async def pages(self) -> AsyncIterator[RawPage]:
        last, oldest, empty = self._request.last, None, 0
        for number in range(1, REQUESTS_PER_FETCH_MAX + 1):
            first = self._first(last)
            content = await self._ask(first, last)
            page = load_account_set(content)
            verdict = judge(page)
            _raise_whole(verdict)
            if verdict.days_max is not None and self._narrow(verdict.days_max, (last - first).days + 1):
                continue
            self.failures |= {key: verdict.accounts[row_id] for key, row_id in failing(page, verdict).items()}
            if number == 1:
                _raise_if_nothing_is_ready(page, verdict)
            empty = 0 if has_transactions(page) else empty + 1
            oldest = first if oldest is None or not empty else oldest
            done = first <= self._request.first or empty >= EMPTY_WINDOWS_MAX or number == REQUESTS_PER_FETCH_MAX
            covers = (oldest, self._request.last) if done else None
            head = Head(self._zone.key, covers, tuple(self.failures) if done else ())
            yield RawPage(write_page(head, content), "application/json")
            if done:
                return
            if verdict.too_often:
                raise InstitutionRateLimited(
                    f"{self._server.called} wants to be asked less often: {verdict.too_often}",
                    retry_at=datetime.now(UTC) + TOO_OFTEN_PAUSE,
                )
            last = first - timedelta(days=1)
        raise WindowTooLarge(f"{self._server.called} gives fewer and fewer days at once, and none in the end.")

    async def _ask(self, first: date, last: date) -> bytes:
        await self._request.spend()
        params = {"start-date": str(self._midnight(first)), "end-date": str(self._midnight(last + timedelta(days=1)))}
        # Servers look whether the word is there, whatever it is set to.
        if self._request.last - last < PENDING_DAYS:
            params["pending"] = "1"
        return await self._server.accounts(self._version, params)

    def _first(self, last: date) -> date:
        """Return the first day of the window that ends with `last`, in no case longer than the server allows."""
        first = max(self._request.first, last - timedelta(days=self._days_max - 1))
        # Where clocks are put back in between, the days are an hour longer than days have hours.
        seconds = self._midnight(last + timedelta(days=1)) - self._midnight(first)
        return first + timedelta(days=1) if seconds > self._days_max * 86_400 and first < last else first

    def _midnight(self, day: date) -> int:
        return int(datetime.combine(day, time(), self._zone).timestamp())

    def _narrow(self, days_max: int, asked_days: int) -> bool:
        """Ask for no more days than the server gives, if that is less than what it was asked for."""
        if days_max > asked_days:
            return False
        self._days_max = min(days_max, asked_days - 1)
        if self._days_max < 1:
            raise WindowTooLarge(f"{self._server.called} does not give even one day at once.")
        return True


def _raise_whole(verdict: Verdict) -> None:
    for aside in verdict.asides:
        log.warning("a SimpleFIN server says: %s", aside)
    if verdict.whole is not None:
        raise verdict.whole


def _raise_if_nothing_is_ready(page: Row, verdict: Verdict) -> None:
    """Keep an answer in which all is still being gathered from looking like accounts on which nothing happened."""
    waiting = [failure for failure in verdict.accounts.values() if isinstance(failure, NotReady)]
    if waiting and len(waiting) >= len(page["accounts"]) and not has_transactions(page):
        raise NotReady(waiting[0].message, retry_at=datetime.now(UTC) + NOT_READY_PAUSE)


def _version(credentials: Credentials) -> str:
    return credentials.options.get("version", "")


def _zone(credentials: Credentials) -> str:
    return credentials.options.get("time_zone") or ZONE_DEFAULT
