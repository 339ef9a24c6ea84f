"""What an institution's own categories say about ours."""

from __future__ import annotations

from dataclasses import dataclass

from mintql.domain.ids import CategoryId
from mintql.domain.sellers import Direction


@dataclass(frozen=True, slots=True)
class CategoryHint:
    """What one category of an institution means here.

    A `vague` one covers too many of our categories to outrank a seller's name. `direction` limits it to money
    that goes that way: a category of income says nothing about money that leaves.
    """

    category_id: CategoryId
    vague: bool
    direction: Direction = Direction.EITHER

    def fits(self, amount_minor: int) -> bool:
        """Tell whether the hint can speak of this amount, negative for money out."""
        return self.direction is Direction.EITHER or (self.direction is Direction.IN) == (amount_minor > 0)
