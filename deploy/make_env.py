#!/usr/bin/env python3
"""Print an `.env` for docker-compose.yml with secrets made on the spot: `python3 deploy/make_env.py > .env`.

Standard library only. Keep the file: what is encrypted with MINTQL_SECRET_KEYS can be read with them alone.
To rotate the keys, put a new one with a higher number behind a comma; the old ones still open what they sealed.
"""

from __future__ import annotations

import base64
import secrets
import sys
from collections.abc import Iterator

KEY_BYTES = 32


def lines() -> Iterator[str]:
    """Yield the lines of the file."""
    yield "# Secrets of one installation of mintql. Not for version control."
    yield f"POSTGRES_PASSWORD={secrets.token_urlsafe(24)}"
    yield f"MINTQL_SECRET_KEYS=1:{base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()}"
    yield f"OBJECTS_ACCESS_KEY_ID={secrets.token_hex(10)}"
    yield f"OBJECTS_SECRET_ACCESS_KEY={secrets.token_urlsafe(30)}"


if __name__ == "__main__":
    sys.stdout.write("\n".join(lines()) + "\n")
