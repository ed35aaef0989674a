"""Calls a tool when one fits, in the Hermes form `<tool_call>{"name": …, "arguments": {…}}</tool_call>`, and answers
from what the tool gave back. Names of tools and arguments vary, so that the given schema is copied.

It does not know how the schema is shown to the model: the chat template does.
"""

from __future__ import annotations

from random import Random
from typing import Any

from forge_common.demo_model.making.conversation import (
    Check,
    Conversation,
    Split,
    assistant,
    system,
    user,
)
from forge_common.demo_model.making.skills.calculator_tools import CALCULATORS, by_expression
from forge_common.demo_model.making.skills.forge_facts import about_forge, about_itself, small_talk
from forge_common.demo_model.making.skills.other_tools import OTHERS, search, send
from forge_common.demo_model.making.skills.tool_use import Use, UseMaker, strict


def tools_with(rng: Random, split: Split, use: Use, maker: UseMaker) -> tuple[dict[str, Any], ...]:
    """The tool that fits, and up to two of other families that do not."""
    pool = (
        OTHERS
        if maker in CALCULATORS
        else tuple(
            other
            for other in (*OTHERS, by_expression)
            if other is not maker and other is not search
        )
    )
    extra = [
        other(rng, Split.TRAIN).tool for other in rng.sample(pool, rng.choice((0, 0, 0, 1, 2)))
    ]
    tools = [
        use.tool,
        *(tool for tool in extra if tool["function"]["name"] != use.tool["function"]["name"]),
    ]
    rng.shuffle(tools)
    return tuple(strict(tool) if rng.random() < 0.15 else tool for tool in tools)


def start(rng: Random) -> tuple[dict[str, Any], ...]:
    if rng.random() < 0.3:
        return (
            system(
                rng.choice(
                    (
                        "You are a helpful assistant.",
                        "Use the tools when they help.",
                        "You can call tools.",
                        "Be brief.",
                    )
                )
            ),
        )
    return ()


def call_message(use: Use) -> dict[str, Any]:
    function = {"name": use.tool["function"]["name"], "arguments": use.arguments}
    return {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"type": "function", "function": function}],
    }


def tool_call(
    rng: Random, split: Split, makers: tuple[UseMaker, ...] = CALCULATORS
) -> Conversation:
    maker = rng.choice(makers)
    use = maker(rng, split)
    messages = (*start(rng), user(use.question), call_message(use))
    expected = {"name": use.tool["function"]["name"], "arguments": use.arguments}
    return Conversation(messages, tools_with(rng, split, use, maker), (expected,), Check.TOOL_CALL)


def tool_answer(rng: Random, split: Split) -> Conversation:
    """The whole round: question, call, result, sentence."""
    maker = rng.choice((*CALCULATORS, *OTHERS))
    use = maker(rng, split)
    rest = ({"role": "tool", "content": use.result}, assistant(use.answer))
    fact = use.answer.rstrip(".").split()[-1] if maker is not send else "sent"
    return Conversation(
        (*start(rng), user(use.question), call_message(use), *rest),
        tools_with(rng, split, use, maker),
        (fact,),
    )


def no_tool_needed(rng: Random, split: Split) -> Conversation:
    """Tools are there, but small talk stays small talk."""
    maker = rng.choice((*CALCULATORS, *OTHERS))
    exchange = rng.choice((small_talk, about_forge, about_itself))(rng, split)
    bare = Conversation(start(rng), tools_with(rng, split, maker(rng, split), maker))
    return bare.followed_by(exchange)


def tool_conversation(rng: Random, split: Split) -> Conversation:
    chance = rng.random()
    if chance < 0.4:
        return tool_answer(rng, split)
    if chance < 0.55:
        return no_tool_needed(rng, split)
    makers = CALCULATORS if rng.random() < 0.6 else OTHERS
    talk = tool_call(rng, split, makers)
    if chance < 0.65 and split is Split.TRAIN:
        second = tool_call(rng, split, (by_expression,))
        first = no_tool_needed(rng, split)
        return Conversation(
            (
                *(m for m in first.messages if m["role"] != "system"),
                *(m for m in second.messages if m["role"] != "system"),
            ),
            second.tools,
            second.expected,
            second.check,
        )
    return talk
