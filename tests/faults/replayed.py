"""A second opinion: persons' ledgers rebuilt from the raw pages by the project's own `replay`, and compared."""

from __future__ import annotations

from collections.abc import Sequence

from faults.facts import Login
from faults.stack import Stack
from mintql.domain.ids import UserId
from mintql.jobs import workplace
from mintql.runtime import open_runtime
from mintql.services.replay import replay
from mintql.settings import Settings


async def replay_all(stack: Stack, logins: Sequence[Login]) -> list[str]:
    """Return the differences of all of them, in words."""
    settings = Settings(
        DATABASE_URL=stack.database_url,
        REDIS_URL=stack.valkey.url,
        secret_keys=stack.settings["MINTQL_SECRET_KEYS"],
        object_store=f"file:{stack.objects}",
        sandbox_url=stack.bank_url,
    )
    found = []
    async with open_runtime(settings, role="worker") as runtime:
        for login in logins:
            async with runtime.system() as conn:
                report = await replay(workplace(runtime), conn, UserId(login.user_id))
            found += [f"{login.login}: {text}" for text in report.differences]
    return found
