"""Mail by SMTP (RFC 5321), or into a folder where somebody wants to look at it.

A letter is a message of two equal versions, text and HTML (RFC 2046, multipart/alternative). It names a page to
unsubscribe on that takes one click (RFC 8058), says that a program wrote it (RFC 3834), and keeps its Message-ID
over all tries, so that a server or a mailbox that got it twice can tell.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from pathlib import Path
from typing import Protocol

import aiosmtplib

from mintql.settings import MailServer, Settings, mail_folder, parse_mail_address, parse_mail_server

SUBJECT_CHARACTERS_MAX = 200
MESSAGE_BYTES_MAX = 256 * 1024
"""Nothing that is written here comes near it; a mailbox of Google's cuts what is above 102 KB."""
CONNECTIONS_MAX = 10
"""With one server at once, from one process; who comes later waits, within the time of their own letter."""
SECONDS_PER_LETTER = 3
"""How many times the limit of one answer a whole letter may take: connecting, greeting, handing over."""

OUR_SIDE_CODES = frozenset({530, 534, 535, 538})
"""Refusals of a login (RFC 4954, section 6): the operator mends them, so the letter waits for that."""
PERMANENT_CODE = 500


class MailRefused(Exception):  # noqa: N818
    """This letter will never be taken; the message says by whom and why."""


class MailDelayed(Exception):  # noqa: N818
    """The letter could not be handed over now; trying again can help."""


@dataclass(frozen=True, slots=True)
class Letter:
    """What one person is sent.

    `key` is the same for every try of the same letter and no other. `unsubscribe_url` takes the one-click POST.
    """

    recipient: str
    recipient_name: str
    subject: str
    text: str
    html: str
    key: str
    written_at: datetime
    unsubscribe_url: str


class Mailer(Protocol):
    """Hands letters over."""

    async def send(self, letter: Letter) -> None:
        """Hand one letter over.

        Raises:
            MailRefused: It will never be taken.
            MailDelayed: Not now.
        """
        ...


class FolderMailer:
    """Puts letters into a folder as `.eml` files, which mail programs open; a repeated one replaces itself."""

    def __init__(self, folder: Path, sender: str) -> None:
        self._folder = folder
        self._sender = sender

    async def send(self, letter: Letter) -> None:
        """Write the file."""
        message = compose(letter, self._sender)
        try:
            await asyncio.to_thread(self._write, message)
        except OSError as error:
            raise MailDelayed(f"{self._folder} cannot be written: {error.strerror}") from error

    def _write(self, message: EmailMessage) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = str(message["Message-ID"]).strip("<>").partition("@")[0]
        partly = self._folder / f".{name}.partly"
        partly.write_bytes(message.as_bytes())
        partly.replace(self._folder / f"{name}.eml")


class SmtpMailer:
    """Hands letters to one SMTP server, a bounded number at once, each within a time limit."""

    def __init__(
        self, server: MailServer, sender: str, timeout_seconds: float, tls: ssl.SSLContext | None = None
    ) -> None:
        self._server = server
        self._sender = sender
        self._timeout_seconds = timeout_seconds
        self._tls = tls or ssl.create_default_context()
        self._turns = asyncio.Semaphore(CONNECTIONS_MAX)

    async def send(self, letter: Letter) -> None:
        """Hand the letter over on a connection of its own."""
        message = compose(letter, self._sender)
        try:
            async with asyncio.timeout(self._timeout_seconds * SECONDS_PER_LETTER), self._turns:
                await self._hand_over(message, letter.recipient)
        except aiosmtplib.SMTPRecipientsRefused as refused:
            one = refused.recipients[0]
            raise _failure(one.code, one.message) from refused
        except (aiosmtplib.SMTPSenderRefused, aiosmtplib.SMTPDataError) as refused:
            raise _failure(refused.code, refused.message) from refused
        except aiosmtplib.SMTPNotSupported as lacking:
            raise _lacking(lacking, letter.recipient) from lacking
        except (aiosmtplib.SMTPException, OSError, TimeoutError, ValueError) as error:
            raise MailDelayed(f"{self._server}: {type(error).__name__}: {error}"[:500]) from error

    async def _hand_over(self, message: EmailMessage, recipient: str) -> None:
        client = aiosmtplib.SMTP(
            hostname=self._server.host,
            port=self._server.port,
            username=self._server.user,
            password=self._server.password,
            # Not looked up: that would hold up everything else in this process.
            local_hostname=_domain(self._sender),
            timeout=self._timeout_seconds,
            use_tls=self._server.security == "tls",
            start_tls=self._server.security == "starttls",
            tls_context=None if self._server.security == "none" else self._tls,
        )
        try:
            await client.connect()
            await client.send_message(
                message, sender=parse_mail_address(self._sender).addr_spec, recipients=[recipient]
            )
            with suppress(aiosmtplib.SMTPException, OSError):
                await client.quit()  # The letter is theirs already, whatever they answer.
        finally:
            client.close()


def open_mailer(settings: Settings) -> Mailer | None:
    """Return what hands letters over; None where the operator named no server."""
    if settings.smtp_url is None or settings.mail_from is None:
        return None
    url = settings.smtp_url.get_secret_value()
    folder = mail_folder(url)
    if folder is not None:
        return FolderMailer(Path(folder), settings.mail_from)
    return SmtpMailer(parse_mail_server(url), settings.mail_from, settings.smtp_timeout_seconds)


def compose(letter: Letter, sender: str) -> EmailMessage:
    """Return the message of a letter, the same each time.

    Nothing that a person or a bank wrote can begin another header: the library refuses line breaks, and they are
    taken out before.

    Raises:
        MailRefused: The address is none, or the message is too large.
    """
    message = EmailMessage(policy=SMTP_POLICY)
    digest = hashlib.sha256(f"{sender}\n{letter.key}".encode()).hexdigest()[:40]
    try:
        message["To"] = Address(display_name=one_line(letter.recipient_name), addr_spec=letter.recipient)
        message["From"] = parse_mail_address(sender)
        message["Subject"] = one_line(letter.subject)[:SUBJECT_CHARACTERS_MAX]
        message["Date"] = letter.written_at
        message["Message-ID"] = f"<{digest}@{_domain(sender)}>"
        message["Auto-Submitted"] = "auto-generated"
        message["List-Unsubscribe"] = f"<{letter.unsubscribe_url}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        message.set_content(letter.text, cte="quoted-printable")
        message.add_alternative(letter.html, subtype="html", cte="quoted-printable")
        message.set_boundary(f"=_{digest}")
        size = len(message.as_bytes())
    except (MessageError, ValueError, LookupError) as error:
        raise MailRefused(f"a letter to {letter.recipient!r} cannot be written: {error}") from error
    if size > MESSAGE_BYTES_MAX:
        raise MailRefused(f"the letter has {size} bytes, more than {MESSAGE_BYTES_MAX}")
    return message


def one_line(text: str) -> str:
    """Return a text without line breaks and other characters that do not show."""
    return " ".join("".join(mark if mark.isprintable() else " " for mark in text).split())


def _domain(sender: str) -> str:
    return parse_mail_address(sender).domain


def _failure(code: int, words: str) -> Exception:
    reason = f"the mail server said {code} {one_line(words)}"[:500]
    if code >= PERMANENT_CODE and code not in OUR_SIDE_CODES:
        return MailRefused(reason)
    return MailDelayed(reason)


def _lacking(error: aiosmtplib.SMTPNotSupported, recipient: str) -> Exception:
    """Tell what a server lacks for one address from what it lacks for all of them, which can be mended."""
    if recipient.isascii():
        return MailDelayed(f"the mail server lacks something: {error}"[:500])
    return MailRefused(f"the mail server takes no address such as {recipient!r} (no SMTPUTF8)"[:500])
