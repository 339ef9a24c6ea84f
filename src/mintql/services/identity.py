"""Who a person is: signing up, in and out, and what they say about themselves.

Hashing a password takes a tenth of a second and no database, so it happens between these calls, never
inside a transaction.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from mintql.domain.audit import Origin
from mintql.domain.errors import BadCredentials, EmailTaken, InvalidInput, NotSignedIn
from mintql.domain.ids import UserId
from mintql.domain.money import AMOUNT_MINOR_MAX, check_currency
from mintql.domain.months import check_time_zone
from mintql.domain.wording import shown
from mintql.services import alerts
from mintql.services.effects import Effects
from mintql.store import budgets, sessions, users
from mintql.store.locks import lock_users
from mintql.store.queries import Conn
from mintql.store.sessions import SessionRow
from mintql.store.users import UserRow

PASSWORD_LENGTH_MIN, PASSWORD_LENGTH_MAX = 10, 200
EMAIL_LENGTH_MAX = 254
NAME_LENGTH_MAX = 100
TOKEN_BYTES = 32
TOKEN_LENGTH_MAX = 100

_ATOM = r"[a-z0-9!#$%&'*+/=?^_`{|}~\x80-\U0010ffff-]+"
_LOCAL_PART = re.compile(rf"(?=.{{1,64}}\Z){_ATOM}(\.{_ATOM})*", re.IGNORECASE)
"""What stands before the @: words with single dots between them (RFC 5322, dot-atom; RFC 6531 for other letters).
Quoted parts are not taken: hardly anybody has one, and many servers refuse them."""
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"({_LABEL}\.)+(?=[a-z0-9-]*[a-z]){_LABEL}", re.IGNORECASE)
"""A host name of two labels or more, the last one not a number (RFC 1123)."""


@dataclass(frozen=True, slots=True)
class NewUser:
    """What a person says when they sign up, checked."""

    email: str
    name: str
    time_zone: str
    currency: str
    annual_income_minor: int | None


@dataclass(frozen=True, slots=True)
class ProfileChanges:
    """What a person changes about themselves; what is not given stays. `clear_income` takes the income back."""

    name: str | None = None
    time_zone: str | None = None
    currency: str | None = None
    annual_income_minor: int | None = None
    clear_income: bool = False


def check_new_user(
    email: str, password: str, name: str, time_zone: str, currency: str, annual_income_minor: int | None
) -> NewUser:
    """Return what was said, in its normal form; raise `InvalidInput` for what cannot be used."""
    checked = NewUser(
        email=check_email(email),
        name=check_name(name),
        time_zone=check_time_zone(time_zone),
        currency=check_currency(currency),
        annual_income_minor=check_income(annual_income_minor),
    )
    check_password(password)
    return checked


def check_email(text: str) -> str:
    """Return the address without surrounding space. Whether it reaches anybody only a mail can tell."""
    email = text.strip()
    if len(email) > EMAIL_LENGTH_MAX:
        raise InvalidInput(
            f"{shown(email)} is not an e-mail address: those have {EMAIL_LENGTH_MAX} characters at most, "
            f"and this has {len(email)}.",
            field="email",
        )
    local_part, at, domain = email.rpartition("@")
    if not (at and email.isprintable() and _LOCAL_PART.fullmatch(local_part) and _is_domain(domain)):
        raise InvalidInput(
            f"{shown(email)} is not an e-mail address; it should look like ada@example.org.", field="email"
        )
    return email


def _is_domain(text: str) -> bool:
    """Tell whether this is the name of a mail domain, in its own letters or as it is looked up (RFC 5890)."""
    try:
        return _DOMAIN.fullmatch(text.encode("idna").decode("ascii")) is not None
    except UnicodeError:
        return False


def check_password(password: str, field: str = "password") -> None:
    """Raise `InvalidInput` unless the password is of a length that can be kept and is not trivial."""
    if not PASSWORD_LENGTH_MIN <= len(password) <= PASSWORD_LENGTH_MAX:
        raise InvalidInput(
            f"A password has {PASSWORD_LENGTH_MIN} to {PASSWORD_LENGTH_MAX} characters; this one has {len(password)}.",
            field=field,
        )
    if len(set(password)) == 1:
        raise InvalidInput("A password of one character repeated is guessed at once; take another.", field=field)


def check_name(text: str) -> str:
    """Return the name without surrounding space."""
    name = text.strip()
    if not 1 <= len(name) <= NAME_LENGTH_MAX or not name.isprintable():
        raise InvalidInput(f"A name has 1 to {NAME_LENGTH_MAX} printable characters.", field="name")
    return name


def check_income(amount_minor: int | None) -> int | None:
    """Return the income; raise `InvalidInput` when it is below zero or beyond what can be kept."""
    if amount_minor is not None and not 0 <= amount_minor <= AMOUNT_MINOR_MAX:
        raise InvalidInput("An annual income is zero or more.", field="annualIncome")
    return amount_minor


async def sign_up(conn: Conn, user_id: UserId, new: NewUser, password_hash: str, now: datetime) -> None:
    """Store a person under an id from `store.users.new_id`.

    Raises:
        EmailTaken: Somebody has signed up with this address.
    """
    inserted = await users.insert(
        conn,
        user_id,
        email=new.email,
        password_hash=password_hash,
        name=new.name,
        time_zone=new.time_zone,
        currency=new.currency,
        annual_income_minor=new.annual_income_minor,
        now=now,
        today=now.date(),
    )
    if not inserted:
        raise EmailTaken(f"Somebody has signed up with {new.email} already. Sign in instead.", field="email")


def bad_credentials() -> BadCredentials:
    """Return the one answer to a wrong address and to a wrong password: nobody learns which it was."""
    return BadCredentials("E-mail address and password do not belong together.")


async def begin_session(conn: Conn, user_id: UserId, now: datetime, days: int, origin: Origin) -> tuple[str, datetime]:
    """Begin a session; return its token, which is told once and stored nowhere, and when it ends."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    expires_at = now + timedelta(days=days)
    await sessions.insert(conn, user_id, hash_token(token), now, expires_at, origin)
    await users.mark_active(conn, user_id, now.date())
    return token, expires_at


def hash_token(token: str) -> bytes:
    """Return what is stored of a token. It has 256 random bits, so a plain hash cannot be guessed backwards."""
    return hashlib.sha256(token.encode()).digest()


async def find_session(conn: Conn, token: str) -> SessionRow | None:
    """Return the live session of a token."""
    if not token or len(token) > TOKEN_LENGTH_MAX:
        return None
    return await sessions.by_token(conn, hash_token(token))


async def get_user(conn: Conn, user_id: UserId) -> UserRow:
    """Return a person; raise `NotSignedIn` when they are no more."""
    user = await users.get(conn, user_id)
    if user is None:
        raise NotSignedIn("This account does not exist any more.")
    return user


async def update_profile(
    conn: Conn, user_id: UserId, changes: ProfileChanges, now: datetime
) -> tuple[UserRow, Effects]:
    """Write what a person changes about themselves.

    Income and currency decide the template's limits: changing one gives these a new revision, and alerts
    are raised where a new limit is reached already.

    Raises:
        InvalidInput: A value cannot be used; nothing was changed.
    """
    await lock_users(conn, [user_id])
    user = await get_user(conn, user_id)
    changed = _apply(user, changes)
    limits_move = (changed.annual_income_minor, changed.currency) != (user.annual_income_minor, user.currency)
    if limits_move:
        changed = replace(changed, template_revision=await budgets.take_revision(conn, user_id))
    await users.update_profile(conn, changed)
    effects = Effects(changed={user_id})
    if limits_move or changed.time_zone != user.time_zone:
        effects.merge(await alerts.evaluate(conn, {user_id: alerts.recent_months(now)}, now))
    return changed, effects


def _apply(user: UserRow, changes: ProfileChanges) -> UserRow:
    currency = user.currency if changes.currency is None else check_currency(changes.currency)
    income = changes.annual_income_minor
    if income is None and not changes.clear_income:
        if currency != user.currency and user.annual_income_minor is not None:
            raise InvalidInput(
                f"Say your annual income in {currency} too when you change the currency, or null for none.",
                field="annualIncome",
            )
        income = user.annual_income_minor
    return replace(
        user,
        name=user.name if changes.name is None else check_name(changes.name),
        time_zone=user.time_zone if changes.time_zone is None else check_time_zone(changes.time_zone),
        currency=currency,
        annual_income_minor=check_income(income),
    )
