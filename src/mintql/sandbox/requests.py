"""Reading what callers of the sandbox bank send."""

from __future__ import annotations

import json
import re
from typing import Any

from starlette.requests import Request

from mintql.sandbox.errors import BankError, bad_request

BODY_LIMIT_BYTES = 64 * 1024
PASSWORD = "sandbox"  # noqa: S105  (the sandbox's only password, and no secret)
LOGIN = re.compile(r"[^\x00-\x20/]{1,128}")


async def read_json(request: Request, *, optional: bool = False) -> dict[str, Any]:
    """Return the body, a JSON object; `optional`: an empty body is an empty object.

    Raises:
        BankError: Not a JSON object, not declared as JSON (which keeps web pages of other sites from
            posting here), or longer than `BODY_LIMIT_BYTES`.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_LIMIT_BYTES:
            raise BankError(413, "too_large", f"A body may have {BODY_LIMIT_BYTES} bytes at most.")
    if optional and not body:
        return {}
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise BankError(415, "not_json", "Send the body as application/json.")
    try:
        value = json.loads(body)
    except ValueError:
        raise bad_request("The body is not JSON.") from None
    if not isinstance(value, dict):
        raise bad_request("The body must be a JSON object.")
    return value
