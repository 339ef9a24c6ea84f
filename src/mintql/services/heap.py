"""What a process loads once and keeps for good."""

from __future__ import annotations

import gc

from mintql.data import load_template
from mintql.services.categorize import default_categorizer


def settle_heap() -> None:
    """Load what every batch needs, and keep it out of the garbage collector's rounds from now on.

    The lists of sellers are long, and each full round would walk them, several times in a batch.
    """
    default_categorizer()
    load_template()
    freeze_heap()


def freeze_heap() -> None:
    """Keep what is loaded by now out of the garbage collector's rounds."""
    gc.collect()
    gc.freeze()
