"""The rules of the product as pure functions and frozen values.

Standard library only: no database, no clock, no randomness, no files. Time, ids and texts come in as
arguments, so every rule can be tested, replayed and proven on its own.
"""
