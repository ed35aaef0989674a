"""The fixed requests of a soak: what each asks, over HTTP. Each has one right answer.

Greedy or seeded, all of them: so what they say does not depend on who else is served, nor on what
happens to the processes that serve them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.integration.calculator import CALCULATOR

CHAT = "/v1/chat/completions"
TEXT = "/v1/completions"
GREEDY: dict[str, Any] = {"temperature": 0}
STORY = "The forge is hot and the day is long. "
QUESTIONS = (
    "What is Forge?",
    "What is 17 + 25?",
    "What is the capital of France?",
    "Tell me a story about a blacksmith.",
    "Write a short poem about the sea.",
    "Hello!",
)
PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 40},
        "age": {"type": "integer", "minimum": 0, "maximum": 199},
        "tags": {"type": "array", "items": {"enum": ["a", "é", "✓"]}, "minItems": 2, "maxItems": 9},
    },
    "required": ["name", "age", "tags"],
    "additionalProperties": False,
}
FORMAT = {"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON}}


class Case(NamedTuple):
    name: str
    path: str
    body: dict[str, Any]


def all_cases() -> list[Case]:
    """Some forty, each with a name of its own, kinds mixed."""
    return [*_chats(), *_texts(), *_structured(), *_calls(), *_long_prompts(), *_repeated()]


def few_cases() -> list[Case]:
    """One of each kind."""
    kinds = (_chats(), _texts(), _structured(), _calls(), _long_prompts(), _repeated())
    return [case for cases in kinds for case in list(cases)[-1:]]


def chat(name: str, question: str, **fields: Any) -> Case:
    messages = [{"role": "user", "content": question}]
    return Case(name, CHAT, {"messages": messages, "max_tokens": 240} | fields)


def text(name: str, prompt: str, **fields: Any) -> Case:
    return Case(name, TEXT, {"prompt": prompt, "max_tokens": 500, "ignore_eos": True} | fields)


def _chats() -> Iterator[Case]:
    for number, question in enumerate(QUESTIONS):
        yield chat(f"chat greedy {number}", question, **GREEDY)
        yield chat(f"chat seeded {number}", question, seed=number, temperature=0.9)
    yield chat("chat two choices", QUESTIONS[3], n=2, seed=21, temperature=1.0)
    yield chat("chat logprobs", QUESTIONS[4], logprobs=True, top_logprobs=3, seed=22)


def _texts() -> Iterator[Case]:
    for number in range(4):
        yield text(f"text seeded {number}", STORY * (number + 1), seed=number, temperature=0.8)
    yield text("text greedy", "Once upon a time", **GREEDY)
    yield text("text two choices", STORY, n=2, seed=31, presence_penalty=0.3)
    yield text("text logprobs", STORY, seed=32, logprobs=2)
    yield text("text scored", STORY * 4, seed=33, echo=True, logprobs=1)
    yield text("text penalties", STORY, seed=34, frequency_penalty=0.7, repetition_penalty=1.1)


def _structured() -> Iterator[Case]:
    for seed in range(4):
        question = f"Make up person number {seed}."
        fields: dict[str, Any] = {"seed": seed, "temperature": 1.2, "response_format": FORMAT}
        yield chat(f"schema {seed}", question, **fields)
    yield chat("schema two choices", "Make one up.", seed=41, n=2, response_format=FORMAT)
    yield chat("json object", "Some JSON.", seed=42, response_format={"type": "json_object"})


def _calls() -> Iterator[Case]:
    for number, question in enumerate(("What is 17 * 23?", "Please calculate 128 + 64.", "Hi!")):
        yield chat(f"tools {number}", question, tools=[CALCULATOR], **GREEDY)
    chosen = {"type": "function", "function": {"name": "calculator"}}
    yield chat("tool chosen", "12 * 12?", tools=[CALCULATOR], tool_choice=chosen, seed=51)


def _long_prompts() -> Iterator[Case]:
    for number, repeats in enumerate((40, 60, 80)):
        words = " ".join(str(index * (number + 3)) for index in range(repeats * 4))
        yield text(f"long prompt {number}", words, seed=number, max_tokens=60)


def _repeated() -> Iterator[Case]:
    """Text that is drafted, since it says again what was said."""
    for number, repeats in enumerate((6, 12, 18)):
        yield text(f"repeated {number}", STORY * repeats, **GREEDY, max_tokens=900)
    yield text("repeated seeded", STORY * 10, seed=61, temperature=0.4, max_tokens=900)
