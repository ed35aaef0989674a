"""Which parser a model gets."""

from __future__ import annotations

from typing import get_args, get_type_hints

import pytest

from forge_api.templating.source import CHATML
from forge_api.tools import FORMATS, chosen_format
from forge_api.tools.formats import told_format
from forge_common.config import HttpSettings

# What the templates of published models say about calls, as far as it matters here.
TEMPLATES = {
    "hermes": """{{- '<tool_call>\\n{"name": "' }}{{- tool_call.name }}""",
    "llama3_json": """{{- 'Respond in the format {"name": function name, "parameters": """
    """dictionary of argument name and its value}.' }}{{- "<|python_tag|>" }}""",
    "pythonic": """{{- "put it in the format of [func_name1(params_name1=params_value1), """
    """func_name2(params)]" }}{{- '<|start_header_id|>assistant<|end_header_id|>' }}""",
    "mistral": """{{- "[AVAILABLE_TOOLS]" }}{{- "[TOOL_CALLS][" }}{{- '{"name": ' }}""",
    "phi4": """{{- '|>' + '<|tool|>' + message['tools'] + '<|/tool|>' }}""",
    "gemma3": """{{ '<start_of_turn>' + role }}{{ '{"name": function name, "parameters": ' }}""",
}


@pytest.mark.parametrize("name", FORMATS)
def test_the_template_tells_the_format(name: str) -> None:
    assert chosen_format("auto", [TEMPLATES[name]]) is FORMATS[name]
    assert chosen_format("auto", ["plain", TEMPLATES[name]]) is FORMATS[name]


@pytest.mark.parametrize("text", ["<tool_call>\\n<function=f>", "<tool_call>f\\n<arg_key>"])
def test_a_format_that_is_not_read_is_left_in_the_text(text: str) -> None:
    assert chosen_format("auto", [text]) is None


def test_the_flag_goes_before_the_template() -> None:
    assert chosen_format("phi4", [TEMPLATES["mistral"]]) is FORMATS["phi4"]
    assert chosen_format("none", [TEMPLATES["mistral"]]) is None


def test_hermes_is_what_is_left() -> None:
    assert told_format(["{{ messages }}"]) == told_format([CHATML]) == "hermes"


def test_the_flag_names_every_format() -> None:
    hint = get_type_hints(HttpSettings)["tool_call_parser"]
    assert set(get_args(hint)) == {"auto", "none", *FORMATS}
