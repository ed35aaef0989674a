"""A model's chat templates, ChatML where it has none, and the tokens' texts that templates use.

Knows nothing of where a model keeps them, nor of how they are rendered.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct

from forge_common.checkpoint import ModelFiles
from forge_common.checkpoint.chat_templates import DEFAULT
from forge_common.errors import ModelError
from forge_common.tokenizer.special_tokens import NAMED, content_of

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


def read_template_source(files: ModelFiles) -> TemplateSource:
    templates = files.chat_templates() or {DEFAULT: CHATML}
    if DEFAULT not in templates:
        raise ModelError("The model has chat templates, but none of them is the default one.")
    return TemplateSource(templates, special_tokens_of(files.tokenizer_config()))


def special_tokens_of(config: dict[str, Any]) -> dict[str, Any]:
    """`bos_token` and its like, as templates know them; those a model lacks stay undefined."""
    named = {name: content_of(config.get(name)) for name in NAMED}
    return {name: content for name, content in named.items() if content is not None}
