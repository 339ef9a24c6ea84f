"""What a process loads once and keeps for good."""

from __future__ import annotations

import gc

from mintql.data import load_template
from mintql.services.categorize import default_categorizer

NEW_OBJECTS_MAX = 20_000
"""Objects that may be new before the garbage collector looks at them, some megabytes: most rows of a batch, and what
requests under way have made, live through a round after every 700, which is Python's own choice, and are gone a moment
later."""

_USUAL = (700, 10, 10)
"""What Python itself chooses."""


def settle_heap() -> None:
    """Load what every batch needs, and keep it out of the garbage collector's rounds from now on.

    The lists of sellers are long, and each full round would walk them, several times in a batch.
    """
    default_categorizer()
    load_template()
    freeze_heap()


def freeze_heap() -> None:
    """Keep what is loaded by now out of the garbage collector's rounds, and have fewer of them."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS_MAX, *gc.get_threshold()[1:])
