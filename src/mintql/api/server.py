"""How uvicorn has to serve the API, wherever it is started."""

from __future__ import annotations

from typing import Any, Final

from mintql.api.http_protocol import HttpProtocol
from mintql.api.requests import BODY_BYTES_MAX
from mintql.api.socket_protocol import SocketProtocol

PING_SECONDS: Final = 20.0
"""How often a client of a WebSocket is asked whether it is there, and how long its answer may take."""

SERVER_OPTIONS: Final[dict[str, Any]] = {
    "http": HttpProtocol,
    "ws": SocketProtocol,
    "ws_max_size": BODY_BYTES_MAX,
    "ws_ping_interval": PING_SECONDS,
    "ws_ping_timeout": PING_SECONDS,
    # An alert is a few hundred bytes, and each connection would keep the windows of its deflation.
    "ws_per_message_deflate": False,
}
