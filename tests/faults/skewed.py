"""`mintql` with a clock that is wrong: `python -m faults.skewed SECONDS worker ...`.

The clock is that of all code of mintql and of arq, whether read by `datetime.now` or by `time.time`. PostgreSQL's and
Redis's stay right, as does the monotonic one, which no wrong clock moves.
"""

from __future__ import annotations

import datetime as dt
import sys
import time
from typing import Any

RIGHT = dt.datetime
PATIENTS = ("mintql.", "arq.")


def shift(seconds: float) -> None:
    """Move the clock of everything that is loaded from now on, and of the modules that are by the end."""
    right_time = time.time
    time.time = lambda: right_time() + seconds
    time.time_ns = lambda: int(time.time() * 1e9)

    class Like(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, RIGHT)

    class Shifted(RIGHT, metaclass=Like):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> Any:
            return RIGHT.now(tz) + dt.timedelta(seconds=seconds)

    import arq.worker  # noqa: F401, PLC0415

    import mintql.jobs  # noqa: PLC0415
    import mintql.work  # noqa: F401, PLC0415

    for name, module in list(sys.modules.items()):
        if name.startswith(PATIENTS) and getattr(module, "datetime", None) is RIGHT:
            module.datetime = Shifted  # type: ignore[attr-defined]


if __name__ == "__main__":
    shift(float(sys.argv.pop(1)))
    from mintql.cli import main

    main()
