"""The links in mails by which a person stops them without signing in.

A link carries a token: whose mails, of which kind, and a code over both (HMAC-SHA-256 under a key that is derived from
the operator's keyring). It lets its holder do nothing but stop mails, so it does not expire: a link in an old mail has
to work. It works for as long as the key it was made with is in the keyring.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from mintql.domain.ids import UserId
from mintql.domain.notices import Channel, NoticeKind
from mintql.services import audit, notification_settings
from mintql.services.effects import Effects
from mintql.store import users
from mintql.store.locks import lock_users
from mintql.store.queries import Conn

PATH = "/unsubscribe"
TOKEN_CHARACTERS_MAX = 200
CODE_BYTES = 16


@dataclass(frozen=True, slots=True)
class Unsubscription:
    """Whose mails are to stop, and the kind of the mail that the link was in."""

    user_id: UserId
    kind: NoticeKind


class UnsubscribeLinks:
    """Makes links with the newest key of `keyring` (32-byte keys by version), and reads those of any."""

    def __init__(self, keyring: Mapping[int, bytes], public_url: str) -> None:
        self._keys = {version: hmac.digest(key, b"links that stop mails", "sha256") for version, key in keyring.items()}
        self._newest = max(self._keys)
        self._public_url = public_url

    def url(self, wanted: Unsubscription) -> str:
        """Return the link."""
        return f"{self._public_url}{PATH}?token={self.token(wanted)}"

    def token(self, wanted: Unsubscription) -> str:
        """Return what the link carries."""
        said = f"{self._newest}.{wanted.user_id}.{wanted.kind.value}".encode("ascii")
        return base64.urlsafe_b64encode(self._code(self._newest, said) + said).rstrip(b"=").decode("ascii")

    def read(self, token: str) -> Unsubscription | None:
        """Return what a token of ours says; None for anything else."""
        if not token.isascii() or len(token) > TOKEN_CHARACTERS_MAX:
            return None
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
            version, user_id, kind = raw[CODE_BYTES:].decode("ascii").split(".")
            code = self._code(int(version), raw[CODE_BYTES:])
            found = Unsubscription(UserId(int(user_id)), NoticeKind(kind))
        except (binascii.Error, ValueError, KeyError):
            return None
        return found if hmac.compare_digest(code, raw[:CODE_BYTES]) else None

    def _code(self, version: int, said: bytes) -> bytes:
        return hmac.digest(self._keys[version], said, "sha256")[:CODE_BYTES]


async def stop_mails(conn: Conn, wanted: Unsubscription, everything: bool, now: datetime) -> Effects:
    """Switch off mails of one kind, or of all kinds; doing it again changes nothing. Nobody there: nothing is done."""
    await lock_users(conn, [wanted.user_id])
    if await users.get(conn, wanted.user_id) is None:
        return Effects()
    kinds = list(NoticeKind) if everything else [wanted.kind]
    effects = await notification_settings.switch(
        conn, wanted.user_id, {(kind, Channel.EMAIL): False for kind in kinds}, now
    )
    await audit.record(
        conn, wanted.user_id, "mail_unsubscribed", now, {"kind": "all" if everything else wanted.kind.value}
    )
    return effects
