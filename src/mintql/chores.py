"""What an operator does now and then, by commands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mintql.gateways.rates import FEED_LIMIT_BYTES, read_rates
from mintql.runtime import Runtime, open_runtime
from mintql.services import key_rotation
from mintql.services.rates import save_rates
from mintql.settings import load_settings
from mintql.store import key_rotation as sealed_rows
from mintql.store.key_rotation import BEFORE_ALL, SealedKey

UNREADABLE_SHOWN_MAX = 20


async def load_rates(file: Path) -> tuple[int, int]:
    """Load published exchange rates; return how many were read, and how many are new or other ones."""
    with file.open("rb") as opened:
        found = read_rates(opened.read(FEED_LIMIT_BYTES + 1))
    async with open_runtime(load_settings(), role="worker") as runtime, runtime.system() as conn:
        return len(found), await save_rates(conn, found, "file")


async def rotate_keys(say: Callable[[str], None]) -> bool:
    """Wrap everything that is sealed by the newest key; say what is left. False when something is under another one."""
    async with open_runtime(load_settings(), role="worker") as runtime:
        return await rotate(runtime, say)


async def rotate(runtime: Runtime, say: Callable[[str], None]) -> bool:
    """Do so with what is open already."""
    for table in key_rotation.TABLES:
        rewrapped, unreadable = await _rotate_table(runtime, table)
        say(f"{table}: {rewrapped} rewrapped")
        for words in unreadable[:UNREADABLE_SHOWN_MAX]:
            say(f"  {words}")
        if len(unreadable) > UNREADABLE_SHOWN_MAX:
            say(f"  and {len(unreadable) - UNREADABLE_SHOWN_MAX} more")
    async with runtime.system() as conn:
        versions = await sealed_rows.versions(conn)
    for (table, version), secrets in sorted(versions.items()):
        say(f"{table}: {secrets} under version {version}")
    return all(version == runtime.vault.newest_version for _, version in versions)


async def _rotate_table(runtime: Runtime, table: str) -> tuple[int, list[str]]:
    after: SealedKey | None = BEFORE_ALL
    rewrapped, unreadable = 0, list[str]()
    while after is not None:
        async with runtime.system() as conn:
            batch = await key_rotation.rewrap_batch(conn, runtime.vault, table, after)
        rewrapped, after = rewrapped + batch.rewrapped, batch.after
        unreadable += batch.unreadable
    return rewrapped, unreadable
