"""The sandbox bank: an institution that does not exist, over real HTTP, for demos and tests.

Its protocol and its control API are described in `docs/sandbox-bank.md`. It imports `domain` only, and
nothing of mintql imports it but the command line: it is reached like any bank, through a connector.
"""

from mintql.sandbox.app import create_app, create_bank

__all__ = ["create_app", "create_bank"]
