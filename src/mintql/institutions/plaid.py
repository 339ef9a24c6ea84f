"""The connector to Plaid, and to whatever speaks as Plaid does.

A person logs in at their bank on Plaid's own pages, which a link session opens, and connects with the token
that comes of it. Transactions come by `/transactions/sync`: all that changed since a cursor.
"""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from mintql.domain.errors import AuthRequired, InvalidInput, NotReady, ProtocolError
from mintql.domain.institutions import ParsedPage
from mintql.institutions import plaid_errors, plaid_pages
from mintql.institutions import plaid_fields as read
from mintql.institutions.base import (
    Capabilities,
    CredentialField,
    Credentials,
    FetchRequest,
    LinkSession,
    RawPage,
    Spend,
    spend_freely,
)
from mintql.institutions.http import HttpClient
from mintql.institutions.plaid_client import DEADLINE_SECONDS, HTTP_OK, NAME, PlaidClient
from mintql.institutions.plaid_fields import BadRow
from mintql.institutions.plaid_webhooks import WEBHOOK_PATH, VerificationKeys, WebhookEvent, read_event

PAGE_ROWS = 500
"""The most that Plaid gives at once: the fewer pages, the less often changes come in between."""
HISTORY_DAYS = 730
ROUNDS_MAX = 5
ROUND_PAUSE_SECONDS = 0.5
"""After the first round that was given up, twice that after the second, and so on: data is moving right now."""
PAGES_PER_ROUND_MAX = 1_000
"""Half a million changes, more than any history of two years."""
MOVING_PAUSE_SECONDS = 60
HISTORY_PAUSE_SECONDS = 60
"""Plaid takes from a minute to some hours for the history before the first month."""
CLIENT_NAME = "mintql"
COUNTRIES = ("US",)
LINK_SECONDS = 4 * 3600
"""How long a link session lasts where Plaid does not say."""
TOKEN_LENGTH_MAX = 200
ZLIB_LEVEL = 1

_PUBLIC_TOKEN = re.compile(r"public-[A-Za-z0-9-]+", re.ASCII)
_LINK_TOKEN = re.compile(r"link-[A-Za-z0-9-]+", re.ASCII)


class PlaidConnector:
    """Plaid with one account of the operator's; `login` is the item, `password` the access token to it."""

    institution_id = "plaid"
    name = NAME
    capabilities = Capabilities(
        window=False,
        pending=True,
        links_pending=True,
        window_days_max=HISTORY_DAYS,
        history_days_max=HISTORY_DAYS,
        refresh_interval_seconds_min=0,
        farewell=True,
    )
    fields: tuple[CredentialField, ...] = (
        CredentialField(
            "password",
            "Token",
            secret=True,
            help="What the visit to your bank's own pages ended with: the token of the link session, or the public "
            "token that it gave.",
        ),
    )

    def __init__(
        self,
        http: HttpClient,
        url: str,
        client_id: str,
        secret: str,
        *,
        webhook_url: str | None = None,
        countries: tuple[str, ...] = COUNTRIES,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        self._client = PlaidClient(http, url, client_id, secret, deadline_seconds=deadline_seconds)
        self._webhook = webhook_url.rstrip("/") + WEBHOOK_PATH if webhook_url else None
        self._countries = countries
        self._keys = VerificationKeys(self._fetch_key)

    async def open_link(self, reference: str, credentials: Credentials | None = None) -> LinkSession:
        """Open a visit to the bank's pages; with credentials, one that mends that connection and keeps its rows.

        The session's token is also what to connect with once the visit has ended. Its `url` is empty where the
        operator's account has no hosted pages: then Plaid's own script opens the visit by its token.
        """
        body: dict[str, Any] = {
            "client_name": CLIENT_NAME,
            "language": "en",
            "country_codes": list(self._countries),
            "user": {"client_user_id": reference},
            "hosted_link": {},
        }
        if credentials is None:
            body |= {"products": ["transactions"], "transactions": {"days_requested": HISTORY_DAYS}}
        else:
            body |= {"access_token": credentials.password}
        if self._webhook is not None:
            body |= {"webhook": self._webhook}
        said = (await self._client.ask("/link/token/create", body, repeatable=False)).fields()
        expires_at = read.moment(said, "expiration") or datetime.now(UTC) + timedelta(seconds=LINK_SECONDS)
        return LinkSession(_token(said, "link_token"), read.text(said, "hosted_link_url", 2_000), expires_at)

    async def connect(self, credentials: Credentials) -> Credentials:
        """Exchange the token of a finished visit for access to the item.

        Raises:
            InvalidInput: What was given is neither a public token nor that of a link session.
            AuthRequired: The token is used up or too old, or the visit has not ended with a login.
            InstitutionFailure: Another one, as for `fetch`.
        """
        token = credentials.password.strip()[:TOKEN_LENGTH_MAX]
        if _LINK_TOKEN.fullmatch(token):
            token = await self._outcome(token)
        elif not _PUBLIC_TOKEN.fullmatch(token):
            raise InvalidInput(
                f"This is no token of {NAME}: it begins with public- or link-. Open a link session to get one.",
                field="password",
            )
        answer = await self._client.ask("/item/public_token/exchange", {"public_token": token}, repeatable=False)
        said = answer.fields()
        return Credentials(url="", login=_token(said, "item_id"), password=_token(said, "access_token"))

    async def confirm_link(self, token: str) -> None:
        """Return when a visit that was to mend an item has done so; see `Linkable.confirm_link`.

        Such a visit need not give a token, since the one that is kept stays good: it is enough that it ended
        otherwise than by being left.
        """
        if not any(_results(session) or _finished(session) for session in await self._sessions(token)):
            raise _unfinished()

    async def accounts(self, credentials: Credentials, spend: Spend = spend_freely) -> RawPage:
        """Return the accounts with balances as Plaid last saw them; failures as for `fetch`.

        Plaid may give what it saw last together with word that the bank lets it in no more: that is a failure,
        or a connection would look fresh that is not.
        """
        await spend()
        answer = await self._client.ask("/accounts/get", {"access_token": credentials.password})
        page = RawPage(answer.content(), answer.http.content_type)
        error = plaid_errors.read_error(plaid_pages.item_error(page.content))
        if error.code and error.code not in plaid_errors.ENDING:
            raise plaid_errors.failure(error, status=HTTP_OK)
        return page

    async def fetch(self, credentials: Credentials, request: FetchRequest) -> AsyncIterator[RawPage]:
        """Yield the accounts, then all that changed since the request's cursor.

        When data moves while it is read, Plaid wants all pages of the round read anew. Pages of the round that
        was given up must not be kept: a row that they added, and that was taken back before the next round,
        is never mentioned again. So a round is complete before its first page is handed on.

        Raises:
            AuthRequired: The bank wants the person to log in again, or Plaid does not know the item.
            ConsentExpired: The person's permission has ended.
            NotReady: Plaid has not gathered the history yet, or data keeps moving; `retry_at` says when to ask.
            InstitutionRateLimited: Asked too often; `retry_at` says when to ask.
            InstitutionDown: Plaid or the bank is out of order, unreachable or too slow.
            ProtocolError: An answer that is not the protocol.
        """
        listing = await self.accounts(credentials, request.spend)
        pages = await self._changes(credentials.password, request)
        yield listing
        for page in pages:
            yield page.unpacked()

    def parse(self, content: bytes) -> ParsedPage:
        """Read a page; see `Connector.parse`."""
        return plaid_pages.parse_page(content)

    async def disconnect(self, credentials: Credentials) -> None:
        """Tell Plaid to forget the item and its access to the bank; one that it has forgotten already is fine."""
        answer = await self._client.ask("/item/remove", {"access_token": credentials.password})
        if not answer.ok and answer.error.code not in plaid_errors.GONE:
            raise answer.failure

    async def webhook_key(self, key_id: str) -> Mapping[str, Any]:
        """Return the public key (a JSON Web Key) that webhooks of this key id are signed with."""
        return await self._keys.get(key_id)

    def webhook_event(self, payload: Mapping[str, Any]) -> WebhookEvent | None:
        """Return what a webhook, whose signature was checked, asks for; None for nothing."""
        return read_event(payload)

    async def _fetch_key(self, key_id: str) -> Mapping[str, Any]:
        answer = await self._client.ask("/webhook_verification_key/get", {"key_id": key_id})
        if answer.error.code == plaid_errors.NO_SUCH_KEY:
            raise ProtocolError(f"{NAME} knows no key of the id that a webhook names.")
        key = answer.fields().get("key")
        if not isinstance(key, dict):
            raise ProtocolError(f"{NAME} gave no key to verify webhooks with.")
        return key

    async def _outcome(self, link_token: str) -> str:
        """Return the public token that a visit ended with."""
        for session in await self._sessions(link_token):
            for result in _results(session):
                return _token(result, "public_token")
        raise _unfinished()

    async def _sessions(self, link_token: str) -> list[object]:
        """Return how the visit went each time its page was opened, the last time first."""
        said = (await self._client.ask("/link/token/get", {"link_token": link_token})).fields()
        sessions = said.get("link_sessions")
        return sessions[::-1] if isinstance(sessions, list) else []

    async def _changes(self, access_token: str, request: FetchRequest) -> list[_PackedPage]:
        """Return one complete round of pages, from the request's cursor or, where Plaid lost it, the beginning."""
        cursor = request.cursor
        for number in range(1, ROUNDS_MAX + 1):
            found = await self._round(access_token, cursor, request.spend)
            if isinstance(found, list):
                return found
            if found == cursor and number < ROUNDS_MAX:
                await asyncio.sleep(ROUND_PAUSE_SECONDS * number)
            cursor = found
        raise NotReady(
            f"Transactions kept changing while {NAME} was read, {ROUNDS_MAX} times in a row; it is tried again.",
            retry_at=datetime.now(UTC) + timedelta(seconds=MOVING_PAUSE_SECONDS),
        )

    async def _round(self, access_token: str, first_cursor: str, spend: Spend) -> list[_PackedPage] | str:
        """Read page after page; return them, or the cursor to begin anew with."""
        pages: list[_PackedPage] = []
        cursor, asked = first_cursor, set[str]()
        while cursor not in asked:
            if len(pages) == PAGES_PER_ROUND_MAX:
                raise ProtocolError(f"{NAME} gave more than {PAGES_PER_ROUND_MAX} pages of changes.")
            asked.add(cursor)
            await spend()
            answer = await self._client.ask("/transactions/sync", _sync_body(access_token, cursor))
            if answer.error.code == plaid_errors.MUTATED:
                return first_cursor
            if answer.error.cursor_is_unknown and cursor:
                # A cursor of an item that was linked anew, or not used for over a year.
                return "" if cursor == first_cursor else first_cursor
            state, packed = await asyncio.to_thread(_pack, answer.content())
            _check_ready(state, first_cursor)
            last_cursor = "" if state.has_more else state.next_cursor
            pages.append(_PackedPage(packed, answer.http.content_type, last_cursor))
            if not state.has_more:
                return pages
            cursor = state.next_cursor
        raise ProtocolError(f"{NAME} gave the same cursor twice.")


@dataclass(frozen=True, slots=True, repr=False)
class _PackedPage:
    """A page that waits for its round to be complete: many connections wait at once, and JSON packs well."""

    packed: bytes
    content_type: str
    cursor: str

    def unpacked(self) -> RawPage:
        return RawPage(zlib.decompress(self.packed), self.content_type, self.cursor)


def _pack(content: bytes) -> tuple[plaid_pages.SyncState, bytes]:
    return plaid_pages.sync_state(content), zlib.compress(content, ZLIB_LEVEL)


def _sync_body(access_token: str, cursor: str) -> dict[str, Any]:
    body: dict[str, Any] = {
        "access_token": access_token,
        "count": PAGE_ROWS,
        "options": {
            "include_original_description": True,
            "personal_finance_category_version": "v2",
            "days_requested": HISTORY_DAYS,
        },
    }
    return body | {"cursor": cursor} if cursor else body


def _check_ready(state: plaid_pages.SyncState, first_cursor: str) -> None:
    """Refuse what Plaid gives before it has gathered the history: it would look like a finished one."""
    now = datetime.now(UTC)
    if state.status == "NOT_READY" or not state.next_cursor:
        raise NotReady(
            f"{NAME} is still gathering the transactions of this bank; they come within minutes.",
            retry_at=now + timedelta(seconds=plaid_errors.NOT_READY_PAUSE_SECONDS),
        )
    if state.status == "INITIAL_UPDATE_COMPLETE" and not first_cursor:
        raise NotReady(
            f"{NAME} has the last month of this bank and is still gathering the history; it comes within the hour.",
            retry_at=now + timedelta(seconds=HISTORY_PAUSE_SECONDS),
        )


def _results(session: object) -> list[Mapping[str, Any]]:
    """Return the logins that a session ended with; older accounts at Plaid are told of one as `on_success`."""
    if not isinstance(session, dict):
        return []
    results = session.get("results")
    added = results.get("item_add_results") if isinstance(results, dict) else None
    found = [*(added if isinstance(added, list) else []), session.get("on_success")]
    return [result for result in found if isinstance(result, dict)]


def _finished(session: object) -> bool:
    """Tell whether a session came to its end; one that the person left has an end too, and how they left it."""
    if not isinstance(session, dict) or not session.get("finished_at"):
        return False
    return session.get("exit") is None and session.get("on_exit") is None


def _unfinished() -> AuthRequired:
    failure = AuthRequired("The visit to your bank's pages has not ended with a login; finish it, then try again.")
    failure.action = "Log in on the page of the visit, or open a new one."
    return failure


def _token(said: Mapping[str, Any], key: str) -> str:
    try:
        return read.identifier(said, key)
    except BadRow:
        raise ProtocolError(f"{NAME} gave no {key.replace('_', ' ')}.") from None
