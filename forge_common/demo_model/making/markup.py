"""Writes conversations as text through the model's own chat template, so that training sees what
serving sends.

It does not know tokens.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2.sandbox import ImmutableSandboxedEnvironment

from forge_common.demo_model.making.conversation import Conversation

END_OF_TEXT, TURN_START, TURN_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
SPECIAL = (END_OF_TEXT, TURN_START, TURN_END)
# Added tokens, yet not special: they must survive decoding, since a client's parser looks for them.
PLAIN_MARKS = (
    "<tool_call>",
    "</tool_call>",
    "<tool_response>",
    "</tool_response>",
    "<tools>",
    "</tools>",
)
TEMPLATE_PATH = Path(__file__).parent / "chat_template.jinja"


def keep_order(value: Any) -> str:
    """`tojson` as HuggingFace defines it; Jinja's own sorts the keys, and the model should bear
    both.
    """
    return json.dumps(value, ensure_ascii=False)


def renderer(sort_keys: bool = False) -> Callable[[Conversation, bool], str]:
    """A function from a conversation (and whether the assistant is to speak next) to prompt text."""
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    if not sort_keys:
        environment.filters["tojson"] = keep_order
    template = environment.from_string(TEMPLATE_PATH.read_text())

    def render(talk: Conversation, add_generation_prompt: bool = False) -> str:
        return template.render(
            messages=talk.messages, tools=talk.tools, add_generation_prompt=add_generation_prompt
        )

    return render
