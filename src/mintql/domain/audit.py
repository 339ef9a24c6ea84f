"""The words for security-relevant acts, and where a request came from."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from functools import lru_cache

USER_AGENT_LENGTH_MAX = 400

SIGNED_UP = "signed_up"
SIGNED_IN = "signed_in"
SIGN_IN_FAILED = "sign_in_failed"
SIGNED_OUT = "signed_out"
SIGNED_OUT_EVERYWHERE = "signed_out_everywhere"
SESSION_ENDED = "session_ended"
ACCESS_TOKEN_MADE = "access_token_made"  # noqa: S105 - the name of an act
ACCESS_TOKEN_REVOKED = "access_token_revoked"  # noqa: S105 - the name of an act
SECOND_FACTOR_ON = "second_factor_on"
SECOND_FACTOR_OFF = "second_factor_off"
SECOND_FACTOR_REFUSED = "second_factor_refused"
RECOVERY_CODE_USED = "recovery_code_used"
RECOVERY_CODES_MADE = "recovery_codes_made"
IDENTITY_LINKED = "identity_linked"
IDENTITY_UNLINKED = "identity_unlinked"
PASSWORD_CHANGED = "password_changed"  # noqa: S105 - the name of an act
PASSWORD_REFUSED = "password_refused"  # noqa: S105 - the name of an act
CONNECTION_MADE = "connection_made"
CONNECTION_RENEWED = "connection_renewed"
CONNECTION_ENDED = "connection_ended"
CONNECTION_REMOVED = "connection_removed"
EXPORTED = "exported"
DELETION_REFUSED = "deletion_refused"
WEBHOOK_ADDED = "webhook_added"
WEBHOOK_CHANGED = "webhook_changed"
WEBHOOK_REMOVED = "webhook_removed"
WEBHOOK_SECRET_ROTATED = "webhook_secret_rotated"  # noqa: S105 - the name of an act
WEBHOOK_DISABLED = "webhook_disabled"

WORDS = {
    SIGNED_UP: "Signed up.",
    SIGNED_IN: "Signed in.",
    SIGN_IN_FAILED: "Somebody tried to sign in with a wrong password.",
    SIGNED_OUT: "Signed out.",
    SIGNED_OUT_EVERYWHERE: "Signed out everywhere: all sessions were ended.",
    SESSION_ENDED: "Ended a session from another one.",
    ACCESS_TOKEN_MADE: "Made an access token for a program.",
    ACCESS_TOKEN_REVOKED: "Revoked an access token.",
    SECOND_FACTOR_ON: "Switched the second factor on.",
    SECOND_FACTOR_OFF: "Switched the second factor off.",
    SECOND_FACTOR_REFUSED: "Somebody gave the right password with a wrong code.",
    RECOVERY_CODE_USED: "Used a recovery code in the place of the second factor.",
    RECOVERY_CODES_MADE: "Made recovery codes; earlier ones are void.",
    IDENTITY_LINKED: "Linked an identity at a provider, by which one can sign in.",
    IDENTITY_UNLINKED: "Unlinked an identity at a provider.",
    PASSWORD_CHANGED: "Changed the password; all other sessions were ended.",
    PASSWORD_REFUSED: "Something was to be done for which the password is asked, with a wrong one; nothing was done.",
    CONNECTION_MADE: "Connected an institution.",
    CONNECTION_RENEWED: "Renewed the login of a connection.",
    CONNECTION_ENDED: "Ended a connection and kept its history.",
    CONNECTION_REMOVED: "Removed a connection with its history.",
    EXPORTED: "Downloaded an export of the account's data.",
    "mail_unsubscribed": "Stopped mail by the link in a letter.",
    "household_invited": "Invited somebody into the household.",
    "household_changed": "Changed what somebody of the household may see or do.",
    "household_revoked": "Took back what somebody of the household could see.",
    "household_joined": "Joined somebody's household.",
    "household_declined": "Declined an invitation into a household.",
    "household_left": "Left a household.",
    "household_answer_accepted": "Somebody who was invited into the household accepted.",
    "household_answer_declined": "Somebody who was invited into the household declined.",
    "household_member_left": "Somebody left the household.",
    "household_change": "Somebody of the household changed something.",
    DELETION_REFUSED: "The account was to be deleted, with a wrong password; nothing was deleted.",
    WEBHOOK_ADDED: "Added a webhook endpoint.",
    WEBHOOK_CHANGED: "Changed a webhook endpoint.",
    WEBHOOK_REMOVED: "Removed a webhook endpoint with what was sent to it.",
    WEBHOOK_SECRET_ROTATED: "Gave a webhook endpoint a new secret.",
    WEBHOOK_DISABLED: "A webhook endpoint was switched off: it said that it is gone, or failed for days.",
}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request came from: the address of the client, as far as this server can know it, and its program."""

    address: str = ""
    user_agent: str = ""


NOWHERE = Origin()
ORIGINS_KEPT_MAX = 4_096
"""How many origins a process keeps checked: clients come again and again."""


@lru_cache(maxsize=ORIGINS_KEPT_MAX)
def origin_of(address: str | None, user_agent: str | None) -> Origin:
    """Return an origin within its bounds; an address that is none, as that of a local socket, is left out."""
    try:
        found = ipaddress.ip_address((address or "").partition("%")[0])
        checked = str(getattr(found, "ipv4_mapped", None) or found)
    except ValueError:
        checked = ""
    agent = "".join(sign for sign in (user_agent or "") if sign.isprintable())
    return Origin(checked, agent[:USER_AGENT_LENGTH_MAX])


def words_of(act: str) -> str:
    """Return an act as a sentence; one without words of its own by its name."""
    return WORDS.get(act) or act.replace("_", " ").capitalize() + "."
