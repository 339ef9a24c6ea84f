"""Which documents one process executes: all that are valid, or those that the operator has listed."""

from __future__ import annotations

from typing import Final

from starlette.requests import HTTPConnection
from strawberry.http.websocket_origin import is_same_origin

from mintql.api.documents import Documents
from mintql.api.requests import Ask, RefusedError
from mintql.api.trusted_documents import NO_DOCUMENTS, load_trusted
from mintql.settings import Settings

UNTRUSTED_DOCUMENT: Final = "UNTRUSTED_DOCUMENT"


class Trust:
    """The documents that are listed, read when the process starts.

    Raises:
        SystemExit: One of them cannot be executed here; says which and why.
    """

    def __init__(self, settings: Settings, documents: Documents) -> None:
        self._own_pages = settings.environment == "development"
        self.documents = NO_DOCUMENTS
        if settings.trusted_documents is not None:
            try:
                only = settings.trusted_documents_only
                self.documents = load_trusted(settings.trusted_documents, documents, only=only)
            except ValueError as error:
                raise SystemExit(f"mintql: MINTQL_TRUSTED_DOCUMENTS: {error}") from None

    def checked(self, request: HTTPConnection, ask: Ask) -> Ask:
        """Return what is asked if it may be executed; in development, pages of this server may ask for anything.

        Raises:
            RefusedError: Only documents that are listed may, and this is none of them.
        """
        if ask.is_trusted or not self.documents.only:
            return ask
        origin = request.headers.get("origin")
        if self._own_pages and origin is not None and is_same_origin(origin, request.headers.get("host")):
            return ask
        message = "Only documents of the operator's list are executed here, by their `documentId` or word for word."
        raise RefusedError(403, message, code=UNTRUSTED_DOCUMENT)
