"""Institutions that can be connected, and what they ask for."""

from __future__ import annotations

import strawberry

from mintql.api.context import Context, Info
from mintql.domain.credentials import CredentialField as AskedFor
from mintql.domain.credentials import CredentialName
from mintql.domain.errors import InvalidInput, NotFound
from mintql.institutions.base import Capabilities, Connector, Linkable
from mintql.services.imports_targets import FILES


@strawberry.type(description="One thing that an institution wants to know for a connection: a field of a form.")
class CredentialField:
    """A field as shown; make it with `field_of`."""

    name: str = strawberry.field(
        description='"url", "login" or "password", which are arguments of their own, or the name of one of `options`.'
    )
    label: str = strawberry.field(description="What to write beside the field.")
    required: bool = strawberry.field(description="Whether it cannot be left out.")
    secret: bool = strawberry.field(description="Whether it is to be hidden while it is typed.")
    help: str = strawberry.field(description="A sentence that says what to enter; empty where the label says it all.")
    is_option: bool = strawberry.field(description="Whether it goes into `options`.")


@strawberry.type(description="What the way to an institution can do, and how often.")
class InstitutionCapabilities:
    """See `institutions.base.Capabilities`."""

    pending: bool = strawberry.field(description="Whether it tells about purchases that are not booked yet.")
    links_pending: bool = strawberry.field(
        description="Whether it tells which booked purchase a pending one has become. If not, they are matched by "
        "account, amount and day."
    )
    history_days: int = strawberry.field(description="How many days back it tells transactions of.")
    window_days: int | None = strawberry.field(
        description="How many days it tells at once; longer histories are put together. Null where it tells what has "
        "changed instead of days."
    )
    refresh_interval_seconds: int = strawberry.field(
        description="How long it wants between two refreshes of one connection; this server may want longer."
    )
    requests_per_day: int | None = strawberry.field(
        description="How often one connection may ask it in a day (UTC); null where that is unlimited."
    )


@strawberry.type(description="A place where money is held, such as a bank, that this server can read from.")
class Institution:
    """An institution as shown; make it with `institution_of`."""

    id: strawberry.ID = strawberry.field(description='Names it: "sandbox" for the bank to try things with.')
    name: str = strawberry.field(description="Name to show.")
    shows_pending: bool = strawberry.field(description="Whether it tells about purchases that are not booked yet.")
    history_days: int = strawberry.field(description="How many days back it tells transactions of.")
    linkable: bool = strawberry.field(
        description="Whether the person logs in on its own pages: `createLinkSession` opens a visit there, and the "
        "token it ends with is the password to connect with."
    )
    fields: list[CredentialField] = strawberry.field(
        description="What it asks for, in the order to ask; nothing else is taken."
    )
    capabilities: InstitutionCapabilities = strawberry.field(description="What it can do, and how often.")


def institution_of(connector: Connector) -> Institution:
    """Return an institution as GraphQL shows it."""
    return Institution(
        id=strawberry.ID(connector.institution_id),
        name=connector.name,
        shows_pending=connector.capabilities.pending,
        history_days=connector.capabilities.history_days_max,
        linkable=isinstance(connector, Linkable),
        fields=[field_of(field) for field in connector.fields],
        capabilities=capabilities_of(connector.capabilities),
    )


def imported_files() -> Institution:
    """Return what stands in the place of an institution where files brought the accounts."""
    return Institution(
        id=strawberry.ID(FILES),
        name="Imported files",
        shows_pending=False,
        history_days=0,
        linkable=False,
        fields=[],
        capabilities=InstitutionCapabilities(
            pending=False,
            links_pending=False,
            history_days=0,
            window_days=None,
            refresh_interval_seconds=0,
            requests_per_day=None,
        ),
    )


def field_of(field: AskedFor) -> CredentialField:
    """Return a field of a login as GraphQL shows it."""
    return CredentialField(
        name=field.name,
        label=field.label,
        required=field.required,
        secret=field.secret,
        help=field.help,
        is_option=field.name not in frozenset(CredentialName),
    )


def capabilities_of(capabilities: Capabilities) -> InstitutionCapabilities:
    """Return what a connector can do as GraphQL shows it."""
    return InstitutionCapabilities(
        pending=capabilities.pending,
        links_pending=capabilities.links_pending,
        history_days=capabilities.history_days_max,
        window_days=capabilities.window_days_max if capabilities.window else None,
        refresh_interval_seconds=capabilities.refresh_interval_seconds_min,
        requests_per_day=capabilities.requests_per_day_max,
    )


def connector_of(context: Context, institution_id: str, field: str) -> Connector:
    """Return the way to an institution that this server offers; `field` is the argument that named it."""
    if institution_id == FILES:
        raise InvalidInput("Files have no login and are not refreshed; import a newer one instead.", field=field)
    connector = context.runtime.connectors.get(institution_id)
    if connector is None:
        raise NotFound(f"This server offers no institution {institution_id[:40]!r}.", field=field)
    return connector


@strawberry.type
class InstitutionsQuery:
    """Reads of institutions."""

    @strawberry.field(description="The institutions this server can connect to, by name. Needs no session.")
    def institutions(self, info: Info) -> list[Institution]:
        connectors = info.context.runtime.connectors.values()
        return [institution_of(connector) for connector in sorted(connectors, key=lambda item: item.name)]
