"""The jinja2 that chat templates are written for: that of HuggingFace's `apply_chat_template`.

Sandboxed, with what templates of published models use: loop controls, `raise_exception`,
`strftime_now`, a `tojson` that leaves characters as they are, and the `generation` tag, which
marks the assistant's part for training and means nothing here. Bounds the length of the output;
time and memory are bounded by the process it runs in.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final, NoReturn

from jinja2 import Template, TemplateError, meta, nodes
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

MAX_OUTPUT_CHARACTERS: Final = 16 * 2**20


class RaisedByTemplate(TemplateError):
    """The template called `raise_exception`: it says why in words of its own."""


class GenerationTag(Extension):
    """`{% generation %} … {% endgeneration %}` renders what is between."""

    tags = {"generation"}  # noqa: RUF012  (jinja2 declares it so)

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body, lineno=line)


class PlainNamespace(Namespace):
    """A `namespace` without names that mean something to Python."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__()
        for name, value in attributes.items():
            self[name] = value

    def __setitem__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            raise SecurityError(f"a namespace has no attribute {name!r}")
        super().__setitem__(name, value)


def make_environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # prompts are no HTML
        extensions=["jinja2.ext.loopcontrols", GenerationTag],
    )
    environment.filters["tojson"] = to_json
    environment.globals["namespace"] = PlainNamespace
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = strftime_now
    return environment


def undeclared_variables(environment: ImmutableSandboxedEnvironment, source: str) -> list[str]:
    """The names a template reads from outside."""
    return sorted(meta.find_undeclared_variables(environment.parse(source)))


def render(template: Template, variables: dict[str, Any]) -> str:
    return "".join(bounded(template.generate(variables)))


def bounded(pieces: Iterator[str]) -> Iterator[str]:
    num_characters = 0
    for piece in pieces:
        num_characters += len(piece)
        if num_characters > MAX_OUTPUT_CHARACTERS:
            raise TemplateError(f"the prompt is longer than {MAX_OUTPUT_CHARACTERS} characters")
        yield piece


def to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )


def raise_exception(message: str) -> NoReturn:
    raise RaisedByTemplate(message)


def strftime_now(layout: str) -> str:
    return datetime.now().strftime(layout)
