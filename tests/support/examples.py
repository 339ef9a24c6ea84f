"""Examples in a page of documentation: operations, their variables and the shape of their answers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson
from graphql import OperationDefinitionNode, parse

_FENCE = re.compile(r"^```(?P<info>[^\n]+)\n(?P<body>.*?)^```$", re.DOTALL | re.MULTILINE)
_PLACEHOLDER = re.compile(r"\$(?P<name>[A-Za-z]\w*)")

EXACT = frozenset({"__typename", "code", "state", "status", "reason", "origin", "field"})
"""Keys whose values have to be those of the page; of others the type has to be."""


@dataclass
class Example:
    """One use of an operation, or one shell command. Any of several `answers` will do."""

    language: str
    text: str
    variables: dict[str, Any] = field(default_factory=dict)
    answers: list[dict[str, Any]] = field(default_factory=list)
    file: tuple[str, str] | None = None
    """Name and content of the file that goes with it, if one is shown before it."""

    @property
    def operation(self) -> OperationDefinitionNode:
        (definition,) = parse(self.text).definitions
        assert isinstance(definition, OperationDefinitionNode)
        return definition

    @property
    def kind(self) -> str:
        return self.operation.operation.value if self.language == "graphql" else self.language


def read_examples(page: str) -> list[Example]:
    """Return the examples of a page in order; variables after an answer use the same operation again."""
    found: list[Example] = []
    file: tuple[str, str] | None = None
    for match in _FENCE.finditer(page):
        info, body = match["info"], match["body"]
        if info in ("graphql", "sh"):
            found.append(Example(info, body, file=file))
            file = None
        elif info.startswith("csv "):
            file = info.removeprefix("csv "), body
        elif info == "json variables":
            if found[-1].answers:
                found.append(Example("graphql", found[-1].text))
            found[-1].variables = orjson.loads(body)
        elif info == "json answer":
            found[-1].answers.append(orjson.loads(body))
    return found


def fill(value: Any, known: dict[str, str]) -> Any:
    """Replace `$name` inside texts by what is known under that name."""
    if isinstance(value, str):
        return _PLACEHOLDER.sub(lambda match: known[match["name"]], value)
    if isinstance(value, list):
        return [fill(item, known) for item in value]
    if isinstance(value, dict):
        return {key: fill(item, known) for key, item in value.items()}
    return value


def differences(shown: Any, given: Any, known: dict[str, str], path: str = "answer") -> Iterator[str]:
    """Say where an answer does not look as shown; put values shown as `$name` into `known`.

    The first item of a list that is shown stands for all items, and there has to be one, except in a list within a list. A shown null stands
    for anything. Inside lists no value has to be exactly as shown, and any may be null.
    """
    if isinstance(shown, str) and _PLACEHOLDER.fullmatch(shown) and isinstance(given, str):
        known[shown.removeprefix("$")] = given
    elif isinstance(shown, dict) and isinstance(given, dict):
        if shown.keys() != given.keys():
            yield f"{path} has {sorted(given)}, not {sorted(shown)}"
            return
        for key, value in shown.items():
            inner = f"{path}.{key}"
            if key in EXACT and "[" not in path and isinstance(value, str) and value != given[key]:
                yield f"{inner} is {given[key]!r}, not {value!r}"
            yield from differences(value, given[key], known, inner)
    elif isinstance(shown, list) and isinstance(given, list):
        if shown and not given and "[" not in path:
            yield f"{path} is empty"
        for number, item in reversed(list(enumerate(given if shown else []))):
            yield from differences(shown[0], item, known, f"{path}[{number}]")
    elif shown is not None and type(shown) is not type(given) and (given is not None or "[" not in path):
        yield f"{path} is {given!r}, not like {shown!r}"


def matching(example: Example, given: Any, known: dict[str, str]) -> list[str]:
    """Return the differences to the shown answer that is nearest; none when one of them fits."""
    tries = []
    for shown in example.answers:
        learnt = dict(known)
        tries.append(list(differences(shown, given, learnt)))
        if not tries[-1]:
            known |= learnt
            return []
    return min(tries, key=len)
