"""Media types of answers, as the GraphQL over HTTP specification wants them chosen."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

RESPONSE_JSON = "application/graphql-response+json"
JSON = "application/json"
EVENT_STREAM = "text/event-stream"
HTML = "text/html"
ACCEPTS_KEPT_MAX = 256
"""How many different headers a process keeps answered: clients send few."""


@dataclass(frozen=True, slots=True)
class Range:
    """One media range of an Accept header, e.g. `text/*;q=0.5`."""

    main: str
    sub: str
    quality: float

    def specificity(self, media: str) -> int:
        """Return how closely the range names the type: 3 exactly, 2 its main type, 1 anything, 0 not at all."""
        main, _, sub = media.partition("/")
        if self.main == "*":
            return 1
        if self.main != main:
            return 0
        return 2 if self.sub == "*" else 3 if self.sub == sub else 0


def parse_accept(text: str) -> list[Range]:
    """Read an Accept header (RFC 9110, section 12.5.1). What cannot be read is left out."""
    ranges = []
    for item in text.split(","):
        media, *parameters = (part.strip().lower() for part in item.split(";"))
        main, slash, sub = media.partition("/")
        quality = next((p[2:] for p in parameters if p.startswith("q=")), "1")
        try:
            ranges.append(Range(main, sub, float(quality)) if slash else Range("", "", 0))
        except ValueError:
            continue
    return [found for found in ranges if found.main]


def _quality(ranges: list[Range], media: str) -> float:
    fits = [(found.specificity(media), found.quality) for found in ranges if found.specificity(media)]
    return max(fits, default=(0, 0.0))[1]


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a client takes.

    `json` is the JSON type to answer with, None when it takes neither; `events` tells that it takes a stream
    of events, `prefers_html` that it is a person's browser.
    """

    json: str | None
    events: bool
    prefers_html: bool


@lru_cache(maxsize=ACCEPTS_KEPT_MAX)
def negotiate(accept: str | None) -> Accepted:
    """Choose among our media types. Without the header everything is accepted."""
    ranges = parse_accept(accept) if accept and accept.strip() else [Range("*", "*", 1.0)]
    named = {f"{found.main}/{found.sub}" for found in ranges if found.quality > 0}
    # The newer type says by its status what became of the request, but only for those who know it by name.
    offered = (RESPONSE_JSON, JSON) if RESPONSE_JSON in named else (JSON, RESPONSE_JSON)
    best = max(offered, key=lambda media: _quality(ranges, media))
    if _quality(ranges, best) == 0:
        return Accepted(None, EVENT_STREAM in named, prefers_html=HTML in named)
    prefers_html = HTML in named and _quality(ranges, HTML) >= _quality(ranges, best)
    return Accepted(best, EVENT_STREAM in named, prefers_html and JSON not in named)
