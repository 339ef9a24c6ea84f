"""Log lines say what they belong to, and not who somebody is."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys

import pytest

from mintql.observing import context
from mintql.observing.logs import FLUSH_SECONDS, Access, JsonFormatter, Line, TextFormatter, without_persons


def record(message: str, *args: object, error: BaseException | None = None) -> logging.LogRecord:
    info = None if error is None else (type(error), error, error.__traceback__)
    return logging.LogRecord("mintql.services.ingest", logging.ERROR, __file__, 1, message, args, info)


@pytest.fixture(autouse=True)
def of_nothing():
    token = context.begin({})
    yield
    context.end(token)


def test_a_line_is_one_object_with_what_it_belongs_to_and_the_exception_as_one_field():
    with context.within(request="r-1", person=context.pseudonym(7)):
        line = JsonFormatter().format(record("run %s failed", 12, error=LookupError("no such row")))
    told = json.loads(line)
    assert "\n" not in line
    assert told["time"].endswith("Z")
    assert told["error"].endswith("LookupError: no such row")
    assert {name: told[name] for name in ("level", "logger", "message", "request", "person")} == {
        "level": "ERROR",
        "logger": "mintql.services.ingest",
        "message": "run 12 failed",
        "request": "r-1",
        "person": context.pseudonym(7),
    }


def test_text_can_be_read_and_shows_the_traceback_below():
    with context.within(job="j"):
        line = TextFormatter().format(record("run %s failed", 12))
    assert line.endswith("ERROR mintql.services.ingest: run 12 failed  [job=j]")


def test_addresses_and_quoted_rows_are_left_out_wherever_they_come_from():
    error = ValueError("duplicate key\nDETAIL:  Key (email)=(ada@example.org) already exists.\nHINT: none")
    line = JsonFormatter().format(record("cannot write to %s", "ada.l@mail.example.org", error=error))
    assert "example.org" not in line
    assert "already exists" not in line
    assert "duplicate key" in line
    assert "HINT: none" in line
    assert without_persons("100 @ 3.50") == "100 @ 3.50"


def test_a_person_is_called_the_same_under_one_key_and_otherwise_under_another():
    context.name_persons_by(b"a" * 32)
    first, other = context.pseudonym(7), context.pseudonym(8)
    context.name_persons_by(b"b" * 32)
    under_another_key = context.pseudonym(7)
    context.name_persons_by(b"a" * 32)
    assert context.pseudonym(7) == first
    assert len({first, other, under_another_key}) == 3
    assert context.masked_key("raw/7/3/12/1/00000.gz") == f"raw/{first}/3/12/1/00000.gz"
    assert context.masked_key("log/v2/2026-11/x.gz") == "log/v2/2026-11/x.gz"


@pytest.mark.parametrize("given", ["req-12345678", "4bf92f3577b34da6a3ce929d0e0e4736", "Root=1-67891233-abcdef012345"])
def test_a_request_keeps_an_id_that_is_well_formed(given):
    assert context.request_id(given) == given


@pytest.mark.parametrize("given", [None, "", "abc", "a" * 200, 'x"y: 1234', "two words", "line\nbreak", "ünïcödé"])
def test_any_other_id_is_replaced_by_one_of_its_own(given):
    made = context.request_id(given)
    assert made != given
    assert context.REQUEST_ID.fullmatch(made)
    assert made != context.request_id(given)


def line_of(number: int) -> Line:
    fields = {"request": f"r-{number}", "operation": "Page", "person": "0123"}
    return Line(1_764_200_000.25, "POST", "/graphql", "query", 200, 1.5, "hit", 7, fields)


async def test_lines_of_requests_are_written_together_and_none_is_lost():
    written: list[bytes] = []
    access = Access()
    access.open("json", written.append)
    for number in range(3):
        access.note(line_of(number))
    assert written == []
    access.close()
    lines = [json.loads(line) for line in b"".join(written).splitlines()]
    assert len(written) == 1
    assert [line.pop("request") for line in lines] == ["r-0", "r-1", "r-2"]
    assert lines[0] == {
        "time": "2025-11-26T23:33:20.250Z", "level": "INFO", "logger": "mintql.access",
        "message": "POST /graphql query Page 200 1.5 ms hit", "method": "POST", "path": "/graphql", "kind": "query",
        "status": 200, "milliseconds": 1.5, "cache": "hit", "cost": 7, "operation": "Page", "person": "0123",
    }  # fmt: skip


async def test_a_line_of_a_request_for_people_says_what_it_was_and_what_became_of_it():
    written: list[bytes] = []
    access = Access()
    access.open("text", written.append)
    access.note(line_of(1))
    await asyncio.sleep(2 * FLUSH_SECONDS)
    said = "POST /graphql query Page 200 1.5 ms hit  [request=r-1 person=0123]"
    assert b"".join(written).decode() == f"2025-11-26T23:33:20.250Z INFO mintql.access: {said}\n"


def test_libraries_that_tell_of_each_step_are_heard_only_when_something_is_wrong():
    code = """
import logging
from mintql.observing import logs
logs.configure("text", "INFO")
for name in ("tracing.span", "daft", "uvicorn", "mintql"):
    logging.getLogger(name).info("%s began", name)
    logging.getLogger(name).warning("%s failed", name)
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr
    said = [line.partition(": ")[2] for line in told.splitlines()]
    assert said == ["tracing.span failed", "daft failed", "uvicorn failed", "mintql began", "mintql failed"]
