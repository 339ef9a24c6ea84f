"""Global ids of rows, as everything outside knows them: the API takes apart what is written here."""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Sequence

GROUP_BYTES, GROUP_LETTERS = 3, 4
"""Base64 writes three bytes as four letters (RFC 4648, section 4)."""


def node_id(type_name: str, number: int) -> str:
    """Return the global id of a row: the base64 of `TypeName:number`, without padding.

    Letters, digits and a colon never come to the two characters by which alphabets for addresses differ.
    """
    return b2a_base64(f"{type_name}:{number}".encode(), newline=False).decode().rstrip("=")


def node_ids(type_name: str, numbers: Sequence[int]) -> list[str]:
    """Return the global ids of many rows of one type.

    They are encoded as one text, in which each has as many bytes as a whole number of groups of base64. What follows
    a last byte of an id is zero, and so adds nothing to the letter that the two share.
    """
    texts = [f"{type_name}:{number}".encode() for number in numbers]
    sizes = set(map(len, texts))
    if len(sizes) != 1:
        return [node_id(type_name, number) for number in numbers]
    size = sizes.pop()
    padding = b"\0" * (-size % GROUP_BYTES)
    letters = b2a_base64(padding.join([*texts, b""]), newline=False).decode()
    step, shown = (size + len(padding)) // GROUP_BYTES * GROUP_LETTERS, -(-size * GROUP_LETTERS // GROUP_BYTES)
    return [letters[start : start + shown] for start in range(0, len(texts) * step, step)]
