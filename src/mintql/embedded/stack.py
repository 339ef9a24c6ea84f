"""All of mintql on one machine: servers of our own unless told of others, migrations, API, worker, sandbox bank."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass

import asyncpg

from mintql.embedded.postgres import SUPERUSER, PostgresServer, running_postgres
from mintql.embedded.processes import EmbeddedError
from mintql.embedded.project import LOCAL_HOST, Project
from mintql.embedded.supervisor import Supervisor, check_port, free_ports, other_port
from mintql.embedded.valkey import running_valkey
from mintql.store.migrate import migrate

DATABASE = SUPERUSER
METRICS_PORT, METRICS_PROCESSES = 9464, 3
"""Where ports for the metrics of the API and the two workers are looked for."""
BANK_KEY = "sandbox"
"""The client id, and the secret, that the bank takes in its part of Plaid."""

Announce = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Stack:
    """What runs. `lines` say in words which servers are used and where; `metrics_urls` are those of our processes."""

    supervisor: Supervisor
    api_url: str
    bank_url: str
    lines: tuple[str, ...]
    metrics_urls: tuple[str, ...]


def check_ports(port: int, bank_port: int) -> None:
    """Raise `EmbeddedError` that names the flags when the API and the bank cannot listen on these ports."""
    if port == bank_port:
        raise EmbeddedError(
            f"--port and --bank-port are both {port}, and only one can listen there; "
            f"choose another one for the bank: --bank-port {other_port(port)}"
        )
    check_port(port, "--port")
    check_port(bank_port, "--bank-port")


@asynccontextmanager
async def running_stack(project: Project, *, port: int, bank_port: int, announce: Announce) -> AsyncIterator[Stack]:
    """Run everything for the length of the block; `announce` is told of each step in words.

    DATABASE_URL, REDIS_URL and MINTQL_OBJECT_STORE, where set, take the place of a server or folder of ours.

    Raises:
        EmbeddedError: Something is missing, taken or does not start. Nothing is left running.
        MigrationError: The database cannot be migrated.
    """
    check_ports(port, bank_port)
    project.prepare()
    supervisor = Supervisor(project.logs, announce)
    lines: list[str] = []

    def said(line: str) -> None:
        lines.append(line)
        announce(line)

    with ExitStack() as servers:
        environment = await _environment(project, supervisor, servers, said)
        bank_url, api_url = f"http://{LOCAL_HOST}:{bank_port}", f"http://{LOCAL_HOST}:{port}"
        environment |= _institutions(os.environ, bank_url, api_url)
        environment |= _mail(os.environ, project, api_url)
        applied = await migrate(environment["DATABASE_URL"])
        if applied:
            announce(f"Migrations applied: {', '.join(applied)}")
        servers.callback(supervisor.stop)
        ports = free_ports(int(os.environ.get("MINTQL_METRICS_PORT") or METRICS_PORT), METRICS_PROCESSES)
        await _start(supervisor, environment, port, bank_port, ports)
        project.note_environment({**environment, "MINTQL_API_URL": api_url})
        metrics_urls = tuple(f"http://{LOCAL_HOST}:{metrics_port}/metrics" for metrics_port in ports)
        yield Stack(supervisor, api_url, bank_url, tuple(lines), metrics_urls)


def _institutions(given: Mapping[str, str], bank_url: str, api_url: str) -> dict[str, str]:
    """Return the settings by which the bank next door is there in all its protocols, but for what is `given`."""
    defaults = {
        # The bank is our own: whoever tries things out need not wait between two refreshes.
        "MINTQL_REFRESH_PAUSE_SECONDS": "0",
        "MINTQL_SANDBOX_URL": bank_url,
        "MINTQL_WEBHOOK_URL": api_url,
    }
    chosen = {name: given.get(name, default) for name, default in defaults.items()}
    if "MINTQL_PLAID_URL" not in given:
        chosen["MINTQL_PLAID_URL"] = f"{chosen['MINTQL_SANDBOX_URL'].rstrip('/')}/plaid"
        chosen["MINTQL_PLAID_CLIENT_ID"] = chosen["MINTQL_PLAID_SECRET"] = BANK_KEY
    return chosen


def _mail(given: Mapping[str, str], project: Project, api_url: str) -> dict[str, str]:
    """Return the settings by which letters become files to look at, unless a mail server is `given`."""
    if "MINTQL_SMTP_URL" in given:
        return {}
    return {
        "MINTQL_SMTP_URL": f"file:{project.home / 'mail'}",
        "MINTQL_MAIL_FROM": given.get("MINTQL_MAIL_FROM", "mintql <mintql@localhost.localdomain>"),
        "MINTQL_PUBLIC_URL": given.get("MINTQL_PUBLIC_URL", api_url),
    }


async def _environment(project: Project, supervisor: Supervisor, servers: ExitStack, said: Announce) -> dict[str, str]:
    """Start the servers that the caller did not name; return what mintql's processes have to be told."""
    environment = {"MINTQL_SECRET_KEYS": os.environ.get("MINTQL_SECRET_KEYS") or project.secret_keys()}
    if url := os.environ.get("DATABASE_URL"):
        environment["DATABASE_URL"] = url
        said("PostgreSQL: the one DATABASE_URL names")
    else:
        postgres = servers.enter_context(running_postgres(project.home))
        supervisor.look_after("PostgreSQL", postgres)
        environment["DATABASE_URL"] = await _database(postgres)
        elsewhere = (
            "" if postgres.data_dir.is_relative_to(project.home) else ", since its user cannot enter this folder"
        )
        said(
            f"PostgreSQL {postgres.binaries.major} ({postgres.binaries.source}), data in {postgres.data_dir}{elsewhere}"
        )
    if url := os.environ.get("REDIS_URL"):
        environment["REDIS_URL"] = url
        said("Redis: the one REDIS_URL names")
    else:
        valkey = servers.enter_context(running_valkey(project.home))
        supervisor.look_after("Valkey", valkey)
        environment["REDIS_URL"] = valkey.url
        said(f"Valkey ({valkey.source}), data in {project.home / 'valkey'}")
    store = os.environ.get("MINTQL_OBJECT_STORE") or f"file:{project.home / 'objects'}"
    environment["MINTQL_OBJECT_STORE"] = store
    said(f"Raw objects in {store.removeprefix('file:')}")
    return environment


async def _database(postgres: PostgresServer) -> str:
    conn = await asyncpg.connect(postgres.url("postgres"))
    try:
        if not await conn.fetchval("SELECT true FROM pg_database WHERE datname = $1", DATABASE):
            await conn.execute(f"CREATE DATABASE {DATABASE}")
    finally:
        await conn.close()
    return postgres.url(DATABASE)


async def _start(
    supervisor: Supervisor, environment: dict[str, str], port: int, bank_port: int, metrics_ports: Sequence[int]
) -> None:
    """Start the bank, the workers and the API, and wait until the two that listen answer."""
    bank = supervisor.start("sandbox", ["sandbox", "--port", str(bank_port)], environment)
    of_api, of_worker, of_background = ({**environment, "MINTQL_METRICS_PORT": str(port)} for port in metrics_ports)
    api = supervisor.start("api", ["api", "--port", str(port)], of_api)
    supervisor.start("worker", ["worker", "--only", "persons"], of_worker)
    supervisor.start("worker-background", ["worker", "--only", "background"], of_background)
    await supervisor.until_ready(bank, f"http://{LOCAL_HOST}:{bank_port}/health")
    await supervisor.until_ready(api, f"http://{LOCAL_HOST}:{port}/readyz")
