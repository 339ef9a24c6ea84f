"""The templates of letters (`data/mail/`): HTML ones escape what they are given, a name that is missing is an error."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined, select_autoescape

FOLDER = "mail"


def render(name: str, values: dict[str, Any]) -> str:
    """Return a template of `data/mail/` with these values in it."""
    return _environment().get_template(name).render(values)


@cache
def _environment() -> Environment:
    return Environment(
        loader=FunctionLoader(_source),
        autoescape=select_autoescape(("html",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _source(name: str) -> str:
    return files("mintql.data").joinpath(FOLDER, name).read_text(encoding="utf-8")
