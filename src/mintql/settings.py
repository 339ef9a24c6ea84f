"""All settings of a process: read once from the environment, checked, frozen, and passed on.

Every name is an environment variable with the prefix `MINTQL_`, but for `DATABASE_URL` and `REDIS_URL`.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from email.errors import MessageError
from email.headerregistry import Address
from email.utils import parseaddr
from ipaddress import ip_address
from typing import Literal, Self
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

SECRET_KEY_BYTES = 32
DEVELOPMENT_SECRET_KEYS = "1:" + base64.b64encode(b"mintql development key, not safe"[:SECRET_KEY_BYTES]).decode()

ARCHIVE_MONTHS_MIN = 6
"""Institutions tell of the last 90 days again and again: those stay well clear of the archive."""

_ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(:\d{1,5})?|https?://\[[0-9A-Fa-f:]+\](:\d{1,5})?", re.ASCII)
_COUNTRY = re.compile(r"[A-Z]{2}", re.ASCII)


class Settings(BaseSettings):
    """What an operator can set. Secrets never show in `repr`."""

    model_config = SettingsConfigDict(env_prefix="MINTQL_", frozen=True, extra="ignore")

    environment: Literal["development", "production"] = "development"

    database_url: SecretStr = Field(validation_alias="DATABASE_URL", default=SecretStr("postgresql:///mintql"))
    """Login of the owner of the tables; workers and migrations use it as it is."""
    database_replica_url: SecretStr | None = Field(validation_alias="DATABASE_REPLICA_URL", default=None)
    """Servers that replay what the one in `DATABASE_URL` writes, for reads; none without it."""
    database_replica_lag_seconds: float = Field(default=10.0, ge=1, le=300)
    """How far behind a replica may be that is asked at all, whatever a read needs."""
    database_api_role: str = "mintql_api"
    """Role the API switches to after connecting, so that row-level security binds it. Empty: stay the login."""
    database_pooler: bool = False
    """Whether a pooler such as PgBouncer lends connections by the transaction: the login itself then brings its role
    and settings, for none can be asked for."""
    database_pool_size: int = Field(default=10, ge=1, le=200)
    statement_timeout_ms: int = Field(default=10_000, ge=100, le=600_000)

    redis_url: SecretStr = Field(validation_alias="REDIS_URL", default=SecretStr("redis://127.0.0.1:6379/0"))
    redis_timeout_seconds: float = Field(default=0.5, gt=0, le=30)

    object_store: str = "file:.mintql/objects"
    """`file:/a/folder` or `s3://bucket/prefix`."""
    s3_endpoint_url: str | None = None

    secret_keys: SecretStr = SecretStr(DEVELOPMENT_SECRET_KEYS)
    """Keys that wrap bank secrets: `version:base64 of 32 bytes`, comma-separated; the highest version encrypts."""

    sandbox_url: str | None = None
    """Where the sandbox bank answers; without it the sandbox institution is not offered."""

    plaid_url: str | None = None
    """Where Plaid's API answers (https://production.plaid.com, or the sandbox bank's); not offered without it."""
    plaid_client_id: str | None = None
    plaid_secret: SecretStr | None = None
    plaid_countries: tuple[str, ...] = ("US",)
    """Countries whose banks Plaid shows, by their two letters in ISO 3166-1; the account must be let in there."""
    webhook_url: str | None = None
    """Where this server can be reached from outside for institutions' webhooks, without a path; none without it."""

    public_url: str | None = None
    """Where persons reach this server, without a path: links in mails begin with it."""
    smtp_url: SecretStr | None = None
    """Where mail is handed over: `smtp://user:password@host:587` (STARTTLS is required; `?starttls=never` for a
    server on this machine or in a network of its own), `smtps://host:465`, or `file:/a/folder`; none without it."""
    mail_from: str | None = None
    """Whom mail comes from, such as `mintql <budgets@example.org>`."""
    smtp_timeout_seconds: float = Field(default=10.0, ge=0.1, le=60)
    """How long one answer of the mail server is waited for; a whole letter may take three times as long."""

    exchange_rates_url: str | None = None
    """Where exchange rates are published in the European Central Bank's XML; without it none are fetched."""

    oidc_issuer: str | None = None
    """The OpenID Connect provider by which persons may sign in, as it calls itself; none without it."""
    oidc_client_id: str | None = None
    oidc_client_secret: SecretStr | None = None
    oidc_name: str = Field(default="Single sign-on", min_length=1, max_length=60)
    """What the button of the provider says."""

    session_days: int = Field(default=30, ge=1, le=365)
    password_hash_concurrency: int = Field(default=2, ge=1, le=64)
    allowed_origins: tuple[str, ...] = ()
    """Other origins whose pages may call the API with a person's cookie."""

    introspection: bool | None = None
    """Whether requests may ask for the schema, and errors suggest names of it; None: in development."""
    ide: bool | None = None
    """Whether browsers are shown GraphiQL; None: in development."""
    trusted_documents: str | None = None
    """A file with the documents that may be asked for by their ids (`api/trusted_documents.py`)."""
    trusted_documents_only: bool = False
    """Whether no others are executed."""

    cost_per_minute: int = Field(default=1_000_000, ge=0)
    """What the answers to one person may hold within a minute, in values, each request counting as a hundred more
    (`api/prices.py`). 0: no limit, as for the next three."""
    cost_per_minute_of_address: int = Field(default=600_000, ge=0)
    """The same for all requests from one address that come without a session."""
    sign_ups_per_hour: int = Field(default=60, ge=0)
    """How many persons may sign up from one address within an hour."""
    heavy_per_hour: int = Field(default=120, ge=0)
    """How often one person may do each of what makes much work within an hour: refresh, connect, import, export."""

    sockets_per_person: int = Field(default=50, ge=0)
    """How many WebSockets of one person a process holds open. 0: no limit, as for the next two."""
    sockets_per_address: int = Field(default=1_000, ge=0)
    """The same for all that come without a session from one address."""
    streams_per_person: int = Field(default=200, ge=0)
    """How many subscriptions of one person a process serves at a time, by WebSocket or as server-sent events."""

    cache_ttl_seconds: int = Field(default=60, ge=0, le=3600)
    """How long a cached answer may live; 0 switches the cache off."""
    plans: bool = True
    """Whether queries are answered by compiled plans; without, graphql-core answers all of them."""
    event_poll_seconds: float = Field(default=5.0, gt=0, le=60)
    """How often a subscription looks into the database by itself, in case a wake-up was lost."""

    history_days: int = Field(default=730, ge=1, le=3_650)
    """How many days back the first run of a connection reads, where its institution tells of as many."""
    archive_after_months: int = Field(default=0, ge=0, le=1_200)
    """How many whole months of transactions the database keeps; older ones move to the object store. 0: all."""
    refresh_pause_seconds: int = Field(default=30, ge=0, le=86_400)
    """How long after a refresh that a person asked for the next one is refused; an institution may want longer."""

    worker_max_jobs: int = Field(default=100, ge=1, le=1000)
    worker_poll_seconds: float = Field(default=0.02, gt=0, le=5)
    worker_background_jobs: int = Field(default=4, ge=1, le=100)
    """How many jobs of the background run at once beside what persons wait for; each holds up to 100 connections."""
    daily_spread_seconds: int = Field(default=1800, ge=0, le=20 * 3600)
    """Over how long the runs of one daily refresh are spread."""
    sweep_seconds: int = Field(default=3, ge=1, le=60)
    queue_name: str = "mintql:queue"

    metrics_port: int | None = Field(default=None, ge=0, le=65_535)
    """Where a process gives away its metrics and its health: the first port from here on that is free. None: nowhere;
    0: wherever the system likes."""
    log_format: Literal["text", "json"] = "text"
    """How log lines are written to standard error: for people, or a JSON object each."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """What is logged: this and what is worse. Requests are of the level INFO."""
    otlp_url: str | None = None
    """A collector of OpenTelemetry's that takes traces over HTTP, such as http://collector:4318; no traces without."""
    metrics_host: str = "127.0.0.1"
    """The address to do so at. Whoever reaches it may read them."""

    @field_validator("secret_keys")
    @classmethod
    def _keys_can_be_read(cls, value: SecretStr) -> SecretStr:
        parse_secret_keys(value.get_secret_value())
        return value

    @field_validator("plaid_countries")
    @classmethod
    def _countries_are_codes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or not all(_COUNTRY.fullmatch(code) for code in value):
            raise ValueError('must be a JSON list of countries such as ["US", "CA"]')
        return value

    @field_validator("object_store")
    @classmethod
    def _store_is_known(cls, value: str) -> str:
        if not value.startswith(("file:", "s3://")):
            raise ValueError("must be file:/a/folder or s3://bucket/prefix")
        return value

    @field_validator("allowed_origins")
    @classmethod
    def _origins_are_named(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(
                    f"{origin!r} is no origin such as https://app.example.org: scheme and host, and the port if it is "
                    "not the usual one; no *, no null"
                )
        return value

    @field_validator("public_url")
    @classmethod
    def _links_have_a_beginning(cls, value: str | None) -> str | None:
        if value is not None and not _ORIGIN.fullmatch(value):
            raise ValueError("must be http:// or https:// and a host, without a path, e.g. https://budget.example.org")
        return value

    @field_validator("mail_from")
    @classmethod
    def _sender_is_an_address(cls, value: str | None) -> str | None:
        if value is not None:
            parse_mail_address(value)
        return value

    @model_validator(mode="after")
    def _mail_can_be_sent(self) -> Self:
        if self.smtp_url is None:
            return self
        if self.mail_from is None or self.public_url is None:
            raise ValueError("MINTQL_SMTP_URL needs MINTQL_MAIL_FROM and MINTQL_PUBLIC_URL beside it")
        url = self.smtp_url.get_secret_value()
        if mail_folder(url) is None:
            parse_mail_server(url)
        return self

    @model_validator(mode="after")
    def _provider_can_be_used(self) -> Self:
        if self.oidc_issuer is None:
            return self
        for name in ("oidc_client_id", "oidc_client_secret", "public_url"):
            if getattr(self, name) is None:
                raise ValueError(f"MINTQL_OIDC_ISSUER needs MINTQL_{name.upper()} beside it")
        parts = urlsplit(self.oidc_issuer)
        secure = parts.scheme == "https" or (parts.scheme == "http" and _is_here(parts.hostname or ""))
        if not secure or not parts.hostname or parts.query or parts.fragment or parts.username:
            raise ValueError("MINTQL_OIDC_ISSUER must be https:// and a host, perhaps with a path, and nothing else")
        return self

    @model_validator(mode="after")
    def _production_has_its_own_keys(self) -> Self:
        if self.environment == "production" and self.secret_keys.get_secret_value() == DEVELOPMENT_SECRET_KEYS:
            raise ValueError("MINTQL_SECRET_KEYS must be set in production: the development key is public")
        return self

    @field_validator("archive_after_months")
    @classmethod
    def _refreshes_stay_clear_of_the_archive(cls, months: int) -> int:
        if 0 < months < ARCHIVE_MONTHS_MIN:
            raise ValueError(f"{months} months are too few to keep; give {ARCHIVE_MONTHS_MIN} or more, or 0 for all")
        return months

    @model_validator(mode="after")
    def _there_are_trusted_documents(self) -> Self:
        if self.trusted_documents_only and self.trusted_documents is None:
            raise ValueError("MINTQL_TRUSTED_DOCUMENTS_ONLY needs MINTQL_TRUSTED_DOCUMENTS beside it")
        return self

    @property
    def tells_schema(self) -> bool:
        """Whether clients may learn the schema from the server."""
        return self.environment == "development" if self.introspection is None else self.introspection

    @property
    def shows_ide(self) -> bool:
        """Whether browsers are shown GraphiQL."""
        return self.environment == "development" if self.ide is None else self.ide

    def keyring(self) -> dict[int, bytes]:
        """Return the wrapping keys by version."""
        return parse_secret_keys(self.secret_keys.get_secret_value())


def parse_secret_keys(text: str) -> dict[int, bytes]:
    """Read `1:base64,2:base64` into keys by version; raise `ValueError` in words when it cannot be."""
    keys: dict[int, bytes] = {}
    for item in text.split(","):
        version, _, encoded = item.strip().partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            raise ValueError("a secret key is not base64; write version:base64 of 32 bytes") from None
        if not version.isdigit() or len(key) != SECRET_KEY_BYTES:
            raise ValueError("each secret key is version:base64 of exactly 32 bytes")
        keys[int(version)] = key
    return keys


@dataclass(frozen=True, slots=True)
class MailServer:
    """An SMTP server, and how the way there is secured; the password never shows in `repr`."""

    host: str
    port: int
    security: Literal["tls", "starttls", "none"]
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


SMTP_PORTS = {"smtp": 587, "smtps": 465}
"""Where servers take mail from programs (RFC 6409, RFC 8314)."""


def mail_folder(url: str) -> str | None:
    """Return the folder of a `file:` address; None for any other."""
    return url.removeprefix("file:") if url.startswith("file:") and url != "file:" else None


def parse_mail_server(url: str) -> MailServer:
    """Read an SMTP server's address; raise `ValueError` in words, without the password, when it cannot be used."""
    parts = urlsplit(url)
    if parts.scheme not in SMTP_PORTS or not parts.hostname or parts.path not in ("", "/"):
        raise ValueError("MINTQL_SMTP_URL must be smtp://host, smtps://host or file:/a/folder")
    starttls = parse_qs(parts.query).get("starttls", ["required"])[-1]
    if starttls not in ("required", "never"):
        raise ValueError("starttls in MINTQL_SMTP_URL is either required or never")
    security: Literal["tls", "starttls", "none"] = "starttls" if starttls == "required" else "none"
    if parts.scheme == "smtps":
        security = "tls"
    user, password = (None if part is None else unquote(part) for part in (parts.username, parts.password))
    if user and security == "none" and not _is_here(parts.hostname):
        raise ValueError("a password in MINTQL_SMTP_URL goes over TLS only: leave starttls=never out")
    return MailServer(parts.hostname, _port(parts), security, user or None, password)


def _port(parts: SplitResult) -> int:
    try:
        return parts.port or SMTP_PORTS[parts.scheme]
    except ValueError:
        raise ValueError("the port in MINTQL_SMTP_URL is no number up to 65535") from None


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def parse_mail_address(text: str) -> Address:
    """Read `name <address>` or an address alone; raise `ValueError` in words when it is neither."""
    name, spec = parseaddr(text)
    try:
        address = Address(display_name=name, addr_spec=spec)
    except (MessageError, ValueError, IndexError):
        address = None
    if address is None or not address.username or "." not in address.domain or not text.isprintable():
        raise ValueError("must be an address such as mintql <budgets@example.org>")
    return address


def load_settings() -> Settings:
    """Read the environment; exit in words when a value cannot be used."""
    try:
        return Settings()
    except ValidationError as error:
        lines = [f"  {'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors()]
        raise SystemExit("mintql: these settings cannot be used:\n" + "\n".join(lines)) from None
