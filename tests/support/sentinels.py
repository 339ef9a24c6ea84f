"""Two Valkey servers, of which one follows the other, watched by a Sentinel."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import redis

from mintql.embedded import processes
from mintql.embedded.valkey import find_program

GROUP = "mymaster"
PASSWORD = "of the servers"
SENTINEL_PASSWORD = "of the Sentinels"
DOWN_AFTER_MS = 500
START_TIMEOUT_SECONDS = 20
STOP_TIMEOUT_SECONDS = 5


class Watched:
    """A primary, a replica, and a Sentinel that promotes the replica when the primary has gone."""

    def __init__(self, primary: subprocess.Popen[bytes], ports: list[int], sentinel_port: int) -> None:
        self.primary = primary
        self.ports = ports
        self.sentinel_port = sentinel_port

    @property
    def url(self) -> str:
        """Return an address that also names a Sentinel which is down, first."""
        hosts = f"127.0.0.1:1,127.0.0.1:{self.sentinel_port}"
        quoted = [text.replace(" ", "%20") for text in (PASSWORD, SENTINEL_PASSWORD)]
        return f"redis+sentinel://:{quoted[0]}@{hosts}/{GROUP}/0?sentinel_password={quoted[1]}"

    def kill_primary(self) -> None:
        """Let it end as when its power goes."""
        self.primary.send_signal(signal.SIGKILL)
        self.primary.wait(STOP_TIMEOUT_SECONDS)

    def replica_is_primary(self) -> bool:
        """Tell whether the other server takes writes by now."""
        try:
            with redis.Redis(port=self.ports[1], password=PASSWORD) as client:
                return client.info("replication")["role"] == "master"
        except redis.ConnectionError:  # It hangs up on everybody when it is promoted.
            return False


@contextmanager
def watched_by_sentinels(home: Path) -> Iterator[Watched]:
    """Run all of them for the length of the block."""
    program, _ = find_program()
    home.mkdir(parents=True)
    with ExitStack() as stack:
        ports = [_free_port() for _ in range(3)]
        servers = [_server(stack, program, home, port, ports[0]) for port in ports[:2]]
        with redis.Redis(port=ports[1], password=PASSWORD) as client:
            _wait(lambda: client.info("replication").get("master_link_status") == "up")
        _sentinel(stack, program, home, ports[2], ports[0])
        with redis.Redis(port=ports[2], password=SENTINEL_PASSWORD) as client:
            _wait(lambda: client.sentinel_masters()[GROUP]["num-slaves"] == 1)
        yield Watched(servers[0], ports[:2], ports[2])


def _server(stack, program, home, port, primary_port):
    following = [] if port == primary_port else ["--replicaof", "127.0.0.1", str(primary_port)]
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
               "--requirepass", PASSWORD, "--masterauth", PASSWORD, "--repl-diskless-sync-delay", "0", *following]  # fmt: skip
    return _start(stack, command, home, port, PASSWORD)


def _sentinel(stack, program, home, port, primary_port):
    config = home / f"sentinel-{port}.conf"
    config.write_text(
        f'port {port}\nbind 127.0.0.1\nrequirepass "{SENTINEL_PASSWORD}"\nsentinel sentinel-pass "{SENTINEL_PASSWORD}"\n'
        f'sentinel monitor {GROUP} 127.0.0.1 {primary_port} 1\nsentinel auth-pass {GROUP} "{PASSWORD}"\n'
        f"sentinel down-after-milliseconds {GROUP} {DOWN_AFTER_MS}\nsentinel failover-timeout {GROUP} 3000\n"
    )
    return _start(stack, [program, config, "--sentinel"], home, port, SENTINEL_PASSWORD)


def _start(stack, command, home, port, password):
    process = processes.spawn(command, log_path=home / f"{port}.log", cwd=home)
    stack.callback(processes.stop, process, signal.SIGKILL, STOP_TIMEOUT_SECONDS)
    with redis.Redis(port=port, password=password) as client:
        _wait(lambda: _answers(client))
    return process


def _answers(client) -> bool:
    try:
        return client.ping()
    except redis.ConnectionError:
        return False


def _wait(condition) -> None:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "the servers did not find each other"
        time.sleep(0.02)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]
