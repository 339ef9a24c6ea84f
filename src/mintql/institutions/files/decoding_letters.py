"""Telling encodings of one byte a letter from the letters and signs that one expects where they stand."""

from __future__ import annotations

import re
from collections import Counter

RUNS_MAX = 4096
"""How many runs of bytes beyond ASCII are weighed: more do not change the outcome."""

RUN_BYTES_MAX = 64
ALPHABET_RUN_LENGTH_MIN = 3
"""Words in Cyrillic and Greek are beyond ASCII as a whole; accented letters stand alone or in twos."""

_BEYOND_ASCII = re.compile(rb"[\x80-\xff]+")
_C1 = re.compile(rb"[\x80-\x9f]")
_SIGNS = "§°€£–—„“”‘’´«»·•…®©№\xa0"  # noqa: RUF001

_CENTRAL = "äöüßÄÖÜéáóíúýôçëąćęłńśźżěščřžůťďňľĺŕőűăâîţşĄĆĘŁŃÓŚŹŻÁÉÍÚÝĚŠČŘŽŮŇŐŰ"
_LETTERS = {
    "cp1252": "äöüßÄÖÜéèêëàâáãåçñóòôõíìîïúùûýæøœšžÆØÅÉÈÀÇÑÓÍÚÁÊŠŽ",
    "cp1250": _CENTRAL,
    "iso8859-15": "äöüßÄÖÜéèêëàâáãåçñóòôõíìîïúùûýæøœšžÆØÅÉÈÀÇÑÓÍÚÁÊŠŽ",
    "iso8859-2": _CENTRAL,
    "cp852": _CENTRAL,
    "cp850": "äöüßÄÖÜéèêëàâáãåçñóòôõíìîïúùûæøÆØÅÉÈÀÇÑÓÍÚÁÊ",
    "cp1254": "äöüÄÖÜéâîûçğışİĞŞÇ",
    "mac-roman": "äöüßÄÖÜéèêëàâáãåçñóòôõíìîïúùûæøœÆØÅÉÈÀÇÑÓÍÚÁÊ",
}
"""Candidates, the likelier first, with what is common in the languages that write in them."""

_RUSSIAN = "абвгдежзийклмнопрстуфхцчшщъыьэюяёіїєґАБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯЁІЇЄҐ"
_GREEK = "αβγδεζηθικλμνξοπρςστυφχψωάέήίόύώΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩΆΈΉΊΌΎΏ"
_CZECH_R = 0xF8
_CZECH_OTHERS = (0xE8, 0xEC, 0xF2, 0xF9)
"""In Czech they are r, c, e, n and u with their signs above; no western language has the first beside the others."""

_FREQUENT = frozenset("оеаинтсрвлОЕАИНТСРВЛαοιετσνηυρΑΟΙΕΤΣΝΗΥΡ")
"""Two of three letters in Russian and in Greek, and one of three where an encoding is mistaken for another."""

_ALPHABETS = {"cp1251": _RUSSIAN, "koi8-r": _RUSSIAN, "cp866": _RUSSIAN, "cp1253": _GREEK}


def likeliest(content: bytes, sample: bytes) -> str:
    """Return the encoding under which the most bytes beyond ASCII are what one expects there."""
    seen, in_long_runs = _seen(sample)
    candidates = _LETTERS
    if in_long_runs * 2 > sum(seen.values()):
        candidates = _ALPHABETS | {"cp1252": _LETTERS["cp1252"], "cp1250": _CENTRAL}
    scores = {encoding: _score(seen, encoding, letters) for encoding, letters in candidates.items()}
    bytes_seen = Counter({byte: count for (byte, in_word, _), count in seen.items() if in_word})
    if bytes_seen[_CZECH_R] and any(bytes_seen[byte] for byte in _CZECH_OTHERS):
        scores["cp1250"] += bytes_seen[_CZECH_R]
    best = max(scores, key=lambda encoding: scores[encoding])
    # Without Windows' own signs the two are one, and the other name is the norm's.
    return "iso8859-1" if best == "cp1252" and not _C1.search(content) else best


def _seen(sample: bytes) -> tuple[Counter[tuple[int, bool, bool]], int]:
    """Count each byte beyond ASCII with whether it is in a word and follows a small letter; and those in long runs."""
    seen: Counter[tuple[int, bool, bool]] = Counter()
    in_long_runs = 0
    for number, run in enumerate(_BEYOND_ASCII.finditer(sample)):
        if number == RUNS_MAX:
            break
        before, after = sample[max(run.start() - 1, 0) : run.start()], sample[run.end() : run.end() + 1]
        high = run.group()[:RUN_BYTES_MAX]
        in_word = (before + after).isalpha() or before.isalpha() or after.isalpha() or len(high) > 1
        in_long_runs += len(high) if len(high) >= ALPHABET_RUN_LENGTH_MIN else 0
        seen.update((byte, in_word, before.islower()) for byte in high)
    return seen, in_long_runs


def _score(seen: Counter[tuple[int, bool, bool]], encoding: str, letters: str) -> float:
    score = 0.0
    for (byte, in_word, after_small), count in seen.items():
        char = bytes((byte,)).decode(encoding, "replace")
        if char in _SIGNS:
            value = 1.0 if not in_word else 0.25
        elif char.isalpha():
            # A capital within a word of small letters is another letter's byte.
            odd = after_small and char.isupper()
            value = (-1.0 if odd else 1.0 if char in letters else -0.5) if in_word else 0.0
            value += 0.5 if char in _FREQUENT else 0.0
        elif not char.isprintable() or char == "\ufffd":
            value = -3.0
        else:
            value = -2.0 if in_word else -0.5
        score += value * count
    return score
