"""How often each skill is trained, and how single exchanges are strung into conversations.

It does not know what is held out beyond asking each skill for its training split, and dropping
exact repeats.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from forge_common.demo_model.making.conversation import (
    Conversation,
    ConversationMaker,
    Exchange,
    ExchangeMaker,
    Split,
    conversation,
    system,
)
from forge_common.demo_model.making.skills.arithmetic import arithmetic, sum_to_99
from forge_common.demo_model.making.skills.forge_facts import about_forge, about_itself, small_talk
from forge_common.demo_model.making.skills.json_answers import json_conversation, json_exchange
from forge_common.demo_model.making.skills.memory import never_told, remembering
from forge_common.demo_model.making.skills.personas import persona
from forge_common.demo_model.making.skills.small_tasks import small_task
from forge_common.demo_model.making.skills.stories import telling
from forge_common.demo_model.making.skills.tool_calls import tool_conversation
from forge_common.demo_model.making.skills.unknowns import unknown
from forge_common.demo_model.making.skills.world_facts import capital, world_fact


@dataclass(frozen=True)
class Mixture:
    """Relative weights: of single exchanges, and of conversations whose start matters."""

    exchanges: dict[ExchangeMaker, int]
    conversations: dict[ConversationMaker, int]

    @property
    def context_share(self) -> float:
        in_context = sum(self.conversations.values())
        return in_context / (in_context + sum(self.exchanges.values()))


# First everything, with much room for the long texts of tools and stories.
BROAD = Mixture(
    {small_talk: 8, about_forge: 10, about_itself: 9, world_fact: 16, arithmetic: 22,
     small_task: 14, telling: 10, unknown: 10, json_exchange: 12, never_told: 1},
    {persona: 12, remembering: 6, json_conversation: 3, tool_conversation: 26},
)  # fmt: skip
# Then the same with most of the time for what is learned slowest: sums, capitals, copying.
DRILL = Mixture(
    {small_talk: 6, about_forge: 8, about_itself: 8, world_fact: 22, capital: 16, arithmetic: 34,
     sum_to_99: 16, small_task: 16, telling: 5, unknown: 9, json_exchange: 10, never_told: 1},
    {persona: 16, remembering: 6, json_conversation: 2, tool_conversation: 9},
)  # fmt: skip
# What a persona can be asked besides itself: anything whose answer does not say "I am Forge's demo
# model".
NOT_ABOUT_ITSELF = (
    about_forge,
    world_fact,
    world_fact,
    arithmetic,
    small_task,
    telling,
    json_exchange,
)
NEUTRAL = (
    "You are a helpful assistant.", "You are a helpful assistant.", "You are a helpful assistant",
    "Be brief.", "You are a friendly assistant.", "Answer briefly.",
    "You are a helpful AI assistant.",
    "Be helpful and honest.", "You are an assistant.", "Answer the questions of the user.",
    "You are a helpful, respectful and honest assistant.", "Be concise.", "Keep answers short.",
    "You are a chatbot.",
    "You are a helpful assistant. Answer the questions of the user as well as you can. If you do not know something, say so.",
    "You are a careful assistant who answers in plain English. Do not make things up. Keep your answers to one or two sentences.",
    "Today is a fine day. The user is new here and may need help. Be polite, answer briefly and use simple words.",
)  # fmt: skip


def any_exchange(rng: Random, mixture: Mixture) -> Exchange:
    maker = rng.choices(tuple(mixture.exchanges), tuple(mixture.exchanges.values()))[0]
    return maker(rng, Split.TRAIN)


def num_turns(rng: Random) -> int:
    """Mostly one question; sometimes a few; now and then a long talk."""
    chance = rng.random()
    if chance < 0.6:
        return 1
    return rng.randint(2, 4) if chance < 0.95 else rng.randint(5, 14)


def chat(rng: Random, mixture: Mixture) -> Conversation:
    neutral = rng.choice(NEUTRAL) if rng.random() < 0.25 else None
    talk = conversation(any_exchange(rng, mixture), neutral)
    for _ in range(num_turns(rng) - 1):
        talk = talk.followed_by(any_exchange(rng, mixture))
    return talk


def in_context(rng: Random, mixture: Mixture) -> Conversation:
    """A conversation whose start matters: a persona, a memory, a system prompt, tools."""
    maker = rng.choices(tuple(mixture.conversations), tuple(mixture.conversations.values()))[0]
    if maker is remembering:
        between = tuple(any_exchange(rng, mixture) for _ in range(rng.choice((0, 0, 1, 1, 2, 3))))
        talk = remembering(rng, Split.TRAIN, between)
        return (
            Conversation((system(rng.choice(NEUTRAL)), *talk.messages))
            if rng.random() < 0.2
            else talk
        )
    talk = maker(rng, Split.TRAIN)
    if maker is persona and rng.random() < 0.2:
        other = rng.choice(NOT_ABOUT_ITSELF)(rng, Split.TRAIN)
        return talk.followed_by(other) if rng.random() < 0.6 else asked_before(other, talk)
    return talk


def asked_before(other: Exchange, talk: Conversation) -> Conversation:
    """Another question first, then the one about the persona: the name must outlast it."""
    head, last = talk.messages[:-2], talk.messages[-2:]
    return Conversation((*Conversation(head).followed_by(other).messages, *last))


def conversations(seed: int, mixture: Mixture, forbidden: frozenset[str]) -> Iterator[Conversation]:
    """Endless training conversations, none of which asks a question that is kept for scoring."""
    rng = Random(seed)
    while True:
        maker = in_context if rng.random() < mixture.context_share else chat
        talk = maker(rng, mixture)
        if not forbidden & questions_in(talk):
            yield talk


def questions_in(talk: Conversation) -> frozenset[str]:
    """What the user said, without case and punctuation: the key by which a question counts as
    seen.
    """
    texts = (message["content"] for message in talk.messages if message["role"] == "user")
    return frozenset(normalised(text) for text in texts)


def normalised(text: str) -> str:
    return " ".join(
        "".join(c if c.isalnum() or c in "+-*/×÷" else " " for c in text.lower()).split()
    )
