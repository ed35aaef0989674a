"""The walls of the house: who may import whom."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("forge_api", "forge_scheduler", "forge_worker", "forge_common")
SOURCES = [
    path
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
    if "making" not in path.parts
]
ONLY_IN: dict[str, str | tuple[str, ...]] = {
    "aiohttp": ("forge_api", "forge_common/bench"),  # a server, and a client of any server
    "cupy": "forge_worker/cuda",
    "jinja2": "forge_api",
}


def imported_modules(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def by_relative_path(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=by_relative_path)
def test_packages_meet_only_in_common(path: Path) -> None:
    here = path.relative_to(ROOT).parts[0]
    allowed = {here, "forge_common"}
    roots = {module.split(".")[0] for module in imported_modules(path)}
    assert roots & set(PACKAGES) <= allowed


@pytest.mark.parametrize("path", SOURCES, ids=by_relative_path)
def test_libraries_stay_in_their_rooms(path: Path) -> None:
    for module in imported_modules(path):
        root = module.split(".")[0]
        if root in ONLY_IN:
            assert by_relative_path(path).startswith(ONLY_IN[root])


@pytest.mark.parametrize("path", SOURCES, ids=by_relative_path)
def test_no_numpy_where_only_integers_live(path: Path) -> None:
    if by_relative_path(path).startswith(("forge_scheduler", "forge_api")):
        assert "numpy" not in {module.split(".")[0] for module in imported_modules(path)}


@pytest.mark.parametrize("path", SOURCES, ids=by_relative_path)
def test_every_module_says_what_it_is(path: Path) -> None:
    if path.read_text().strip():
        assert ast.get_docstring(ast.parse(path.read_text()))
