"""The demo model's own calls: the grammar of calls changes none that is right."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from forge_api.tools import FORMATS
from forge_common.checkpoint import Checkpoint
from forge_common.client import ForgeClient, SamplingParams
from forge_common.demo_model import demo_model_path
from forge_common.tokenizer import Tokenizer
from tests.api.tools.replies import Reply, ToolCallParser, joined
from tests.integration.calculator import CALCULATOR
from tests.integration.conftest import start_forge
from tests.integration.launched_forge import LaunchedForge

pytestmark = pytest.mark.integration

MAX_TOKENS = 80
TOOLS = [CALCULATOR]
QUESTIONS = [
    "What is 17 * 23?",
    "Please calculate 128 + 64.",
    "Use the calculator for 12 * 12.",
    "Hello!",
    "What is the capital of France?",
]
with Checkpoint.open(demo_model_path()) as checkpoint:
    END_IDS = checkpoint.generation.eos_token_ids


@pytest.fixture(scope="module")
def demo() -> Iterator[LaunchedForge]:
    forge = start_forge().wait_until_ready()
    yield forge
    forge.destroy()


def chat(forge: LaunchedForge, question: str, **body: Any) -> Reply:
    fields = {"temperature": 0, "max_tokens": MAX_TOKENS, "tools": TOOLS} | body
    messages = [{"role": "user", "content": question}]
    reply = forge.post("/v1/chat/completions", messages=messages, **fields)
    message = reply["choices"][0]["message"]
    calls = [call["function"] for call in message.get("tool_calls") or []]
    return Reply(
        message["content"] or "",
        [call["name"] for call in calls],
        [call["arguments"] for call in calls],
    )


def unconstrained(forge: LaunchedForge, question: str) -> Reply:
    """What the model says to the same prompt, where nothing holds it to anything."""
    messages = [{"role": "user", "content": question}]
    prompt = forge.post("/tokenize", messages=messages, tools=TOOLS)["tokens"]
    sampling = SamplingParams(max_tokens=MAX_TOKENS, seed=1, temperature=0.0, eos_token_ids=END_IDS)
    with ForgeClient.connect(forge.client_endpoint, timeout_s=30.0) as client:
        ids = [id_ for output in client.generate(prompt, sampling) for id_ in output.token_ids]
    text = Tokenizer.open(demo_model_path()).decode(ids, skip_special_tokens=True)
    parser = ToolCallParser(FORMATS["hermes"], frozenset({"calculator"}))
    return joined([*parser.push(text), *parser.finish()])


def is_right(reply: Reply) -> bool:
    arguments = [json.loads(text) for text in reply.arguments]
    return set(reply.names) <= {"calculator"} and all(
        isinstance(one.get("expression"), str) for one in arguments
    )


def test_right_calls_and_plain_answers_are_what_they_would_be_anyway(demo: LaunchedForge) -> None:
    num_calls = 0
    for question in QUESTIONS:
        free = unconstrained(demo, question)
        constrained = chat(demo, question)
        assert is_right(constrained)
        assert constrained == chat(demo, question, speculative=False)
        if is_right(free):
            assert constrained == free
            num_calls += len(free.names)
    assert num_calls


def test_hot_calls_are_right_too(demo: LaunchedForge) -> None:
    replies = [
        chat(demo, QUESTIONS[seed % 3], temperature=1.5, top_p=1.0, seed=seed, max_tokens=120)
        for seed in range(12)
    ]
    assert all(set(reply.names) <= {"calculator"} for reply in replies)
    assert any(reply.names for reply in replies)


PLACE = {
    "type": "object",
    "properties": {
        "from": {"type": "string", "maxLength": 8},
        "days": {"type": "integer", "minimum": 1, "maximum": 14},
        "is_exact": {"type": ["boolean", "null"]},
        "parts": {"type": "array", "items": {"enum": [True, None, "x"]}, "maxItems": 3},
    },
    "required": ["from", "is_exact"],
}
PLACES = [{"type": "function", "function": {"name": "place", "strict": True, "parameters": PLACE}}]


def test_hot_calls_in_python_are_right_and_drafts_change_nothing() -> None:
    forge = start_forge("--tool-call-parser", "pythonic").wait_until_ready()
    try:
        for seed in range(4):
            body = {
                "tools": PLACES,
                "tool_choice": {"type": "function", "function": {"name": "place"}},
                "temperature": 1.5,
                "seed": seed,
                "max_tokens": 200,
                "structured_outputs": {"whitespace": "compact"},
            }
            reply = chat(forge, QUESTIONS[0], **body)
            assert reply == chat(forge, QUESTIONS[0], **body, speculative=False)
            assert (reply.content, reply.names) == ("", ["place"])
            jsonschema.validate(json.loads(reply.arguments[0]), PLACE)
    finally:
        forge.destroy()
