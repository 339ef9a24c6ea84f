"""Global ids of rows, as everything outside knows them: the API takes apart what is written here."""

from __future__ import annotations

import base64


def node_id(type_name: str, number: int) -> str:
    """Return the global id of a row: the base64 of `TypeName:number`, without padding."""
    return base64.urlsafe_b64encode(f"{type_name}:{number}".encode()).decode().rstrip("=")
