"""Whether the settings are those of a deployment that persons may trust."""

from __future__ import annotations

from collections.abc import AsyncIterator

from mintql.doctor.findings import Check, Finding, bad, ok, warn
from mintql.settings import DEVELOPMENT_SECRET_KEYS, Settings


async def _secret_keys(settings: Settings) -> AsyncIterator[Finding]:
    if settings.secret_keys.get_secret_value() == DEVELOPMENT_SECRET_KEYS:
        yield bad(
            "secret keys",
            "MINTQL_SECRET_KEYS is not set: the development key everybody knows would be used",
            "make keys with deploy/make_env.py, and keep them apart from backups of the database",
        )
        return
    versions = sorted(settings.keyring())
    yield ok("secret keys", f"versions {', '.join(map(str, versions))}; {versions[-1]} encrypts")


async def _settings(settings: Settings) -> AsyncIterator[Finding]:
    if settings.environment != "production":
        yield warn("settings", "this is a development environment", "set MINTQL_ENVIRONMENT=production on servers")
        return
    worries = [
        (settings.public_url is None, "MINTQL_PUBLIC_URL is not set, so no letter can link here", "set it"),
        (
            (settings.public_url or "").startswith("http:"),
            f"MINTQL_PUBLIC_URL is {settings.public_url}, without TLS",
            "serve persons by https:// only: cookies and tokens go over it",
        ),
        (
            (settings.webhook_url or "").startswith("http:"),
            f"MINTQL_WEBHOOK_URL is {settings.webhook_url}, without TLS",
            "give institutions an https:// address",
        ),
        (
            any(origin.startswith("http:") for origin in settings.allowed_origins),
            "MINTQL_ALLOWED_ORIGINS names an origin without TLS",
            "name https:// origins only: others can be forged by whoever is on the way",
        ),
        (settings.smtp_url is None, "MINTQL_SMTP_URL is not set, so nobody is told by mail", "name a mail server"),
        (
            settings.object_store.startswith("file:"),
            f"the object store is a folder ({settings.object_store})",
            "use s3://, unless all processes share this folder and it is backed up",
        ),
        (
            settings.metrics_port is None,
            "MINTQL_METRICS_PORT is not set, so nobody sees inside",
            "set it, and scrape it",
        ),
        (settings.log_format != "json", "log lines are text", "set MINTQL_LOG_FORMAT=json where logs are collected"),
    ]
    found = [warn("settings", words, todo) for is_so, words, todo in worries if is_so]
    for finding in found:
        yield finding
    if not found:
        yield ok("settings", "those of a deployment")


SETUP_CHECKS: dict[str, Check] = {"secret keys": _secret_keys, "settings": _settings}
