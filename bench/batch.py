"""How fast spending is added up from the raw log, against other engines doing the same over the same files.

    ./dev bench batch [--rows 20000000] [--short] [--repeat 1] [--spark] [--ray] [--folder DIR]

The log is generated: gzipped files by month of 50,000 sellers and one account for each hundred rows; of every twenty
rows one was pending before it was posted, and of every fifty the database decided something. Every engine reads the
files, keeps the last word on each row, joins accounts, decisions and sellers' categories, and adds up by person, month,
category and currency; all have to come to the same.

    read          every byte of the files, as the disk gives them
    inflate       the same unpacked, nothing else: what none that reads these files can beat
    DuckDB        one machine; handed the sellers' categories as a table
    Polars        likewise
    PySpark       local[cores], with --spark: it takes long
    mintql        `mintql spending --from raw`, on Daft in one process; it categorizes the sellers itself
    mintql, Ray   the same program on a Ray cluster of one node a core, all of them here, with --ray

Rows a second and processor time are of one run each, after a small one; of several rounds the fastest. The peers are
installed into a folder of their own (--peers), where packages can be had; else they are left out, and it says so.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv

from mintql.batch.log import category_of
from mintql.batch.partitions import ACCOUNTS, DECIDED, PERSONS_PER_PARTITION, accounts_path, decided_path
from mintql.services.raw_pages import GZIP_LEVEL
from mintql.services.rawlog import COLUMNS, PREFIX

ROOT = Path(__file__).parent.parent
ENGINES = Path(__file__).parent / "_batch_engines.py"
PEERS = {"duckdb": "duckdb==2.0.1", "polars": "polars==2.1.0", "pyspark": "pyspark==4.3.0", "ray": "ray==2.59.0"}
NAMES = {
    "read": "read", "inflate": "inflate", "duckdb": "DuckDB", "polars": "Polars", "pyspark": "PySpark",
    "mintql": "mintql", "mintql_ray": "mintql, Ray",
}  # fmt: skip
FOLDERS = {"duckdb": "duckdb", "polars": "polars", "pyspark": "pyspark", "mintql_ray": "ray"}
"""What an engine needs beside `.venv`."""
CORES = len(os.sched_getaffinity(0))
SELLERS = 50_000
MONTHS = [f"2026-{month:02}" for month in range(1, 13)]
ROWS_PER_FILE = 250_000
ROWS_PER_PERSON = 100
SHORT_ROWS = 1_000_000
WARM_ROWS = 20_000
INSTALL_SECONDS_MAX = 600
CATEGORY_CHOSEN = 603
WORDS = ("BLUE", "CORNER", "NORTH", "GREEN", "OLD", "CITY", "RIVER", "SUN", "GRAND", "UNION")
TRADES = ("COFFEE", "MARKET", "FUEL", "PHARMACY", "BOOKS", "DINER", "HARDWARE", "BAKERY", "CINEMA", "GARAGE")


def sellers() -> list[str]:
    """Return descriptors as they stand on statements: a name, a shop's number, a town."""
    tails = (f"{chr(65 + number // 100 % 26)}{number // 2600} #{number % 977}" for number in range(SELLERS))
    return [f"{WORDS[number % 10]} {TRADES[number // 10 % 10]} {tail}" for number, tail in enumerate(tails)]


def between(count: int, first: int, last: int, seed: int) -> pa.Array:
    """Return random whole numbers, the same for a seed."""
    return pc.add(
        pc.cast(pc.floor(pc.multiply(pc.random(count, initializer=seed), last - first + 1)), pa.int64()), first
    )


def write_file(
    folder: Path, month: str, number: int, first_id: int, *, count: int, people: int, texts: pa.Array
) -> None:
    """Write one file of the log: `count` lines, of which one in twenty-one is the pending word on a later line."""
    ids = pc.cast(pa.array(range(first_id, first_id + count)), pa.string())
    again = count // 20
    seed = 1_000 * number + 7
    user_ids = between(count, 1, people, seed)
    # Some sellers are met much more often than others.
    chosen = pc.cast(pc.floor(pc.multiply(pc.power(pc.random(count, initializer=seed + 1), 3), SELLERS)), pa.int32())
    minor = pc.negate(between(count, 100, 30_000, seed + 2))
    empty, one = pa.repeat("", count), pa.repeat(1, count)
    table = pa.table(
        [
            user_ids, pa.repeat(f"{month}-15", count), texts.take(chosen), pc.cast(minor, pa.string()),
            pa.repeat("USD", count), user_ids, pa.repeat("card", count), pc.binary_join_element_wise("t", ids, ""),
            empty, pa.repeat("posted", count), empty, pa.repeat(2, count), one, minor, empty, empty,
        ],
        names=list(COLUMNS),
    )  # fmt: skip
    before = table.slice(0, again)
    before = before.set_column(COLUMNS.index("state"), "state", pa.repeat("pending", again))
    before = before.set_column(COLUMNS.index("version"), "version", pa.repeat(1, again))
    text = BytesIO()
    options = csv.WriteOptions(delimiter="\t", quoting_style="none", include_header=False)
    csv.write_csv(pa.concat_tables([before, table]), text, options)
    path = folder / PREFIX / f"month={month}" / f"{number:08}.tsv.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress("\t".join(COLUMNS).encode() + b"\n" + text.getvalue(), GZIP_LEVEL))


def generate(folder: Path, rows: int) -> None:
    """Write a log of so many rows with the tables that are joined to it; one that is there stays."""
    if (folder / "sellers.parquet").exists():
        return
    people = max(rows // ROWS_PER_PERSON, 1)
    texts = pa.array(sellers())
    per_file = max(min(ROWS_PER_FILE, rows // len(MONTHS)), 21)
    files = max(rows // per_file, 1)
    with ProcessPoolExecutor(CORES) as pool:
        months = [MONTHS[number % len(MONTHS)] for number in range(files)]
        firsts = [number * per_file for number in range(files)]
        write = partial(write_file, folder, count=per_file, people=people, texts=texts)
        list(pool.map(write, months, range(files), firsts))
    everybody = pa.array(range(1, people + 1))
    accounts = [everybody, everybody, pa.repeat("card", people), everybody]
    names, said = pa.table(accounts, schema=ACCOUNTS), decided(folder, files * per_file // 50)
    pq.write_table(names, folder / "accounts.parquet")
    pq.write_table(said, folder / "decided.parquet")
    write_partitions(folder / "partitions", names, said)
    known = [category_of(text, "USD", "", "", income=False) for text in texts.to_pylist()]
    pq.write_table(pa.table({"seller": texts, "category_id": pa.array(known, pa.int32())}), folder / "sellers.parquet")


def write_partitions(folder: Path, accounts: pa.Table, decided: pa.Table) -> None:
    """Write the same tables as mintql exports them: a file for each partition of the persons."""
    folder.mkdir(parents=True, exist_ok=True)
    for table, path_of in ((accounts, accounts_path), (decided.sort_by("user_id"), decided_path)):
        partitions = pc.divide(table["user_id"], PERSONS_PER_PARTITION)
        there = pc.value_counts(partitions)
        counts = dict(zip(there.field(0).to_pylist(), there.field(1).to_pylist(), strict=True))
        start = 0
        for partition in range(len(accounts) // PERSONS_PER_PARTITION + 1):
            count = counts.get(partition, 0)
            pq.write_table(table.slice(start, count), path_of(str(folder), partition))
            start += count


def decided(folder: Path, count: int) -> pa.Table:
    """Return decisions on the first rows of the log: another category, not counted at all, or left out of budgets."""
    found: list[tuple[int, str]] = []
    for path in sorted((folder / PREFIX).glob("*/*.gz")):
        with gzip.open(path, "rt") as lines:
            for line in lines:
                values = line.split("\t")
                if values[COLUMNS.index("state")] == "posted":
                    found.append((int(values[0]), values[COLUMNS.index("external_id")]))
                    if len(found) >= count:
                        break
        if len(found) >= count:
            break
    kinds = [number % 10 for number in range(len(found))]
    user_ids = pa.array([user_id for user_id, _ in found])
    return pa.table(
        [
            user_ids, user_ids, pa.array([name for _, name in found]), pa.array([kind != 0 for kind in kinds]),
            pa.array([CATEGORY_CHOSEN if kind else None for kind in kinds], pa.int32()),
            pa.nulls(len(found), pa.int64()), pa.nulls(len(found), pa.int64()), pa.array([kind == 1 for kind in kinds]),
        ],
        schema=DECIDED,
    )  # fmt: skip


def install(folder: Path, wanted: list[str]) -> set[str]:
    """Install peers into a folder of their own; return which of them are there."""
    there = set()
    for name in wanted:
        done = folder / f"{name}.done"
        if not done.exists():
            folder.mkdir(parents=True, exist_ok=True)
            python = sys._base_executable  # noqa: SLF001 - that of `.venv` has no pip
            command = [python, "-m", "pip", "install", "--quiet", "--target", folder / name, PEERS[name]]
            status = subprocess.run(command, check=False, timeout=INSTALL_SECONDS_MAX)
            if status.returncode:
                print(f"{name} is left out: {PEERS[name]} cannot be installed")
                continue
            done.touch()
        there.add(name)
    return there


def run(name: str, folder: Path, warm: Path, peers: Path) -> dict[str, Any]:
    """Run an engine in a process of its own; return what it took and what it came to."""
    env = os.environ | ({"PYTHONPATH": str(peers / FOLDERS[name])} if name in FOLDERS else {})
    done = subprocess.run(
        [sys.executable, ENGINES, name, folder, warm], env=env, check=False, text=True, capture_output=True
    )
    if done.returncode:
        raise SystemExit(f"{NAMES[name]} failed:\n{done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def show(found: dict[str, dict[str, Any]], rows: int) -> None:
    """Print the table, and whether the bar is met."""
    floor = found["inflate"]["seconds"]
    singles = [name for name in ("duckdb", "polars") if name in found]
    best = min((found[name]["seconds"] for name in singles), default=None)
    least = min((found[name]["cpu"] for name in singles), default=None)
    print(f"\n{rows:,} rows, {CORES} cores")
    print("| | million rows/s | of inflate | of the faster peer | processor s | of the peer's | memory GB |")
    print("|---|---|---|---|---|---|---|")
    for name, item in found.items():
        beside = "" if best is None else f"{best / item['seconds']:.2f}"
        cpu = "" if least is None else f"{least / item['cpu']:.2f}"
        print(
            f"| {NAMES[name]} | {rows / item['seconds'] / 1e6:.2f} | {floor / item['seconds']:.2f} | {beside} | "
            f"{item['cpu']:.1f} | {cpu} | {item['memory'] / 2**30:.1f} |"
        )
    named = ("sums", "minor", "rows", "weighed")
    results = [item["found"] for item in found.values() if "sums" in item["found"]]
    outcomes = {tuple(item[name] for name in named) for item in results}
    print("all come to the same" if len(outcomes) == 1 else f"THEY DIFFER: {outcomes}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--short", action="store_true", help=f"{SHORT_ROWS:,} rows")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--spark", action="store_true")
    parser.add_argument("--ray", action="store_true")
    parser.add_argument("--folder", type=Path, default=ROOT / ".mintql" / "bench" / "batch")
    parser.add_argument("--peers", type=Path, default=ROOT / ".mintql" / "bench" / "batch-peers")
    options = parser.parse_args()
    rows = SHORT_ROWS if options.short else options.rows
    peers = install(
        options.peers, ["duckdb", "polars", *(["pyspark"] if options.spark else []), *(["ray"] if options.ray else [])]
    )
    started = time.monotonic()
    folder, warm = options.folder / str(rows), options.folder / "warm"
    generate(folder, rows)
    generate(warm, WARM_ROWS)
    print(f"the log was there, or was written, in {time.monotonic() - started:.0f} s")
    names = [name for name in NAMES if FOLDERS.get(name) is None or FOLDERS[name] in peers]
    found: dict[str, dict[str, Any]] = {}
    for _ in range(options.repeat):
        for name in names:
            item = run(name, folder, warm, options.peers)
            if name not in found or item["seconds"] < found[name]["seconds"]:
                found[name] = item
    show(found, rows)


if __name__ == "__main__":
    main()
