"""Institutions: one `Connector` per protocol, and the registry that names them.

May import `domain` and `settings` (and take the guarded HTTP client as an argument); knows no database.
"""
