"""What persons said about where transactions belong, and how that is joined with what everybody knows.

A transaction that comes in is categorized by, strongest first: the person's rules, what they chose for the seller
before, and `services.categorize`. What they chose for the transaction itself is never touched by any of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mintql.domain.categories import CERTAIN, Categorization, CategorySource
from mintql.domain.ids import CategoryId, UserId
from mintql.services.categorize import Categorizer, Clues
from mintql.store import knowledge as store
from mintql.store.queries import Conn


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What one person said. `memory` is the category they chose for a seller, by merchant key."""

    memory: Mapping[str, CategoryId] = field(default_factory=dict)

    def categorize(self, categorizer: Categorizer, clues: Clues, crowd: Categorization | None = None) -> Categorization:
        """Return the category of a transaction of this person with its reason."""
        remembered = self.memory.get(clues.merchant_key)
        if remembered is not None:
            return Categorization(remembered, CategorySource.MEMORY, clues.merchant_key, CERTAIN)
        return categorizer.categorize(clues, crowd)


NOTHING_KNOWN = Knowledge()


async def load_knowledge(
    conn: Conn, user_ids: Sequence[UserId], merchant_keys: Sequence[str]
) -> dict[UserId, Knowledge]:
    """Return what these persons said that bears on transactions of these sellers."""
    memories = await store.seller_memories(conn, user_ids, merchant_keys)
    return {user_id: Knowledge(memory) for user_id, memory in memories.items()}
