"""An HTTP client for servers of the tests' own."""

from __future__ import annotations

from typing import Any

import httpx


def local_client(**options: Any) -> httpx.AsyncClient:
    """A client without certificates: nothing here is https, and reading them takes longer than most tests."""
    return httpx.AsyncClient(verify=False, **options)
