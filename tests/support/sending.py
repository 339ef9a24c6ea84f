"""Files that a person sends, imported through the same services as the API's."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from mintql.domain.ids import AccountId, ConnectionId, ImportId, UserId
from mintql.services import imports
from support.pipeline import Pipeline

CSV_OPTIONS = {"currency": "USD", "date_order": "ymd"}


def table(rows: Iterable[tuple[date, str, int]]) -> bytes:
    """A CSV file of day, text and minor units, without ids."""
    lines = [f"{day.isoformat()},{text},{amount_minor / 100:.2f}" for day, text, amount_minor in rows]
    return ("Date,Description,Amount\n" + "\n".join(lines) + "\n").encode()


async def send_file(
    bank: Pipeline,
    user_id: UserId,
    content: bytes,
    account_id: AccountId | None = None,
    *,
    name: str = "bank.csv",
    options: dict[str, Any] | None = None,
) -> ImportId:
    """Import a file into an account, or into one of its own."""
    place = imports.ImportPlace(begin=bank.begin, objects=bank.place.objects)
    read_by = CSV_OPTIONS if options is None else options
    shown, effects = await imports.import_file(place, user_id, name, content, read_by, account_id, bank.now)
    await bank.perform(effects)
    _, effects = await imports.confirm(place, user_id, shown.row.import_id, bank.now)
    await bank.perform(effects)
    return ImportId(shown.row.import_id)


async def account_of(bank: Pipeline, user_id: UserId, connection_id: ConnectionId) -> AccountId:
    """The one account of a connection."""
    query = "SELECT account_id FROM accounts WHERE user_id = $1 AND connection_id = $2"
    return AccountId(await bank.value(query, user_id, connection_id))
