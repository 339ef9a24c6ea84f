"""An S3 server on this machine, with a bucket of the tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from moto.server import ThreadedMotoServer

BUCKET = "mintql-test"


@contextmanager
def serving_s3() -> Iterator[str]:
    """Yield the URL of the server, where the environment names what it takes for credentials."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_ACCESS_KEY_ID", "test")
            patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
            patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
            endpoint = f"http://{host}:{port}"
            httpx.put(f"{endpoint}/{BUCKET}").raise_for_status()
            yield endpoint
    finally:
        server.stop()
