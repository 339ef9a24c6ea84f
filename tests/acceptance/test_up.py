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
from support.ports import free_port

READY_WITHIN_SECONDS = 90
PATIENCE_SECONDS = 30
GONE_WITHIN_SECONDS = 15
HTTP = httpx.Client(verify=False, timeout=PATIENCE_SECONDS, limits=httpx.Limits(max_keepalive_connections=0))
"""Reads its certificates once, none: to do so for each request takes longer than the request."""
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
    answer = HTTP.post(f"{up.url}/graphql", json={"query": query}, headers=headers).json()
    assert "errors" not in answer, answer
    return answer["data"]


def token_of(up: Up) -> str:
    return re.search(r"Bearer ([^']+)'", up.output)[1]


def newest_transactions(up: Up) -> list[tuple[str, str]]:
    query = "{ transactions(first: 100) { edges { node { id amount { amount } } } } }"
    edges = ask(up, query, token_of(up))["transactions"]["edges"]
    return [(edge["node"]["id"], edge["node"]["amount"]["amount"]) for edge in edges]


def wait_until_ready_again(up: Up) -> None:
    deadline = time.monotonic() + READY_WITHIN_SECONDS
    while True:
        try:
            if HTTP.get(f"{up.url}/readyz").is_success:
                return
        except httpx.TransportError:
            pass
        assert time.monotonic() < deadline, up.logs()
        time.sleep(0.1)


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


SIGN_UP = """
mutation {
  signUp(email: "ada@example.org", password: "correct horse battery", name: "Ada") { ... on SignInSuccess { token } }
}
"""
LINK = 'mutation { createLinkSession(institutionId: "plaid") { ... on LinkSessionSuccess { token url } } }'


def connect(up: Up, token: str, arguments: str) -> None:
    query = f"mutation {{ connectInstitution({arguments}) {{ __typename ... on Error {{ message }} }} }}"
    assert ask(up, query, token)["connectInstitution"] == {"__typename": "ConnectionRunSuccess"}


def test_the_bank_can_be_connected_by_each_protocol_as_the_summary_says(demo):
    token = ask(demo, SIGN_UP)["signUp"]["token"]
    command = re.search(r"a token to connect with: (curl -s .+ -d password=sandbox)\n", demo.output)[1]
    url, *fields = [part for part in command.split() if part not in ("curl", "-s", "-d")]
    setup = HTTP.post(url, data=dict(field.split("=") for field in fields)).text.strip()
    connect(demo, token, f'institutionId: "simplefin", password: "{setup}"')
    address = re.search(r"the address is (\S+); any login", demo.output)[1]
    connect(demo, token, f'institutionId: "ofx", url: "{address}", login: "grace", password: "sandbox"')
    session = ask(demo, LINK, token)["createLinkSession"]
    assert HTTP.post(session["url"], data={"login": "hedy", "password": "sandbox"}).is_success
    connect(demo, token, f'institutionId: "plaid", password: "{session["token"]}"')
    query = "{ connections { institution { id } sync { latestRun { state rowsAdded } } } }"
    deadline = time.monotonic() + READY_WITHIN_SECONDS
    while True:
        found = {
            item["institution"]["id"]: item["sync"]["latestRun"] for item in ask(demo, query, token)["connections"]
        }
        if {run["state"] for run in found.values()} == {"SUCCEEDED"}:
            break
        assert time.monotonic() < deadline, (found, demo.logs())
        time.sleep(0.1)
    assert set(found) == {"simplefin", "ofx", "plaid"}
    assert all(run["rowsAdded"] > 2_000 for run in found.values()), found


def test_a_second_up_in_the_same_folder_says_that_one_runs(demo, folder):
    second = mintql(folder, "up")
    assert second.returncode == 1
    assert f"mintql runs in this folder already (process {demo.process.pid})" in second.stdout


def test_a_process_that_dies_is_started_again(demo):
    kill_child(demo, " api ")
    wait_until_ready_again(demo)
    assert ask(demo, "{ accounts { kind } }", token_of(demo))["accounts"]


def refresh(up: Up) -> str:
    """Ask for a refresh; return the id of the run once it has succeeded."""
    token = token_of(up)
    connection_id = ask(up, "{ connections { id } }", token)["connections"][0]["id"]
    started = ask(
        up,
        f'mutation {{ refreshConnection(id: "{connection_id}") '
        "{ ... on ConnectionRunSuccess { run { id } } ... on Error { message } } }",
        token,
    )["refreshConnection"]
    deadline = time.monotonic() + READY_WITHIN_SECONDS
    while True:
        run = ask(up, "{ connections { sync { latestRun { id state } } } }", token)["connections"][0]["sync"]
        if run["latestRun"] == {"id": started["run"]["id"], "state": "SUCCEEDED"}:
            return run["latestRun"]["id"]
        assert time.monotonic() < deadline, (started, run, up.logs())
        time.sleep(0.1)


def kill_child(up: Up, part_of_command: str) -> int:
    pid = next(pid for pid, command in up.family().items() if part_of_command in command)
    os.kill(pid, signal.SIGKILL)
    assert_gone({pid: part_of_command})
    return pid


def test_a_valkey_that_is_killed_is_named_and_started_again_and_refreshes_go_on(demo, folder):
    workers = {pid for pid, command in demo.family().items() if " worker" in command}
    killed = kill_child(demo, "-server ")
    wait_for(folder / "output.txt", "Valkey ended, killed by SIGKILL; it is started again in 0.5 s")
    first = refresh(demo)
    kill_child(demo, "-server ")
    assert refresh(demo) != first
    assert killed not in demo.family()
    assert not Path(f"/proc/{killed}").exists()
    assert {pid for pid, command in demo.family().items() if " worker" in command} == workers


def test_a_database_that_is_killed_is_named_and_started_again_and_refreshes_go_on(demo, folder):
    before = newest_transactions(demo)
    kill_child(demo, "/postgres -D ")
    wait_for(folder / "output.txt", "PostgreSQL ended, killed by SIGKILL")
    wait_until_ready_again(demo)
    refresh(demo)
    assert newest_transactions(demo) == before


def test_a_port_that_is_taken_is_named_with_the_flag_to_use(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        up = start(tmp_path, ports=(taken.getsockname()[1], free_port()))
        assert up.process.wait(READY_WITHIN_SECONDS) == 1
    assert re.search(r"port \d+ cannot be used \(Address already in use\); choose another one: --port \d+", up.output)
    assert list(up.family()) == [up.process.pid]


def test_one_port_for_both_is_refused_with_both_flags_before_anything_starts_or_is_forgotten(tmp_path):
    (tmp_path / ".mintql").mkdir()
    (tmp_path / ".mintql/kept").write_text("kept")
    port = str(free_port())
    done = mintql(tmp_path, "up", "--fresh", "--port", port, "--bank-port", port)
    assert done.returncode == 1
    assert done.stderr.startswith(f"mintql: --port and --bank-port are both {port}, and only one can listen there")
    assert done.stdout == ""
    assert (tmp_path / ".mintql/kept").read_text() == "kept"


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
    assert "BAD" not in doctor.stdout
    assert len(re.findall("^ok  ", doctor.stdout, re.MULTILINE)) > 15
    replayed = mintql(folder, "replay", "1")
    assert replayed.returncode == 0, replayed.stdout
    assert "the database says the same" in replayed.stdout
    assert mintql(folder, "replay", "Demo@mintql.example").stdout == replayed.stdout
    assert "all sums are right" in mintql(folder, "reconcile").stdout


@pytest.mark.parametrize("nobody", ["99999", "9" * 30, "nobody@mintql.example", "nobody"])
def test_a_replay_of_nobody_fails_in_words(demo, folder, nobody):
    done = mintql(folder, "replay", nobody)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"mintql: there is no person '{nobody}'; give the number or the e-mail address of one" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["abc"], "'abc' is not an amount; write digits with a point, e.g. 12.50."),
        (["1.234", "IKEA"], "'1.234' has too many decimals: USD amounts have 2."),
        (["0", "IKEA"], "'0' cannot be paid; the amount must be more than 0."),
        (["5", "x" * 501], "the sandbox bank refused the purchase: `description` must have 1 to 500 characters."),
    ],
)
def test_a_purchase_that_cannot_be_made_is_refused_in_words(demo, folder, arguments, words):
    done = mintql(folder, "buy", *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"mintql: {words}\n")


def test_another_api_joins_a_run_by_the_environment_that_env_prints(demo, folder):
    port = free_port()
    api = f"exec '{sys.executable}' -m uvicorn --factory mintql.app:create_app --port {port}"
    with (folder / "joined.txt").open("wb") as output:
        joined = subprocess.Popen(
            ["sh", "-c", f"eval \"$('{sys.executable}' -m mintql env)\"; cd /; {api}"],
            cwd=folder, env=bare_env(), stdout=output, stderr=output,
        )  # fmt: skip
    try:
        wait_for(folder / "joined.txt", "Uvicorn running on")
        second = Up(folder, joined, port, 0)
        assert ask(second, "{ accounts { kind } }", token_of(demo))["accounts"]
    finally:
        joined.terminate()
        joined.wait(GONE_WITHIN_SECONDS)


def test_killing_the_parent_leaves_no_process_and_the_next_run_keeps_the_data(demo, folder):
    """The last of those that look at the run: it ends it."""
    key = (folder / ".mintql/secret_keys").read_text()
    before = newest_transactions(demo)
    assert len(before) == 100
    family = demo.family()
    assert len(family) > 5
    demo.process.send_signal(signal.SIGKILL)
    demo.process.wait()
    assert_gone(family)
    with running(folder) as again:
        family = again.family()
        assert "Migrations applied" not in again.output
        assert "transactions extracted" not in again.output
        assert newest_transactions(again) == before
        assert (folder / ".mintql/secret_keys").read_text() == key
        assert (folder / ".mintql/secret_keys").stat().st_mode & 0o077 == 0
    assert again.process.returncode == 0
    assert_gone(family)
    with running(folder, "--no-demo", "--fresh") as fresh:
        assert "Migrations applied" in fresh.output


@pytest.mark.parametrize("command", ["buy", "env"])
def test_commands_that_need_a_run_say_so_when_there_is_none(tmp_path, command):
    done = mintql(tmp_path, command)
    assert (done.returncode, done.stdout) == (1, "")
    assert "nothing runs in this folder" in done.stderr
