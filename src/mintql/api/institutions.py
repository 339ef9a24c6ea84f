"""Institutions that can be connected."""

from __future__ import annotations

import strawberry

from mintql.api.context import Info
from mintql.institutions.base import Connector


@strawberry.type(description="A place where money is held, such as a bank, that this server can read from.")
class Institution:
    """An institution as shown; make it with `institution_of`."""

    id: strawberry.ID = strawberry.field(description='Names it: "sandbox" for the bank to try things with.')
    name: str = strawberry.field(description="Name to show.")
    shows_pending: bool = strawberry.field(description="Whether it tells about purchases that are not booked yet.")
    history_days: int = strawberry.field(description="How many days back it tells transactions of.")


def institution_of(connector: Connector) -> Institution:
    """Return an institution as GraphQL shows it."""
    return Institution(
        id=strawberry.ID(connector.institution_id),
        name=connector.name,
        shows_pending=connector.capabilities.pending,
        history_days=connector.capabilities.history_days_max,
    )


@strawberry.type
class InstitutionsQuery:
    """Reads of institutions."""

    @strawberry.field(description="The institutions this server can connect to, by name. Needs no session.")
    def institutions(self, info: Info) -> list[Institution]:
        connectors = info.context.runtime.connectors.values()
        return [institution_of(connector) for connector in sorted(connectors, key=lambda item: item.name)]
