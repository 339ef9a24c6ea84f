"""Letters, handed to a real SMTP server on loopback."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default as default_policy
from pathlib import Path

import pytest

from mintql.gateways.mail import FolderMailer, Letter, MailDelayed, MailRefused, SmtpMailer, open_mailer
from mintql.settings import Settings, parse_mail_server
from support.mail import MailHost, running_mail_host

SENDER = "mintql <budgets@mintql.test>"
LETTER = Letter(
    recipient="ada@example.org",
    recipient_name="Ada Löv",
    subject="Eating out: budget exceeded",
    text="You spent 120.00 € of 100.00 €.\n",
    html="<p>You spent 120.00&nbsp;€ of 100.00&nbsp;€.</p>",
    key="notification 7 of 3",
    written_at=datetime(2026, 11, 12, 10, 0, tzinfo=UTC),
    unsubscribe_url="https://budget.example.org/unsubscribe?token=abc",
)


def mailer_to(host: MailHost, login: str = "", options: str = "?starttls=never", seconds: float = 5.0) -> SmtpMailer:
    return SmtpMailer(parse_mail_server(host.url(login, options)), SENDER, seconds, host.trusted)


async def test_a_letter_arrives_as_text_and_html_with_the_headers_that_mailboxes_look_for():
    async with running_mail_host() as host:
        await mailer_to(host).send(LETTER)
    (message,) = host.received
    assert host.recipients == ["ada@example.org"]
    assert message["To"] == "Ada Löv <ada@example.org>"
    assert message["From"] == SENDER
    assert message["Subject"] == LETTER.subject
    assert message["Date"].datetime == LETTER.written_at
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["List-Unsubscribe"] == "<https://budget.example.org/unsubscribe?token=abc>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert message.get_body(("plain",)).get_content().replace("\r\n", "\n") == LETTER.text
    assert message.get_body(("html",)).get_content().strip() == LETTER.html


async def test_what_is_refused_for_now_is_offered_again_under_the_same_message_id():
    async with running_mail_host() as host:
        host.data_answers = ["451 come back later"]
        with pytest.raises(MailDelayed, match="451 come back later"):
            await mailer_to(host).send(LETTER)
        await mailer_to(host).send(LETTER)
        await mailer_to(host).send(replace(LETTER, key="notification 8 of 3"))
    first, second, other = [message["Message-ID"] for message in host.offered]
    assert first == second
    assert first != other
    assert first.endswith("@mintql.test>")
    assert len(host.received) == 2


async def test_a_mailbox_that_is_none_is_refused_for_good_and_one_that_is_full_is_not():
    async with running_mail_host() as host:
        host.recipient_answers = ["550 no such mailbox", "452 mailbox full", "250 OK"]
        with pytest.raises(MailRefused, match="550 no such mailbox"):
            await mailer_to(host).send(LETTER)
        with pytest.raises(MailDelayed, match="452 mailbox full"):
            await mailer_to(host).send(LETTER)
        await mailer_to(host).send(LETTER)
        host.data_answers = ["554 looks like spam"]
        with pytest.raises(MailRefused, match="554 looks like spam"):
            await mailer_to(host).send(LETTER)
    assert len(host.received) == 1


async def test_with_tls_a_login_is_made_and_only_a_certificate_that_is_trusted_will_do(tmp_path: Path):
    async with running_mail_host(tls=tmp_path, login=True) as host:
        await mailer_to(host, "mintql:s3cret@", "").send(LETTER)
        assert (host.secured, host.logins) == ([True], [("mintql", "s3cret")])
        with pytest.raises(MailDelayed, match="535"):
            await mailer_to(host, "mintql:wrong@", "").send(LETTER)
        host.trusted = None
        with pytest.raises(MailDelayed, match="certificate"):
            await mailer_to(host, "mintql:s3cret@", "").send(LETTER)
    assert len(host.received) == 1


async def test_a_server_without_tls_gets_nothing_where_tls_is_required():
    async with running_mail_host() as host:
        with pytest.raises(MailDelayed, match="STARTTLS"):
            await mailer_to(host, options="").send(LETTER)
    assert host.offered == []


async def test_a_server_that_is_away_or_silent_costs_bounded_time():
    async with running_mail_host() as host:
        host.slow_seconds = 60
        started = time.monotonic()
        with pytest.raises(MailDelayed):
            await mailer_to(host, seconds=0.2).send(LETTER)
        assert time.monotonic() - started < 20
    with pytest.raises(MailDelayed):
        await mailer_to(host).send(LETTER)


async def test_letters_wait_for_their_turn_within_their_own_time():
    async with running_mail_host() as host:
        host.slow_seconds = 0.1
        mailer = mailer_to(host)
        await asyncio.gather(*(mailer.send(replace(LETTER, key=str(number))) for number in range(12)))
    assert len({message["Message-ID"] for message in host.received}) == 12


@pytest.mark.parametrize("hostile", ["Ada\r\nBcc: eve@example.org", "Ada\nBcc: eve@example.org", 'A"<eve@example.org>'])
async def test_no_text_begins_a_header_of_its_own(hostile: str):
    async with running_mail_host() as host:
        await mailer_to(host).send(replace(LETTER, recipient_name=hostile, subject=hostile))
    (message,) = host.received
    assert message["Bcc"] is None
    assert host.recipients == ["ada@example.org"]
    assert [address.addr_spec for address in message["To"].addresses] == ["ada@example.org"]
    assert "\n" not in message["Subject"]


@pytest.mark.parametrize("address", ["ada", "ada@example.org\r\nRCPT TO:<eve@example.org>", "", "a@b@c"])
async def test_what_is_no_address_is_refused_for_good(address: str, tmp_path: Path):
    with pytest.raises(MailRefused):
        await FolderMailer(tmp_path, SENDER).send(replace(LETTER, recipient=address))
    assert not any(tmp_path.iterdir())  # noqa: ASYNC240 - an empty folder of this test's


async def test_a_letter_that_is_too_large_is_refused(tmp_path: Path):
    with pytest.raises(MailRefused, match="more than 262144"):
        await FolderMailer(tmp_path, SENDER).send(replace(LETTER, html="x" * 300_000))


async def test_a_folder_takes_letters_too_and_a_repeated_one_once(tmp_path: Path):
    settings = Settings(smtp_url=f"file:{tmp_path / 'mail'}", mail_from=SENDER, public_url="http://127.0.0.1:8000")
    mailer = open_mailer(settings)
    assert mailer is not None
    await mailer.send(LETTER)
    await mailer.send(LETTER)
    (path,) = (tmp_path / "mail").iterdir()
    message = message_from_bytes(path.read_bytes(), policy=default_policy)
    assert (path.suffix, message["Subject"]) == (".eml", LETTER.subject)


def test_without_a_server_there_is_no_mail():
    assert open_mailer(Settings()) is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"smtp_url": "smtp://mail.test"}, "needs MINTQL_MAIL_FROM"),
        ({"smtp_url": "http://mail.test", "mail_from": SENDER, "public_url": "https://m.test"}, "must be smtp://host"),
        (
            {"smtp_url": "smtp://mail.test?starttls=maybe", "mail_from": SENDER, "public_url": "https://m.test"},
            "either",
        ),
        (
            {"smtp_url": "smtp://a:b@mail.test?starttls=never", "mail_from": SENDER, "public_url": "https://m.test"},
            "TLS",
        ),
        ({"smtp_url": "smtp://mail.test:99999", "mail_from": SENDER, "public_url": "https://m.test"}, "port"),
        ({"mail_from": "mintql"}, "must be an address"),
        ({"mail_from": "a <b@c.test>\nBcc: d@e.test"}, "must be an address"),
        ({"public_url": "https://m.test/path"}, "without a path"),
    ],
)
def test_settings_of_mail_that_cannot_be_used_are_named(changes: dict[str, str], words: str):
    with pytest.raises(ValueError, match=words):
        Settings(**changes)


def test_the_way_to_the_server_is_read_from_its_address():
    assert parse_mail_server("smtps://u%40x:p%3Aw@mail.test").password == "p:w"
    assert parse_mail_server("smtps://u%40x:p%3Aw@mail.test").user == "u@x"
    assert (parse_mail_server("smtps://mail.test").security, parse_mail_server("smtps://mail.test").port) == (
        "tls",
        465,
    )
    assert (parse_mail_server("smtp://mail.test").security, parse_mail_server("smtp://mail.test").port) == (
        "starttls",
        587,
    )
    assert "p:w" not in repr(parse_mail_server("smtps://u:p%3Aw@mail.test"))
