"""`./dev judges`: holds a running mintql against programs that others wrote.

Starts all of mintql in `.mintql/judges`, with a demo person, and lets each judge loose on it. A judge whose means are
missing is skipped and said to be; nothing that did not run counts as passed.

Exit status: 0 when every judge passed, 1 when one failed, 77 when none failed but some were skipped.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import shutil
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from mintql.demo import prepare_demo_person
from mintql.embedded.project import Project
from mintql.embedded.stack import Stack, running_stack

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CACHE = ROOT / ".mintql" / "judges"
NODE_FOLDER = CACHE / "js"
OWASP_TESTS = ROOT / "tests" / "acceptance" / "test_owasp_graphql.py"
RESTART = "@restart"
"""What a judge says when it wants the API to end, as for a new version, and to be started again."""
SECONDS_MAX = 900
SKIPPED = 77
UNLIMITED = (
    "MINTQL_COST_PER_MINUTE", "MINTQL_COST_PER_MINUTE_OF_ADDRESS", "MINTQL_SIGN_UPS_PER_HOUR", "MINTQL_HEAVY_PER_HOUR",
)  # fmt: skip
"""What bounds how much a person may ask for: judges ask for more than persons do."""
TRACEBACK = "Traceback (most recent call last)"
ENDED_BY_UVICORN = "CancelledError: Task cancelled, timeout graceful shutdown exceeded"
EXAMPLES = 6


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a judge: how many of its checks passed and failed, or why it was skipped."""

    name: str
    of: str
    passed: int = 0
    failed: int = 0
    skipped: str = ""
    seconds: float = 0.0

    @property
    def word(self) -> str:
        if self.skipped:
            return "skipped"
        return "failed" if self.failed or not self.passed else "passed"

    def row(self) -> str:
        counts = self.skipped or f"{self.passed:>3} passed, {self.failed} failed, {self.seconds:>3.0f} s"
        return f"{self.name:<13} {self.word:<8} {self.of:<62} {counts}"


def say(line: str) -> None:
    print(line, flush=True)


class Court:
    """The running mintql, and the judges it is held against."""

    def __init__(self, stack: Stack, token: str, number: int, examples: int) -> None:
        self.stack = stack
        self.env = {**os.environ, "MINTQL_API_URL": stack.api_url, "MINTQL_TOKEN": token}
        self.number = number
        self.examples = examples

    async def run(self, name: str) -> Verdict:
        say(f"\n==== {name}: {JUDGES[name]}")
        began = time.monotonic()
        try:
            async with asyncio.timeout(SECONDS_MAX):
                passed, failed = await self.judges[name]()
        except LookupError as missing:
            return Verdict(name, JUDGES[name], skipped=str(missing.args[0]))
        except TimeoutError:
            say(f"FAILED  {name} did not end within {SECONDS_MAX} s")
            passed, failed = 0, 1
        return Verdict(name, JUDGES[name], passed, failed, seconds=time.monotonic() - began)

    @property
    def judges(self) -> dict[str, Callable[[], Awaitable[tuple[int, int]]]]:
        scripts = ("audits", "websocket", "events", "relay", "schema")
        return {name: self._script(name) for name in scripts} | {"schemathesis": self._fuzz, "owasp": self._owasp}

    def _script(self, name: str) -> Callable[[], Awaitable[tuple[int, int]]]:
        async def run() -> tuple[int, int]:
            await have_packages()
            return await self._counted("node", f"{name}.mjs", cwd=NODE_FOLDER)

        return run

    async def _fuzz(self) -> tuple[int, int]:
        options = ("--seed", str(self.number), "--examples", str(self.examples))
        return await self._counted(sys.executable, str(HERE / "schema_fuzz.py"), *options, cwd=ROOT)

    async def _owasp(self) -> tuple[int, int]:
        if not OWASP_TESTS.exists():
            raise LookupError(f"{OWASP_TESTS.name} is not there")
        lines, status = await self._lines(
            sys.executable, "-m", "pytest", "-n", "0", "--color=no", str(OWASP_TESTS), cwd=ROOT
        )
        found = {word: int(count) for count, word in re.findall(r"(\d+) (passed|failed|error)", lines[-1])}
        failed = found.get("failed", 0) + found.get("error", 0)
        return found.get("passed", 0), max(failed, int(status != 0))

    async def _counted(self, *command: str, cwd: Path) -> tuple[int, int]:
        """Run a program that ends with a line of its counts; one that dies before has failed."""
        lines, status = await self._lines(*command, cwd=cwd)
        try:
            counts = json.loads(lines[-1])
            passed, failed = int(counts["passed"]), int(counts["failed"])
        except (IndexError, ValueError, LookupError, TypeError):
            return 0, 1
        return passed, max(failed, int(status != 0))

    async def _lines(self, *command: str, cwd: Path) -> tuple[list[str], int]:
        process = await asyncio.create_subprocess_exec(
            *command, cwd=cwd, env=self.env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            limit=2**24,
        )  # fmt: skip
        lines = []
        try:
            async for raw in process.stdout:
                line = raw.decode(errors="replace").rstrip()
                if line == RESTART:
                    self._restart()
                elif line:
                    lines.append(line)
                    say(line)
            return lines, await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    def _restart(self) -> None:
        (api,) = (child for child in self.stack.supervisor.children if child.name == "api")
        if api.process is not None:
            api.process.terminate()


JUDGES = {
    "audits": "GraphQL over HTTP: the audits of graphql-http",
    "websocket": "graphql-transport-ws by the client graphql-ws",
    "events": "server-sent events by the client graphql-sse",
    "relay": "relay-compiler on screens with pages, refetching and streams",
    "schema": "introspection and validation by graphql-js",
    "schemathesis": "operations made from the schema, fitting and not",
    "owasp": "the GraphQL list of OWASP, as tests",
}


async def have_packages() -> None:
    """Install what package-lock.json pins into the cache; raise `LookupError` where that cannot be."""
    missing = [name for name in ("node", "npm") if shutil.which(name) is None]
    if missing:
        raise LookupError(f"{' and '.join(missing)} not on PATH")
    source = HERE / "js"
    shutil.copytree(source, NODE_FOLDER, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules"))
    shutil.copy(ROOT / "schema.graphql", NODE_FOLDER / "relay" / "schema.graphql")
    lock, installed = (source / "package-lock.json").read_text(), NODE_FOLDER / "installed"
    if installed.exists() and installed.read_text() == lock:
        return
    command = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error")
    process = await asyncio.create_subprocess_exec(*command, cwd=NODE_FOLDER)
    if await process.wait() != 0:
        raise LookupError("npm could not install what package-lock.json pins")
    installed.write_text(lock)


def faults_in_logs(stack: Stack) -> int:
    """Return how many tracebacks the processes wrote, and print where to find them.

    uvicorn writes one itself for each stream of events that is open when it is told to end: those are not counted.
    """
    found = 0
    for path in sorted(stack.supervisor.logs.glob("*.log")):
        text = path.read_text(errors="replace")
        count = text.count(TRACEBACK) - text.count(ENDED_BY_UVICORN)
        if count:
            say(f"FAILED  {count} tracebacks in {path}")
        found += count
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def hear(names: list[str], number: int, examples: int) -> list[Verdict]:
    os.environ.update(dict.fromkeys(UNLIMITED, "0"))
    CACHE.mkdir(mode=0o711, parents=True, exist_ok=True)
    project = Project(CACHE / "run")
    project.prepare()
    project.forget()
    project.prepare()
    async with running_stack(project, port=free_port(), bank_port=free_port(), announce=say) as stack:
        watching = asyncio.create_task(stack.supervisor.watch())
        try:
            person = await prepare_demo_person(stack.api_url, Console(file=sys.stderr))
            court = Court(stack, person.token, number, examples)
            verdicts = [await court.run(name) for name in names]
            faults = faults_in_logs(stack)
            verdicts.append(Verdict("logs", "no traceback in any log meanwhile", int(not faults), faults))
        finally:
            watching.cancel()
    return verdicts


def main() -> None:
    parser = argparse.ArgumentParser(prog="./dev judges", description=__doc__.split("\n\n")[0])
    parser.add_argument("names", nargs="*", metavar="JUDGE", help=f"which to run, all by default: {', '.join(JUDGES)}")
    parser.add_argument("--seed", type=int, default=random.randrange(2**31), help="of schemathesis")
    parser.add_argument("--examples", type=int, default=EXAMPLES, help="of each operation, by schemathesis")
    options = parser.parse_args()
    unknown = set(options.names) - set(JUDGES)
    if unknown:
        parser.error(f"there is no judge {min(unknown)!r}; there are: {', '.join(JUDGES)}")
    verdicts = asyncio.run(hear(options.names or list(JUDGES), options.seed, options.examples))
    say("\n" + "\n".join(verdict.row() for verdict in verdicts))
    words = {verdict.word for verdict in verdicts}
    sys.exit(1 if "failed" in words else SKIPPED if "skipped" in words else 0)


if __name__ == "__main__":
    main()
