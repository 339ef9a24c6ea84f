"""The command `mintql`: run the whole or its parts, and look after a database.

What a command needs is imported inside it, so that each starts as fast as it can.
"""

from __future__ import annotations

import asyncio
import gc
import os
import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from mintql.domain.errors import Failure, NotFound
from mintql.embedded.processes import EmbeddedError
from mintql.embedded.project import LOCAL_HOST, Project
from mintql.store.migrate import MigrationError

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from mintql.domain.ids import UserId
    from mintql.store.queries import Conn


class Source(StrEnum):
    """What spending is added up from."""

    RAW = "raw"


API_PORT = 8000
BANK_PORT = 8001
GRACEFUL_STOP_SECONDS = 3
USER_ID_MAX = 2**63 - 1
"""The largest bigint."""
LOADED_OBJECTS_MAX = 500_000
"""Objects that may be new before the garbage collector looks at them while the API or a worker loads what it keeps for
good (`services/heap.py`): to go through them again and again takes a tenth of the start."""
NOTHING_RUNS = "nothing runs in this folder: start it with `mintql up` (in the repository: ./dev up)"

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)

HostOption = Annotated[str, typer.Option(help="Address to listen on.")]
PortOption = Annotated[int, typer.Option(min=1, max=65535, help="Port of the API.")]
BankPortOption = Annotated[int, typer.Option(min=1, max=65535, help="Port of the sandbox bank.")]
LanesOption = Annotated[
    Literal["both", "persons", "background"],
    typer.Option(help="Jobs that persons wait for, those in the background, or both."),
]


def main() -> None:
    """Run a command; what was to be expected ends in words and status 1, not in a traceback."""
    try:
        app()
    except (EmbeddedError, MigrationError, Failure) as failure:
        raise SystemExit(f"mintql: {failure}") from None
    except OSError as error:
        raise SystemExit(f"mintql: {error}; is everything running that is needed? `mintql doctor` looks") from error


@app.command()
def up(
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget what earlier runs kept, and start over.")] = False,
    port: PortOption = API_PORT,
    bank_port: BankPortOption = BANK_PORT,
    demo: Annotated[bool, typer.Option(help="Sign up a demo person and connect the sandbox bank.")] = True,
) -> None:
    """Run all of it on this machine until ctrl-C."""
    from mintql.up import run_up

    raise SystemExit(run_up(Project.here(), fresh=fresh, port=port, bank_port=bank_port, demo=demo))


@app.command()
def api(host: HostOption = LOCAL_HOST, port: PortOption = API_PORT) -> None:
    """Run the API alone."""
    gc.set_threshold(LOADED_OBJECTS_MAX)
    from mintql.api.stopping import serve
    from mintql.app import serve_app

    _prepare(requests=True)
    serve(serve_app(), host, port)


@app.command()
def worker(only: LanesOption = "both") -> None:
    """Run a worker alone; while Redis is away it waits."""
    gc.set_threshold(LOADED_OBJECTS_MAX)
    from mintql.settings import load_settings
    from mintql.work import work

    _prepare()
    asyncio.run(work(load_settings(), only))


@app.command()
def sandbox(host: HostOption = LOCAL_HOST, port: BankPortOption = BANK_PORT) -> None:
    """Run the sandbox bank alone."""
    import uvicorn

    _prepare()
    uvicorn.run(
        "mintql.sandbox:create_app", factory=True, host=host, port=port, log_config=None, access_log=False,
        timeout_graceful_shutdown=GRACEFUL_STOP_SECONDS,
    )  # fmt: skip


@app.command("migrate")
def migrate_database() -> None:
    """Bring the database to the newest schema."""
    from mintql.settings import load_settings
    from mintql.store.migrate import migrate

    _prepare()
    applied = asyncio.run(migrate(load_settings().database_url.get_secret_value()))
    print("\n".join(f"applied {name}" for name in applied) or "nothing to do: the database is up to date")


@app.command()
def schema() -> None:
    """Print the GraphQL schema."""
    from mintql.api.schema import print_sdl

    sys.stdout.write(print_sdl())


@app.command()
def replay(
    user: Annotated[str, typer.Argument(help="The person: their number in the database, or their e-mail address.")],
) -> None:
    """Rebuild one person's transactions, sums and alerts from the raw objects; compare them with the database."""
    _prepare()
    report = asyncio.run(_replay(user))
    print(
        f"{report.pages} raw pages gave {report.transactions} transactions, {report.sums} monthly sums and "
        f"{report.alerts} alerts; {report.dead_pages} pages could not be read"
    )
    print("\n".join(report.differences) or "the database says the same")
    raise SystemExit(1 if report.differences else 0)


async def _replay(user: str) -> Any:
    from mintql.jobs import workplace
    from mintql.runtime import open_runtime
    from mintql.services.archive import bring_back
    from mintql.services.extract import utc_now
    from mintql.services.replay import replay as rebuild
    from mintql.settings import load_settings

    async with open_runtime(load_settings(), role="worker") as runtime:
        async with runtime.system() as conn:
            user_id = await _find_user(conn, user)
            await bring_back(conn, runtime.objects, user_id, utc_now())
        async with runtime.system() as conn:
            return await rebuild(workplace(runtime), conn, user_id)


async def _find_user(conn: Conn, user: str) -> UserId:
    """Return whose number or e-mail address this is; raise `NotFound` when it is nobody's."""
    from mintql.domain.ids import UserId
    from mintql.store import users

    if user.isascii() and user.isdecimal():
        person = await users.get(conn, UserId(int(user))) if int(user) <= USER_ID_MAX else None
        if person:
            return person.user_id
    elif (found := await users.credentials_of(conn, user.strip())).user_id is not None:
        return found.user_id
    raise NotFound(f"there is no person {user!r}; give the number or the e-mail address of one")


@app.command()
def spending(
    source: Annotated[Source, typer.Option("--from", help="raw: the raw log in the object store.")],
    user: Annotated[str, typer.Option(help="Of one person alone: number or e-mail address.")] = "",
    compare: Annotated[bool, typer.Option("--compare", help="Hold it against the stored monthly sums.")] = False,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Make the stored sums what the log says.")] = False,
    ray: Annotated[str | None, typer.Option(help="Run on this Ray cluster, e.g. host:6379.")] = None,
    scratch: Annotated[str | None, typer.Option(help="Folder or s3:// that the whole cluster can read.")] = None,
) -> None:
    """Add up spending by person, month and category from the raw log; print, compare or rebuild the monthly sums."""
    _prepare()
    wrong = asyncio.run(_spending(source, user, ray, scratch, compare=compare or rebuild, rebuild=rebuild))
    sys.stdout.flush()
    # Threads of the engine that are still there when the interpreter ends abort the process now and then.
    os._exit(1 if wrong else 0)


async def _spending(
    _source: Source, user: str, ray: str | None, scratch: str | None, *, compare: bool, rebuild: bool
) -> int:
    """Return how many sums differ and stay so."""
    try:
        from mintql import adding_up
    except ModuleNotFoundError as missing:
        raise NotFound(
            f"this needs the extra `batch` ({missing.name} is not there): pip install 'mintql[batch]'"
        ) from None
    from mintql.runtime import open_runtime
    from mintql.settings import load_settings

    settings = load_settings()
    async with open_runtime(settings, role="worker") as runtime:
        user_id = None
        if user:
            async with runtime.system() as conn:
                user_id = await _find_user(conn, user)
        wanted = adding_up.Wanted(user_id, ray, scratch, compare=compare, rebuild=rebuild)
        return await adding_up.add_up(runtime, settings, wanted, print)


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="OFX, QFX, QIF, CSV, CAMT, MT940 or a budget program's export.")],
    user: Annotated[str, typer.Option(help="Whose: number or e-mail address; the demo person's by itself.")] = "",
    account: Annotated[str | None, typer.Option(help="Into this account, by its name or number.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Take it in without asking.")] = False,
    kind: Annotated[str | None, typer.Option("--format", help="ofx, qif, csv, camt or mt940.")] = None,
    encoding: Annotated[str | None, typer.Option(help="Encoding of its letters, e.g. cp1252.")] = None,
    currency: Annotated[str | None, typer.Option(help="Currency, where the file names none.")] = None,
    dates: Annotated[str | None, typer.Option(help="How dates are meant: dmy, mdy or ymd.")] = None,
    decimal: Annotated[str | None, typer.Option(help='Sign before the decimals: "." or ",".')] = None,
    invert: Annotated[bool | None, typer.Option("--invert/--no-invert", help="Turn all signs around.")] = None,
    delimiter: Annotated[str | None, typer.Option(help="Tables: what stands between columns.")] = None,
    header_line: Annotated[int | None, typer.Option(help="Tables: line of the headings, 0 for none.")] = None,
    first_line: Annotated[int | None, typer.Option(help="Tables: line of the first transaction.")] = None,
    date_column: Annotated[int | None, typer.Option(help="Tables: column of the date, from 0.")] = None,
    amount_column: Annotated[int | None, typer.Option(help="Tables: column of the signed amount.")] = None,
    debit_column: Annotated[int | None, typer.Option(help="Tables: column of money out.")] = None,
    credit_column: Annotated[int | None, typer.Option(help="Tables: column of money in.")] = None,
    text_column: Annotated[list[int] | None, typer.Option(help="Tables: column of the text; may be repeated.")] = None,
) -> None:
    """Show what a file would bring into a person's accounts, ask, and take it in."""
    options = {
        "kind": kind, "encoding": encoding, "currency": currency, "date_order": dates, "decimal": decimal,
        "inverse_sign": invert,
    }  # fmt: skip
    mapping = {
        "delimiter": delimiter, "header_line": header_line, "first_line": first_line, "date_column": date_column,
        "amount_column": amount_column, "debit_column": debit_column, "credit_column": credit_column,
        "description_columns": text_column or None,
    }  # fmt: skip
    _prepare()
    done = asyncio.run(_import(file, user, account, _said(options), _said(mapping), yes=yes))
    raise SystemExit(0 if done else 1)


def _said(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


async def _import(
    file: Path, user: str, account: str | None, options: dict[str, Any], mapping: dict[str, Any], *, yes: bool
) -> bool:
    from rich.console import Console

    from mintql.demo import EMAIL
    from mintql.importing import Wanted, import_path
    from mintql.runtime import open_runtime
    from mintql.settings import load_settings

    async with open_runtime(load_settings(), role="worker") as runtime:
        async with runtime.system() as conn:
            user_id = await _find_user(conn, user or EMAIL)
        wanted = Wanted(file, user_id, account, options, mapping)
        return await import_path(runtime, wanted, lambda question: yes or _confirm(question), Console())


def _confirm(question: str) -> bool:
    """Ask; whoever gives no answer has not said yes."""
    try:
        return typer.confirm(question)
    except typer.Abort:
        print()
        return False


@app.command()
def reconcile() -> None:
    """Recompute the monthly sums of everybody, mend what differs, and say how much that was."""
    _prepare()
    wrong = asyncio.run(_reconcile())
    print(f"{wrong} sums were wrong and are mended" if wrong else "all sums are right")
    raise SystemExit(1 if wrong else 0)


async def _reconcile() -> int:
    from mintql.nightly import reconcile_all
    from mintql.runtime import open_runtime
    from mintql.settings import load_settings

    async with open_runtime(load_settings(), role="worker") as runtime:
        return await reconcile_all(runtime)


@app.command()
def rates(
    file: Annotated[Path, typer.Argument(help="A file of the European Central Bank's: daily, 90 days, or history.")],
) -> None:
    """Load published exchange rates from a file."""
    from mintql.chores import load_rates

    _prepare()
    print("{} rates read, {} of them new or other ones".format(*asyncio.run(load_rates(file))))


@app.command()
def rotate_keys() -> None:
    """Wrap the data keys of all that is sealed by the newest of MINTQL_SECRET_KEYS; status 1 if some are left."""
    from mintql.chores import rotate_keys

    _prepare()
    raise SystemExit(0 if asyncio.run(rotate_keys(_say)) else 1)


@app.command()
def doctor(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Check a whole deployment; say what is wrong and what to do about it. Ends with 1 when anything is bad."""
    from mintql.doctor import Level, examine, report
    from mintql.settings import load_settings

    _prepare()
    findings = asyncio.run(examine(load_settings()))
    print(report(findings, as_json=as_json))
    raise SystemExit(any(finding.level is Level.BAD for finding in findings))


@app.command()
def env() -> None:
    """Print the environment of the `up` that runs in this folder as `export` lines, for a shell's `eval`."""
    environment = Project.here().environment_of_up()
    if not environment:
        raise EmbeddedError(NOTHING_RUNS)
    for name, value in environment.items():
        print(f"export {name}={shlex.quote(value)}")


@app.command()
def watch() -> None:
    """Print the demo person's alerts and changes as they happen; goes on where it stopped."""
    from mintql.demo import watch as watch_demo

    _until_stopped(watch_demo(Project.here().home, _api_url(), _say))


@app.command()
def buy(
    amount: Annotated[str | None, typer.Argument(help="How much, e.g. 250 or 12.50.")] = None,
    seller: Annotated[str | None, typer.Argument(help="What the bank writes into the row.")] = None,
) -> None:
    """Buy something with the demo person's card, by itself what exceeds a budget, and ask for a refresh."""
    from mintql.demo import buy as buy_demo

    url = _api_url()
    _until_stopped(buy_demo(url, _bank_url(), amount, seller, _say))


def _say(line: str) -> None:
    print(line, flush=True)


def _prepare(*, requests: bool = False) -> None:
    """Join the `up` that runs in this folder, if one does, and log to standard error as the settings say."""
    from mintql.observing import logs
    from mintql.settings import load_settings

    Project.here().join()
    settings = load_settings()
    logs.configure(settings.log_format, settings.log_level)
    if requests:
        logs.write_access(settings.log_format, settings.log_level)


def _api_url() -> str:
    return _noted("MINTQL_API_URL")


def _bank_url() -> str:
    return _noted("MINTQL_SANDBOX_URL")


def _noted(name: str) -> str:
    if not Project.here().join() and name not in os.environ:
        raise EmbeddedError(NOTHING_RUNS)
    return os.environ[name]


def _until_stopped(work: Coroutine[Any, Any, None]) -> None:
    try:
        asyncio.run(work)
    except KeyboardInterrupt:
        raise SystemExit(0) from None
