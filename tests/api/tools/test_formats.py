"""Which parser a model gets."""

from __future__ import annotations

from typing import get_args, get_type_hints

import pytest

from forge_api.dialect import marks_reasoning
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

LOOP = "{%- for tool in tools %}{{ tool | tojson }}{%- endfor %}"
CHATML_TURNS = (
    "{%- for m in messages %}<|im_start|>{{ m.role }}\\n{{ m.content }}<|im_end|>{%- endfor %}"
)
HERMES_CALLS = (
    "{%- for call in m.tool_calls %}<tool_call>\\n"
    '{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}'
    "\\n</tool_call>{%- endfor %}"
)
LLAMA3_TURNS = (
    "{%- if tools %}Environment: ipython{%- endif %}"
    'Say {"name": function name, "parameters": dictionary of its arguments}.'
    + LOOP
    + "{%- for m in "
    "messages %}<|start_header_id|>{{ m.role if m.role != 'tool' else 'ipython' }}"
    "<|end_header_id|>\\n\\n{{ m.content }}{%- endfor %}"
)
# Written for these tests, with the marks and loops that templates of the family have.
FAMILIES = {
    "Qwen 2.5": ("hermes", f"<tools>{LOOP}</tools>{HERMES_CALLS}{CHATML_TURNS}"),
    "Qwen 3": (
        "hermes",
        f"<tools>{LOOP}</tools>{HERMES_CALLS}{CHATML_TURNS}"
        "{%- if not enable_thinking %}<think>\\n\\n</think>\\n\\n{%- endif %}",
    ),
    "Hermes 3": ("hermes", f"<tools>{LOOP}</tools>{CHATML_TURNS}{HERMES_CALLS}<tool_response>"),
    "Llama 3.1": ("llama3_json", LLAMA3_TURNS + "<|python_tag|>{{ call.name }}.call("),
    "Llama 3.2 and 3.3": ("llama3_json", LLAMA3_TURNS),
    "Mistral v3 and Nemo": (
        "mistral",
        f"[AVAILABLE_TOOLS][{LOOP}][/AVAILABLE_TOOLS][INST]{{{{ m.content }}}}[/INST]"
        '[TOOL_CALLS][{{ call.function | tojson }}, "id": "{{ call.id }}"}][TOOL_RESULTS]',
    ),
    "Mistral with [ARGS]": (
        "mistral",
        f"[SYSTEM_PROMPT][AVAILABLE_TOOLS]{LOOP}[/AVAILABLE_TOOLS]"
        "[TOOL_CALLS]{{ call.function.name }}[CALL_ID]{{ call.id }}[ARGS]{{ call.arguments }}",
    ),
    "Phi-4-mini": ("phi4", f"<|system|>{{{{ m.content }}}}<|tool|>{LOOP}<|/tool|><|end|><|user|>"),
    "Gemma 3": ("gemma3", "<start_of_turn>{{ m.role }}\\n{{ m.content }}<end_of_turn>"),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_familys_template_tells_its_format(family: str) -> None:
    name, template = FAMILIES[family]
    assert told_format([template]) == name
    assert marks_reasoning("auto", [template]) is (family == "Qwen 3")


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
