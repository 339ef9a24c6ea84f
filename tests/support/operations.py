"""Random queries over a schema: valid ones, with arguments that are mostly valid.

What a query is about is not known here: ids and cursors stand as `%Account:3%` or `%transactions:1%`, and whoever runs
it puts real ones of that type or that list in their place with `filled`.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    Undefined,
    get_named_type,
    is_composite_type,
    is_required_argument,
    is_required_input_field,
)

DEPTH_MAX = 6
FIELDS_MAX = 30
BRANCHES_MAX = 2
"""How many fields of a selection have selections of their own."""
TEXTS = ("", "a", "coffee", "Netflix", "12.50", "no such thing", "ü%_")
WRONG = ("garbage", "", 'quo"te', "é")
ANY = "any"
NAMED = {"accountIds": "Account", "categoryId": "Category", "categoryIds": "Category", "endpointId": "WebhookEndpoint"}
"""Which type of object the ids of an argument are of; any for others."""
_PLACE = re.compile(r"%(\w+):(\d+)%")


@dataclass
class Operation:
    """A query or subscription with its variables."""

    text: str
    variables: dict[str, Any] = field(default_factory=dict)

    def filled(self, pools: Mapping[str, Sequence[str]]) -> Operation:
        """Return it with real ids and cursors in their places; without any, a text that is none."""

        def real(found: re.Match[str]) -> str:
            pool = pools.get(found[1]) or WRONG[:1]
            return pool[int(found[2]) % len(pool)]

        return Operation(_PLACE.sub(real, self.text), json.loads(_PLACE.sub(real, json.dumps(self.variables))))


class Writer:
    """Writes one query or subscription by the dice, about days around `today`; `roots` are the fields it begins with."""

    def __init__(self, schema: GraphQLSchema, dice: random.Random, today: date, roots: Sequence[str]) -> None:
        self.schema = schema
        self.dice = dice
        self.today = today
        self.roots = roots
        self.declared: list[str] = []
        self.variables: dict[str, Any] = {}
        self.fragments: dict[str, tuple[str, str]] = {}
        self.fields = 0
        self.numbered = 0
        self.list = ""

    def operation(self) -> Operation:
        assert self.schema.query_type is not None
        names = self.dice.sample(self.roots, self.dice.randint(1, min(3, len(self.roots))))
        body = " ".join(self.field(self.schema.query_type, name, 1) for name in names)
        declared = f"({', '.join(self.declared)})" if self.declared else ""
        return Operation(f"query Random{declared} {{ {body} }} {self._fragments()}".strip(), self.variables)

    def subscription(self) -> Operation:
        """Write one that begins after the cursor `$after`, which is declared and not given."""
        assert self.schema.subscription_type is not None
        name = self.dice.choice(self.roots)
        key = f"x{self.number()}: {name}" if self.chance(20) else name
        type_ = get_named_type(self.schema.subscription_type.fields[name].type)
        body = f"{{ {key}(after: $after) {self.selection(type_, 1)} }}"
        declared = ", ".join(["$after: Cursor", *self.declared])
        return Operation(f"subscription Random({declared}) {body} {self._fragments()}".strip(), self.variables)

    def _fragments(self) -> str:
        return " ".join(f"fragment {name} on {on} {body}" for name, (on, body) in self.fragments.items())

    def chance(self, percent: int) -> bool:
        return self.dice.randint(1, 100) <= percent

    def number(self) -> int:
        self.numbered += 1
        return self.numbered

    # Selections

    def selection(self, type_: Any, depth: int, *, apart: bool = False) -> str:
        """Write what is selected of a type; `apart`: under keys that nothing else has."""
        parts = [] if self.chance(85) else ["__typename"]
        if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
            parts += self.some_fields(type_, depth, apart=apart)
        if isinstance(type_, GraphQLInterfaceType | GraphQLUnionType):
            parts.append("__typename")
            possible = sorted(self.schema.get_possible_types(type_), key=lambda found: found.name)
            for found in self.dice.sample(possible, min(len(possible), self.dice.randint(1, 3))):
                parts.append(f"... on {found.name}{self.switch()} {self.selection(found, depth, apart=True)}")
        self.dice.shuffle(parts)
        return f"{{ {' '.join(parts)} }}"

    def some_fields(self, type_: GraphQLObjectType | GraphQLInterfaceType, depth: int, *, apart: bool) -> list[str]:
        leaves = [
            name for name in sorted(type_.fields) if not is_composite_type(get_named_type(type_.fields[name].type))
        ]
        branches = sorted(type_.fields.keys() - set(leaves)) if depth < DEPTH_MAX and self.fields < FIELDS_MAX else []
        names = self.dice.sample(branches, min(len(branches), self.dice.randint(0, BRANCHES_MAX)))
        names += self.dice.sample(leaves, min(len(leaves), self.dice.randint(0 if names else 1, 4)))
        if not names:
            return ["__typename"]
        parts = [self.field(type_, name, depth, apart=apart) for name in names]
        if not self.chance(25):
            return parts
        some = " ".join(parts)
        if self.chance(40):
            return [f"...{self.switch()} {{ {some} }} __typename"]
        if self.chance(50):
            return [f"... on {type_.name}{self.switch()} {{ {some} }} __typename"]
        name = f"F{self.number()}"
        self.fragments[name] = (type_.name, f"{{ {some} }}")
        return [f"...{name}{self.switch()}", f"...{name}", "__typename"]

    def field(
        self, type_: GraphQLObjectType | GraphQLInterfaceType, name: str, depth: int, *, apart: bool = False
    ) -> str:
        self.fields += 1
        definition = type_.fields[name]
        arguments = self.arguments(name, definition)
        head = name + arguments
        if arguments or apart or self.chance(10):
            head = f"x{self.number()}: {head}"
        inner = get_named_type(definition.type)
        if not is_composite_type(inner):
            return head + self.switch()
        written = f"{head}{self.switch()} {self.selection(inner, depth + 1)}"
        # The same field twice: what is selected of it comes together.
        return f"{written} {head} {self.selection(inner, depth + 1)}" if self.chance(8) else written

    def switch(self) -> str:
        if not self.chance(6):
            return ""
        word, truth = self.dice.choice(["skip", "include"]), self.chance(60)
        condition = self.variable("Boolean!", truth) if self.chance(60) else json.dumps(truth)
        return f" @{word}(if: {condition})"

    # Values

    def arguments(self, of: str, definition: GraphQLField) -> str:
        given = []
        for name, argument in definition.args.items():
            if is_required_argument(argument) or self.chance(35):
                self.list = of
                given.append(f"{name}: {self.argument(name, argument)}")
        return f"({', '.join(given)})" if given else ""

    def argument(self, name: str, argument: GraphQLArgument) -> str:
        value = self.value(name, argument.type)
        if not self.chance(50):
            return literal(value)
        return self.variable(str(argument.type), value)

    def variable(self, type_: str, value: Any) -> str:
        """Declare a variable; its value is sent, is its default, or (where it may be) is left out."""
        name, how = f"v{self.number()}", self.dice.randint(1, 10)
        default = ""
        if how <= 3:
            default = f" = {literal(value)}" if not isinstance(value, dict | list) else ""
        if how > 2 or (not default and type_.endswith("!")):
            self.variables[name] = value
        self.declared.append(f"${name}: {type_}{default}")
        return f"${name}"

    def value(self, name: str, type_: Any) -> Any:
        if isinstance(type_, GraphQLNonNull):
            return self.value_not_null(name, type_.of_type)
        return None if self.chance(5) else self.value_not_null(name, type_)

    def value_not_null(self, name: str, type_: Any) -> Any:
        if isinstance(type_, GraphQLList):
            return [self.value(name, type_.of_type) for _ in range(self.dice.randint(0, 3))]
        if isinstance(type_, GraphQLInputObjectType):
            return {
                key: self.value(key, item.type)
                for key, item in type_.fields.items()
                if is_required_input_field(item) or self.chance(20 if _is_optional(item) else 100)
            }
        if isinstance(type_, GraphQLEnumType):
            return Word(self.dice.choice(sorted(type_.values)))
        return self.scalar(name, type_.name)

    def scalar(self, name: str, type_name: str) -> Any:
        dice = self.dice
        if type_name in ("ID", "Cursor"):
            pool = self.list if type_name == "Cursor" else NAMED.get(name, ANY)
            return dice.choice(WRONG) if self.chance(4) else f"%{pool}:{dice.randint(0, 200)}%"
        back = {"from": dice.randint(40, 120), "to": dice.randint(-20, 60)}.get(name, dice.randint(-10, 90))
        day = self.today - timedelta(days=back)
        if type_name == "Date":
            return "2026-02-30" if self.chance(2) else day.isoformat()
        if type_name == "Month":
            return "2026-13" if self.chance(2) else f"{day:%Y-%m}"
        found: dict[str, Sequence[Any]] = {
            "Int": (-1, 0, 101) if self.chance(3) else (1, 2, 3, 5),
            "Boolean": (True, False),
            "CurrencyCode": ("XAU", "usd") if self.chance(5) else ("USD", "EUR", "JPY"),
            "Decimal": ("1e3", "-0.0000001") if self.chance(5) else ("0", "12.50", "-20"),
            "BigInt": (0, 5, -7),
            "Float": (0.5, 1.0),
        }
        return dice.choice(found.get(type_name, TEXTS))


class Word(str):
    """The name of an enum's value, written without quotes."""

    __slots__ = ()


def literal(value: Any) -> str:
    """Return a value as GraphQL writes it in a document."""
    if isinstance(value, Word):
        return str(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(literal(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def _is_optional(item: GraphQLInputField) -> bool:
    return item.default_value is not Undefined or not isinstance(item.type, GraphQLNonNull)
