"""The second factor: codes by time (TOTP, RFC 6238: SHA-1, 6 digits, steps of 30 s), and recovery codes.

A code is good within its step and the ones beside it, for clocks that differ, and once: neither it nor an older one is
taken again (RFC 6238, section 5.2). A recovery code has 80 random bits, so that its plain hash cannot be guessed
backwards, and is gone when it was used.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from datetime import UTC, datetime, timedelta

import pyotp

from mintql.domain.audit import RECOVERY_CODE_USED, RECOVERY_CODES_MADE, SECOND_FACTOR_OFF, SECOND_FACTOR_ON
from mintql.domain.errors import BadCredentials, InvalidInput
from mintql.domain.ids import UserId
from mintql.gateways.vault import Sealed, Vault
from mintql.services import audit, guessing
from mintql.store import second_factors as store
from mintql.store.queries import Conn

ISSUER = "mintql"
STEP_SECONDS = 30
STEPS_BESIDE = 1
"""How many steps before and after the present one are taken as well."""
CODE_DIGITS = 6
CODE_LENGTH_MAX = 40
RECOVERY_CODES = 10
RECOVERY_BYTES = 10
CHALLENGE_SECONDS = 300
"""How long after the right password the code may come."""
CHALLENGE_LENGTH_MAX = 300


async def begin(conn: Conn, vault: Vault, user_id: UserId, email: str, now: datetime) -> tuple[str, str]:
    """Make a secret that a code has to confirm; return it and the address for apps (`otpauth://`), told only now.

    Raises:
        InvalidInput: There is a second factor already.
    """
    secret = pyotp.random_base32()
    sealed = vault.seal_second_factor(user_id, secret.encode())
    if not await store.put(conn, user_id, sealed.key_version, sealed.wrapped_key, sealed.ciphertext, now):
        raise InvalidInput("There is a second factor already. Switch it off before you set up another one.")
    return secret, pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=ISSUER)


async def confirm(conn: Conn, vault: Vault, user_id: UserId, code: str, now: datetime) -> list[str] | None:
    """Switch the second factor on by a first code; return the recovery codes, told only now. None for a wrong code.

    Raises:
        InvalidInput: Nothing waits to be confirmed.
    """
    found = await store.lock(conn, user_id)
    if found is None or found.confirmed_at is not None:
        raise InvalidInput("No second factor waits to be confirmed; begin with beginSecondFactor.", field="code")
    if not await _use_timed(conn, vault, user_id, found, code, now):
        return None
    await audit.record(conn, user_id, SECOND_FACTOR_ON, now)
    return await renew_recovery_codes(conn, user_id, now)


async def renew_recovery_codes(conn: Conn, user_id: UserId, now: datetime) -> list[str]:
    """Make recovery codes in the place of those that are left; return them, told only now."""
    codes = [_shown(secrets.token_bytes(RECOVERY_BYTES)) for _ in range(RECOVERY_CODES)]
    await store.replace_recovery_codes(conn, user_id, [_hash_recovery(user_id, code) for code in codes])
    await audit.record(conn, user_id, RECOVERY_CODES_MADE, now)
    return codes


async def switch_off(conn: Conn, user_id: UserId, now: datetime) -> None:
    """Take the second factor away."""
    await store.delete(conn, user_id)
    await audit.record(conn, user_id, SECOND_FACTOR_OFF, now)


async def is_code_right(conn: Conn, vault: Vault, user_id: UserId, code: str, now: datetime) -> bool:
    """Use a code, timed or for recovery; it is good no more afterwards. Guesses are counted.

    Raises:
        TooManyAttempts: It is too soon after wrong ones.
    """
    counted = await guessing.begin_code(conn, vault, user_id, now)
    found = await store.lock(conn, user_id)
    if found is None or found.confirmed_at is None:
        return False
    if _is_timed(code):
        right = await _use_timed(conn, vault, user_id, found, code, now)
    else:
        right = await _use_recovery(conn, user_id, code, now)
    if right:
        await guessing.give_back(conn, counted, now)
    return right


async def _use_timed(
    conn: Conn, vault: Vault, user_id: UserId, found: store.SecondFactorRow, code: str, now: datetime
) -> bool:
    sealed = Sealed(found.key_version, found.wrapped_key, found.ciphertext)
    secret = vault.open_second_factor(user_id, sealed).decode()
    step = matching_step(secret, code, now, after=found.last_step)
    if step is None:
        return False
    await store.use_step(conn, user_id, step, now)
    return True


def matching_step(secret: str, code: str, now: datetime, *, after: int) -> int | None:
    """Return the step whose code this is, of those near the present one and later than `after`; None for none."""
    totp, present, given = pyotp.TOTP(secret), int(now.timestamp()) // STEP_SECONDS, _plain(code)
    if not _is_timed(given):
        return None
    right = [
        step
        for step in range(present - STEPS_BESIDE, present + STEPS_BESIDE + 1)
        if hmac.compare_digest(totp.generate_otp(step), given)
    ]
    return next((step for step in right if step > after), None)


async def _use_recovery(conn: Conn, user_id: UserId, code: str, now: datetime) -> bool:
    if not await store.use_recovery_code(conn, user_id, _hash_recovery(user_id, code)):
        return False
    await audit.record(conn, user_id, RECOVERY_CODE_USED, now)
    return True


def _plain(code: str) -> str:
    return "".join(code.split()).replace("-", "").lower()[:CODE_LENGTH_MAX]


def _is_timed(code: str) -> bool:
    plain = _plain(code)
    return len(plain) == CODE_DIGITS and plain.isascii() and plain.isdecimal()


def _shown(random: bytes) -> str:
    text = base64.b32encode(random).decode().lower()
    return "-".join(text[start : start + 4] for start in range(0, len(text), 4))


def _hash_recovery(user_id: UserId, code: str) -> bytes:
    return hashlib.sha256(f"{int(user_id)} {_plain(code)}".encode()).digest()


def issue_challenge(vault: Vault, user_id: UserId, password_hash: str, now: datetime) -> tuple[str, datetime]:
    """Return what stands for the right password until the code comes, and until when. A new password ends it."""
    until = int((now + timedelta(seconds=CHALLENGE_SECONDS)).timestamp())
    claims = f"{int(user_id)}.{until}"
    signature = base64.urlsafe_b64encode(_signature(vault, claims, password_hash)).decode().rstrip("=")
    return f"{claims}.{signature}", datetime.fromtimestamp(until, UTC)


def subject_of(challenge: str) -> UserId:
    """Return whose challenge this says to be; raise `BadCredentials` when it is none. It proves nothing yet."""
    user_id, _, rest = challenge.partition(".")
    if len(challenge) > CHALLENGE_LENGTH_MAX or not challenge.isascii() or not user_id.isdecimal() or not rest:
        raise _over()
    return UserId(min(int(user_id), 2**63 - 1))


def check_challenge(vault: Vault, challenge: str, password_hash: str, now: datetime) -> None:
    """Raise `BadCredentials` unless the challenge was given to who has this password, and holds."""
    claims, _, signature = challenge.rpartition(".")
    try:
        shown = base64.b64decode(signature + "=" * (-len(signature) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        raise _over() from None
    if not hmac.compare_digest(shown, _signature(vault, claims, password_hash)):
        raise _over()
    if now.timestamp() >= int(claims.partition(".")[2]):
        raise _over()


def _signature(vault: Vault, claims: str, password_hash: str) -> bytes:
    return vault.fingerprint("second factor challenge", claims, password_hash)


def _over() -> BadCredentials:
    return BadCredentials("This challenge does not hold, or no longer. Sign in anew.", field="challenge")
