"""Documents that the operator has listed: asked for by their ids, and, if so set, the only ones that are executed.

A manifest is what a client's build writes of the operations in its code. Three shapes are read: an object of ids and
documents (relay-compiler, graphql-codegen), and Apollo's `apollo-persisted-query-manifest`. All of it is parsed,
measured and validated when the process starts, and kept: a request by id is never parsed.

A request names a document by `documentId` (the GraphQL foundation's draft on persisted documents), or by Apollo's
`extensions.persistedQuery.sha256Hash`. Nothing is registered by requests.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import orjson
from graphql import GraphQLError, OperationDefinitionNode

from mintql.api.documents import Documents
from mintql.domain.wording import shown

MANIFEST_BYTES_MAX = 16 * 1024 * 1024
DOCUMENTS_MAX = 10_000
ID_LENGTH_MAX = 200
APOLLO_FORMAT: Final = "apollo-persisted-query-manifest"
SHA256_PREFIX: Final = "sha256:"

_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


class TrustedDocuments:
    """The documents that are listed; nothing is when `texts` is empty. `only` refuses all others."""

    def __init__(self, texts: Mapping[str, str] | None = None, *, only: bool = False) -> None:
        self.only = only
        self._by_id = dict(texts or {})
        for text in list(self._by_id.values()):
            self._by_id.setdefault(sha256_of(text), text)
        self._texts = frozenset(self._by_id.values())

    def find(self, document_id: str) -> str | None:
        """Return the document with an id, which may also be its SHA-256 in hex, with or without `sha256:` before it."""
        return self._by_id.get(document_id) or self._by_id.get(document_id.removeprefix(SHA256_PREFIX))

    def has(self, text: str) -> bool:
        """Tell whether a document is one of those that are listed, to the character."""
        return text in self._texts

    def __len__(self) -> int:
        """Return how many documents there are."""
        return len(self._texts)


NO_DOCUMENTS: Final = TrustedDocuments()


def sha256_of(text: str) -> str:
    """Return the SHA-256 of a document in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def load_trusted(path: str, documents: Documents, *, only: bool) -> TrustedDocuments:
    """Read a manifest, and keep all of its documents prepared in `documents`.

    Raises:
        ValueError: The file cannot be read, or one of its documents cannot be executed here; says which and why.
    """
    texts = _texts_of(_content(Path(path)))
    for document_id, text in texts.items():
        fault = _fault(document_id, text, documents)
        if fault:
            raise ValueError(f"the document {shown(document_id)} of {path} {fault}")
    return TrustedDocuments(texts, only=only)


def _content(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            content = file.read(MANIFEST_BYTES_MAX + 1)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    if len(content) > MANIFEST_BYTES_MAX:
        raise ValueError(f"{path} is larger than {MANIFEST_BYTES_MAX:,} bytes")
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON: {error}") from None


def _texts_of(manifest: Any) -> dict[str, str]:
    if isinstance(manifest, dict) and manifest.get("format") == APOLLO_FORMAT:
        operations = manifest.get("operations")
        if not isinstance(operations, list) or not all(isinstance(item, dict) for item in operations):
            raise ValueError(f"the manifest of format {APOLLO_FORMAT} has no list of `operations`")
        manifest = {item.get("id"): item.get("body") for item in operations}
    if not isinstance(manifest, dict) or not manifest:
        raise ValueError('the manifest has to be a JSON object such as {"id": "query { viewer { id } }"}')
    if len(manifest) > DOCUMENTS_MAX:
        raise ValueError(f"the manifest has {len(manifest):,} documents; {DOCUMENTS_MAX:,} at most are taken")
    for document_id, text in manifest.items():
        if not isinstance(document_id, str) or not 1 <= len(document_id) <= ID_LENGTH_MAX:
            raise ValueError(f"{shown(document_id)} is no id of a document: a text of up to {ID_LENGTH_MAX} characters")
        if not isinstance(text, str):  # The file is wrong, not the call.
            raise ValueError(f"what stands for {shown(document_id)} in the manifest is no text with a document")  # noqa: TRY004
    return manifest


def _fault(document_id: str, text: str, documents: Documents) -> str | None:
    """Return what is wrong with a document, None when it was kept."""
    digest = document_id.removeprefix(SHA256_PREFIX)
    if _SHA256.fullmatch(digest) and digest != sha256_of(text):
        return f"is not what its id says: the SHA-256 of its text is {sha256_of(text)}"
    try:
        prepared = documents.pin(text)
    except RecursionError:
        return "is nested too deeply to be read"
    except GraphQLError as error:
        return f"is not GraphQL: {error.message}"
    if prepared.errors:
        return f"cannot be executed: {prepared.errors[0].message}"
    if not any(isinstance(node, OperationDefinitionNode) for node in prepared.document.definitions):
        return "has no operation"
    return None
