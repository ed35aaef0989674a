"""Messages to prompts, through the real template process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from forge_api.chat_template import ChatTemplate
from forge_common.checkpoint import model_files
from forge_common.errors import RequestError

USER = {"role": "user", "content": "hi"}
SPY = "{{ {'messages': messages, 'tools': tools, 'add': add_generation_prompt} | tojson }}"
CUTTING = "{% for m in messages %}[{{ m.role }}]{{ m.content | trim }}[end]\n{% endfor %}"

Make = Callable[..., ChatTemplate]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[ChatTemplate] = []

    def make_template(source: Any = None, **config: Any) -> ChatTemplate:
        config = config if source is None else {**config, "chat_template": source}
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
        made.append(ChatTemplate.of(model_files(tmp_path)))
        return made[-1]

    yield make_template
    for template in made:
        template.close()


def render(template: ChatTemplate, messages: list[dict[str, Any]], **options: Any) -> str:
    defaults: dict[str, Any] = {
        "tools": None,
        "add_generation_prompt": False,
        "continue_final_message": False,
        "kwargs": {},
    }
    return template.render(messages, **{**defaults, **options})


def test_chatml_is_the_default(make: Make) -> None:
    assert render(make(), [USER], add_generation_prompt=True) == (
        "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"
    )


def test_chatml_shows_tools_once_and_calls_as_they_are_parsed(make: Make) -> None:
    call = {"function": {"name": "add", "arguments": '{"a": 1}'}}
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "assistant", "tool_calls": [call]},
    ]
    text = render(make(), messages, tools=[{"type": "function"}])
    assert text.count("<|im_start|>system") == text.count("Be brief.") == 1
    assert '<tools>\n{"type": "function"}\n</tools>' in text
    assert '<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>' in text


def test_special_tokens_and_kwargs_are_variables(make: Make) -> None:
    template = make("{{ bos_token }}{{ mood }}", bos_token={"content": "<s>"})
    assert render(template, [USER], kwargs={"mood": "calm"}) == "<s>calm"


def test_kwargs_never_replace_what_the_request_says(make: Make) -> None:
    hostile = {"messages": [], "tools": [1], "add_generation_prompt": True}
    seen = json.loads(render(make(SPY), [USER], kwargs=hostile))
    assert seen == {"messages": [USER], "tools": None, "add": False}


def test_parts_of_text_are_joined(make: Make) -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    seen = json.loads(render(make(SPY), [{"role": "user", "content": parts}]))
    assert seen["messages"] == [{"role": "user", "content": "ab"}]


def test_other_parts_are_refused(make: Make) -> None:
    with pytest.raises(RequestError, match="text"):
        render(make(SPY), [{"role": "user", "content": [{"type": "image_url"}]}])


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        ('{"a": [1]}', {"a": [1]}),
        ("", {}),
        ('{"a": ', '{"a": '),
        ("[1]", "[1]"),
        ({"a": 1}, {"a": 1}),
    ],
)
def test_arguments_of_calls_become_objects(make: Make, sent: Any, seen: Any) -> None:
    call = {"id": "1", "function": {"name": "f", "arguments": sent}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    rendered = json.loads(render(make(SPY), [message]))["messages"][0]
    assert rendered["content"] == ""
    assert rendered["tool_calls"][0]["function"] == {"name": "f", "arguments": seen}


def test_messages_are_left_as_they_were(make: Make) -> None:
    message = {
        "role": "assistant",
        "content": "x",
        "tool_calls": [{"function": {"arguments": "{}"}}],
    }
    before = json.dumps(message)
    render(make(SPY), [message], continue_final_message=True)
    assert json.dumps(message) == before


def test_a_template_for_tools_is_used_when_there_are_tools(make: Make) -> None:
    template = make(
        [{"name": "default", "template": "plain"}, {"name": "tool_use", "template": "{{ tools }}"}]
    )
    assert render(template, [USER]) == "plain"
    assert render(template, [USER], tools=[{"x": 1}]) == "[{'x': 1}]"
    assert "tools" in template.variable_names


@pytest.mark.parametrize(("content", "kept"), [("Sure", "Sure"), ("", ""), ("a [end]", "a [end]")])
def test_a_final_message_is_continued(make: Make, content: str, kept: str) -> None:
    messages = [USER, {"role": "assistant", "content": content}]
    text = render(make(CUTTING), messages, continue_final_message=True)
    assert text == f"[user]hi[end]\n[assistant]{kept}"


def test_spaces_at_the_end_stay_only_where_the_template_keeps_them(make: Make) -> None:
    messages = [{"role": "assistant", "content": "Sure, "}]
    assert render(make(CUTTING), messages, continue_final_message=True) == "[assistant]Sure,"
    keeping = make("{{ messages[0].content }}<end>")
    assert render(keeping, messages, continue_final_message=True) == "Sure, "


@pytest.mark.parametrize("source", ["nothing", "{{ messages[-1].content.split('i')[-1] }}"])
def test_a_final_message_the_template_hides_cannot_be_continued(make: Make, source: str) -> None:
    with pytest.raises(RequestError) as caught:
        render(make(source), [USER], continue_final_message=True)
    assert caught.value.param == "continue_final_message"


def test_to_continue_and_to_begin_exclude_each_other(make: Make) -> None:
    with pytest.raises(RequestError, match="exclude"):
        render(make(), [USER], continue_final_message=True, add_generation_prompt=True)
