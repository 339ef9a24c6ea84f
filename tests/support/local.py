"""An HTTP client for servers of the tests' own."""

from __future__ import annotations

from typing import Any

import httpx

TIMEOUT_SECONDS = 30
"""A machine that is busy with other things may take longer than the five seconds that httpx waits by itself."""


def local_client(**options: Any) -> httpx.AsyncClient:
    """A client without certificates: nothing here is https, and reading them takes longer than most tests."""
    return httpx.AsyncClient(**{"verify": False, "timeout": TIMEOUT_SECONDS} | options)
