"""What a chat's body, its prompt and the model's dialect make of the reply's text."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from forge_api.dialect import Dialect
from forge_api.openai_types import ChatCompletionRequest
from forge_api.reasoning import ReasoningStart
from forge_api.rules import chat_output
from forge_api.tools import FORMATS
from forge_api.valid_request import OutputOptions, ToolParsing

TOOLS = [{"function": {"name": "add"}}, {"function": {"name": "now"}}]
DIALECT = Dialect(FORMATS["mistral"], True, frozenset({7}))


def output(dialect: Dialect = DIALECT, prompt: str = "assistant:", **body: Any) -> OutputOptions:
    body = {"messages": [{"role": "user", "content": "hi"}], "tools": TOOLS} | body
    return chat_output(msgspec.convert(body, ChatCompletionRequest), dialect, prompt)


def test_calls_are_looked_for_where_tools_are_offered() -> None:
    names = frozenset({"add", "now"})
    assert output().tools == ToolParsing(FORMATS["mistral"], names, True)
    assert output(parallel_tool_calls=False).tools == ToolParsing(FORMATS["mistral"], names, False)


@pytest.mark.parametrize("body", [{"tools": None}, {"tools": []}, {"tool_choice": "none"}])
def test_calls_are_not_looked_for_where_none_may_come(body: dict[str, Any]) -> None:
    assert output(**body).tools is None


def test_a_model_without_marks_has_text_only() -> None:
    options = output(Dialect(None, False, frozenset()))
    assert (options.tools, options.reasoning) == (None, None)


def test_thoughts_begin_where_the_prompt_or_the_final_message_left_them() -> None:
    message = {"role": "assistant", "content": "<think>So far"}
    assert output().reasoning is ReasoningStart.BEFORE
    assert output(prompt="assistant:<think>\n").reasoning is ReasoningStart.INSIDE
    going_on = output(messages=[message], continue_final_message=True)
    assert going_on.reasoning is ReasoningStart.INSIDE


def test_marks_that_are_special_tokens_are_shown() -> None:
    assert output().kept_special_ids == frozenset({7})
