"""`mintql up`: the whole product on this machine, with a demo person to look at it through."""

from __future__ import annotations

import asyncio
import signal

from rich.console import Console

from mintql.demo import DemoPerson, prepare_demo_person
from mintql.embedded.processes import AlreadyRunningError, exclusive_lock
from mintql.embedded.project import UP_LOCK, Project
from mintql.embedded.stack import Stack, check_ports, running_stack

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_up(project: Project, *, fresh: bool, port: int, bank_port: int, demo: bool) -> int:
    """Run until a signal asks to stop; return the exit status.

    Raises:
        EmbeddedError: It cannot start; the message says why and what to do.
    """
    console = Console(highlight=False, soft_wrap=True)
    project.prepare()
    try:
        with exclusive_lock(project.home / UP_LOCK, "held"):
            check_ports(port, bank_port)
            if fresh:
                console.print("Forgetting what earlier runs kept")
                project.forget()
            return asyncio.run(_up(project, console, port, bank_port, demo=demo))
    except AlreadyRunningError as held:
        if str(held) != "held":
            raise
        console.print(f"mintql runs in this folder already (process {held.pid}). Stop it there, or: kill {held.pid}")
        return 1


async def _up(project: Project, console: Console, port: int, bank_port: int, *, demo: bool) -> int:
    """Start, show, wait. The work is cancelled at the first signal, and its `async with` puts all away."""
    work = asyncio.create_task(_work(project, console, port, bank_port, demo=demo))
    loop = asyncio.get_running_loop()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, work.cancel)
    try:
        await work
    except asyncio.CancelledError:
        console.print("Stopped. What was kept is in .mintql; `up` goes on from there.")
    return 0


async def _work(project: Project, console: Console, port: int, bank_port: int, *, demo: bool) -> None:
    started = asyncio.get_running_loop().time()
    stack_at = running_stack(project, port=port, bank_port=bank_port, announce=console.print)
    async with stack_at as stack:
        watching = asyncio.create_task(stack.supervisor.watch())
        try:
            person = await prepare_demo_person(stack.api_url, console) if demo else None
            seconds = asyncio.get_running_loop().time() - started
            console.print(summary(stack, person, seconds), markup=False)
            await watching
        finally:
            watching.cancel()


def summary(stack: Stack, person: DemoPerson | None, seconds: float) -> str:
    """Return what a person needs to know once everything runs."""
    bank = stack.bank_url
    lines = [
        "",
        f"mintql is up, after {seconds:.1f} s",
        "",
        f"  GraphQL     {stack.api_url}/graphql   (WebSocket and SSE at the same address)",
        f"  Try it      {stack.api_url}/   in a browser",
        f"  Metrics     {stack.metrics_urls[0]} of the API; workers: {', '.join(stack.metrics_urls[1:])}",
        "  Mail        letters are in .mintql/mail, as .eml files",
        f"  Bank        {bank}   any login, password `sandbox`; the same bank by other protocols:",
        f"  SimpleFIN   a token to connect with: curl -s {bank}/simplefin/create -d login=ada -d password=sandbox",
        f"  OFX         the address is {bank}/ofx; any login, password `sandbox`",
        "  Plaid       `createLinkSession`; log in at its url; its token is the password to connect with",
    ]
    if person:
        lines += [
            f"  Demo login  {person.email} / {person.password}",
            "",
            f"  {curl_line(stack.api_url, person)}",
            "",
            "  Watch alerts live     ./dev watch",
            f"  Buy, to trigger one   ./dev buy {person.purchase.amount} '{person.purchase.seller}'",
        ]
    return "\n".join([*lines, "  Stop                  ctrl-C", ""])


def curl_line(api_url: str, person: DemoPerson) -> str:
    """Return a command that reads the demo person's accounts."""
    query = "{ accounts { name balance { amount currency } } }"
    return (
        f"curl -s {api_url}/graphql -H 'content-type: application/json' "
        f"-H 'authorization: Bearer {person.token}' -d '{{\"query\":\"{query}\"}}'"
    )
