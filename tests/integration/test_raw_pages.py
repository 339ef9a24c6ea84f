"""Raw pages in the object store: what was said stays as it was, small pages share an object, none needs its neighbours."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mintql.domain.errors import InstitutionFailure
from mintql.domain.ids import ConnectionId, SyncRunId, UserId
from mintql.gateways.objects_disk import DiskObjectStore
from mintql.institutions.base import RawPage
from mintql.services import raw_pages
from mintql.services.raw_pages import INLINE_BYTES_MAX, FreshPages, PageWriter, attempt_and_page, unpack
from mintql.store.sync import Extraction, RunKey

SMALL = [b'{"page": 1}', b'{"page": 2}', b'{"page": 3}']
LARGE = b'{"page": "large"}'.ljust(INLINE_BYTES_MAX + 1)


def run_of(run_id: int = 12, attempt: int = 3) -> Extraction:
    values: dict[str, Any] = dict.fromkeys(("sync_cursor", "reason", "institution_id"), "")
    return Extraction(
        RunKey(UserId(7), SyncRunId(run_id)), ConnectionId(5), attempt=attempt, ingest_attempt=0, synced_through=None,
        key_version=None, wrapped_key=b"", ciphertext=b"", **values,
    )  # fmt: skip


async def stored(folder: Path, contents: Sequence[bytes], fresh: FreshPages | None = None) -> PageWriter:
    writer = PageWriter(DiskObjectStore(folder), fresh or FreshPages(), run_of())
    for content in contents:
        await writer.add(RawPage(content, "application/json"))
    await writer.flush()
    return writer


async def test_small_pages_share_an_object_and_each_is_found_by_its_checksum(tmp_path: Path) -> None:
    pages = (await stored(tmp_path, SMALL)).stored
    assert [(page.page, page.object_key, page.size_bytes) for page in pages] == [
        (number, "raw/7/5/12-3-00000.gz", len(content)) for number, content in enumerate(SMALL)
    ]
    packed = (tmp_path / "raw/7/5/12-3-00000.gz").read_bytes()
    assert gzip.decompress(packed) == b"".join(SMALL)
    assert [(await unpack(packed))[page.sha256] for page in pages] == SMALL


async def test_a_large_page_has_an_object_of_its_own_and_keeps_its_place(tmp_path: Path) -> None:
    pages = (await stored(tmp_path, [SMALL[0], LARGE, SMALL[1], SMALL[2]])).stored
    assert [page.page for page in pages] == [0, 1, 2, 3]
    assert [page.object_key for page in pages] == [
        "raw/7/5/12-3-00000.gz", "raw/7/5/12-3-00001.gz", "raw/7/5/12-3-00002.gz", "raw/7/5/12-3-00002.gz",
    ]  # fmt: skip
    assert await unpack((tmp_path / "raw/7/5/12-3-00001.gz").read_bytes()) == {hashlib.sha256(LARGE).digest(): LARGE}


async def test_pages_wait_for_each_other_no_longer_than_they_are_small_together(tmp_path: Path) -> None:
    half = b"x" * (INLINE_BYTES_MAX // 2 + 1)
    writer = PageWriter(DiskObjectStore(tmp_path), FreshPages(), run_of())
    await writer.add(RawPage(half, "text/plain"))
    assert (writer.count, len(writer.stored)) == (1, 0)
    await writer.add(RawPage(half, "text/plain"))
    assert (writer.count, len(writer.stored)) == (2, 1)


async def test_more_pages_than_any_institution_gives_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raw_pages, "PAGES_PER_RUN_MAX", 2)
    with pytest.raises(InstitutionFailure):
        await stored(tmp_path, SMALL)


async def test_what_was_just_stored_is_given_out_once_and_bounded(tmp_path: Path) -> None:
    fresh = FreshPages(bytes_max=len(SMALL[1]) + len(SMALL[2]))
    digests = [page.sha256 for page in (await stored(tmp_path, SMALL, fresh)).stored]
    assert fresh.take(digests[0]) is None
    assert fresh.take(digests[1]) == SMALL[1]
    assert fresh.take(digests[1]) is None
    fresh.put(digests[0], SMALL[0])
    assert [fresh.take(digest) for digest in (digests[0], digests[2])] == [SMALL[0], SMALL[2]]


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("raw/7/5/12-3-00002.gz", (3, 2)),
        ("raw/7/5/123-3-00002.gz", None),
        ("raw/7/5/12-3-00002.gz.gz", None),
        ("raw/7/5/12/3/00002.gz", None),
        ("raw/8/5/12-3-00002.gz", None),
    ],
)
def test_a_key_tells_the_attempt_and_the_first_page_of_its_own_run_alone(
    key: str, told: tuple[int, int] | None
) -> None:
    assert attempt_and_page(run_of(), key) == told
