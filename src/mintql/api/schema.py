"""The schema, composed of what each noun's file offers."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import strawberry
from strawberry.schema.config import StrawberryConfig

from mintql.api.errors import HANDLERS, DressErrors
from mintql.api.nodes import NodesQuery
from mintql.api.scalars import SCALARS


def _present(kind: str) -> list[type]:
    found = []
    for noun in ("accounts", "transactions", "categories", "spending", "budgets"):
        if find_spec(f"mintql.api.{noun}"):
            mixin = getattr(import_module(f"mintql.api.{noun}"), noun.capitalize() + kind, None)
            if mixin is not None:
                found.append(mixin)
    return found


Query = strawberry.type(type("Query", (NodesQuery, *_present("Query")), {}), description="What can be read.")
_mutations = _present("Mutation")
Mutation = (
    strawberry.type(type("Mutation", tuple(_mutations), {}), description="What can be changed.") if _mutations else None
)


@cache
def build_schema() -> strawberry.Schema:
    """Return the schema of this process."""
    options: dict[str, Any] = {}
    return strawberry.Schema(
        query=Query,
        mutation=Mutation,
        extensions=[DressErrors],
        config=StrawberryConfig(scalar_map=SCALARS),
        exception_handlers=HANDLERS,
        **options,
    )
