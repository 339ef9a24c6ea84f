"""Keep the queries of this version, for the tests of the next: it has to leave them what they use.

./dev released
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from mintql import __version__
from mintql.store.migrate import migrations_directory, read_migrations
from mintql.store.queries import load, nouns

PLACE = Path(__file__).parents[1] / "tests" / "data" / "released_queries.json.gz"


def main() -> None:
    """Write them, the same bytes for the same queries."""
    queries = {f"{noun}.{name}": text for noun in nouns() for name, text in sorted(load(noun))}
    newest = read_migrations(migrations_directory())[-1].name
    told = {"version": __version__, "newest_migration": newest, "queries": queries}
    PLACE.write_bytes(gzip.compress(json.dumps(told, indent=0, sort_keys=True).encode(), mtime=0))
    print(f"{len(queries)} queries of version {__version__}, whose newest migration is {newest}")


if __name__ == "__main__":
    main()
