"""Real files of banks and programs: each is read completely or refused in words, as its manifest counts.

The files are not part of the project; MINTQL_SHARED_DATA names the folder that holds them.
"""

from __future__ import annotations

import csv
import os
import re
from pathlib import Path

import pytest

from mintql.institutions.files.base import FileKind, FileUnreadable, ParsedFile
from mintql.institutions.files.options import ReadOptions
from mintql.institutions.files.reading import detect, preview, read_file

SHARED = os.environ.get("MINTQL_SHARED_DATA", "")
pytestmark = pytest.mark.skipif(not SHARED, reason="MINTQL_SHARED_DATA names no folder")

REFUSED = {
    "ofx/ofxparse_error_message.ofx": "holds no statement but an error of the institution: General Server Error",
    "qif/quiffen_empty.qif": "is empty",
    "camt/genkgo_camt053.v2.wrong.xml": "no CAMT message",
}
OTHER_DATES = {"qif/quiffen_test.qif": 6, "qif/quiffen_test_unknown_account_type.qif": 1}
"""The manifest counts lines with D: these date a part of a split and a security, or describe classes and categories."""

ACCOUNTS = {
    "ofx/ofxparse_account_listing.ofx": 4,
    "ofx/ofxparse_multiple_accounts2.ofx": 2,
    "camt/genkgo_camt053.v2.multi.statement.xml": 2,
}
UNREADABLE_ROWS = {"ofx/ofxparse_fail_date_missing.ofx": 3}


def manifest() -> dict[str, str]:
    if not SHARED:
        return {}
    with (Path(SHARED) / "bank-files" / "MANIFEST.tsv").open(encoding="utf-8", newline="") as lines:
        return {line["path"]: line["raw_record_count"] for line in csv.DictReader(lines, delimiter="\t")}


def content_of(path: str) -> bytes:
    return (Path(SHARED) / "bank-files" / path).read_bytes()


def wanted(path: str, counted: str, parsed: ParsedFile) -> int:
    """How many rows the manifest says there are. An entry counts for its parts where they make it up."""
    if parsed.kind is not FileKind.CAMT:
        return int(counted.split(maxsplit=1)[0]) - OTHER_DATES.get(path, 0)
    entries, parts = map(int, re.findall(r"(\d+) (?:Ntry|TxDtls)", counted))
    whole = any("do not add up to it" in notice for notice in parsed.notices)
    return entries if whole else max(entries, parts)


def test_there_are_as_many_files_as_are_spoken_of():
    assert len(manifest()) == 48


@pytest.mark.parametrize(("path", "counted"), manifest().items(), ids=manifest().keys())
def test_a_real_file_is_read_completely_or_refused_in_words(path, counted):
    content = content_of(path)
    if path in REFUSED:
        with pytest.raises(FileUnreadable, match=REFUSED[path]):
            read_file(content, path)
        return
    parsed = read_file(content, path)
    rows = sum(len(statement.transactions) for statement in parsed.statements)
    assert parsed.kind is FileKind(path.partition("/")[0])
    assert len(parsed.rejected) == UNREADABLE_ROWS.get(path, 0)
    assert rows + len(parsed.rejected) == wanted(path, counted, parsed)
    assert len(parsed.statements) == ACCOUNTS.get(path, len(parsed.statements))


@pytest.mark.parametrize("path", sorted(set(manifest()) - set(REFUSED)))
def test_a_real_file_is_previewed_as_it_is_read_and_read_alike_for_ever(path):
    content = content_of(path)
    parsed = read_file(content, path)
    shown = preview(content, path)
    assert detect(content) is parsed.kind
    assert shown.parsed == parsed
    kept = ReadOptions.from_json(shown.options.to_json())
    assert read_file(content, "", kept).statements == parsed.statements
