"""One engine's way of doing the batch of `bench/batch.py`, in a process of its own.

    python bench/_batch_engines.py ENGINE FOLDER WARM

It runs on WARM first, a small one of the same shape, so that what is imported, loaded and compiled once does not count.
A folder holds `log/v2/month=*/` and the tables `accounts`, `decided` and `sellers` as Parquet; the first two also by
partition of the persons, as mintql exports them. Prints a line of JSON: wall and processor seconds and the most memory
(children too), and what it came to. Other engines are handed the categories of the sellers as a table, which costs them
nothing; mintql finds them while it reads.
"""

# ruff: noqa: PLC0415 - of the engines only the one that is asked for is there

from __future__ import annotations

import json
import os
import sys
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

Sums = dict[str, int]
COLUMNS = (
    "user_id", "timestamp", "seller", "amount", "currency", "connection_id", "account", "external_id",
    "pending_external_id", "state", "merchant_category_code", "version", "attempt", "amount_minor", "category_code",
    "account_id",
)  # fmt: skip
NUMBERS = ("user_id", "connection_id", "version", "attempt", "amount_minor")
CORES = len(os.sched_getaffinity(0))
RAY_NODES = max(CORES, 2)
ENDINGS: list[Callable[[], Any]] = []
"""What an engine wants done when it is not needed any more."""

SQL = """
WITH words AS (
    SELECT lines.user_id, accounts.account_id, lines.external_id,
        {last}({word}, (CASE state WHEN 'pending' THEN 0 ELSE 1 END) * 4611686018427387904
            + version * 16384 + attempt) AS word
    FROM lines JOIN accounts ON lines.user_id = accounts.user_id AND lines.connection_id = accounts.connection_id
        AND lines.account = accounts.account
    WHERE state <> 'removed'
    GROUP BY 1, 2, 3
), counted AS (
    SELECT words.user_id, word.month, coalesce(decided.category_id, sellers.category_id) AS category_id, word.currency,
        word.state = 'pending' AS pending, coalesce(decided.excluded, false) AS excluded,
        coalesce(decided.part_minor, word.amount_minor - coalesce(decided.rest_minor, 0)) AS amount_minor
    FROM words LEFT JOIN decided ON decided.user_id = words.user_id AND decided.account_id = words.account_id
        AND decided.external_id = words.external_id
    LEFT JOIN sellers ON sellers.seller = word.seller
    WHERE coalesce(decided.counts, word.state <> 'pending')
), totals AS (
    SELECT user_id, month, category_id, currency,
        sum(CASE WHEN pending THEN 0 ELSE amount_minor END) AS posted_minor,
        sum(CASE WHEN pending THEN amount_minor ELSE 0 END) AS pending_minor,
        sum(CASE WHEN pending THEN 0 ELSE 1 END) AS posted_count,
        sum(CASE WHEN pending THEN 1 ELSE 0 END) AS pending_count,
        sum(CASE WHEN excluded AND NOT pending THEN amount_minor ELSE 0 END) AS excluded_posted_minor,
        sum(CASE WHEN excluded AND pending THEN amount_minor ELSE 0 END) AS excluded_pending_minor
    FROM counted GROUP BY 1, 2, 3, 4
)
SELECT count(*) AS sums, sum(posted_minor) AS minor, sum(posted_count) AS rows,
    sum(posted_minor * (category_id + user_id % 97)) AS weighed FROM totals
"""


def read(folder: Path) -> Sums:
    """Read every byte of the files, as the disk gives them."""
    return {"bytes": sum(len(path.read_bytes()) for path in _files(folder))}


def inflate(folder: Path) -> Sums:
    """Read and unpack every file, one core each."""
    from multiprocessing import Pool

    with Pool(CORES) as pool:
        return {"bytes": sum(pool.map(_inflated, _files(folder)))}


def _inflated(path: Path) -> int:
    return len(zlib.decompress(path.read_bytes(), wbits=31))


def _files(folder: Path) -> list[Path]:
    return sorted((folder / "log").glob("*/*/*.gz"))


def duckdb(folder: Path) -> Sums:
    import duckdb as engine

    kinds = {name: "BIGINT" if name in NUMBERS else "VARCHAR" for name in COLUMNS}
    db = engine.connect()
    db.execute(f"SET threads = {CORES}")
    for name in ("accounts", "decided", "sellers"):
        db.execute(f"CREATE VIEW {name} AS SELECT * FROM '{folder}/{name}.parquet'")
    db.execute(
        f"CREATE VIEW lines AS SELECT * FROM read_csv('{folder}/log/v2/*/*.gz', delim='\t', quote='', escape='', "
        f"header=true, auto_detect=false, columns={kinds}, hive_partitioning=true, hive_types={{'month': VARCHAR}})"
    )
    values = "{'month': month, 'amount_minor': amount_minor, 'currency': currency, 'seller': seller, 'state': state}"
    found = db.execute(SQL.format(last="arg_max", word=values)).fetchone()
    return dict(zip(("sums", "minor", "rows", "weighed"), map(int, found), strict=True))


def polars(folder: Path) -> Sums:
    import polars as pl

    row = ["user_id", "account_id", "external_id"]
    kinds = {name: pl.Int64 if name in NUMBERS else pl.String for name in COLUMNS}
    lines = pl.scan_csv(
        f"{folder}/log/v2/*/*.gz", separator="\t", quote_char=None, schema=kinds, include_file_paths="path"
    ).drop("account_id")
    accounts, decided, sellers = (
        pl.scan_parquet(folder / f"{name}.parquet") for name in ("accounts", "decided", "sellers")
    )
    pending = pl.col("state") == "pending"
    words = (
        lines.filter(pl.col("state") != "removed")
        .join(accounts, on=["user_id", "connection_id", "account"])
        .with_columns(
            month=pl.col("path").str.extract(r"month=(\d{4}-\d\d)"),
            weight=(~pending).cast(pl.Int64) * 2**62 + pl.col("version") * 16384 + pl.col("attempt"),
        )
        .group_by(row)
        .agg(pl.col("month", "amount_minor", "currency", "seller", "state").get(pl.col("weight").arg_max()))
    )
    counted = (
        words.join(decided, on=row, how="left")
        .filter(pl.coalesce("counts", ~pending))
        .join(sellers.rename({"category_id": "known_id"}), on="seller", how="left")
        .with_columns(
            category_id=pl.coalesce("category_id", "known_id"),
            minor=pl.coalesce("part_minor", pl.col("amount_minor") - pl.col("rest_minor").fill_null(0)),
            left_out=pl.col("excluded").fill_null(value=False),
        )
    )
    totals = counted.group_by("user_id", "month", "category_id", "currency").agg(
        posted_minor=pl.col("minor").filter(~pending).sum(), pending_minor=pl.col("minor").filter(pending).sum(),
        posted_count=(~pending).sum(), pending_count=pending.sum(),
        excluded_posted_minor=pl.col("minor").filter(~pending & pl.col("left_out")).sum(),
        excluded_pending_minor=pl.col("minor").filter(pending & pl.col("left_out")).sum(),
    )  # fmt: skip
    found = totals.select(
        sums=pl.len(), minor=pl.col("posted_minor").sum(), rows=pl.col("posted_count").sum(),
        weighed=(pl.col("posted_minor") * (pl.col("category_id") + pl.col("user_id") % 97)).sum(),
    ).collect(engine="streaming")  # fmt: skip
    return {name: int(value) for name, value in found.row(0, named=True).items()}


def pyspark(folder: Path) -> Sums:
    from pyspark.sql import SparkSession

    spark = (
        SparkSession.builder.master(f"local[{CORES}]").config("spark.ui.enabled", "false")
        .config("spark.driver.memory", "6g").config("spark.sql.shuffle.partitions", str(CORES * 4))
        .config("spark.driver.host", "127.0.0.1").config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.sql.ansi.enabled", "false").getOrCreate()
    )  # fmt: skip
    for name in ("accounts", "decided", "sellers"):
        spark.read.parquet(f"{folder}/{name}.parquet").createOrReplaceTempView(name)
    kinds = ", ".join(f"{name} {'BIGINT' if name in NUMBERS else 'STRING'}" for name in COLUMNS)
    spark.read.csv(f"{folder}/log/v2", sep="\t", header=True, schema=kinds, quote="").createOrReplaceTempView("lines")
    values = "struct(month, amount_minor, currency, seller, state)"
    (found,) = spark.sql(SQL.format(last="max_by", word=values)).collect()
    return {name: int(value) for name, value in found.asDict().items()}


def mintql(folder: Path) -> Sums:
    import daft
    from pyarrow import fs

    from mintql.batch import program
    from mintql.batch.log import Wanted
    from mintql.batch.partitions import Tables

    files = fs.LocalFileSystem()
    lines = program.log_lines(files, [str(path) for path in _files(folder)], Wanted())
    tables = Tables(
        files, f"{folder}/partitions", frozenset(range(len(list((folder / "partitions").glob("accounts-*")))))
    )
    col = daft.col
    weighed = col("posted_minor") * (col("category_id") + col("user_id") % 97)
    found = (
        program.sums(lines, tables)
        .select("posted_minor", "posted_count", weighed.alias("weighed"))
        .agg(
            col("posted_minor").count().alias("sums"), col("posted_minor").sum().alias("minor"),
            col("posted_count").sum().alias("rows"), col("weighed").sum().alias("weighed"),
        )
        .to_pylist()[0]
    )  # fmt: skip
    return {name: int(value) for name, value in found.items()}


def mintql_ray(folder: Path) -> Sums:
    """Run on a cluster of one node for each core, at least two, all on this machine, with processes of their own."""
    import daft
    import ray
    from ray.cluster_utils import Cluster

    if not ray.is_initialized():
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        for _ in range(RAY_NODES - 1):
            cluster.add_node(num_cpus=1)
        ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
        daft.set_runner_ray()
        ENDINGS.extend((ray.shutdown, cluster.shutdown))
    return mintql(folder) | {"nodes": len(ray.nodes())}


ENGINES: dict[str, Callable[[Path], Sums]] = {
    "read": read, "inflate": inflate, "duckdb": duckdb, "polars": polars, "pyspark": pyspark, "mintql": mintql,
    "mintql_ray": mintql_ray,
}  # fmt: skip


def _family() -> list[Path]:
    """Return what the kernel tells of this process and of all that descend from it."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parents[path] = int(path.joinpath("stat").read_text().rpartition(")")[2].split()[1])
    found = [Path(f"/proc/{os.getpid()}")]
    for one in found:
        found += [path for path, parent in parents.items() if parent == int(one.name)]
    return found


def _cpu_seconds() -> float:
    """Return the processor time of the family; that of children who ended is their parent's."""
    ticks = 0
    for path in _family():
        with suppress(OSError):
            ticks += sum(map(int, path.joinpath("stat").read_text().rpartition(")")[2].split()[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def _memory_bytes() -> int:
    """Return the most memory that each of the family had, added up; what they share counts for each."""
    found = 0
    for path in _family():
        with suppress(OSError):
            lines = path.joinpath("status").read_text().splitlines()
            found += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    return found


def main() -> None:
    name, folder, warm = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    ENGINES[name](warm)
    cpu, start = _cpu_seconds(), time.perf_counter()
    found: Any = ENGINES[name](folder)
    seconds = time.perf_counter() - start
    told = {"seconds": seconds, "cpu": _cpu_seconds() - cpu, "memory": _memory_bytes(), "found": found}
    print(json.dumps(told), flush=True)
    for end in ENDINGS:
        end()
    os._exit(0)  # Threads of an engine that are still there when the interpreter ends can abort the process.


if __name__ == "__main__":
    main()
