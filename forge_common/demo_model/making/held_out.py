"""The prompts kept for scoring, and how an answer to each is judged.

A prompt is held out by its phrasing and, where it has one, by its number pair, name, key set or
tool name. It does not know how answers are generated.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from forge_common.demo_model.making.conversation import (
    Check,
    Conversation,
    ExchangeMaker,
    Split,
    conversation,
)
from forge_common.demo_model.making.mixture import questions_in
from forge_common.demo_model.making.skills import arithmetic, tool_calls
from forge_common.demo_model.making.skills.calculator_tools import CALCULATORS, usual_calculator
from forge_common.demo_model.making.skills.forge_facts import about_forge, about_itself, small_talk
from forge_common.demo_model.making.skills.json_answers import json_exchange
from forge_common.demo_model.making.skills.memory import remembering
from forge_common.demo_model.making.skills.other_tools import OTHERS
from forge_common.demo_model.making.skills.personas import named_role
from forge_common.demo_model.making.skills.small_tasks import small_task
from forge_common.demo_model.making.skills.stories import telling
from forge_common.demo_model.making.skills.tool_use import UseMaker
from forge_common.demo_model.making.skills.unknowns import unknown
from forge_common.demo_model.making.skills.world_facts import world_fact

SEED = 20260101


@dataclass(frozen=True)
class Item:
    """One prompt of one skill; the conversation still ends with the reference answer."""

    skill: str
    talk: Conversation

    @property
    def prompt(self) -> Conversation:
        return Conversation(self.talk.messages[:-1], self.talk.tools)


def alone(maker: ExchangeMaker) -> Callable[[Random, Split], Conversation]:
    return lambda rng, split: conversation(maker(rng, split))


def calls_to(makers: tuple[UseMaker, ...]) -> Callable[[Random, Split], Conversation]:
    return lambda rng, split: tool_calls.tool_call(rng, split, makers)


SKILLS: dict[str, tuple[Callable[[Random, Split], Conversation], int]] = {
    "greetings and small talk": (alone(small_talk), 30),
    "about Forge": (alone(about_forge), 40),
    "about itself": (alone(about_itself), 30),
    "world facts": (alone(world_fact), 80),
    "addition, 0–99, unseen pairs": (alone(arithmetic.scored_addition), 60),
    "subtraction, 0–100, unseen pairs": (alone(arithmetic.scored_subtraction), 40),
    "times tables to 12 × 12, unseen phrasings": (alone(arithmetic.scored_tables), 40),
    "products to 20 × 20, unseen pairs": (alone(arithmetic.scored_products), 40),
    "count, repeat, list, order": (alone(small_task), 50),
    "stories, haiku, poems, jokes": (alone(telling), 40),
    "persona's name and role": (named_role, 50),
    "remembering what was said": (remembering, 40),
    "admitting not to know": (alone(unknown), 40),
    "JSON when asked": (alone(json_exchange), 60),
    "`calculator(expression)` calls": (calls_to((usual_calculator,)), 40),
    "calculator calls, argument names never trained": (calls_to(CALCULATORS), 50),
    "other tool calls": (calls_to(OTHERS), 40),
    "answers from a tool's result": (tool_calls.tool_answer, 40),
    "no call when none is needed": (tool_calls.no_tool_needed, 30),
}


def items() -> tuple[Item, ...]:
    """The same prompts every time, no question twice within a skill."""
    return tuple(Item(skill, talk) for skill in SKILLS for talk in distinct(skill))


def distinct(skill: str) -> list[Conversation]:
    maker, count = SKILLS[skill]
    rng, seen, kept = Random(f"{SEED} {skill}"), set(), []
    for _ in range(count * 20):
        talk = maker(rng, Split.HELD_OUT)
        key = (talk.messages[0]["content"], talk.messages[-2]["content"])
        if key not in seen and len(kept) < count:
            seen.add(key)
            kept.append(talk)
    return kept


def forbidden_questions() -> frozenset[str]:
    """Questions that may not occur in training in any form. Where the context is what is new (a
    persona, a tool, a result), the question itself may.
    """
    by_context = {
        "persona's name and role",
        "answers from a tool's result",
        "no call when none is needed",
        "remembering what was said",
        "`calculator(expression)` calls",
    }
    return frozenset().union(
        *(questions_in(item.talk) for item in items() if item.skill not in by_context)
    )


def is_right(item: Item, answer: str) -> bool:
    expected = item.talk.expected
    match item.talk.check:
        case Check.CONTAINS:
            spoken = answer if "\n" in expected else " ".join(answer.split())
            return (
                all(str(text).lower() in f" {spoken} ".lower() for text in expected)
                and "<tool_call>" not in answer
            )
        case Check.ONE_OF:
            return any(text.lower() in answer.lower() for text in expected)
        case Check.JSON_VALUE:
            return parsed(answer) == expected[0]
        case Check.JSON_KEYS:
            value = parsed(answer)
            return isinstance(value, dict) and list(value) == expected[0]
        case Check.TOOL_CALL:
            return called(answer) == expected[0]
        case Check.STORY:
            return answer.count(".") >= 3 and expected[0].lower() in answer.lower()


def parsed(answer: str) -> Any:
    try:
        return json.loads(answer)
    except ValueError:
        return None


def called(answer: str) -> Any:
    head, _, rest = answer.strip().partition("<tool_call>")
    body, closing, tail = rest.partition("</tool_call>")
    return parsed(body) if closing and not head and not tail.strip() else None
