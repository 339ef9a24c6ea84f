"""Sign-in by OpenID Connect (Core 1.0): one provider that the operator names, asked through the guarded client only.

The authorization code flow with PKCE (RFC 7636, S256). An ID token is believed when it is signed by a key of the
provider's set with an algorithm of `ALGORITHMS`, and its issuer, audience, times and nonce are what they have to be.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from mintql.domain.errors import Failure
from mintql.gateways.http import Answer, GuardedClient, open_http
from mintql.gateways.http_addresses import origin_of
from mintql.settings import Settings

log = logging.getLogger(__name__)

ALGORITHMS = ("RS256", "PS256", "ES256")
"""Signatures by a key pair. Neither "none" nor one by a secret that both sides know (RFC 8725, section 3.1)."""
DISCOVERY_PATH = "/.well-known/openid-configuration"
CALLBACK_PATH = "/oidc/callback"
SCOPES = "openid email profile"
DEADLINE_SECONDS = 10.0
BODY_LIMIT_BYTES = 256 * 1024
TOKEN_LENGTH_MAX = 16 * 1024
KEPT_SECONDS = 3_600.0
"""How long what the provider says of itself, and its keys, are believed."""
KEYS_AGAIN_SECONDS = 60.0
"""How often a key that is not known may let the keys be asked for anew: whoever holds a code can name any."""
LEEWAY_SECONDS = 60
"""By how much clocks may differ."""
OK = 200


class SignInRefused(Exception):  # noqa: N818
    """The provider, or what it sent, cannot be believed. The words are for the log and name no secret."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who somebody is at the provider. `email` is empty unless the provider says that it is verified."""

    issuer: str
    subject: str
    email: str
    name: str


@dataclass(frozen=True, slots=True)
class Client:
    """How this server is known at the provider; the secret never shows in `repr`."""

    issuer: str
    client_id: str
    redirect_uri: str
    secret: Callable[[], str]


class OidcProvider:
    """The provider, with what it says of itself and its keys, kept for a while."""

    def __init__(self, http: GuardedClient, client: Client, clock: Callable[[], float] = time.monotonic) -> None:
        self._http = http
        self._client = client
        self._clock = clock
        self._lock = asyncio.Lock()
        self._described: tuple[float, Mapping[str, Any]] | None = None
        self._keys: tuple[float, KeySet] | None = None

    async def authorization_url(self, *, state: str, nonce: str, verifier: str) -> str:
        """Return where to send a browser for somebody to sign in.

        Raises:
            SignInRefused: The provider cannot be reached, or says nonsense of itself.
        """
        described = await self._description()
        asked = {
            "response_type": "code",
            "client_id": self._client.client_id,
            "redirect_uri": self._client.redirect_uri,
            "scope": SCOPES,
            "state": state,
            "nonce": nonce,
            "code_challenge": create_s256_code_challenge(verifier),
            "code_challenge_method": "S256",
        }
        endpoint = str(described["authorization_endpoint"])
        return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(asked)}"

    async def identify(self, *, code: str, nonce: str, verifier: str) -> Identity:
        """Return who signed in, by the code that their browser brought; raise `SignInRefused`."""
        described = await self._description()
        answer = await self._ask(
            "POST",
            str(described["token_endpoint"]),
            form={
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": self._client.redirect_uri,
                "code_verifier": verifier,
            },
            basic_auth=(self._client.client_id, self._client.secret()),
        )
        token = answer.get("id_token")
        if not isinstance(token, str) or len(token) > TOKEN_LENGTH_MAX:
            raise SignInRefused("the provider gave no ID token")
        return _identity(self._client.issuer, await self._verified(token, nonce, described))

    async def _verified(self, token: str, nonce: str, described: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            try:
                decoded = jwt.decode(token, await self._key_set(described), algorithms=ALGORITHMS)
            except JoseError:
                # The provider may have begun to sign by a new key.
                decoded = jwt.decode(token, await self._key_set(described, anew=True), algorithms=ALGORITHMS)
            claims = CodeIDToken(
                decoded.claims,
                decoded.header,
                options={"iss": {"values": [self._client.issuer]}, "aud": {"values": [self._client.client_id]}},
                params={"nonce": nonce, "client_id": self._client.client_id},
            )
            claims.validate(leeway=LEEWAY_SECONDS)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise SignInRefused(f"the ID token is not to be believed: {type(error).__name__}: {error}") from None
        return dict(claims)

    async def _description(self) -> Mapping[str, Any]:
        async with self._lock:
            if self._described is None or self._described[0] < self._clock():
                found = await self._ask("GET", self._client.issuer.rstrip("/") + DISCOVERY_PATH)
                # Or a provider could speak for another one (OpenID Connect Discovery 1.0, section 4.3).
                if found.get("issuer") != self._client.issuer:
                    raise SignInRefused("the provider calls itself another issuer than MINTQL_OIDC_ISSUER")
                for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                    if not isinstance(found.get(name), str):
                        raise SignInRefused(f"the provider does not say its {name}")
                self._described = self._clock() + KEPT_SECONDS, found
            return self._described[1]

    async def _key_set(self, described: Mapping[str, Any], *, anew: bool = False) -> KeySet:
        async with self._lock:
            now = self._clock()
            kept = self._keys
            aged = None if kept is None else now - (kept[0] - KEPT_SECONDS)
            if kept is None or aged is None or kept[0] < now or (anew and aged >= KEYS_AGAIN_SECONDS):
                try:
                    found = KeySet.import_key_set(await self._ask("GET", str(described["jwks_uri"])))  # type: ignore[arg-type]
                except (JoseError, ValueError, TypeError, KeyError):
                    raise SignInRefused("the provider's keys cannot be read") from None
                kept = self._keys = now + KEPT_SECONDS, found
            return kept[1]

    async def _ask(self, method: str, url: str, **more: Any) -> dict[str, Any]:
        try:
            answer: Answer = await self._http.request(
                method,
                url,
                headers={"accept": "application/json"},
                deadline_seconds=DEADLINE_SECONDS,
                body_limit_bytes=BODY_LIMIT_BYTES,
                redirects_max=0,
                repeatable=method == "GET",
                called="the sign-in provider",
                **more,
            )
        except Failure as failure:
            raise SignInRefused(failure.message) from None
        if answer.status != OK:
            raise SignInRefused(f"the provider answered with status {answer.status}")
        try:
            found = json.loads(answer.content)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise SignInRefused("the provider answered no JSON object")
        return found


@asynccontextmanager
async def open_oidc(settings: Settings) -> AsyncIterator[OidcProvider | None]:
    """Open the way to the operator's provider, whose own origin may be within a network; None where none is named."""
    if settings.oidc_issuer is None or settings.oidc_client_secret is None:
        yield None
        return
    client = Client(
        issuer=settings.oidc_issuer,
        client_id=settings.oidc_client_id or "",
        redirect_uri=f"{settings.public_url}{CALLBACK_PATH}",
        secret=settings.oidc_client_secret.get_secret_value,
    )
    async with open_http(settings, allowed=frozenset({origin_of(httpx.URL(settings.oidc_issuer))})) as http:
        yield OidcProvider(http, client)


def _identity(issuer: str, claims: Mapping[str, Any]) -> Identity:
    subject, email, name = (claims.get(key) for key in ("sub", "email", "name"))
    if not isinstance(subject, str) or not 1 <= len(subject) <= 255:  # noqa: PLR2004 - OpenID Connect Core 1.0, section 2
        raise SignInRefused("the ID token names nobody")
    verified = claims.get("email_verified") is True and isinstance(email, str)
    return Identity(issuer, subject, str(email) if verified else "", name if isinstance(name, str) else "")
