"""All settings of a process: read once from the environment, checked, frozen, and passed on.

Every name is an environment variable with the prefix `MINTQL_`, but for `DATABASE_URL` and `REDIS_URL`.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

SECRET_KEY_BYTES = 32
DEVELOPMENT_SECRET_KEYS = "1:" + base64.b64encode(b"mintql development key, not safe"[:SECRET_KEY_BYTES]).decode()

_COUNTRY = re.compile(r"[A-Z]{2}", re.ASCII)


class Settings(BaseSettings):
    """What an operator can set. Secrets never show in `repr`."""

    model_config = SettingsConfigDict(env_prefix="MINTQL_", frozen=True, extra="ignore")

    environment: Literal["development", "production"] = "development"

    database_url: SecretStr = Field(validation_alias="DATABASE_URL", default=SecretStr("postgresql:///mintql"))
    """Login of the owner of the tables; workers and migrations use it as it is."""
    database_api_role: str = "mintql_api"
    """Role the API switches to after connecting, so that row-level security binds it. Empty: stay the login."""
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

    session_days: int = Field(default=30, ge=1, le=365)
    password_hash_concurrency: int = Field(default=2, ge=1, le=64)
    allowed_origins: tuple[str, ...] = ()
    """Other origins whose pages may call the API with a person's cookie."""

    cache_ttl_seconds: int = Field(default=60, ge=0, le=3600)
    """How long a cached answer may live; 0 switches the cache off."""
    event_poll_seconds: float = Field(default=5.0, gt=0, le=60)
    """How often a subscription looks into the database by itself, in case a wake-up was lost."""

    history_days: int = Field(default=730, ge=1, le=3_650)
    """How many days back the first run of a connection reads, where its institution tells of as many."""
    refresh_pause_seconds: int = Field(default=30, ge=0, le=86_400)
    """How long after a refresh that a person asked for the next one is refused; an institution may want longer."""

    worker_max_jobs: int = Field(default=100, ge=1, le=1000)
    worker_poll_seconds: float = Field(default=0.02, gt=0, le=5)
    daily_spread_seconds: int = Field(default=1800, ge=0, le=20 * 3600)
    """Over how long the runs of one daily refresh are spread."""
    sweep_seconds: int = Field(default=5, ge=1, le=60)
    queue_name: str = "mintql:queue"

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

    @model_validator(mode="after")
    def _production_has_its_own_keys(self) -> Self:
        if self.environment == "production" and self.secret_keys.get_secret_value() == DEVELOPMENT_SECRET_KEYS:
            raise ValueError("MINTQL_SECRET_KEYS must be set in production: the development key is public")
        return self

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


def load_settings() -> Settings:
    """Read the environment; exit in words when a value cannot be used."""
    try:
        return Settings()
    except ValidationError as error:
        lines = [f"  {'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors()]
        raise SystemExit("mintql: these settings cannot be used:\n" + "\n".join(lines)) from None
