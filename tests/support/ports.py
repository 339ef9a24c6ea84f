"""Ports for processes that are told where to listen."""

from __future__ import annotations

import random
import socket

PORTS = (10_000, 32_000)
"""Below those that the kernel gives to connections, and to whoever asks for any: between now and when one of these is
listened on, other tests open many of both."""
PORT_TRIES_MAX = 100
_given: set[int] = set()
_chance = random.SystemRandom()


def free_port() -> int:
    """Return a port of loopback that nobody has at the moment, and that no connection is given by itself."""
    for _ in range(PORT_TRIES_MAX):
        port = _chance.randrange(*PORTS)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if port not in _given and probe.connect_ex(("127.0.0.1", port)) != 0:
                _given.add(port)
                return port
    raise OSError("there is no free port")
