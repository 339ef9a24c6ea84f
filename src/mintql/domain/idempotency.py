"""Keys by which a client asks for a change once, however often it has to send it.

They are opaque strings that the client makes up, a UUID say, one for each change it means
(draft-ietf-httpapi-idempotency-key-header-07).
"""

from __future__ import annotations

import re

from mintql.domain.errors import Failure, InvalidInput
from mintql.domain.wording import shown

KEY_LENGTH_MAX = 255
KEPT_DAYS = 1
"""How long a key is remembered, with its answer."""
_KEY = re.compile(rf"[\x20-\x7e]{{1,{KEY_LENGTH_MAX}}}")
_QUOTED = re.compile(r'"((?:[^"\\]|\\["\\])*)"')


class KeyReused(Failure):
    """A key comes with another mutation, other arguments or another selection than it was first used with."""

    code = "IDEMPOTENCY_KEY_REUSED"


class KeyInUse(Failure):
    """What was first sent under a key is still under way."""

    code = "IDEMPOTENCY_KEY_IN_USE"


class AlreadyApplied(Failure):
    """What was asked under a key is done, and the answer to it is not there any more."""

    code = "ALREADY_APPLIED"


def check_key(key: str, field: str) -> str:
    """Return a key that can be used; raise `InvalidInput` for another one."""
    if not _KEY.fullmatch(key):
        raise InvalidInput(
            f"{shown(key)} cannot be an idempotency key; make up 1 to {KEY_LENGTH_MAX} printable ASCII characters, "
            "such as a UUID.",
            field=field,
        )
    return key


def key_of_header(value: str) -> str:
    """Return the key in a header `Idempotency-Key`: a string of RFC 8941 (section 3.3.3), or the bare key.

    Raises:
        InvalidInput: It is neither.
    """
    text = value.strip()
    quoted = _QUOTED.fullmatch(text)
    if quoted is not None:
        text = re.sub(r"\\(.)", r"\1", quoted[1])
    elif text.startswith('"'):
        raise InvalidInput(f"The header Idempotency-Key holds {shown(text)}, whose quotes do not match.")
    return check_key(text, "Idempotency-Key")
