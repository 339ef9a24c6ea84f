"""The channel `email`: one letter for one notification that a person wants to hear of by mail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC

from mintql.domain.ids import TransactionId, UserId
from mintql.domain.notices import Channel
from mintql.gateways.mail import Letter, Mailer, MailRefused
from mintql.services.digest_letters import write_summary
from mintql.services.digest_rounds import PERIOD_OF
from mintql.services.digests import digest
from mintql.services.extract import Begin
from mintql.services.mail_letters import Written, ordered, write_notification
from mintql.services.notify import SkippedError, UndeliverableError
from mintql.services.transactions import get_transactions
from mintql.services.unsubscribe import UnsubscribeLinks, Unsubscription
from mintql.store import alerts_read, notices_read, notification_settings, users
from mintql.store.notices_read import NoticeRow
from mintql.store.outbox import Delivery
from mintql.store.queries import Conn
from mintql.store.users import UserRow

OFF = "no mail server is set up here (MINTQL_SMTP_URL)"


@dataclass(frozen=True, slots=True)
class MailChannel:
    """Writes letters and hands them to `mailer`; without one every delivery is settled as skipped."""

    begin: Begin
    mailer: Mailer | None
    links: UnsubscribeLinks | None
    public_url: str | None

    async def deliver(self, item: Delivery) -> None:
        """Send the letter of one delivery. No connection to the database is held meanwhile.

        Raises:
            SkippedError: There is no mail here, or the person does not want it any more.
            UndeliverableError: The mail server refuses it for good.
            MailDelayed: Not now.
        """
        if self.mailer is None or self.links is None:
            raise SkippedError(OFF)
        async with self.begin() as conn:
            letter = await self._letter(conn, item, self.links)
        try:
            await self.mailer.send(letter)
        except MailRefused as refused:
            raise UndeliverableError(str(refused)) from refused

    async def _letter(self, conn: Conn, item: Delivery, links: UnsubscribeLinks) -> Letter:
        notice = await notices_read.by_event(conn, item.user_id, item.seq)
        user = await users.get(conn, item.user_id)
        if notice is None or user is None:
            raise SkippedError("what it tells of is gone")
        switches = (await notification_settings.switches_of(conn, {item.user_id}))[item.user_id]
        if not switches.enabled(notice.kind, Channel.EMAIL):
            raise SkippedError("the person has switched mails of this kind off since")
        unsubscribe_url = links.url(Unsubscription(item.user_id, notice.kind))
        written = await self._write(conn, user, notice, unsubscribe_url)
        return Letter(
            recipient=user.email,
            recipient_name=user.name,
            subject=written.subject,
            text=written.text,
            html=written.html,
            key=item.idempotency_id,
            written_at=notice.created_at.astimezone(UTC).replace(microsecond=0),
            unsubscribe_url=unsubscribe_url,
        )

    async def _write(self, conn: Conn, user: UserRow, notice: NoticeRow, unsubscribe_url: str) -> Written:
        open_url = f"{self.public_url}/"
        period = PERIOD_OF.get(notice.kind)
        if period is not None and notice.period_first is not None:
            found = await digest(conn, user, period, notice.period_first, notice.created_at)
            return write_summary(found, open_url, unsubscribe_url)
        causes = await _cause_ids(conn, user.user_id, notice)
        rows = await get_transactions(conn, user.user_id, causes)
        return write_notification(notice, ordered(causes, rows), open_url, unsubscribe_url)


async def _cause_ids(conn: Conn, user_id: UserId, notice: NoticeRow) -> tuple[TransactionId, ...]:
    """Return the transactions that a notification names, or the alert that it tells of."""
    if notice.transaction_ids or notice.alert_id is None:
        return notice.transaction_ids
    alert = (await alerts_read.by_ids(conn, user_id, [notice.alert_id])).get(notice.alert_id)
    return alert.transaction_ids if alert is not None else ()
