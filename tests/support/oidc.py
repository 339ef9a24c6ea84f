"""A little OpenID Connect provider over real HTTP, which can be told to lie."""

from __future__ import annotations

import base64
import secrets
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwk, jwt
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

CLIENT_ID, CLIENT_SECRET = "mintql-client", "a secret of the client"


def new_key(kid: str) -> jwk.RSAKey:
    return jwk.RSAKey.generate_key(2048, {"kid": kid, "use": "sig"}, private=True)


@dataclass
class Provider:
    """Signs in whoever `person` says, and puts `lies` over the claims of the ID token and `described` over what it says."""

    key: jwk.RSAKey = field(default_factory=lambda: new_key("first"))
    person: dict[str, Any] = field(default_factory=dict)
    lies: dict[str, Any] = field(default_factory=dict)
    described: dict[str, Any] = field(default_factory=dict)
    sign: Any = None
    issuer: str = ""
    asked: list[str] = field(default_factory=list)
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._describe),
                Route("/authorize", self._authorize),
                Route("/token", self._token, methods=["POST"]),
                Route("/keys", self._keys),
            ]
        )

    async def _describe(self, _: Request) -> Response:
        self.asked.append("description")
        endpoints = {"authorization_endpoint": "/authorize", "token_endpoint": "/token", "jwks_uri": "/keys"}
        found = {"issuer": self.issuer} | {name: self.issuer + path for name, path in endpoints.items()}
        return JSONResponse(found | self.described)

    async def _authorize(self, request: Request) -> Response:
        given = dict(request.query_params)
        assert (given["response_type"], given["client_id"]) == ("code", CLIENT_ID)
        assert (given["code_challenge_method"], len(given["code_challenge"])) == ("S256", 43)
        assert "openid" in given["scope"].split()
        code = secrets.token_urlsafe(16)
        self._codes[code] = given
        return RedirectResponse(f"{given['redirect_uri']}?{urlencode({'code': code, 'state': given['state']})}", 303)

    async def _token(self, request: Request) -> Response:
        self.asked.append("token")
        expected = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {expected}":
            return JSONResponse({"error": "invalid_client"}, 401)
        form = await request.form()
        visit = self._codes.pop(str(form["code"]), None)
        if visit is None or create_s256_code_challenge(str(form["code_verifier"])) != visit["code_challenge"]:
            return JSONResponse({"error": "invalid_grant"}, 400)
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": visit["nonce"]}
        claims = {name: value for name, value in (claims | self.person | self.lies).items() if value is not None}
        sign = self.sign or (lambda given: jwt.encode({"alg": "RS256", "kid": self.key.kid}, given, self.key))
        return JSONResponse({"access_token": "x", "token_type": "Bearer", "id_token": sign(claims)})

    async def _keys(self, _: Request) -> Response:
        self.asked.append("keys")
        return JSONResponse({"keys": [self.key.as_dict(private=False)]})
