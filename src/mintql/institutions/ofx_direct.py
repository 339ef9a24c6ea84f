"""The connector for institutions that speak OFX Direct Connect, at the address that the person gives."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlsplit

from mintql.domain.errors import (
    AccountGone,
    InstitutionDown,
    InstitutionFailure,
    InvalidInput,
    ProtocolError,
    WindowTooLarge,
)
from mintql.domain.institutions import ParsedPage
from mintql.institutions.base import (
    AccountFailure,
    Capabilities,
    Credentials,
    FetchRequest,
    RawPage,
    Spend,
    spend_freely,
)
from mintql.institutions.http import HttpClient
from mintql.institutions.ofx_direct_answers import MESSAGE_SETS, Listed, listed, typed_accounts
from mintql.institutions.ofx_direct_connect import Found, find_server
from mintql.institutions.ofx_direct_fields import FIELDS, URL_OPTION, VERSION_DEFAULT, read_fields, sign_on_of
from mintql.institutions.ofx_direct_pages import Envelope, holders_of, parse_page, put_into_page, window_of
from mintql.institutions.ofx_direct_request import VERSION_PENDING_MIN, StatementQuery
from mintql.institutions.ofx_direct_session import DEADLINE_SECONDS, AccountRefused, Answer, Clock, Session, new_id
from mintql.institutions.ofx_direct_status import answer_failure

WINDOW_DAYS_MAX = 180
"""The longest window asked for: every refresh fits into one, and a busy account's answer stays below a megabyte."""
WINDOW_DAYS_MIN = 7
"""A server that refuses even a week gives no history."""


def utc_now() -> datetime:
    """Return the present moment, aware."""
    return datetime.now(UTC)


class OfxDirectConnector:
    """Any institution with an OFX server; one request for each account, so that one cannot fail the others."""

    institution_id = "ofx"
    name = "OFX Direct Connect"
    fields = FIELDS
    capabilities = Capabilities(
        window=True,
        pending=False,  # Only servers of OFX 2.2 list pending rows; where one does, they are read.
        links_pending=False,
        window_days_max=WINDOW_DAYS_MAX,
        history_days_max=730,
        refresh_interval_seconds_min=900,  # Banks lock logins that sign on all the time.
    )

    def __init__(self, http: HttpClient, *, deadline_seconds: float = DEADLINE_SECONDS, clock: Clock = utc_now) -> None:
        self._http = http
        self._deadline_seconds = deadline_seconds
        self._clock = clock

    async def connect(self, credentials: Credentials) -> Credentials:
        """Find out how the server wants to be spoken to, sign on and ask for the accounts.

        Returns:
            The credentials with what was found out among the options: version, addresses, the client's id.

        Raises:
            InvalidInput: A value that no server could take, or there is no list of accounts and none was given.
            InstitutionFailure: As for `fetch`.
        """
        given = read_fields(credentials)
        session = self._session(given, spend_freely)
        found = await find_server(session, given.options, given.device_id or new_id())
        kept = replace(given, options={**given.options, **_options(found)})
        if not kept.options.get("accounts"):
            if found.listing is None or not listed(found.listing.document)[0]:
                raise InvalidInput(
                    f"{session.called} does not tell which accounts you have; give them yourself, "
                    "e.g. 123456789/00012345/CHECKING, with commas between them.",
                    field="accounts",
                )
            return kept
        await self._first_typed(self._session(kept, spend_freely), typed_accounts(kept.options["accounts"]))
        return kept

    async def accounts(self, credentials: Credentials, spend: Spend = spend_freely) -> RawPage:
        """Return the answer to requests for all balances without transactions; failures as for `fetch`.

        The list of accounts has no balances, so there are as many statements as accounts in one page.
        """
        session = self._session(credentials, spend)
        _, found = await self._listing(session, credentials)
        names = {one.account.external_id: one.name for one in found}
        answer = await session.statements([StatementQuery(one.account) for one in found])
        return RawPage(put_into_page(Envelope(names), answer.content), answer.content_type)

    async def fetch(self, credentials: Credentials, request: FetchRequest) -> AsyncIterator[RawPage | AccountFailure]:
        """Yield the list of accounts, then each account's statements, the newest days first.

        Raises:
            AuthRequired: The sign-on was refused: login, password, client id, or something only the person can do.
            ConsentExpired: The permission given at the institution has run out.
            InstitutionDown: Unreachable, too slow, out of order, or for no account in a state to answer.
            InstitutionRateLimited: Asked too often.
            ProtocolError: An answer that is not OFX, or for no account one that can be used.
        """
        session = self._session(credentials, request.spend)
        listing, found = await self._listing(session, credentials)
        if listing is not None:
            yield RawPage(listing.content, listing.content_type)
        reached = False
        unreached: list[AccountFailure] = []
        for one in found:
            try:
                async for page in self._pages(session, credentials.options, one, request):
                    reached = True
                    yield page
            except AccountRefused as refused:
                failed = AccountFailure(one.account.external_id, refused.failure)
                if isinstance(refused.failure, (AccountGone, WindowTooLarge)):
                    yield failed
                else:
                    unreached.append(failed)
            except (InstitutionDown, ProtocolError) as failure:
                unreached.append(AccountFailure(one.account.external_id, failure))
            if not reached and sum(failed.failure.retryable for failed in unreached) > 1:
                break  # Not two accounts are out of order, but the institution.
        if unreached and not reached:
            raise unreached[0].failure
        for failed in unreached:
            yield failed

    def parse(self, content: bytes) -> ParsedPage:
        """Read a page; see `Connector.parse`."""
        return parse_page(content)

    async def disconnect(self, credentials: Credentials) -> None:
        """Do nothing: OFX signs on anew with each request."""

    async def _listing(self, session: Session, credentials: Credentials) -> tuple[Answer | None, list[Listed]]:
        """Return the list of accounts as it was answered (None where the person gave one), and what it names."""
        typed = typed_accounts(credentials.options.get("accounts", ""))
        if typed:
            return None, typed
        answer = await session.accounts()
        session.check_sign_on(answer.document)
        refused = answer_failure(answer.document, session.called, session.secrets)
        if refused is not None:
            raise refused
        found, _ = listed(answer.document)
        if not found:
            raise ProtocolError(f"{session.called} listed no account.")
        return answer, found

    async def _pages(
        self, session: Session, options: Mapping[str, str], one: Listed, request: FetchRequest
    ) -> AsyncIterator[RawPage]:
        """Yield the statements of one account, window by window, backwards.

        A window that is refused as too large is halved. Where the newest days were given and older ones are
        refused however few, the institution does not keep older ones.
        """
        days = WINDOW_DAYS_MAX
        last = request.last
        through: date | None = None
        while last >= request.first:
            first = max(request.first, last - timedelta(days=days - 1)) if one.transactions else None
            asked = last if first is not None else None
            envelope = Envelope({one.account.external_id: one.name}, one.account.external_id, first, asked, through)
            try:
                answer = await self._ask(session, options, one, envelope)
            except AccountRefused as refused:
                if not isinstance(refused.failure, WindowTooLarge) or first is None:
                    raise
                if days > WINDOW_DAYS_MIN:
                    days = max(min(days, (last - first).days + 1) // 2, WINDOW_DAYS_MIN)
                    continue
                if last == request.last:
                    raise
                return
            yield RawPage(put_into_page(envelope, answer.content), answer.content_type)
            if first is None:
                return
            through = through or _covered_to(answer, envelope)
            last = first - timedelta(days=1)

    async def _ask(self, session: Session, options: Mapping[str, str], one: Listed, envelope: Envelope) -> Answer:
        """Ask for one window. Its end is left open where it is today: servers refuse days to come, by their clock."""
        today = self._clock().astimezone(UTC).date()
        last = envelope.last if envelope.last is not None and envelope.last < today else None
        pending = options.get("pending") == "Y" and session.version >= VERSION_PENDING_MIN
        return await session.statement(StatementQuery(one.account, envelope.first, last, pending))

    async def _first_typed(self, session: Session, typed: list[Listed]) -> None:
        """Try the sign-on with accounts that the person gave; one that can be read is enough."""
        failures: list[InstitutionFailure] = []
        for one in typed:
            try:
                await session.statement(StatementQuery(one.account))
            except AccountRefused as refused:
                failures.append(refused.failure)
            else:
                return
        raise failures[0]

    def _session(self, credentials: Credentials, spend: Spend) -> Session:
        options = credentials.options
        return Session(
            http=self._http,
            url=credentials.url,
            sign_on=sign_on_of(credentials),
            version=int(options.get("version") or VERSION_DEFAULT),
            called=options.get("called") or _host(credentials.url),
            clock=self._clock,
            spend=spend,
            deadline_seconds=self._deadline_seconds,
            urls={name: options[URL_OPTION + name] for name in MESSAGE_SETS if options.get(URL_OPTION + name)},
        )


def _options(found: Found) -> dict[str, str]:
    profile = found.profile
    return {
        "version": str(found.version),
        **({"clientuid": found.client_id} if found.client_id else {}),
        **({"pending": "Y"} if profile.pending else {}),
        **({"called": profile.name} if profile.name else {}),
        **{URL_OPTION + name: url for name, url in profile.urls.items()},
    }


def _covered_to(answer: Answer, envelope: Envelope) -> date | None:
    windows = (window_of(holder, envelope) for holder in holders_of(answer.document))
    return next((window.last for window in windows if window is not None), None)


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or "The institution"
    except ValueError:
        return "The institution"
