"""Global ids of rows, as everything outside knows them: the API takes apart what is written here."""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Iterable


def node_id(type_name: str, number: int) -> str:
    """Return the global id of a row: the base64 of `TypeName:number`, without padding.

    Letters, digits and a colon never come to the two characters by which alphabets for addresses differ.
    """
    return b2a_base64(f"{type_name}:{number}".encode(), newline=False).decode().rstrip("=")


def node_ids(type_name: str, numbers: Iterable[int]) -> list[str]:
    """Return the global ids of many rows of one type."""
    begins = f"{type_name}:"
    return [b2a_base64(f"{begins}{number}".encode(), newline=False).decode().rstrip("=") for number in numbers]
