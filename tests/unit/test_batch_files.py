"""Files of the raw log as an engine reads them: several at once, each line in the category of all its clues."""

from __future__ import annotations

import gzip
import itertools
import os
import threading

import pyarrow as pa
import pytest
from pyarrow import fs

pytest.importorskip("daft", reason="the extra `batch` is not installed: ./dev test installs it where it can be had")
from mintql.batch.log import Wanted, category_of, read_file, unpack
from mintql.batch.program import Files
from mintql.services.rawlog import COLUMNS

PATIENCE_SECONDS = 20


def test_each_line_is_in_the_category_of_its_seller_and_all_other_clues(tmp_path):
    clues = list(
        itertools.product(
            ("SHELL OIL 123", "NOBODY KNOWS THIS", "PAYROLL ACME", ""),
            ("USD", "EUR"),
            ("", "5411", "5812"),
            ("", "TRANSPORTATION", "INCOME"),
            (-500, 500),
        )
    )
    lines = [
        "\t".join(
            ("7", "2026-11-10", seller, "", currency, "3", "card", f"t{number}", "", "posted", mcc, "2", "1",
             str(amount_minor), code, "")
        )
        for number, (seller, currency, mcc, code, amount_minor) in enumerate(clues)
    ]  # fmt: skip
    path = tmp_path / "log" / "v2" / "month=2026-11" / "a.tsv.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(gzip.compress("\n".join(("\t".join(COLUMNS), *lines, "")).encode()))
    for _ in range(2):  # The second time all of it is remembered.
        (batch,) = read_file(fs.LocalFileSystem(), str(path), Wanted())
        found = unpack(batch.column("said")).field("category_id").to_pylist()
        expected = [
            category_of(seller, currency, mcc, code, income=minor > 0) for seller, currency, mcc, code, minor in clues
        ]
        assert found == expected
        assert len(set(found)) > 3


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core reads one file at a time")
def test_files_are_read_at_the_same_time():
    both = threading.Barrier(2)

    def read(path: str):
        both.wait(PATIENCE_SECONDS)  # Fails unless another file is being read meanwhile.
        yield pa.record_batch([pa.array([path])], names=["path"])

    rows = Files(["a", "b"], read, pa.schema([("path", pa.string())])).read().sort("path").to_pydict()
    assert rows == {"path": ["a", "b"]}
