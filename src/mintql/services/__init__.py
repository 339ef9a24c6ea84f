"""Use cases, one file per noun.

A service takes a database connection and plain values, never GraphQL types. The caller owns the transaction;
what must happen after its commit is returned as `Effects`.
"""
