"""Finds a model's chat templates in its directory, and the tokens' texts that templates use.

    chat_template.jinja, additional_chat_templates/NAME.jinja   one file a template
    tokenizer_config.json  "chat_template"                      a string, or a list of named ones
    chat_template.json     "chat_template"                      an older place
    none of them                                                ChatML, below

Knows nothing of how they are rendered.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from forge_common.checkpoint.json_file import read_json
from forge_common.checkpoint.tokenizer_files import read_tokenizer_config
from forge_common.errors import ModelError
from forge_common.tokenizer.special_tokens import NAMED, content_of

DEFAULT: Final = "default"
MAX_TEMPLATE_BYTES: Final = 2**20

CHATML: Final = """\
{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0].role == 'system' %}
        {{- messages[0].content + '\\n\\n' }}
    {%- endif %}
    {{- 'Functions you may call, one JSON object a line:\\n<tools>\\n' }}
    {%- for tool in tools %}
        {{- tool | tojson + '\\n' }}
    {%- endfor %}
    {{- '</tools>\\nTo call one, write\\n<tool_call>\\n' }}
    {{- '{"name": FUNCTION, "arguments": OBJECT}\\n</tool_call><|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if not (tools and loop.first and message.role == 'system') %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content }}
        {%- for call in message.tool_calls or [] %}
            {{- '\\n<tool_call>\\n{"name": ' + call.function.name | tojson + ', "arguments": ' }}
            {{- call.function.arguments | tojson + '}\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""


class TemplateSource(Struct, frozen=True):
    """The templates by name, `default` among them, and the variables every rendering gets."""

    templates: dict[str, str]
    special_tokens: dict[str, Any]


def read_template_source(path: Path) -> TemplateSource:
    config = read_tokenizer_config(path)
    templates = (
        from_jinja_files(path)
        or named_templates(config.get("chat_template"))
        or from_json_file(path / "chat_template.json")
        or {DEFAULT: CHATML}
    )
    if DEFAULT not in templates:
        raise ModelError(f"{path} has chat templates, but none of them is the default one.")
    return TemplateSource(templates, special_tokens_of(config))


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


def special_tokens_of(config: dict[str, Any]) -> dict[str, Any]:
    """`bos_token` and its like, as templates know them; those a model lacks stay undefined."""
    named = {name: content_of(config.get(name)) for name in NAMED}
    return {name: content for name, content in named.items() if content is not None}
