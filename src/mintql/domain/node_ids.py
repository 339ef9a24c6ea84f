"""Global ids of rows, as everything outside knows them: the API takes apart what is written here."""

from __future__ import annotations

from binascii import b2a_base64


def node_id(type_name: str, number: int) -> str:
    """Return the global id of a row: the base64 of `TypeName:number`, without padding.

    Letters, digits and a colon never come to the two characters by which alphabets for addresses differ.
    """
    return b2a_base64(f"{type_name}:{number}".encode(), newline=False).decode().rstrip("=")
