"""Who somebody at a provider is here, and the visit to the provider in between.

A person is found by issuer and subject alone, never by an e-mail address: addresses here are not verified, so that
somebody could sign up with one that is not theirs and wait for its owner to come by the provider. An identity is linked
by somebody who is signed in and gives their password; otherwise it makes an account of its own, if the provider says
that its address is verified and nobody has it here.

A visit needs no row until it ends: its state is signed, holds for minutes, and only beside the cookie of the browser
in which it began. What is derived from it, nonce and code verifier, is known to this server alone. A state that was
used is remembered until it would not hold any more.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from mintql.domain.audit import IDENTITY_LINKED, IDENTITY_UNLINKED
from mintql.domain.errors import EmailTaken, InvalidInput, NotFound
from mintql.domain.ids import SessionId, UserId
from mintql.gateways.oidc import Identity
from mintql.gateways.vault import Vault
from mintql.services import audit
from mintql.services.identity import NAME_LENGTH_MAX, NewUser, check_email, sign_up
from mintql.store import oidc as store
from mintql.store import users
from mintql.store.queries import Conn

VISIT_SECONDS = 600
STATE_LENGTH_MAX = 300
COOKIE_LENGTH_MAX = 300
IDENTITIES_MAX = 10
CURRENCY = "USD"
TIME_ZONE = "UTC"
"""What an account begins with that was made by a visit; its person changes it with `updateProfile`."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A visit to the provider: what its address is told, and what the browser keeps meanwhile.

    `linking` is whose identity it is to become, by which of their sessions; None for signing in.
    """

    state: str
    cookie: str
    nonce: str
    verifier: str
    linking: tuple[UserId, SessionId] | None = None


def begin(vault: Vault, now: datetime, linking: tuple[UserId, SessionId] | None = None) -> Visit:
    """Begin a visit."""
    cookie = ".".join([secrets.token_urlsafe(32), *(str(int(part)) for part in linking or ())])
    until = int((now + timedelta(seconds=VISIT_SECONDS)).timestamp())
    claims = f"{until}.{secrets.token_urlsafe(16)}"
    return _visit(vault, f"{claims}.{_derived(vault, 'state', claims, cookie)}", cookie)


def resume(vault: Vault, state: str, cookie: str, now: datetime) -> Visit | None:
    """Return the visit that a browser comes back from; None for none that began in it, or one that took too long."""
    if len(state) > STATE_LENGTH_MAX or len(cookie) > COOKIE_LENGTH_MAX or not (state + cookie).isascii():
        return None
    claims, _, signature = state.rpartition(".")
    if not hmac.compare_digest(signature, _derived(vault, "state", claims, cookie)):
        return None
    return _visit(vault, state, cookie) if now.timestamp() < int(claims.partition(".")[0]) else None


def _visit(vault: Vault, state: str, cookie: str) -> Visit:
    _, *linking = cookie.split(".")
    return Visit(
        state=state,
        cookie=cookie,
        nonce=_derived(vault, "nonce", state, cookie),
        verifier=_derived(vault, "code verifier", state, cookie),
        linking=(UserId(int(linking[0])), SessionId(int(linking[1]))) if linking else None,
    )


def _derived(vault: Vault, kind: str, *parts: str) -> str:
    return base64.urlsafe_b64encode(vault.fingerprint("oidc", kind, *parts)).decode().rstrip("=")


async def use_up(conn: Conn, visit: Visit, now: datetime) -> bool:
    """Remember that a visit has ended; False when it had ended before."""
    state_hash = hashlib.sha256(visit.state.encode()).digest()
    return await store.use_state(conn, state_hash, now + timedelta(seconds=VISIT_SECONDS))


async def find(conn: Conn, identity: Identity) -> UserId | None:
    """Return whose identity this is."""
    return await store.person_of(conn, identity.issuer, identity.subject)


async def link(conn: Conn, user_id: UserId, identity: Identity, now: datetime) -> None:
    """Make it a way for a person to sign in.

    Raises:
        InvalidInput: It is somebody else's here, or there are as many as may be.
    """
    if len(await store.listed(conn, user_id)) >= IDENTITIES_MAX:
        raise InvalidInput(f"There are {IDENTITIES_MAX} linked identities; unlink one of them first.")
    if not await store.insert(conn, user_id, identity.issuer, identity.subject, identity.email, now):
        raise InvalidInput("This identity is linked to an account already.")
    await audit.record(conn, user_id, IDENTITY_LINKED, now, {"issuer": identity.issuer})


async def unlink(conn: Conn, user_id: UserId, identity_id: int, now: datetime) -> None:
    """Take it away.

    Raises:
        NotFound: There is no such identity.
        InvalidInput: Nothing would be left to sign in with.
    """
    if not await users.get_password_hash(conn, user_id) and len(await store.listed(conn, user_id)) == 1:
        raise InvalidInput("You could not sign in any more: set a password with changePassword first.", field="id")
    issuer = await store.delete(conn, user_id, identity_id)
    if issuer is None:
        raise NotFound("There is no such linked identity.", field="id")
    await audit.record(conn, user_id, IDENTITY_UNLINKED, now, {"issuer": issuer})


async def sign_up_by(conn: Conn, user_id: UserId, identity: Identity, now: datetime) -> None:
    """Make an account for somebody who is known at the provider only, under an id from `store.users.new_id`.

    Raises:
        InvalidInput: The provider gives no verified address.
        EmailTaken: Somebody has signed up with it: they have to sign in and link the identity themselves.
    """
    if not identity.email:
        raise InvalidInput("The sign-in provider names no verified e-mail address of yours, and an account needs one.")
    name = "".join(sign for sign in identity.name if sign.isprintable()).strip()[:NAME_LENGTH_MAX]
    email = check_email(identity.email)
    new = NewUser(email, name or email.partition("@")[0][:NAME_LENGTH_MAX], TIME_ZONE, CURRENCY, None)
    try:
        await sign_up(conn, user_id, new, "", now)
    except EmailTaken:
        raise EmailTaken(
            f"Somebody has signed up with {email} already. If that is you, sign in with your password and link this "
            "identity; nobody else can do it for you."
        ) from None
    await link(conn, user_id, identity, now)
