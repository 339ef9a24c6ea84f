"""What bodies of requests come to, kept for the next one that is the same to the byte.

Apps send few documents, and many persons send each with the same variables: the first page of this month. Nothing of
who asks is in a body, so what was read from it is the same for everybody.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from typing import NamedTuple

from mintql.api.caching import digest_of, may_be_kept
from mintql.api.documents import Operation
from mintql.api.plan_run import Asked
from mintql.api.prices import Price, price_of
from mintql.api.requests import Ask
from mintql.api.schema import Schema

BODIES_KEPT_BYTES_MAX = 256 * 1024
"""Bound on the bodies of all that is kept. A parsed document takes some 100 times its text."""
BODY_KEPT_BYTES_MAX = 8 * 1024


class ReadAsk(NamedTuple):
    """A request and its price, what it would run (None where that is not clear), and its digest if that is kept."""

    ask: Ask
    operation: Operation | None
    digest: str | None
    price: Price

    @property
    def query(self) -> Operation | None:
        """What it would run if that is a query; None for anything else."""
        found = self.operation
        return found if found is not None and found.is_query else None


class KnownAsks:
    """Reads requests for one schema, and keeps what it read; the least recently used is forgotten first."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._kept: OrderedDict[bytes, ReadAsk] = OrderedDict()
        self._kept_bytes = 0

    def get(self, body: bytes) -> ReadAsk | None:
        """Return what was read from the same body before."""
        found = self._kept.get(body)
        if found is not None:
            self._kept.move_to_end(body)
        return found

    def look_at(self, ask: Ask) -> ReadAsk:
        """Return a request with what it would run."""
        prepared = self._schema.prepared(ask.query, ask.variables)
        operation = None if prepared is None else prepared.operation(ask.operation_name)
        price = price_of(prepared, operation)
        if operation is None or not operation.is_query:
            return ReadAsk(ask, operation, None, price)
        ask = replace(ask, variables=Asked(ask.variables or {}))
        return ReadAsk(ask, operation, digest_of(ask) if may_be_kept(operation) else None, price)

    def keep(self, body: bytes, found: ReadAsk) -> None:
        """Keep what was read, if it is a query of no great size."""
        if found.query is None or len(body) > BODY_KEPT_BYTES_MAX or body in self._kept:
            return
        self._kept[body] = found
        self._kept_bytes += len(body)
        while self._kept_bytes > BODIES_KEPT_BYTES_MAX:
            gone, _ = self._kept.popitem(last=False)
            self._kept_bytes -= len(gone)
