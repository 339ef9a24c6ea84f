"""What the pages say of settings, commands, queries and requests is so."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import re
import subprocess
import sys

import asyncpg
import orjson
import pytest
import typer
from graphql import parse, validate
from pydantic import SecretStr

from mintql import demo
from mintql.api.schema import build_schema
from mintql.cli import app
from mintql.settings import Settings
from support.repository import ROOT, text_files

README = (ROOT / "README.md").read_text()
PAGES = {str(path): text for path, text in text_files(".md") if path.parts[0] != "src"}


def load_dev():
    loader = importlib.machinery.SourceFileLoader("dev", str(ROOT / "dev"))
    dev = importlib.util.module_from_spec(importlib.util.spec_from_loader("dev", loader))
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        loader.exec_module(dev)
    finally:
        sys.dont_write_bytecode = writes
    return dev


def dev_commands() -> set[str]:
    dev = load_dev()
    return {*dev.MINTQL_COMMANDS, *dev.OWN_COMMANDS, "help"}


def shown_default(value) -> str:
    plain = value.get_secret_value() if isinstance(value, SecretStr) else value
    if plain is None:
        return ""
    if isinstance(plain, tuple):
        return f"`{orjson.dumps(plain).decode()}`"
    return f"`{plain:g}`" if isinstance(plain, float) else f"`{plain}`"


def test_the_readme_lists_every_setting_with_its_default():
    table = dict(re.findall(r"^\| `([A-Z_0-9]+)` \| ([^|]*?) ?\| .+ \|$", README, re.MULTILINE))
    expected = {
        str(field.validation_alias or f"MINTQL_{name.upper()}"): shown_default(field.default)
        for name, field in Settings.model_fields.items()
    }
    expected["MINTQL_SECRET_KEYS"] = "a public development key"
    assert table == expected


@pytest.mark.parametrize("page", PAGES)
def test_commands_that_a_page_names_exist(page):
    ours = typer.main.get_command(app).commands
    named = set(re.findall(r"(?:^ {4}|`)mintql ([a-z]+(?:-[a-z]+)*)", PAGES[page], re.MULTILINE))
    assert named <= set(ours)
    assert set(re.findall(r"\./dev ([a-z]+)", PAGES[page])) <= dev_commands()


def test_the_requests_of_the_readme_are_json_and_fit_the_schema():
    scripts = re.findall(r"^```sh\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    assert len(scripts) == 2
    for script in scripts:
        # In the place of curl, a function that prints what would be sent: curl's last argument.
        shown = subprocess.run(
            ["sh", "-c", 'curl() { for last; do :; done; printf %s "$last"; }\n' + script],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        document = parse(orjson.loads(shown.stdout)["query"])
        assert validate(build_schema()._schema, document) == []


def test_the_readme_signs_in_as_the_demo_person():
    assert demo.EMAIL in README
    assert demo.PASSWORD in README.replace("""'"'"'""", "'")


async def test_the_queries_of_the_operations_page_run(database_url):
    blocks = re.findall(r"^```sql\n(.*?)^```", PAGES["docs/operations.md"], re.DOTALL | re.MULTILINE)
    queries = [query for block in blocks for query in re.split(r";$", block, flags=re.MULTILINE) if query.strip()]
    assert len(queries) == 13
    conn = await asyncpg.connect(database_url)
    try:
        for query in queries:
            assert await conn.fetch(query) == []
    finally:
        await conn.close()


def test_every_decision_is_in_the_list():
    folder = ROOT / "docs" / "decisions"
    listed = set(re.findall(r"\]\(([\w-]+\.md)\)", (folder / "README.md").read_text()))
    assert listed == {path.name for path in folder.glob("*.md")} - {"README.md"}


def test_every_benchmark_is_run_where_all_are_run_and_has_its_section():
    programs = {path.stem for path in (ROOT / "bench").glob("*.py") if not path.stem.startswith("_")}
    assert load_dev().SHORT_BENCHES.keys() == programs
    assert {name for name in programs if f"./dev bench {name}" not in PAGES["docs/performance.md"]} == set()
