"""A person who imports files into the pipeline, confirms, undoes and merges."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from mintql.domain.ids import AccountId, ConnectionId, ImportId, TransactionId, UserId
from mintql.services import account_merges, imports, imports_ending
from mintql.services.account_merges import Merged
from mintql.services.account_merges_suggested import Suggestion, suggest
from mintql.services.imports import ImportPlace
from mintql.services.reconcile import reconcile_page
from support.pipeline import Pipeline

COUNTED = """
SELECT amount_minor FROM transactions WHERE user_id = $1 AND removed_at IS NULL AND successor_id IS NULL ORDER BY 1
"""
SUMS = "SELECT coalesce(sum(posted_minor), 0)::bigint FROM monthly_spending WHERE user_id = $1"


@dataclass
class Importer:
    """A person who imports files; jobs are carried at once."""

    pipe: Pipeline
    user_id: UserId

    @property
    def place(self) -> ImportPlace:
        return ImportPlace(self.begin, self.pipe.place.objects)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Any]:
        """Open a transaction as the API does: under its role, with its way of planning, for this person."""
        async with self.pipe.begin() as conn:
            await conn.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
            await conn.execute("SET LOCAL ROLE mintql_api")
            await conn.execute("SELECT set_config('mintql.user_id', $1, true)", str(self.user_id))
            yield conn

    async def preview(self, content: bytes, name: str = "a.csv", account_id: AccountId | None = None, **options: Any):
        previewed, effects = await imports.import_file(
            self.place, self.user_id, name, content, options, account_id, self.pipe.now
        )
        await self.pipe.perform(effects)
        return previewed

    async def confirm(self, import_id: ImportId):
        run_id, effects = await imports.confirm(self.place, self.user_id, import_id, self.pipe.now)
        await self.pipe.perform(effects)
        (run,) = await self.pipe.fetch(
            "SELECT state, rows_added, rows_changed, rows_quarantined, error_code FROM sync_runs WHERE user_id = $1 AND run_id = $2",
            self.user_id,
            run_id,
        )
        return run

    async def take_in(
        self, content: bytes, name: str = "a.csv", account_id: AccountId | None = None, **options: Any
    ) -> ImportId:
        import_id = (await self.preview(content, name, account_id, **options)).row.import_id
        assert (await self.confirm(import_id))["state"] == "succeeded"
        return import_id

    async def undo(self, import_id: ImportId) -> int:
        async with self.begin() as conn:
            _, removed, effects = await imports_ending.undo(conn, self.user_id, import_id, self.pipe.now)
        await self.pipe.perform(effects)
        return removed

    async def merge(self, from_id: AccountId, into_id: AccountId) -> Merged:
        merged, effects = await account_merges.merge(self.place, self.user_id, from_id, into_id, self.pipe.now)
        await self.pipe.perform(effects)
        return merged

    async def suggestions(self) -> list[Suggestion]:
        async with self.begin() as conn:
            return await suggest(conn, self.user_id)

    async def account(self, connection_id: ConnectionId | None = None) -> AccountId:
        """The newest account of a connection; without one, of the files."""
        return await self.pipe.value(
            "SELECT account_id FROM accounts JOIN connections AS link USING (user_id, connection_id) WHERE user_id = $1"
            " AND CASE WHEN $2::bigint IS NULL THEN institution_id = 'files' ELSE connection_id = $2 END"
            " ORDER BY account_id DESC LIMIT 1",
            self.user_id,
            connection_id,
        )

    async def transaction(self, amount_minor: int) -> TransactionId:
        """The transaction of this amount that counts."""
        return await self.pipe.value(
            "SELECT transaction_id FROM transactions WHERE user_id = $1 AND amount_minor = $2 AND removed_at IS NULL"
            " AND successor_id IS NULL",
            self.user_id,
            amount_minor,
        )

    async def counted(self) -> list[int]:
        amounts = [row["amount_minor"] for row in await self.pipe.fetch(COUNTED, self.user_id)]
        assert await self.pipe.value(SUMS, self.user_id) == sum(amounts)
        return amounts

    async def differences(self) -> list[str]:
        """What a replay from the raw objects finds otherwise, and what is wrong with the sums."""
        async with self.pipe.begin() as conn:
            _, findings = await reconcile_page(conn, UserId(self.user_id - 1))
        return [*(await self.pipe.replay(self.user_id)).differences, *map(str, findings)]
