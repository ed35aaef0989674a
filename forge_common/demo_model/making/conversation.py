"""The corpus in memory: exchanges, conversations, and phrasings split into trained and held-out
ones.

It does not know how a conversation is written down as text, nor what is talked about.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from random import Random
from typing import Any
from zlib import crc32

from forge_common.demo_model.making.surface import roughen


class Split(Enum):
    """TRAIN is what the model learns from; HELD_OUT is asked only when it is scored."""

    TRAIN = "train"
    HELD_OUT = "held-out"


def is_held_out(*values: object) -> bool:
    """One in ten of all values, the same ones every time: used for number pairs and invented
    names.
    """
    return crc32(repr(values).encode()) % 10 == 0


class Check(Enum):
    """How an answer is judged against what was expected of it."""

    CONTAINS = "every expected text occurs"
    ONE_OF = "at least one expected text occurs"
    JSON_VALUE = "the answer is the expected JSON value"
    JSON_KEYS = "the answer is a JSON object with exactly the expected keys"
    TOOL_CALL = "the answer is one tool call, equal to the expected one"
    STORY = "three or more sentences that name the subject"


@dataclass(frozen=True)
class Exchange:
    """One question and its answer. `expected` is what a scorer looks for in another's answer to
    it.
    """

    question: str
    answer: str
    expected: tuple[Any, ...] = ()
    check: Check = Check.CONTAINS


@dataclass(frozen=True)
class Conversation:
    """Chat messages as an OpenAI client sends them; the last one is the assistant's."""

    messages: tuple[dict[str, Any], ...]
    tools: tuple[dict[str, Any], ...] = ()
    expected: tuple[Any, ...] = ()
    check: Check = Check.CONTAINS

    def followed_by(self, exchange: Exchange) -> Conversation:
        added = (user(exchange.question), assistant(exchange.answer))
        return Conversation(self.messages + added, self.tools, exchange.expected, exchange.check)


@dataclass(frozen=True)
class Phrasings:
    """Ways to say one thing. `{slots}` are filled after the text was roughened, so names keep
    their case.
    """

    train: tuple[str, ...]
    held_out: tuple[str, ...] = field(default=())

    def say(self, rng: Random, split: Split, **slots: object) -> str:
        text = rng.choice(self.held_out if split is Split.HELD_OUT else self.train)
        if split is Split.TRAIN:
            text = roughen(rng, text)
        for name, value in slots.items():
            text = text.replace("{" + name + "}", str(value))
        return text


ExchangeMaker = Callable[[Random, Split], Exchange]
ConversationMaker = Callable[[Random, Split], Conversation]


def system(content: str) -> dict[str, Any]:
    return {"role": "system", "content": content}


def user(content: str) -> dict[str, Any]:
    return {"role": "user", "content": content}


def assistant(content: str) -> dict[str, Any]:
    return {"role": "assistant", "content": content}


def conversation(exchange: Exchange, system_text: str | None = None) -> Conversation:
    start = () if system_text is None else (system(system_text),)
    return Conversation(start).followed_by(exchange)
