"""How to log in at an institution. Made by the API, sealed by the vault, used by connectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class CredentialName(StrEnum):
    """The parts of a login that a person is asked for by name; anything else is an option of the protocol."""

    URL = "url"
    LOGIN = "login"
    PASSWORD = "password"  # noqa: S105  (a name, and no secret)


@dataclass(frozen=True, slots=True)
class CredentialField:
    """One thing that an institution wants to know for a connection.

    `name` is a `CredentialName` or the name of an option. `label` and `help` are words for the person. An option that
    `identifies` tells logins apart as address and login do: the same ones elsewhere are another login.
    """

    name: str
    label: str
    required: bool = True
    secret: bool = False
    help: str = ""
    identifies: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """How to log in. `options` holds what only some protocols ask for, by name. `repr` shows no secret.

    `device_id` is a stable id of this person at this institution, for those that want to know a device again; it is
    not stored: it is made anew from the keyring each time. Empty where nobody has made one.
    """

    url: str
    login: str
    password: str
    options: Mapping[str, str] = field(default_factory=dict)
    device_id: str = ""

    def __repr__(self) -> str:
        return f"Credentials(url={self.url!r}, login=..., password=...)"
