"""Requests and answers of OFX as the sandbox bank reads and writes them: SGML for version 1, XML for version 2.

Source: Open Financial Exchange 1.0.3 and 2.2, chapter 2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from mintql.sandbox.errors import bad_request

VERSIONS = (102, 103, 151, 160, 200, 201, 202, 203, 210, 211, 220)
VERSION_XML_MIN = 200
DEPTH_MAX = 20
ELEMENTS_MAX = 2_000
HEADER_CHARACTERS_MAX = 2_000

Part = tuple[str, "str | Sequence[Part]"]
"""An element to write: its name, and its text or the elements in it."""

_SGML_VERSION = re.compile(r"^\s*OFXHEADER\s*:\s*100\b.{0,200}?\bVERSION\s*:\s*(\d{3})\b", re.DOTALL)
_XML_VERSION = re.compile(r"<\?OFX\b[^<>]{0,200}?\bVERSION\s*=\s*\"(\d{3})\"")
_TAG = re.compile(r"<(/?)([A-Z][A-Z0-9.]{0,31})>([^<]*)")
_UNESCAPE = {"&lt;": "<", "&gt;": ">", "&amp;": "&", "&nbsp;": " "}
_REFERENCE = re.compile("|".join(_UNESCAPE))
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


@dataclass(slots=True)
class Element:
    """An element of a request: its text, or the elements in it."""

    name: str
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def value(self, name: str) -> str:
        """Return the text of an element directly in this one, "" when there is none."""
        return next((child.text for child in self.children if child.name == name), "")

    def child(self, *names: str) -> Element | None:
        """Return the first element directly in this one with one of these names."""
        return next((child for child in self.children if child.name in names), None)

    def walk(self) -> Iterator[Element]:
        """Yield this element and all in it."""
        yield self
        for child in self.children:
            yield from child.walk()


def read_request(body: bytes) -> tuple[int, Element]:
    """Return version and content of a request.

    Raises:
        BankError: Status 400: not OFX, or not well formed.
    """
    text = body.decode("utf-8", "replace") if b"<?xml" in body[:100] else body.decode("cp1252", "replace")
    start = text.find("<OFX>")
    if start < 0:
        raise bad_request("The body is not OFX: it has no <OFX>.")
    head = text[: min(start, HEADER_CHARACTERS_MAX)]
    found = _SGML_VERSION.search(head) or _XML_VERSION.search(head)
    if found is None:
        raise bad_request("The body is not OFX: its header names no version.")
    version = int(found[1])
    return version, _read_body(text[start:], closed=version >= VERSION_XML_MIN)


def write_answer(version: int, parts: Sequence[Part], file_id: str) -> bytes:
    """Return an answer as bytes in the version of its request. `file_id` is the request's NEWFILEUID."""
    xml = version >= VERSION_XML_MIN
    lines = list(_write(("OFX", parts), closed=xml))
    if xml:
        head = [
            '<?xml version="1.0" encoding="UTF-8" standalone="no"?>',
            f'<?OFX OFXHEADER="200" VERSION="{version}" SECURITY="NONE" OLDFILEUID="NONE" NEWFILEUID="{file_id}"?>',
        ]
        return "\r\n".join([*head, *lines, ""]).encode()
    head = ["OFXHEADER:100", "DATA:OFXSGML", f"VERSION:{version}", "SECURITY:NONE", "ENCODING:USASCII",
            "CHARSET:1252", "COMPRESSION:NONE", "OLDFILEUID:NONE", f"NEWFILEUID:{file_id}", ""]  # fmt: skip
    return "\r\n".join([*head, *lines, ""]).encode("cp1252", "replace")


def _read_body(text: str, *, closed: bool) -> Element:
    """Read elements; in XML each has to be closed, in SGML those with a text need not be."""
    root = Element("")
    stack = [root]
    at = count = 0
    leaf: str | None = None
    while at < len(text):
        found = _TAG.match(text, at)
        count += 1
        if found is None or (found[1] and found[3].strip()) or count > ELEMENTS_MAX or len(stack) > DEPTH_MAX:
            raise bad_request("The OFX is not well formed, or more than a request is.")
        at = found.end()
        end, name, content = found[1], found[2], found[3].strip()
        if end:
            if leaf != name:
                _close(stack, name, leaf, closed=closed)
            leaf = None
            continue
        if leaf is not None and closed:
            raise bad_request(f"In XML <{leaf}> has to be closed.")
        element = Element(name, _REFERENCE.sub(lambda one: _UNESCAPE[one[0]], content))
        stack[-1].children.append(element)
        leaf = name if content else None
        if not content:
            stack.append(element)
    if len(stack) > 1 or leaf is not None:
        raise bad_request("The OFX ends before its last element does.")
    return root.children[0]


def _close(stack: list[Element], name: str, leaf: str | None, *, closed: bool) -> None:
    """End the innermost element of this name; in SGML those left open within it were leaves without a text."""
    depth = next((number for number in range(len(stack) - 1, 0, -1) if stack[number].name == name), 0)
    if not depth or (closed and (leaf is not None or depth != len(stack) - 1)):
        raise bad_request(f"</{name}> closes nothing that is open.")
    for number in range(len(stack) - 1, depth, -1):
        left_open = stack[number]
        stack[number - 1].children += left_open.children
        left_open.children = []
    del stack[depth:]


def _write(part: Part, *, closed: bool) -> Iterator[str]:
    name, content = part
    if isinstance(content, str):
        yield f"<{name}>{content.translate(_ESCAPES)}" + (f"</{name}>" if closed else "")
        return
    yield f"<{name}>"
    for child in content:
        yield from _write(child, closed=closed)
    yield f"</{name}>"
