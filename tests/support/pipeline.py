"""The pipeline on a real database and a real folder, its jobs carried by hand instead of by arq."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg

from mintql.domain.credentials import Credentials
from mintql.domain.ids import ConnectionId, SyncRunId, UserId
from mintql.gateways.objects_disk import DiskObjectStore
from mintql.gateways.vault import Vault
from mintql.services import sync
from mintql.services.effects import Effects, Job
from mintql.services.extract import Workplace, extract
from mintql.services.ingest import ingest
from mintql.services.refresh import refresh
from mintql.services.replay import ReplayReport, replay
from mintql.settings import DEVELOPMENT_SECRET_KEYS, parse_secret_keys
from mintql.store.sync import RunKey
from support.factories import create_connection, create_user
from support.scripted import ScriptedInstitution

NOW = datetime(2026, 11, 12, 10, 0, tzinfo=UTC)


@dataclass
class Pipeline:
    """`refresh` takes a person's connection through the whole way; `effects` is what was asked to happen.

    With `carry` off, what a worker would go on to ingest is a job among them.
    """

    pool: asyncpg.Pool
    folder: Path
    institution: ScriptedInstitution = field(default_factory=ScriptedInstitution)
    now: datetime = NOW
    carry: bool = True
    effects: Effects = field(default_factory=Effects)

    @property
    def place(self) -> Workplace:
        return Workplace(
            begin=self.begin,
            perform=self.perform,
            objects=DiskObjectStore(self.folder),
            vault=Vault(parse_secret_keys(DEVELOPMENT_SECRET_KEYS)),
            connectors={self.institution.institution_id: self.institution},
            clock=lambda: self.now,
        )

    def go_far(self) -> None:
        """Let a year go by, from what the database takes for now too: what it has written down of itself is past."""
        self.now = max(self.now, datetime.now(UTC)) + timedelta(days=365)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Any]:
        async with self.pool.acquire() as conn, conn.transaction():
            yield conn

    async def perform(self, effects: Effects) -> None:
        jobs, effects = effects.jobs, replace(effects, jobs=[])
        self.effects.merge(effects)
        for job in jobs:
            if self.carry and job.name in ("extract", "ingest"):
                await self.run_job(job.name, job.args[0])
            else:
                self.effects.jobs.append(job)

    async def run_job(self, name: str, runs: list[list[int]]) -> None:
        keys = [RunKey(UserId(user_id), SyncRunId(run_id)) for user_id, run_id in runs]
        place = self.place
        if name == "ingest":
            await ingest(place, keys)
        elif self.carry:
            await refresh(place, keys)
        elif ready := await extract(place, keys):
            self.effects.jobs.append(Job("ingest", ([list(key) for key in ready],)))

    async def person(self, **columns: Any) -> tuple[UserId, ConnectionId]:
        """A person with a sealed login at the scripted institution."""
        async with self.begin() as conn:
            user_id = await create_user(conn, **columns)
        return user_id, await self.link(user_id)

    async def link(self, user_id: UserId) -> ConnectionId:
        """One more connection of a person, with a sealed login at the scripted institution."""
        async with self.begin() as conn:
            connection_id = await create_connection(conn, user_id, institution_id=self.institution.institution_id)
            sealed = self.place.vault.seal(user_id, connection_id, Credentials("", "ada", "secret"))
            await conn.execute(
                "INSERT INTO connection_secrets VALUES ($1, $2, $3, $4, $5)",
                user_id, connection_id, sealed.key_version, sealed.wrapped_key, sealed.ciphertext,
            )  # fmt: skip
        return connection_id

    async def refresh(
        self, user_id: UserId, connection_id: ConnectionId, *pages: bytes, reason: str = "request"
    ) -> RunKey:
        """Synchronise, the institution saying these pages; with `carry` off the jobs are left to the caller.

        Each takes place a second after the last one, as what happens one after the other does.
        """
        self.now += timedelta(seconds=1)
        if pages:
            self.institution.pages = list(pages)
        async with self.begin() as conn:
            run_id, effects = await sync.open_or_join_run(conn, user_id, connection_id, reason, self.now)
        await self.perform(effects)
        return RunKey(user_id, run_id)

    async def sweep(self, after: timedelta = timedelta(0)) -> None:
        """Let time pass and carry what the sweeper finds."""
        self.now += after
        async with self.begin() as conn:
            effects = await sync.sweep_runs(conn, self.now)
        await self.perform(effects)

    async def fetch(self, query: str, *args: Any) -> list[asyncpg.Record]:
        async with self.begin() as conn:
            return await conn.fetch(query, *args)

    async def value(self, query: str, *args: Any) -> Any:
        async with self.begin() as conn:
            return await conn.fetchval(query, *args)

    async def replay(self, user_id: UserId) -> ReplayReport:
        async with self.begin() as conn:
            return await replay(self.place, conn, user_id)


@asynccontextmanager
async def open_pipeline(database_url: str, folder: Path, **changes: Any) -> AsyncIterator[Pipeline]:
    """A pipeline on this database, its objects in this folder."""
    async with asyncpg.create_pool(database_url, min_size=1, max_size=8) as pool:
        yield Pipeline(pool, folder, **changes)
