"""`mintql up` on a machine with nothing running: ready, kept from run to run, and gone without a trace."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from mintql.embedded.places import remove_home

# One worker of the test run gets them all: each start takes seconds of both cores.
pytestmark = pytest.mark.xdist_group("up")

READY_WITHIN_SECONDS = 90
GONE_WITHIN_SECONDS = 15
OURS = ("DATABASE_URL", "REDIS_URL", "MINTQL_")


class Up:
    """A running `mintql up`."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes], port: int, bank_port: int) -> None:
        self.folder = folder
        self.process = process
        self.url = f"http://127.0.0.1:{port}"
        self.bank_url = f"http://127.0.0.1:{bank_port}"

    @property
    def output(self) -> str:
        return (self.folder / "output.txt").read_text()

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_WITHIN_SECONDS
        while "mintql is up" not in self.output:
            assert self.process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output + self.logs()
            time.sleep(0.05)

    def logs(self) -> str:
        return "\n".join(f"{path.name}: {path.read_text()[-2000:]}" for path in self.folder.glob(".mintql/logs/*"))

    def family(self) -> dict[int, str]:
        """All processes that descend from it, with their commands."""
        parents = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                    command = (entry / "cmdline").read_text().replace("\0", " ")
                except OSError:
                    continue
                if fields[0] != "Z":
                    parents[int(entry.name)] = (int(fields[1]), command)
        found = {self.process.pid: ""}
        while True:
            more = {pid: text for pid, (parent, text) in parents.items() if parent in found and pid not in found}
            if not more:
                return found
            found |= more


def start(folder: Path, *options: str, ports: tuple[int, int] | None = None) -> Up:
    port, bank_port = ports or (free_port(), free_port())
    command = [sys.executable, "-m", "mintql", "up", "--port", str(port), "--bank-port", str(bank_port), *options]
    with (folder / "output.txt").open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=bare_env(),
        )
    return Up(folder, process, port, bank_port)


@contextmanager
def running(folder: Path, *options: str) -> Iterator[Up]:
    up = start(folder, *options)
    try:
        up.wait_until_ready()
        yield up
    finally:
        up.process.terminate()
        up.process.wait(GONE_WITHIN_SECONDS * 2)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def assert_gone(family: dict[int, str]) -> None:
    def left() -> dict[int, str]:
        return {pid: text for pid, text in family.items() if is_running(pid)}

    deadline = time.monotonic() + GONE_WITHIN_SECONDS
    while left():
        assert time.monotonic() < deadline, f"still running: {left()}"
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def ask(up: Up, query: str, token: str = "") -> dict:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    answer = httpx.post(f"{up.url}/graphql", json={"query": query}, headers=headers, timeout=10).json()
    assert "errors" not in answer, answer
    return answer["data"]


def token_of(up: Up) -> str:
    return re.search(r"Bearer ([^']+)'", up.output)[1]


def newest_transactions(up: Up) -> list[tuple[str, str]]:
    query = "{ transactions(first: 100) { edges { node { id amount { amount } } } } }"
    edges = ask(up, query, token_of(up))["transactions"]["edges"]
    return [(edge["node"]["id"], edge["node"]["amount"]["amount"]) for edge in edges]


def wait_for(path: Path, text: str) -> None:
    deadline = time.monotonic() + READY_WITHIN_SECONDS
    while text not in path.read_text():
        assert time.monotonic() < deadline, path.read_text()
        time.sleep(0.05)


def mintql(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mintql", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        env=bare_env(),
        timeout=READY_WITHIN_SECONDS,
        check=False,
    )


def bare_env() -> dict[str, str]:
    """Our environment without what would point the command at other servers."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return {**env, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("project")
    yield made
    remove_home(made / ".mintql")


@pytest.fixture(scope="module")
def demo(folder):
    """A first run with the demo person, for the tests that only look."""
    with running(folder) as up:
        yield up


def test_the_demo_person_has_three_accounts_and_two_years_of_history(demo):
    data = ask(demo, "{ accounts { kind } }", token_of(demo))
    assert sorted(account["kind"] for account in data["accounts"]) == ["CHECKING", "CREDIT_CARD", "SAVINGS"]


def test_a_second_up_in_the_same_folder_says_that_one_runs(demo, folder):
    second = mintql(folder, "up")
    assert second.returncode == 1
    assert f"mintql runs in this folder already (process {demo.process.pid})" in second.stdout


def test_a_process_that_dies_is_started_again(demo):
    api = next(pid for pid, command in demo.family().items() if " api " in command)
    os.kill(api, signal.SIGKILL)
    deadline = time.monotonic() + READY_WITHIN_SECONDS
    while True:
        try:
            if httpx.get(f"{demo.url}/readyz").is_success:
                break
        except httpx.TransportError:
            assert time.monotonic() < deadline, demo.logs()
            time.sleep(0.1)
    assert ask(demo, "{ accounts { kind } }", token_of(demo))["accounts"]


def test_a_port_that_is_taken_is_named_with_the_flag_to_use(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        up = start(tmp_path, ports=(taken.getsockname()[1], free_port()))
        assert up.process.wait(READY_WITHIN_SECONDS) == 1
    assert re.search(r"port \d+ cannot be used \(Address already in use\); choose another one: --port \d+", up.output)
    assert list(up.family()) == [up.process.pid]


def test_killing_the_parent_leaves_no_process_and_the_next_run_keeps_the_data(tmp_path):
    try:
        up = start(tmp_path)
        up.wait_until_ready()
        key = (tmp_path / ".mintql/secret_keys").read_text()
        before = newest_transactions(up)
        assert len(before) == 100
        family = up.family()
        assert len(family) > 5
        up.process.send_signal(signal.SIGKILL)
        up.process.wait()
        assert_gone(family)
        with running(tmp_path) as again:
            family = again.family()
            assert "Migrations applied" not in again.output
            assert "transactions extracted" not in again.output
            assert newest_transactions(again) == before
            assert (tmp_path / ".mintql/secret_keys").read_text() == key
            assert (tmp_path / ".mintql/secret_keys").stat().st_mode & 0o077 == 0
        assert again.process.returncode == 0
        assert_gone(family)
        with running(tmp_path, "--no-demo", "--fresh") as fresh:
            assert "Migrations applied" in fresh.output
    finally:
        remove_home(tmp_path / ".mintql")


def test_a_purchase_becomes_an_alert_on_a_watching_terminal(demo, folder):
    with (folder / "watch.txt").open("wb") as output:
        watching = subprocess.Popen(
            [sys.executable, "-m", "mintql", "watch"], cwd=folder, stdout=output, env=bare_env()
        )
    try:
        wait_for(folder / "watch.txt", "Watching")
        bought = mintql(folder, "buy")
        assert bought.returncode == 0, bought.stderr
        wait_for(folder / "watch.txt", "ALERT at 100 %: You are over your")
        wait_for(folder / "watch.txt", "Transactions: 1 added")
    finally:
        watching.terminate()
        watching.wait()


def test_the_doctor_finds_everything_well_beside_a_run_and_the_sums_agree_with_the_raw_objects(demo, folder):
    doctor = mintql(folder, "doctor")
    assert doctor.returncode == 0, doctor.stdout
    assert [line[:2] for line in doctor.stdout.splitlines()] == ["ok"] * 5
    replayed = mintql(folder, "replay", "1")
    assert replayed.returncode == 0, replayed.stdout
    assert "the database says the same" in replayed.stdout
    assert "all sums are right" in mintql(folder, "reconcile").stdout


def test_commands_that_need_a_run_say_so_when_there_is_none(tmp_path):
    done = mintql(tmp_path, "buy")
    assert done.returncode == 1
    assert "nothing runs in this folder" in done.stderr
