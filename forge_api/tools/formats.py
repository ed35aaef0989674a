"""Which format a model's tool calls have: as the flag says, or as its chat template shows.

A template that shows none of them gets the most common one, whose mark no other text holds.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from forge_api.tools.gemma3 import GEMMA3
from forge_api.tools.hermes import HERMES
from forge_api.tools.llama3_json import LLAMA3_JSON
from forge_api.tools.mistral import MISTRAL
from forge_api.tools.phi4 import PHI4
from forge_api.tools.pythonic import PYTHONIC
from forge_api.tools.reading import ToolFormat

AUTO: Final = "auto"
NONE: Final = "none"
FORMATS: Final = {
    "hermes": HERMES,
    "llama3_json": LLAMA3_JSON,
    "pythonic": PYTHONIC,
    "mistral": MISTRAL,
    "phi4": PHI4,
    "gemma3": GEMMA3,
}


class TellingText(NamedTuple):
    """What a template holds that was made for a format."""

    text: str
    format_name: str


# The first that is found decides: templates of one family also mention what others are known by.
TELLING_TEXTS: Final = (
    TellingText("<function=", NONE),  # XML in <tool_call>, as Qwen3-Coder writes it: not read
    TellingText("<arg_key>", NONE),  # likewise GLM-4.5
    TellingText("[TOOL_CALLS]", "mistral"),
    TellingText("<start_of_turn>", "gemma3"),
    TellingText("<|/tool|>", "phi4"),
    TellingText("<|tool_call|>", "phi4"),
    TellingText("functools[", "phi4"),
    TellingText("<tool_call>", "hermes"),
    TellingText("<|python_start|>", "pythonic"),
    TellingText("func_name1(params_name1=", "pythonic"),
    TellingText("<|python_tag|>", "llama3_json"),
    TellingText('{"name": function name, "parameters":', "llama3_json"),
)


def chosen_format(flag: str, templates: Iterable[str]) -> ToolFormat | None:
    """None where calls are to be left in the text."""
    return FORMATS.get(told_format(templates) if flag == AUTO else flag)


def told_format(templates: Iterable[str]) -> str:
    joined = "\n".join(templates)
    for telling in TELLING_TEXTS:
        if telling.text in joined:
            return telling.format_name
    return "hermes"
