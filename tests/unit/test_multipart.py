"""Forms with a file: read as they come in, refused in words."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence

import pytest
from starlette.requests import Request

from mintql.api import multipart
from mintql.api.multipart import Gate, UploadedFile, read_multipart_ask
from mintql.api.requests import Ask, RefusedError
from mintql.domain.ids import UserId

BOUNDARY = "----a-boundary"
OPERATIONS = {"query": "mutation ($file: Upload!) { x(file: $file) }", "variables": {"file": None}}
DISPOSITION = 'form-data; name="{}"'


def part(name: str, content: bytes | object, *headers: str, file_name: str | None = None) -> bytes:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    said = DISPOSITION.format(name) + ("" if file_name is None else f'; filename="{file_name}"')
    lines = [f"--{BOUNDARY}", f"Content-Disposition: {said}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def usual(content: bytes = b"D,Amount\n", file_name: str = "may.csv") -> bytes:
    return form(
        part("operations", OPERATIONS),
        part("map", {"0": ["variables.file"]}),
        part("0", content, file_name=file_name),
    )


async def read(body: bytes, *, chunk: int = 1 << 16, content_type: str | None = None) -> Ask:
    chunks = [body[start : start + chunk] for start in range(0, len(body), chunk)] or [b""]

    async def messages() -> AsyncIterator[dict[str, object]]:
        for number, piece in enumerate(chunks, 1):
            yield {"type": "http.request", "body": piece, "more_body": number < len(chunks)}

    coming = messages()
    header = content_type or f"multipart/form-data; boundary={BOUNDARY}"
    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", header.encode())]}
    return await read_multipart_ask(Request(scope, lambda: anext(coming)))


@pytest.mark.parametrize("chunk", [1, 7, 1 << 16])
async def test_the_file_takes_the_place_of_null_however_the_body_is_cut(chunk: int) -> None:
    ask = await read(usual(b"a\r\n--b\r\n------a-boundar\r\nc"), chunk=chunk)

    assert ask.query == OPERATIONS["query"]
    assert ask.variables == {"file": UploadedFile("may.csv", b"a\r\n--b\r\n------a-boundar\r\nc")}


async def test_one_file_may_go_to_several_places_also_in_lists() -> None:
    operations = {"query": "{ x }", "variables": {"a": {"b": [1, None]}, "c": None}}
    body = form(part("operations", operations), part("map", {"f": ["variables.a.b.1", "variables.c"]}), part("f", b"x"))

    variables = (await read(body)).variables or {}

    assert variables["a"]["b"] == [1, UploadedFile("", b"x")]
    assert variables["c"] == UploadedFile("", b"x")


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("Kontoauszug Mai (ü).csv", "Kontoauszug Mai (ü).csv"),
        ("C:\\\\Users\\\\me\\\\may.ofx", "may.ofx"),
        ("../../etc/passwd", "passwd"),
        ("x" * 300 + ".qif", "x" * 251 + ".qif"),
    ],
)
async def test_of_a_files_name_the_last_part_is_kept(sent: str, kept: str) -> None:
    variables = (await read(usual(file_name=sent))).variables or {}

    assert variables["file"].name == kept


FILE = part("0", b"x", file_name="a.csv")
OPS = part("operations", OPERATIONS)
MAP = part("map", {"0": ["variables.file"]})


@pytest.mark.parametrize(
    ("parts", "status", "words"),
    [
        ((), 400, "lacks the part 'operations'"),
        ((OPS,), 400, "lacks the part 'map'"),
        ((OPS, MAP), 400, "lacks the part '0'"),
        ((MAP, OPS, FILE), 400, "The part 'map' came where 'operations' has to be"),
        ((OPS, FILE, MAP), 400, "The part '0' came where 'map' has to be"),
        ((OPS, MAP, part("1", b"x")), 400, "The part '1' came where '0' has to be"),
        ((OPS, MAP, FILE, FILE), 400, "more than three parts"),
        ((part("operations", b"{"), MAP, FILE), 400, "`operations` is not JSON"),
        ((part("operations", [OPERATIONS]), MAP, FILE), 400, "batches are not taken"),
        ((part("operations", {"query": 3}), MAP, FILE), 400, "`query` has to be a text"),
        ((OPS, part("map", b"nope"), FILE), 400, "`map` is not JSON"),
        ((OPS, part("map", ["variables.file"]), FILE), 400, "`map` has to be a JSON object with the one file"),
        ((OPS, part("map", {"0": ["variables.file"], "1": []}), FILE), 400, "with the one file"),
        ((OPS, part("map", {"0": []}), FILE), 400, "list one to 10 variables"),
        ((OPS, part("map", {"0": [1]}), FILE), 400, "list one to 10 variables"),
        ((OPS, part("map", {"0": ["variables.other"]}), FILE), 400, "'variables.other', which the variables"),
        ((OPS, part("map", {"0": ["query"]}), FILE), 400, "'query', which the variables"),
        ((OPS, part("map", {"0": ["variables"]}), FILE), 400, "'variables', which the variables"),
        ((OPS, part("map", {"0": ["variables.file.x"]}), FILE), 400, "which the variables"),
        ((part("operations", {"query": "{ a }", "variables": {"file": "a"}}), MAP, FILE), 400, "have to hold null"),
        ((part("operations", b"x" * (128 * 1024 + 1)), MAP, FILE), 413, "'operations' is larger than 131,072 bytes"),
        ((OPS, part("map", b" " * 5000), FILE), 413, "'map' is larger than 4,096 bytes"),
        ((OPS, MAP, part("0", b"eA==", "Content-Transfer-Encoding: base64")), 400, "is encoded"),
        ((OPS, MAP, part("0", b"x", *[f"X-{number}: y" for number in range(20)])), 400, "not a form"),
        ((OPS, MAP, part("0", b"x", "X: " + "y" * 5000)), 400, "not a form"),
    ],
)
async def test_what_is_not_as_the_specification_says_is_refused_in_words(
    parts: Sequence[bytes], status: int, words: str
) -> None:
    with pytest.raises(RefusedError) as refused:
        await read(form(*parts))

    assert (refused.value.status, words in refused.value.message) == (status, True), refused.value.message


async def test_a_form_that_was_cut_off_or_is_none_is_refused() -> None:
    for body in (usual()[:-10], b"", b"{}", b"\r\n" * 100_000):
        with pytest.raises(RefusedError) as refused:
            await read(body)
        assert refused.value.status == 400


@pytest.mark.parametrize(
    "content_type",
    ["multipart/form-data", "multipart/form-data; boundary=", f"multipart/form-data; boundary={'x' * 300}"],
)
async def test_a_form_without_a_boundary_that_can_be_used_is_refused(content_type: str) -> None:
    with pytest.raises(RefusedError, match="boundary"):
        await read(usual(), content_type=content_type)


async def test_a_file_that_is_too_large_is_refused_before_it_has_all_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multipart, "FILE_BYTES_MAX", 1 << 20)
    taken = 0

    async def messages() -> AsyncIterator[dict[str, object]]:
        nonlocal taken
        head = OPS + MAP + part("0", b"", file_name="a.csv")[:-2]
        yield {"type": "http.request", "body": head, "more_body": True}
        while True:
            taken += 1 << 16
            yield {"type": "http.request", "body": b"x" * (1 << 16), "more_body": True}

    coming = messages()
    scope = {
        "type": "http",
        "method": "POST",
        "headers": [(b"content-type", f"multipart/form-data; boundary={BOUNDARY}".encode())],
    }
    with pytest.raises(RefusedError) as refused:
        await read_multipart_ask(Request(scope, lambda: anext(coming)))

    assert refused.value.status == 413
    assert taken <= (1 << 20) + (1 << 17)


async def test_a_person_sends_one_file_at_a_time_and_a_process_takes_a_few() -> None:
    gate = Gate()
    async with gate.enter(UserId(1)):
        with pytest.raises(RefusedError) as refused:
            async with gate.enter(UserId(1)):
                pass
        assert refused.value.status == 429
        async with gate.enter(UserId(2)):
            pass
    async with gate.enter(UserId(1)):
        pass
