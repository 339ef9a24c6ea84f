"""What lies outside: the object store, the disk, the mail server, institutions."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from mintql.doctor.findings import Check, Finding, bad, ok, warn
from mintql.gateways.objects import open_object_store
from mintql.settings import Settings, mail_folder, parse_mail_server

REACH_SECONDS_MAX = 5.0
FREE_BYTES_WARN, FREE_BYTES_BAD = 5 * 1024**3, 512 * 1024**2


async def _objects(settings: Settings) -> AsyncIterator[Finding]:
    async with open_object_store(settings) as store:
        await store.check()
    yield ok("object store", f"{settings.object_store} takes, gives back and removes a probe")


async def _disks(settings: Settings) -> AsyncIterator[Finding]:
    """Look at the folders of this machine that are written to."""
    folders = {"temporary files": Path(tempfile.gettempdir())}
    if settings.object_store.startswith("file:"):
        folders["object store"] = Path(settings.object_store.removeprefix("file:"))
    for what, folder in folders.items():
        free = shutil.disk_usage(_there(folder)).free
        words = f"{free / 1024**3:.1f} GiB free for {what} in {folder}"
        if free < FREE_BYTES_WARN:
            yield (bad if free < FREE_BYTES_BAD else warn)("disk", words, "make room, or give it a larger disk")
        else:
            yield ok("disk", words)


def _there(folder: Path) -> Path:
    """Return a folder, or the nearest one above it that is there."""
    return next(path for path in (folder, *folder.absolute().parents) if path.exists())


async def _mail(settings: Settings) -> AsyncIterator[Finding]:
    if settings.smtp_url is None:
        return
    folder = mail_folder(settings.smtp_url.get_secret_value())
    if folder is not None:
        if os.access(_there(Path(folder)), os.W_OK):
            yield ok("mail", f"letters become files in {folder}")
        else:
            yield bad("mail", f"{folder} cannot be written to", "give this user the right to write there")
        return
    server = parse_mail_server(settings.smtp_url.get_secret_value())
    await _reach(server.host, server.port)
    yield ok("mail", f"{server} takes connections")


async def _reach(host: str, port: int) -> None:
    async with asyncio.timeout(REACH_SECONDS_MAX):
        _, writer = await asyncio.open_connection(host, port)
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def _institutions(settings: Settings) -> AsyncIterator[Finding]:
    """Look whether what institutions are reached by answers at all, whatever it says."""
    named = {
        "institution sandbox": settings.sandbox_url,
        "institution plaid": settings.plaid_url,
        "exchange rates": settings.exchange_rates_url,
    }
    async with httpx.AsyncClient(timeout=REACH_SECONDS_MAX, trust_env=False) as client:
        for name, url in named.items():
            if url is None:
                continue
            place = urlsplit(url).hostname
            try:
                status = (await client.get(url)).status_code
            except httpx.HTTPError as error:
                words = f"{place} does not answer: {type(error).__name__}"
                yield warn(name, words, "look at the network, and at the institution's own status page")
            else:
                yield ok(name, f"{place} answers ({status})")


PLACE_CHECKS: dict[str, Check] = {
    "object store": _objects,
    "disk": _disks,
    "mail": _mail,
    "institutions": _institutions,
}
