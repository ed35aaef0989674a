"""docs/parameters.md says what the code does."""

from __future__ import annotations

from pathlib import Path

from forge_api.parameter_table import NOTES, markdown

PAGE = Path(__file__).parents[2] / "docs" / "parameters.md"


def test_the_page_is_the_one_the_code_makes() -> None:
    assert PAGE.read_text() == markdown()


def test_every_note_is_of_a_field() -> None:
    text = markdown()
    assert all(f"| `{field}` |" in text for field in NOTES)
