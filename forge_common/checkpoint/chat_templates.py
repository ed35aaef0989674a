"""Finds the chat templates in a HuggingFace model directory, in the first place that has any.

    chat_template.jinja, additional_chat_templates/NAME.jinja   one file a template
    tokenizer_config.json  "chat_template"                      a string, or a list of named ones
    chat_template.json     "chat_template"                      an older place

Knows nothing of how they are rendered.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from forge_common.checkpoint.json_file import read_json
from forge_common.errors import ModelError

DEFAULT: Final = "default"  # the name of the template for a usual chat
MAX_TEMPLATE_BYTES: Final = 2**20


def read_chat_templates(path: Path, tokenizer_config: dict[str, Any]) -> dict[str, str]:
    """By name; empty where the directory has none."""
    return (
        from_jinja_files(path)
        or named_templates(tokenizer_config.get("chat_template"))
        or from_json_file(path / "chat_template.json")
    )


def from_jinja_files(path: Path) -> dict[str, str]:
    """Every template that has a file of its own."""
    default = path / "chat_template.jinja"
    if not default.exists():
        return {}
    others = sorted((path / "additional_chat_templates").glob("*.jinja"))
    return {DEFAULT: read_text(default)} | {other.stem: read_text(other) for other in others}


def from_json_file(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    return named_templates(read_json(path, dict[str, Any]).get("chat_template"))


def named_templates(value: Any) -> dict[str, str]:
    match value:
        case None:
            return {}
        case str():
            return {DEFAULT: value}
        case list() if all(is_named_template(entry) for entry in value):
            return {entry["name"]: entry["template"] for entry in value}
        case _:
            raise ModelError('"chat_template" is neither a text nor a list of named texts.')


def is_named_template(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("name"), str)
        and isinstance(entry.get("template"), str)
    )


def read_text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_TEMPLATE_BYTES:
            raise ModelError(f"{path} is larger than {MAX_TEMPLATE_BYTES} bytes.")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{path} cannot be read: {error}.") from error
