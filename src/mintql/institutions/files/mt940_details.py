"""What the bank says of a transaction in an MT940's field 86: who, what for, and under which reference.

Three ways of writing it are known besides plain text: numbered subfields (Germany, Austria, Poland, Hungary:
`166?00GUTSCHRIFT?20...?32NAME`, with any sign in place of the question mark), words between slashes (the
Netherlands: `/NAME/.../REMI/...`), and within either of them SEPA's own words (`EREF+...SVWZ+...`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mintql.institutions.files.rows import TEXT_LENGTH_LOOKED_AT_MAX, clean, merge

LINE_LENGTH_FULL = 65
"""SWIFT's longest line: what continues after one may be the rest of a word."""

SUBFIELD_LENGTH_FULL = 27

_NUMBERED = re.compile(r"\s*\d{0,3}\s*([^\w\s/+.,:;()'\"-])\d{2}")
_PURPOSE = frozenset({*(f"{number}" for number in range(20, 30)), *(f"{number}" for number in range(60, 66))})
_SEPA = re.compile(r"(?:\b|(?<=\d)|(?<=[a-z]))(EREF|KREF|MREF|CRED|DEBT|SVWZ|ABWA|ABWE|COAM|OAMT|IBAN|BIC|PURP)\+ ?")
_SLASHED = re.compile(
    r"/(TRTP|TRCD|IBAN|BIC|NAME|REMI|EREF|MARF|CSID|ISDT|ORDP|BENM|ADDR|PREF|NRTX|RTRN|CNTP|ULTD|ULTB|ULTC|PURP|"
    r"OCMT|CHGS|EXCH|INIT|ACCW|UDTR|UCRD|SVCL|DCLR)/"
)
_NO_TEXT = re.compile(r"(not ?provided|nonref|\W*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Details:
    """`reference` is what the payer chose, empty where nothing was chosen."""

    description: str
    reference: str = ""


def read_details(lines: list[str]) -> Details:
    """Read the lines of a field 86, its first without the tag."""
    plain = _joined(lines, first_indent=len(":86:"))
    numbered = _NUMBERED.match(plain)
    if numbered:
        return _numbered("".join(lines)[:TEXT_LENGTH_LOOKED_AT_MAX], numbered[1])
    slashed = _SLASHED.split(plain)
    if len(slashed) > 1:
        return _slashed(slashed)
    sepa = _sepa(plain)
    if sepa:
        return Details(merge((sepa.get("", ""), sepa.get("SVWZ", ""), _alternative(sepa))), _told(sepa.get("EREF", "")))
    return Details(clean(plain))


def _joined(lines: list[str], *, first_indent: int) -> str:
    """Join lines, without a space where the one before was cut because it was full."""
    text, indent = "", first_indent
    for line in lines:
        if len(text) > TEXT_LENGTH_LOOKED_AT_MAX:
            break
        full = len(line) + indent >= LINE_LENGTH_FULL
        text += line[:TEXT_LENGTH_LOOKED_AT_MAX] + ("" if full else " ")
        indent = 0
    return text[:TEXT_LENGTH_LOOKED_AT_MAX]


def _numbered(text: str, sign: str) -> Details:
    pieces = re.split(re.escape(sign) + r"(\d{2})", text)
    fields = list(zip(pieces[1::2], pieces[2::2], strict=True))
    purpose = ""
    for number, value in fields:
        if number in _PURPOSE:
            purpose += value if len(value) >= SUBFIELD_LENGTH_FULL else f"{value} "
    name = "".join(
        value if len(value) >= SUBFIELD_LENGTH_FULL or number == "33" else f"{value} "
        for number, value in fields
        if number in {"32", "33"}
    )
    sepa = _sepa(purpose)
    if sepa:
        purpose = f"{sepa.get('', '')} {sepa.get('SVWZ', '')}"
    said = merge((name, _alternative(sepa), purpose))
    posting = next((value for number, value in fields if number == "00"), "")
    return Details(said or clean(posting), _told(sepa.get("EREF", "")))


def _slashed(pieces: list[str]) -> Details:
    fields: dict[str, str] = {}
    for key, value in zip(pieces[1::2], pieces[2::2], strict=True):
        fields.setdefault(key, value.strip())
    name = fields.get("NAME", "")
    if not name and "CNTP" in fields:
        parts = fields["CNTP"].split("/")
        name = parts[2] if len(parts) > 2 else ""  # noqa: PLR2004 - account, bank, name, place.
    remittance = re.sub(r"\A/?(USTD|STRD)//?(CUR/)?", "", fields.get("REMI", "")).strip("/")
    said = merge((pieces[0], name, remittance))
    return Details(said or clean(fields.get("TRTP", "") or " ".join(pieces)), _told(fields.get("EREF", "")))


def _sepa(text: str) -> dict[str, str]:
    """Return what stands behind each of SEPA's words, under "" what stands before them; nothing without any."""
    pieces = _SEPA.split(text)
    if len(pieces) == 1:
        return {}
    fields = {"": pieces[0].strip()}
    for key, value in zip(pieces[1::2], pieces[2::2], strict=True):
        fields.setdefault(key, value.strip())
    return fields


def _alternative(sepa: dict[str, str]) -> str:
    return _told(sepa.get("ABWA", "")) or _told(sepa.get("ABWE", ""))


def _told(text: str) -> str:
    return "" if _NO_TEXT.fullmatch(text) else clean(text)
