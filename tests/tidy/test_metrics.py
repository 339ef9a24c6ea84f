"""What pages and files for those who watch say of metrics is so."""

from __future__ import annotations

import re

from mintql.observing import metrics
from support.repository import ROOT

OPERATIONS = (ROOT / "docs" / "operations.md").read_text()


def test_the_operations_page_lists_every_metric_with_its_labels():
    rows = re.findall(r"^\| `(mintql_\w+)` \| ([\w, ]*?) ?\| (.+) \|$", OPERATIONS, re.MULTILINE)
    listed = {name: tuple(re.findall(r"\w+", labels)) for name, labels, _ in rows}
    assert listed == {family.name: family.labels for family in metrics.ALL}


def test_names_say_their_kind_and_unit():
    for family in metrics.ALL:
        assert re.fullmatch(r"mintql_[a-z_]+", family.name)
        assert (family.kind.__name__ == "Counter") == family.name.endswith("_total"), family.name
        assert family.kind.__name__ != "Histogram" or family.name.endswith("_seconds"), family.name
        assert family.words.endswith(".")
