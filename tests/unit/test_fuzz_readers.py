"""Whatever bytes come as a file or as an institution's page: they are read or refused in words, in bounded time.

The same examples every time; `./dev fuzz` looks for new ones, with real files where MINTQL_SHARED_DATA names some.
"""

from __future__ import annotations

import functools
import os
import re
import time
from contextlib import suppress
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mintql.domain.errors import Failure, InstitutionFailure
from mintql.domain.institutions import ParsedPage
from mintql.institutions import ofx_direct_pages, plaid_pages, sandbox_pages, simplefin_pages
from mintql.institutions.files.base import EXCERPT_CHARACTERS_MAX, FileUnreadable, ParsedFile
from mintql.institutions.files.options import ReadOptions
from mintql.institutions.files.reading import preview, read_file
from mintql.institutions.imported import parse_import
from support.files import rows_of
from support.files_written import WRITERS, Written
from support.mutations import PIECES, mutated, mutated_json
from unit import test_ofx_direct_pages as ofx_pages
from unit import test_plaid_pages as plaid_samples
from unit import test_sandbox_pages as sandbox_samples
from unit import test_simplefin_pages as simplefin_samples

SEARCHING = os.environ.get("MINTQL_HYPOTHESIS") == "search"
TIMES = 10 if SEARCHING else 1
SECONDS_MAX = 2.0
"""CPU time for what is some thousand bytes, on any machine."""
BIGINT_MAX = 2**63 - 1

ROWS = st.lists(
    st.builds(
        Written,
        st.dates(date(2026, 1, 1), date(2026, 12, 31)),
        st.integers(-(10**7), 10**7).filter(bool),
        st.sampled_from(["Bakery", "Müller & Söhne", "Shop 12", "Rent"]),
    ),
    min_size=1,
    max_size=6,
)
WRITTEN = st.builds(
    lambda name, rows, currency: WRITERS[name](rows, currency), st.sampled_from(sorted(WRITERS)), ROWS,
    st.sampled_from(["EUR", "USD", "JPY"]),
)  # fmt: skip


@functools.cache
def real_files() -> list[bytes]:
    folder = os.environ.get("MINTQL_SHARED_DATA", "")
    paths = sorted(Path(folder).glob("bank-files/*/*")) if folder and SEARCHING else []
    return [path.read_bytes()[:20_000] for path in paths]


FILES = st.sampled_from(real_files()) | WRITTEN if real_files() else WRITTEN


def in_time(work, *arguments):
    """Call something, and see that it does not take long."""
    began = time.process_time()
    try:
        return work(*arguments)
    finally:
        assert time.process_time() - began < SECONDS_MAX


def check_file(parsed: ParsedFile) -> None:
    for row in rows_of(parsed):
        assert -BIGINT_MAX <= row.amount_minor <= BIGINT_MAX
        assert re.fullmatch(r"[A-Z]{3}|", row.currency)
        assert "\0" not in row.description + row.external_id
        row.description.encode()
    for rejected in parsed.rejected:
        assert rejected.reason
        assert len(rejected.excerpt) <= EXCERPT_CHARACTERS_MAX + 1
    for statement in parsed.statements:
        assert (statement.first_day is None) == (statement.last_day is None)


@settings(max_examples=150 * TIMES)
@given(content=mutated(FILES), currency=st.sampled_from(["", "EUR"]))
def test_a_file_that_was_tampered_with_is_read_or_refused(content, currency):
    options = ReadOptions(currency=currency) if currency else ReadOptions()
    for read in (read_file, preview):
        with suppress(FileUnreadable):
            parsed = in_time(read, content, "statement", options)
            check_file(parsed if read is read_file else parsed.parsed)


@settings(max_examples=60 * TIMES)
@given(
    content=mutated(FILES),
    plan=mutated_json(
        st.just({"version": 1, "options": {}, "statements": [{"place": 0, "take": True, "target": "a"}]})
    ),
)
def test_a_plan_and_a_file_that_were_tampered_with_are_read_or_refused(content, plan):
    with suppress(InstitutionFailure):
        in_time(parse_import, plan, content)


WRONG = st.sampled_from(["x", "1.2.3", "--5", "9" * 400, "NaN", "1e5", "(", "+-1", "1,2,3.4.5"])
FIELDS = {
    "ofx 1": (rb"(<TRNAMT>)([^<]*)", ""),
    "ofx 2": (rb"(<TRNAMT>)([^<]*)", "utf-16"),
    "qif": (rb"(\nT)([^\n]*)", ""),
    "camt": (rb"(<Ntry><Amt Ccy='...'>)([^<]*)", ""),
    "mt940": (rb"(:61:\d{10}[DC])([\d,]*)", ""),
}


@pytest.mark.parametrize("name", FIELDS)
@settings(max_examples=12 * TIMES)
@given(rows=ROWS, wrong=WRONG, data=st.data())
def test_rows_that_cannot_be_read_are_put_aside_and_the_others_are_read(name, rows, wrong, data):
    bad = data.draw(st.sets(st.integers(0, len(rows) - 1)))
    if name == "mt940" and wrong[0].isdigit():
        wrong = "x"  # An amount ends where its digits do, and other fields follow without a sign between them.
    pattern, encoding = FIELDS[name]
    content = WRITERS[name](rows, "EUR")
    places = iter(range(len(rows)))
    raw = content.decode(encoding).encode() if encoding else content
    raw = re.sub(pattern, lambda found: found[1] + (wrong.encode() if next(places) in bad else found[2]), raw)
    with suppress(FileUnreadable):
        parsed = read_file(raw.decode().encode(encoding) if encoding else raw, options=ReadOptions(currency="EUR"))
        read = [(row.posted_on, row.amount_minor) for row in rows_of(parsed)]
        good = [(row.posted_on, row.amount_minor) for place, row in enumerate(rows) if place not in bad]
        assert read == good
        assert len(parsed.rejected) == len(bad)
        return
    # Refused as a whole only where nothing was left to read, or where sums show that something is missing.
    assert bad


@settings(max_examples=40 * TIMES)
@given(rows=st.lists(ROWS, min_size=2, max_size=2).map(lambda lists: lists[0] + lists[1]), wrong=WRONG, data=st.data())
def test_rows_of_a_table_that_cannot_be_read_are_put_aside_and_the_others_are_read(rows, wrong, data):
    bad = data.draw(st.sets(st.integers(0, len(rows) - 1), max_size=len(rows) // 4))
    lines = WRITERS["table"](rows, "EUR").decode().splitlines()
    for place in bad:
        cells = lines[place + 1].rsplit(",", 2)
        lines[place + 1] = ",".join([cells[0], '"' + wrong + '"', cells[2]])
    with suppress(FileUnreadable):
        parsed = read_file("\r\n".join(lines).encode(), options=ReadOptions(currency="EUR"))
        assert len(rows_of(parsed)) + len(parsed.rejected) == len(rows)


# Pages of institutions


def simplefin_page(said: bytes) -> bytes:
    head = simplefin_pages.Head(covers=simplefin_samples.COVERS)
    return simplefin_pages.write_page(head, said)


def ofx_page(content: bytes) -> bytes:
    return ofx_direct_pages.put_into_page(ofx_pages.ASKED, content)


SAMPLES = {
    "sandbox": (
        sandbox_pages.parse_page,
        bytes,
        mutated_json(
            st.just(
                {"account": "a1", "from": "2026-11-01", "to": "2026-11-23", "removed": ["t9"], "next_page": None,
                 "transactions": [sandbox_samples.ROW, sandbox_samples.ROW | {"id": "t2"}]}
            )
            | st.just({"as_of": "2026-11-23T10:00:00Z", "accounts": [sandbox_samples.ACCOUNT]})
        ),
    ),
    "plaid": (
        plaid_pages.parse_page,
        bytes,
        mutated_json(
            st.just(
                {"accounts": [plaid_samples.ACCOUNT], "added": [plaid_samples.ROW], "modified": [plaid_samples.ROW],
                 "removed": [{"transaction_id": "a", "account_id": "BxBX"}], "next_cursor": "c", "has_more": False}
            )
        ),
    ),
    "simplefin": (
        simplefin_pages.parse_page,
        simplefin_page,
        mutated_json(
            st.just(simplefin_samples.answer(simplefin_samples.account(simplefin_samples.transaction(),
                                                                       simplefin_samples.transaction(id="T2"))))
        ),
    ),
    "ofx": (
        ofx_direct_pages.parse_page,
        ofx_page,
        mutated(st.just(ofx_pages.answer(ofx_pages.statement(ofx_pages.row(), ofx_pages.row("a2"))))),
    ),
}  # fmt: skip


def check_page(page: ParsedPage) -> None:
    for row in page.transactions:
        assert -BIGINT_MAX <= row.amount_minor <= BIGINT_MAX
        assert "\0" not in row.description + row.external_id + row.currency
        (row.description + row.external_id).encode()
    for account in page.accounts:
        (account.name + account.external_id).encode()
        for minor in (account.balance_minor, account.available_minor):
            assert minor is None or -BIGINT_MAX <= minor <= BIGINT_MAX
    assert all(rejected.reason for rejected in page.rejected)


@pytest.mark.parametrize("name", SAMPLES)
@settings(max_examples=120 * TIMES)
@given(data=st.data())
def test_a_page_that_was_tampered_with_is_read_or_refused(name, data):
    parse, wrap, said = SAMPLES[name]
    with suppress(InstitutionFailure):
        check_page(in_time(parse, wrap(data.draw(said))))


@pytest.mark.parametrize("name", SAMPLES)
@settings(max_examples=40 * TIMES)
@given(content=st.binary(max_size=80) | st.sampled_from(PIECES), wrapped=st.booleans())
def test_bytes_that_are_no_page_are_refused(name, content, wrapped):
    parse, wrap, _ = SAMPLES[name]
    with suppress(Failure):
        check_page(in_time(parse, wrap(content) if wrapped else content))
