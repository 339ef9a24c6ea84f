"""How to log in at an institution. Made by the API, sealed by the vault, used by connectors."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """How to log in. `repr` shows no secret."""

    url: str
    login: str
    password: str

    def __repr__(self) -> str:
        return f"Credentials(url={self.url!r}, login=..., password=...)"
