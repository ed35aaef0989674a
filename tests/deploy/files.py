"""The files of deploy/, read as the tools that use them do: anchors merged, variables set."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from tests.derived_docs import ROOT

DEPLOY = ROOT / "deploy"
VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*)|:\?[^}]*)?\}")

Document = Mapping[str, Any]


def with_defaults(text: str) -> str:
    """`${NAME:-default}` as `default`, and a variable that must be set as nothing."""
    return VARIABLE.sub(lambda found: found[2] or "", text)


def variables_of(name: str) -> dict[str, str]:
    """The variables that a compose file takes from its environment, with their defaults."""
    return {found[1]: found[2] or "" for found in VARIABLE.finditer((DEPLOY / name).read_text())}


def compose(name: str) -> Document:
    document: Document = yaml.safe_load(with_defaults((DEPLOY / name).read_text()))
    return document


def documents(name: str) -> list[Document]:
    return list(yaml.safe_load_all((DEPLOY / name).read_text()))
