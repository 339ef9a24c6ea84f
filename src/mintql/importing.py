"""`mintql import`: a file from this machine into a person's accounts, by the services that the API uses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from mintql.domain.categories import CategoryTree
from mintql.domain.errors import InvalidInput, NotFound
from mintql.domain.ids import AccountId, ImportId, SyncRunId, UserId
from mintql.domain.money import Money
from mintql.institutions.files.base import FILE_BYTES_MAX, FileUnreadable
from mintql.institutions.files.options import ReadOptions
from mintql.runtime import Runtime
from mintql.services import imports, imports_ending
from mintql.services.extract import utc_now
from mintql.services.imports import ImportPlace
from mintql.services.imports_preview import Previewed, PreviewedRow, PreviewedStatement
from mintql.services.imports_reading import read
from mintql.store import imports as store
from mintql.store import sync as runs
from mintql.store.sync import Progress, RunKey

WAIT_SECONDS_MAX = 300.0
POLL_SECONDS = 0.2

Ask = Callable[[str], bool]
"""Asks the person at the terminal a question that is answered by yes or no."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for: the file, for whom, the account by its name or number, and corrections of the reading.

    `mapping` holds fields of a `CsvMapping` that outrank what is found out about a table.
    """

    path: Path
    user_id: UserId
    account: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    mapping: Mapping[str, Any] = field(default_factory=dict)


async def import_path(runtime: Runtime, wanted: Wanted, ask: Ask, console: Console) -> bool:
    """Show what a file would bring, ask, take it in and say what became of it; False when it failed.

    Raises:
        FileUnreadable: It cannot be read.
        NotFound: The person has no such account.
        InvalidInput: An option that cannot be.
    """
    place = ImportPlace(lambda: runtime.person(wanted.user_id), runtime.objects)
    content = await asyncio.to_thread(_content, wanted.path)
    account_id = await _account(place, wanted)
    options = dict(wanted.options)
    if wanted.mapping:
        options["mapping"] = await _mapping(content, wanted)
    previewed, effects = await imports.import_file(
        place, wanted.user_id, wanted.path.name, content, options, account_id, utc_now()
    )
    await runtime.perform(effects)
    show(previewed, console)
    import_id = previewed.row.import_id
    if not any(statement.plan.take for statement in previewed.statements) or not ask("Take it in?"):
        async with place.begin() as conn:
            _, effects = await imports_ending.discard(conn, wanted.user_id, import_id, utc_now())
        await runtime.perform(effects)
        console.print("Nothing was taken in.")
        return True
    run_id, effects = await imports.confirm(place, wanted.user_id, import_id, utc_now())
    await runtime.perform(effects)
    return await _follow(place, wanted.user_id, import_id, run_id, console)


def _content(path: Path) -> bytes:
    if not path.is_file():
        raise NotFound(f"there is no file {str(path)!r}")
    if path.stat().st_size > FILE_BYTES_MAX:
        raise FileUnreadable(f"{path.name} is larger than {FILE_BYTES_MAX // 1024**2} MiB; export a shorter time")
    return path.read_bytes()


async def _account(place: ImportPlace, wanted: Wanted) -> AccountId | None:
    if wanted.account is None:
        return None
    async with place.begin() as conn:
        accounts = await store.accounts(conn, wanted.user_id)
    asked = wanted.account.strip().casefold()
    found = [one for one in accounts if asked in (one.name.casefold(), str(one.account_id))]
    if len(found) != 1:
        known = ", ".join(f"{one.name!r} ({one.account_id})" for one in accounts) or "none"
        number = "more than one" if found else "no"
        raise NotFound(f"there is {number} account {wanted.account!r}; there are: {known}")
    return found[0].account_id


async def _mapping(content: bytes, wanted: Wanted) -> dict[str, Any]:
    """Return the columns as they are found out, with what was said of them instead."""
    try:
        found = await read(content, wanted.path.name, ReadOptions.from_json(dict(wanted.options)))
    except FileUnreadable:
        return dict(wanted.mapping)
    if found.mapping is None:
        kind = found.parsed.kind.value.upper()
        raise InvalidInput(f"{wanted.path.name} is {kind}, which has no columns: leave the options for tables out")
    columns = found.mapping.to_json()
    if {"debit_column", "credit_column"} & set(wanted.mapping):
        columns["amount_column"] = None
    elif "amount_column" in wanted.mapping:
        columns["debit_column"] = columns["credit_column"] = None
    return {**columns, **wanted.mapping}


async def _follow(
    place: ImportPlace, user_id: UserId, import_id: ImportId, run_id: SyncRunId, console: Console
) -> bool:
    try:
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            with console.status("Taking it in ..."):
                done = await _ended(place, RunKey(user_id, run_id))
    except TimeoutError:
        console.print("No worker has taken it in so far; it goes in as soon as one does.")
        return True
    if done["state"] == "failed":
        console.print(f"It failed: {done['error_message']}", markup=False)
        return False
    console.print(
        f"{done['rows_added']} transactions are new, {done['rows_matched']} are there already by another way, "
        f"{done['rows_quarantined']} rows could not be read. This was import {import_id}."
    )
    return True


async def _ended(place: ImportPlace, key: RunKey) -> Progress:
    while True:
        async with place.begin() as conn:
            progress = await runs.progress(conn, key)
        if progress is not None and progress["state"] in ("succeeded", "failed"):
            return progress
        await asyncio.sleep(POLL_SECONDS)


def show(previewed: Previewed, console: Console) -> None:
    """Print what a file would bring."""
    row = previewed.row
    console.print(f"{row.file_name}: {row.kind.upper()}, {row.size_bytes:,} bytes, {previewed.encoding}", markup=False)
    for words in previewed.evidence:
        console.print(f"  {words}", markup=False, style="dim")
    for statement in previewed.statements:
        _show_statement(statement, previewed.tree, console)
    for rejected in previewed.rejected:
        where = f"line {rejected.position}" if rejected.position > 0 else "a row"
        console.print(f"Cannot be read, {where}: {rejected.reason}: {rejected.excerpt}", markup=False)
    if previewed.rejected_total > len(previewed.rejected):
        console.print(f"... and {previewed.rejected_total - len(previewed.rejected)} more rows that cannot be read")
    for words in previewed.unsure:
        console.print(f"Please look: {words}", markup=False, style="yellow")


def _show_statement(statement: PreviewedStatement, tree: CategoryTree, console: Console) -> None:
    if not statement.plan.take:
        named = statement.said.account_external_id or "an account"
        console.print(f"Left out: {named}, without transactions", markup=False)
        return
    new = "" if statement.account_id is not None else ", a new account"
    said = statement.said
    days = f" from {said.first_day} to {said.last_day}" if said.first_day else ""
    console.print(
        f"Into {statement.account_name!r}{new}: {statement.new_rows} new transactions{days}, "
        f"{statement.duplicates} that are there, {statement.rejected} that cannot be read",
        markup=False,
        style="bold",
    )
    if said.balance_minor is not None and said.currency:
        console.print(f"  balance {Money(said.balance_minor, said.currency)} on {said.balance_on}", markup=False)
    table = Table(box=None, pad_edge=False)
    for name in ("day", "amount", "text", "category", "there already"):
        table.add_column(name, justify="right" if name == "amount" else "left", no_wrap=name in ("day", "amount"))
    for row in statement.rows:
        table.add_row(*_cells(row, tree))
    console.print(table)
    if statement.rows_total > len(statement.rows):
        console.print(f"  ... and {statement.rows_total - len(statement.rows)} more")


def _cells(row: PreviewedRow, tree: CategoryTree) -> tuple[str, ...]:
    category = tree.by_id[row.category_id].name
    there = "" if row.duplicate is None else ("yes: " if row.duplicate.certain else "perhaps: ") + row.duplicate.why
    pending = " (pending)" if row.pending else ""
    cells = (f"{row.posted_on}{pending}", str(Money(row.amount_minor, row.currency)), row.description, category, there)
    return tuple(cell.replace("[", "\\[") for cell in cells)
