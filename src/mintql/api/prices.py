"""What an operation is charged against what its sender may ask for in a minute (`api/admission.py`).

The unit is one value in the answer, as `api/limits.py` measures it before anything is executed. Whatever else is done
for a request is expressed in it: the figures are what such requests take, compared with reading one more value.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from mintql.api.documents import Operation, Prepared

REQUEST_COST = 100
"""Any request, also one that is answered from the cache."""
MUTATION_COST = 1_000
"""Each change: transactions, locks, and what follows from it."""
PASSWORD_COST = 5_000
"""Each field of a mutation that hashes a password, which is slow by design."""
FAULTY_COST = 1_000
"""A document that was read and refused."""

PASSWORD_FIELDS: Final = frozenset(
    {"signUp", "signIn", "changePassword", "deleteAccount", "createAccessToken"}
    | {"beginSecondFactor", "renewRecoveryCodes", "disableSecondFactor", "linkIdentity", "unlinkIdentity"}
)

SIGN_UPS, REFRESHES, CONNECTIONS, IMPORTS, EXPORTS = "sign-ups", "refreshes", "connections", "imports", "exports"
COUNTED_FIELDS: Final = {
    "signUp": SIGN_UPS,
    "refreshConnection": REFRESHES,
    "connectInstitution": CONNECTIONS,
    "createLinkSession": CONNECTIONS,
    "updateCredentials": CONNECTIONS,
    "importTransactions": IMPORTS,
}
"""Mutations that make much work behind their answer, or accounts: so many an hour (`gateways/rate_limits.py`)."""


class Price(NamedTuple):
    """The cost of an operation, and what of it is counted by the hour, as often as it stands in it."""

    cost: int
    counted: tuple[str, ...] = ()


FAULTY: Final = Price(FAULTY_COST)


def price_of(prepared: Prepared | None, operation: Operation | None) -> Price:
    """Return the price of what would run; None stands for a text that is no GraphQL, or nothing that can run."""
    if prepared is None or operation is None:
        return FAULTY
    if not operation.is_mutation:
        return Price(prepared.cost)
    names = [node.name.value for node in operation.root_nodes]
    passwords = sum(name in PASSWORD_FIELDS for name in names)
    return Price(
        prepared.cost + len(names) * MUTATION_COST + passwords * PASSWORD_COST,
        tuple(COUNTED_FIELDS[name] for name in names if name in COUNTED_FIELDS),
    )
