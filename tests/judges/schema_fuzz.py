"""What schemathesis makes of the running server's schema: operations that fit it and operations that do not.

Its own verdict takes every GraphQL error for a defect, as there is no place in a schema for declaring errors. Ours are
declared, in the table of docs/api.md: a defect is an error of the server, a code that is not in that table, an answer
that does not fit the schema and the operation, and one that takes too long.

Prints a line for each defect, and at the end how many operations held, as the programs in `js` do.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import graphql
import httpx
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.graphql import nodes

URL = os.environ["MINTQL_API_URL"] + "/graphql"
TOKEN = os.environ["MINTQL_TOKEN"]
SECONDS_MAX = 10.0
"""How long an answer may take on a machine that is busy with the tests themselves."""
STATUSES = {200, 400, 413}
LEFT_OUT = {"Mutation.signOut": "ends the session that the others need"}
REAL_IDS = """
{
  viewer { id } accounts { id } connections { id } categories { id }
  transactions(first: 20) { nodes { id } pageInfo { endCursor } } notifications { nodes { id cursor } }
  budgetAlerts { nodes { id cursor } } recurring { nodes { id } } transferSuggestions { nodes { id } }
}
"""


def declared_codes() -> set[str]:
    """Return the codes of GraphQL errors that docs/api.md lists, but for that of a defect of ours."""
    page = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
    tables = [part.split("\n\n")[0] for part in page.split("| `extensions.code` | when |")[1:]]
    return set(re.findall(r"`([A-Z_]{6,})`", "\n".join(tables))) - {"INTERNAL_SERVER_ERROR"}


def values_of(found: Any, key: str) -> list[str]:
    """Return all values under a key, however deep."""
    if isinstance(found, list):
        return [value for item in found for value in values_of(item, key)]
    if isinstance(found, dict):
        own = [found[key]] if isinstance(found.get(key), str) else []
        return own + [value for item in found.values() for value in values_of(item, key)]
    return []


def register_scalars() -> None:
    """Tell schemathesis what our scalars look like: mostly as they should, with ids that exist among them."""
    answer = httpx.post(URL, json={"query": REAL_IDS}, headers={"authorization": f"Bearer {TOKEN}"}).json()
    ids = sorted(set(values_of(answer["data"], "id")))
    cursors = sorted({*values_of(answer["data"], "cursor"), *values_of(answer["data"], "endCursor")})
    junk = st.text(max_size=40)
    coded = st.builds(lambda kind, n: base64.b64encode(f"{kind}:{n}".encode()).decode().rstrip("="),
                      st.sampled_from(["Transaction", "Account", "Category", "SyncRun", "event"]),
                      st.integers(-(2**70), 2**70))  # fmt: skip
    days = st.dates().map(str) | st.sampled_from(["0001-01-01", "9999-12-31", "2026-11-27", "2026-02-30"])
    texts = {
        "ID": st.sampled_from(ids) | coded | junk,
        "Cursor": st.sampled_from(cursors) | coded | junk,
        "Month": days.map(lambda day: day[:7]) | junk,
        "Date": days | junk,
        "DateTime": days.map(lambda day: day + "T12:00:00Z") | junk,
        "Decimal": st.decimals(allow_nan=None).map(str) | st.integers(-(10**25), 10**25).map(str) | junk,
        "CurrencyCode": st.sampled_from(["USD", "EUR", "JPY", "KWD", "usd", "XAU"]) | junk,
        "BigInt": st.integers(-(2**70), 2**70).map(str) | junk,
        "Upload": junk,
    }
    for name, strategy in texts.items():
        schemathesis.graphql.scalar(name, strategy.map(nodes.String))


class Misfit(Exception):  # noqa: N818 - it is what it is called
    """A value is none that the schema and the operation let expect."""


SCALARS: dict[str, Any] = {"Int": int, "BigInt": int, "Float": (int, float), "Boolean": bool}
"""What a scalar is in JSON; the others are texts."""


def fits_leaf(kind: Any, value: Any) -> bool:
    """Tell whether a value is one of an enum or of a scalar."""
    if isinstance(kind, graphql.GraphQLEnumType):
        return value in kind.values
    return isinstance(value, SCALARS.get(kind.name, str)) and (kind.name == "Boolean" or not isinstance(value, bool))


class Shape:
    """Whether data is what a document asked a schema for."""

    def __init__(self, schema: graphql.GraphQLSchema, document: graphql.DocumentNode) -> None:
        self.schema = schema
        operations = [node for node in document.definitions if isinstance(node, graphql.OperationDefinitionNode)]
        self.operation = operations[0]
        self.root = schema.get_root_type(self.operation.operation)

    def check(self, data: Any) -> None:
        """Raise `Misfit` where something is missing, not asked for, or of another kind."""
        self.of_object(self.root, data, [self.operation.selection_set], "data")

    def of_object(self, kind: Any, value: Any, selections: list[Any], place: str) -> None:
        wanted: dict[str, list[graphql.FieldNode]] = {}
        for selection in selections:
            self.collect(kind, selection, wanted)
        if not isinstance(value, dict) or set(value) != set(wanted):
            raise Misfit(f"{place}: asked for {sorted(wanted)}, got {value!r}"[:500])
        for key, fields in wanted.items():
            name = fields[0].name.value
            if name == "__typename":
                if value[key] != kind.name:
                    raise Misfit(f"{place}.{key} is {value[key]!r} in a {kind.name}")
                continue
            inner = [field.selection_set for field in fields if field.selection_set]
            self.of_type(kind.fields[name].type, value[key], inner, f"{place}.{key}")

    def collect(self, kind: Any, selections: Any, wanted: dict[str, list[graphql.FieldNode]]) -> None:
        for node in selections.selections:
            if isinstance(node, graphql.FieldNode):
                wanted.setdefault(node.alias.value if node.alias else node.name.value, []).append(node)
            elif isinstance(node, graphql.InlineFragmentNode):
                condition = node.type_condition and self.schema.get_type(node.type_condition.name.value)
                if condition in (None, kind) or (
                    graphql.is_abstract_type(condition) and self.schema.is_sub_type(condition, kind)
                ):
                    self.collect(kind, node.selection_set, wanted)

    def of_type(self, kind: Any, value: Any, selections: list[Any], place: str) -> None:
        if isinstance(kind, graphql.GraphQLNonNull):
            if value is None:
                raise Misfit(f"{place} is null")
            kind = kind.of_type
        if value is None:
            return
        if isinstance(kind, graphql.GraphQLList):
            if not isinstance(value, list):
                raise Misfit(f"{place} is no list but {value!r}"[:500])
            for number, item in enumerate(value):
                self.of_type(kind.of_type, item, selections, f"{place}[{number}]")
        elif graphql.is_leaf_type(kind):
            if not fits_leaf(kind, value):
                raise Misfit(f"{place} is {value!r}, no {kind.name}")
        elif isinstance(kind, graphql.GraphQLObjectType):
            self.of_object(kind, value, selections, place)
        else:
            self.of_abstract(kind, value, selections, place)

    def of_abstract(self, kind: Any, value: Any, selections: list[Any], place: str) -> None:
        """Check against the type that the value names, or else against each that it can be."""
        failures = []
        for possible in self.schema.get_possible_types(kind):
            try:
                self.of_object(possible, value, selections, place)
            except Misfit as misfit:
                failures.append(misfit)
            else:
                return
        raise failures[0]


def faults(schema: graphql.GraphQLSchema, body: str, response: httpx.Response, codes: set[str]) -> list[str]:
    """Return what is wrong with an answer."""
    if response.status_code not in STATUSES:
        return [f"status {response.status_code}: {response.text[:300]}"]
    answer = response.json()
    found = [
        f"undeclared error {error}"[:400]
        for error in answer.get("errors", ())
        if error.get("extensions", {}).get("code") not in codes
    ]
    if response.elapsed.total_seconds() > SECONDS_MAX:
        found.append(f"took {response.elapsed.total_seconds():.1f} s")
    if "errors" not in answer:
        try:
            Shape(schema, graphql.parse(body)).check(answer["data"])
        except Misfit as misfit:
            found.append(str(misfit))
    return found


class Judge:
    """Runs every operation, as one person or as nobody, and keeps what was wrong."""

    def __init__(self, schema: Any, client: httpx.Client, codes: set[str]) -> None:
        self.client_schema = graphql.build_client_schema(schema.raw_schema)
        self.operations = [found.ok() for found in schema.get_all_operations()]
        self.client = client
        self.codes = codes
        self.outcomes: Counter[str] = Counter()
        self.passed = self.failed = 0

    def run(self, examples: int, number: int, who: str) -> None:
        for operation in self.operations:
            if operation.label in LEFT_OUT:
                continue
            wrong: list[str] = []
            for mode, share in ((GenerationMode.POSITIVE, examples), (GenerationMode.NEGATIVE, max(1, examples // 3))):
                self.try_out(operation, mode, share, number, wrong)
            self.passed += not wrong
            self.failed += bool(wrong)
            if wrong:
                print(f"FAILED  {operation.label} {who}: {wrong[0]} ({len(wrong)} in all)", flush=True)

    def try_out(self, operation: Any, mode: GenerationMode, examples: int, number: int, wrong: list[str]) -> None:
        @settings(max_examples=examples, deadline=None, database=None, phases=[Phase.generate],
                  suppress_health_check=list(HealthCheck))  # fmt: skip
        @seed(number)
        @given(case=operation.as_strategy(generation_mode=mode))
        def send(case: Any) -> None:
            body = case.body if isinstance(case.body, str) else case.body["query"]
            response = self.client.post(URL, json={"query": body})
            found = faults(self.client_schema, body, response, self.codes)
            self.outcomes["answered" if b'"errors"' not in response.content else "refused"] += 1
            wrong.extend(f"{fault}\n        {body!r}" for fault in found)

        send()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--examples", type=int, required=True, help="of each operation that fit the schema")
    options = parser.parse_args()
    register_scalars()
    schema = schemathesis.graphql.from_url(URL)
    codes, passed, failed = declared_codes(), 0, 0
    for who, headers in (("signed in", {"authorization": f"Bearer {TOKEN}"}), ("as nobody", {})):
        accept = {"accept": "application/graphql-response+json"}
        with httpx.Client(timeout=60, headers=accept | headers) as client:
            judge = Judge(schema, client, codes)
            judge.run(options.examples if headers else max(1, options.examples // 3), options.seed, who)
        print(f"ok      {judge.passed} of {judge.passed + judge.failed} operations {who}, seed {options.seed}: "
              f"{judge.outcomes['answered']} answered, {judge.outcomes['refused']} refused as declared")  # fmt: skip
        passed, failed = passed + judge.passed, failed + judge.failed
    for label, reason in LEFT_OUT.items():
        print(f"left out {label}: it {reason}")
    print(json.dumps({"passed": passed, "failed": failed}))
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
