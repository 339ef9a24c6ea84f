"""A real SMTP server on loopback, which says what a test wants it to say."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as default_policy
from ipaddress import ip_address
from pathlib import Path
from typing import Any, cast

from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOST = "127.0.0.1"


@dataclass
class MailHost:
    """`received` is what was taken; `recipient_answers` and `data_answers` are said first, one to each letter."""

    port: int = 0
    received: list[EmailMessage] = field(default_factory=list)
    offered: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    recipient_answers: list[str] = field(default_factory=list)
    data_answers: list[str] = field(default_factory=list)
    slow_seconds: float = 0.0
    logins: list[tuple[str, str]] = field(default_factory=list)
    secured: list[bool] = field(default_factory=list)
    trusted: ssl.SSLContext | None = None

    def url(self, login: str = "", options: str = "") -> str:
        return f"smtp://{login}{HOST}:{self.port}{options}"

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802
        if self.recipient_answers:
            answer = self.recipient_answers.pop(0)
            if not answer.startswith("2"):
                return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        await asyncio.sleep(self.slow_seconds)
        message = cast("EmailMessage", message_from_bytes(envelope.content, policy=default_policy))
        self.offered.append(message)
        answer = self.data_answers.pop(0) if self.data_answers else "250 taken"
        if answer.startswith("2"):
            self.received.append(message)
            self.recipients.extend(envelope.rcpt_tos)
            self.secured.append(session.ssl is not None)
        return answer

    def authenticate(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        login = (data.login.decode(), data.password.decode())
        self.logins.append(login)
        return AuthResult(success=login == ("mintql", "s3cret"), handled=False)


@asynccontextmanager
async def running_mail_host(*, tls: Path | None = None, login: bool = False) -> AsyncIterator[MailHost]:
    """A server without TLS, or with STARTTLS by a certificate made in the folder `tls`."""
    host = MailHost()
    context = _tls_of(tls, host) if tls else None

    def protocol() -> SMTP:
        return SMTP(
            host,
            hostname="mail.test",
            tls_context=context,
            require_starttls=context is not None,
            auth_required=login,
            auth_require_tls=True,
            authenticator=host.authenticate if login else None,
            enable_SMTPUTF8=True,
        )

    server = await asyncio.get_running_loop().create_server(protocol, HOST, 0)
    host.port = server.sockets[0].getsockname()[1]
    try:
        yield host
    finally:
        server.close()
        server.close_clients() if hasattr(server, "close_clients") else None


def _tls_of(folder: Path, host: MailHost) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate_pem = certificate.public_bytes(serialization.Encoding.PEM)
    chain = folder / "mail-host.pem"
    chain.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate_pem
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain)
    host.trusted = ssl.create_default_context(cadata=certificate_pem.decode())
    return context
