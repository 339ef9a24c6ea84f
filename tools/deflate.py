"""A deflate encoder (RFC 1951 in the frame of RFC 1950) whose output depends on nothing but its input.

zlib itself promises no stable output: builds of it differ in what they write, and a file that is committed must be the
same wherever it is made. bzip2 would be stable, but unpacking takes seven times as long, in every process that starts.
"""

from __future__ import annotations

import heapq
import zlib
from collections import Counter
from collections.abc import Iterator

WINDOW = 32_768
MATCH_MIN = 4
MATCH_MAX = 258
CANDIDATES_MAX = 12
"""More earlier places are tried for a better match; beyond this the file hardly shrinks."""
BLOCK_TOKENS = 40_000
"""Each block has codes of its own; texts and numbers lie apart, so that blocks of this length fit what they hold."""

_END = 256
_MATCH = 1 << 16
"""A token is a literal byte, or a match as length * _MATCH + distance."""
_ORDER = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)


def _symbols(first: int, bases: Iterator[tuple[int, int]], last: int) -> dict[int, tuple[int, int, int]]:
    """Return, by length or distance, its symbol, the number of extra bits and their value."""
    table: dict[int, tuple[int, int, int]] = {}
    for symbol, (base, bits) in enumerate(bases, first):
        for value in range(base, min(base + (1 << bits), last + 1)):
            table[value] = symbol, bits, value - base
    return table


def _bases(base: int, per_step: int, codes: int) -> Iterator[tuple[int, int]]:
    for code in range(codes):
        bits = max(0, code // per_step - 1)
        yield base, bits
        base += 1 << bits


_LENGTHS = _symbols(257, _bases(3, 4, 28), MATCH_MAX) | {MATCH_MAX: (285, 0, 0)}
_DISTANCES = _symbols(0, _bases(1, 2, 30), WINDOW)


def compress(content: bytes) -> bytes:
    """Return `content` as a zlib stream."""
    bits = _Bits()
    tokens = list(_tokens(content))
    starts = range(0, len(tokens), BLOCK_TOKENS) or range(1)
    for start in starts:
        _write_block(bits, tokens[start : start + BLOCK_TOKENS], last=start == starts[-1])
    return b"\x78\xda" + bits.finished() + zlib.adler32(content).to_bytes(4, "big")


def _tokens(content: bytes) -> Iterator[int]:
    seen: dict[bytes, list[int]] = {}
    size = len(content)
    at = 0
    waiting = (0, 0)
    while at < size:
        length, distance = waiting if waiting[0] else _longest(content, at, seen)
        waiting = (0, 0)
        _remember(content, at, seen)
        if length:
            # A longer match one byte later is worth a literal.
            waiting = _longest(content, at + 1, seen)
            if waiting[0] <= length:
                waiting = (0, 0)
                for later in range(at + 1, at + length):
                    _remember(content, later, seen)
                yield length * _MATCH + distance
                at += length
                continue
        yield content[at]
        at += 1


def _remember(content: bytes, at: int, seen: dict[bytes, list[int]]) -> None:
    places = seen.setdefault(content[at : at + MATCH_MIN], [])
    places.append(at)
    if len(places) > 2 * CANDIDATES_MAX:
        del places[:CANDIDATES_MAX]


def _longest(content: bytes, at: int, seen: dict[bytes, list[int]]) -> tuple[int, int]:
    longest = distance = 0
    limit = min(MATCH_MAX, len(content) - at)
    if limit < MATCH_MIN:
        return 0, 0
    for place in reversed(seen.get(content[at : at + MATCH_MIN], ())[-CANDIDATES_MAX:]):
        if at - place > WINDOW:
            break
        if longest and content[place + longest - 1] != content[at + longest - 1]:
            continue
        length = MATCH_MIN
        while length < limit and content[place + length] == content[at + length]:
            length += 1
        if length > longest:
            longest, distance = length, at - place
            if length == limit:
                break
    return longest, distance


def _write_block(bits: _Bits, tokens: list[int], *, last: bool) -> None:
    literals: Counter[int] = Counter({_END: 1})
    distances: Counter[int] = Counter()
    for token in tokens:
        if token < _END:
            literals[token] += 1
        else:
            literals[_LENGTHS[token // _MATCH][0]] += 1
            distances[_DISTANCES[token % _MATCH][0]] += 1
    literal_lengths = _code_lengths(literals, 15, at_least=257)
    distance_lengths = _code_lengths(distances or Counter({0: 1}), 15, at_least=1)
    bits.add(last, 1)
    bits.add(2, 2)
    _write_code_lengths(bits, literal_lengths, distance_lengths)
    literal_codes, distance_codes = _codes(literal_lengths), _codes(distance_lengths)
    for token in tokens:
        if token < _END:
            bits.add(*literal_codes[token])
            continue
        symbol, extra, value = _LENGTHS[token // _MATCH]
        bits.add(*literal_codes[symbol])
        bits.add(value, extra)
        symbol, extra, value = _DISTANCES[token % _MATCH]
        bits.add(*distance_codes[symbol])
        bits.add(value, extra)
    bits.add(*literal_codes[_END])


def _write_code_lengths(bits: _Bits, literals: list[int], distances: list[int]) -> None:
    runs = list(_runs(literals + distances))
    lengths = _code_lengths(Counter(symbol for symbol, _, _ in runs), 7, at_least=19)
    used = max(place for place, symbol in enumerate(_ORDER) if lengths[symbol] or place == 3) + 1  # noqa: PLR2004
    bits.add(len(literals) - 257, 5)
    bits.add(len(distances) - 1, 5)
    bits.add(used - 4, 4)
    for symbol in _ORDER[:used]:
        bits.add(lengths[symbol], 3)
    codes = _codes(lengths)
    for symbol, value, extra in runs:
        bits.add(*codes[symbol])
        bits.add(value, extra)


def _runs(lengths: list[int]) -> Iterator[tuple[int, int, int]]:
    """Give code lengths as symbol, value and number of extra bits; 16 repeats the last, 17 and 18 are zeros."""
    at = 0
    while at < len(lengths):
        length = lengths[at]
        run = 1
        while at + run < len(lengths) and lengths[at + run] == length and run < 138:  # noqa: PLR2004
            run += 1
        if length == 0 and run >= 11:  # noqa: PLR2004
            yield 18, run - 11, 7
        elif length == 0 and run >= 3:  # noqa: PLR2004
            yield 17, run - 3, 3
        elif run >= 4:  # noqa: PLR2004
            run = min(run, 7)
            yield length, 0, 0
            yield 16, run - 4, 2
        else:
            run = 1
            yield length, 0, 0
        at += run


def _code_lengths(counts: Counter[int], longest: int, at_least: int) -> list[int]:
    """Return Huffman code lengths by symbol; counts are levelled until none is longer than allowed."""
    if len(counts) == 1:
        counts = counts | Counter({0 if 0 not in counts else 1: 1})
    while True:
        heap = [(count, symbol, [symbol]) for symbol, count in sorted(counts.items())]
        heapq.heapify(heap)
        lengths = [0] * max(at_least, max(counts) + 1)
        while len(heap) > 1:
            one, other = heapq.heappop(heap), heapq.heappop(heap)
            for symbol in one[2] + other[2]:
                lengths[symbol] += 1
            heapq.heappush(heap, (one[0] + other[0], min(one[1], other[1]), one[2] + other[2]))
        if max(lengths) <= longest:
            return lengths
        counts = Counter({symbol: (count + 1) // 2 for symbol, count in counts.items()})


def _codes(lengths: list[int]) -> dict[int, tuple[int, int]]:
    """Return the canonical codes, bits reversed as they are written, with their lengths."""
    codes: dict[int, tuple[int, int]] = {}
    code = previous = 0
    for length, symbol in sorted((length, symbol) for symbol, length in enumerate(lengths) if length):
        code <<= length - previous
        codes[symbol] = int(f"{code:0{length}b}"[::-1], 2), length
        code, previous = code + 1, length
    return codes


class _Bits:
    """Bits, the first in the lowest place of each byte."""

    def __init__(self) -> None:
        self._done = bytearray()
        self._open = 0
        self._count = 0

    def add(self, value: int, count: int) -> None:
        self._open |= value << self._count
        self._count += count
        while self._count >= 8:  # noqa: PLR2004
            self._done.append(self._open & 0xFF)
            self._open >>= 8
            self._count -= 8

    def finished(self) -> bytes:
        if self._count:
            self._done.append(self._open & 0xFF)
        return bytes(self._done)
