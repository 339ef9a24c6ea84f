"""What became of what persons did: finds the rows behind their histories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from faults.clients import Person, number_of
from faults.facts import Facts, StoredRow


async def find_made(conn: Any, people: Sequence[Person], facts: Facts) -> None:
    """Put the persons' histories into the facts, each with what is there now."""
    rows = {(row.user_id, row.transaction_id): row for row in facts.rows}
    limits = {(item.user_id, item.category_id): item.limit_minor for item in facts.limits}
    for person in people:
        for (kind, target), register in person.registers.items():
            if kind == "limit":
                found: Any = limits.get((person.user_id, int(target)))
                facts.registers.append(replace(register, found=found))
                continue
            row = _standing(rows, person.user_id, number_of(target))
            found = None if row is None else row.note if kind == "note" else row.category_id
            is_machine = kind == "category" and row is not None and row.category_source != "manual"
            facts.registers.append(replace(register, found=found, is_machine=is_machine))
        names = [item.what for item in person.once]
        counted = dict(
            await conn.fetch(
                "SELECT name, count(*) FROM rules WHERE user_id = $1 AND name = ANY ($2) GROUP BY 1",
                person.user_id,
                names,
            )
        )
        facts.once += [replace(item, found=counted.get(item.what, 0)) for item in person.once]


def _standing(rows: dict[tuple[int, int], StoredRow], user_id: int, transaction_id: int) -> StoredRow | None:
    """Return the row that stands for a transaction by now."""
    row = rows.get((user_id, transaction_id))
    while row is not None and row.successor_id is not None:
        row = rows.get((user_id, row.successor_id))
    return row
