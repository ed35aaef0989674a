"""README and docs say what the code does: derived parts are current, commands and links work."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.derived_docs import PAGES as DERIVED
from tests.derived_docs import README, ROOT, with_parts

PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]


def by_name(path: Path) -> str:
    return path.name


@pytest.mark.parametrize("page", DERIVED, ids=by_name)
def test_derived_parts_are_current(page: Path) -> None:
    text = page.read_text()
    assert text == with_parts(text), "run: python -m tests.derived_docs"


@pytest.mark.parametrize("path", PAGES, ids=by_name)
def test_links_lead_to_files(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#:\s]+)\)", path.read_text()):
        assert (path.parent / target).exists(), target


def test_make_verbs_of_the_readme_exist() -> None:
    verbs = set(re.findall(r"(?:^|`)make ([a-z][\w-]*)", README.read_text(), re.MULTILINE))
    targets = re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert verbs <= set(targets)
