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


def sections_of(page: Path) -> set[str]:
    """What links call the headings of a page: lower case, hyphens for spaces, no other signs."""
    prose = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", DERIVED, ids=by_name)
def test_derived_parts_are_current(page: Path) -> None:
    text = page.read_text()
    assert text == with_parts(text), "run: python -m tests.derived_docs"


@pytest.mark.parametrize("path", PAGES, ids=by_name)
def test_links_lead_to_files(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)\s]*)?\)", path.read_text()):
        assert (path.parent / target).exists(), target


@pytest.mark.parametrize("path", PAGES, ids=by_name)
def test_links_to_sections_lead_to_headings(path: Path) -> None:
    for target, section in re.findall(r"\]\(([^)#:\s]*)#([^)\s]+)\)", path.read_text()):
        page = path.parent / target if target else path
        assert section in sections_of(page), f"{target}#{section}"


def test_make_verbs_of_the_readme_exist() -> None:
    verbs = set(re.findall(r"(?:^|`)make ([a-z][\w-]*)", README.read_text(), re.MULTILINE))
    targets = re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert verbs <= set(targets)
