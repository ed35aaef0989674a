"""Follows the name and the role a system prompt (or the user) gives.

It does not know how a persona would answer anything but questions about itself: facts stay facts.
"""

from __future__ import annotations

from random import Random

from forge_common.demo_model.making.conversation import (
    Check,
    Conversation,
    Exchange,
    Phrasings,
    Split,
    conversation,
)
from forge_common.demo_model.making.words import ROLES, a, person_name

NAME_ONLY = Phrasings(
    ("You are {name}.", "Your name is {name}.", "You are called {name}.",
     "You are {name}. Be helpful.", "You are {name}, and you answer briefly.",
     "Your name is {name}. You are friendly.",
     "You're {name}.", "Act as {name}.", "You are an assistant named {name}.",
     "You are an AI called {name}.", "You are a helpful assistant named {name}.", "Name: {name}",
     "You are {name}, a helpful assistant.", "You are a helpful assistant called {name}."),
    ("From now on your name is {name}.", "You go by the name {name}.", "Call yourself {name}."),
)  # fmt: skip
NAME_AND_ROLE = Phrasings(
    ("You are {name}, {a_role}.", "You are {a_role} named {name}.",
     "Your name is {name} and you are {a_role}.", "You are {a_role} called {name}.",
     "Act as {name} the {role}.",
     "You are {name} the {role}.", "You are {name}, {a_role}. Answer briefly.",
     "Pretend to be {a_role} named {name}.", "You are a friendly {role} named {name}.",
     "You are {a_role}. Your name is {name}.",
     "You play {name}, {a_role}.", "You are an old {role} named {name}.",
     "Your name is {name}. You are {a_role}. Be kind.", "You are {name}, a helpful {role}.",
     "Imagine you are {a_role} named {name}",
     "You are {a_role} whose name is {name}."),
    ("From now on you are {name}, {a_role}.", "Take the part of {a_role} named {name}.",
     "I want you to be {name} the {role}."),
)  # fmt: skip
ASK_NAME = Phrasings(
    ("Who are you?", "What is your name?", "What's your name?", "who are you",
     "Introduce yourself.", "Tell me your name.", "whats your name", "Who am I talking to?",
     "What are you called?",
     "Your name?", "Do you have a name?", "Who is this?", "What are you?",
     "Tell me about yourself.", "Say your name.", "Hi, who are you?", "Hello! What is your name?",
     "Are you ChatGPT?",
     "What model are you?", "How are you called?", "And who are you?", "What should I call you?",
     "Are you human?"),
    ("May I know your name?", "Please introduce yourself.", "With whom do I have the pleasure?",
     "Could you tell me your name?"),
)  # fmt: skip
GREET = Phrasings(
    ("Hi", "Hello", "Hello!", "Hi!", "Hey", "Hi there", "Hello there!", "Good day!", "Greetings",
     "Say hello.", "Greet me", "Hey!", "Say hello in one sentence.", "Hi, how are you?"),
    ("Well hello!", "Hey hello!"),
)  # fmt: skip
ASK_ROLE = Phrasings(
    (
        "What do you do?",
        "What is your job?",
        "What are you?",
        "What's your job?",
        "What is your role?",
        "What do you do for a living?",
    ),
    ("Which job do you have?",),
)
CRIES = {
    "pirate": "Arr!",
    "cat": "Meow!",
    "dog": "Woof!",
    "robot": "Beep!",
    "ghost": "Boo!",
    "wizard": "By my beard!",
    "parrot": "Squawk!",
    "dragon": "Roar!",
    "owl": "Hoot!",
}
IN_ONE = Phrasings(
    ("{persona} Who are you?", "{persona} What is your name?", "{persona} Introduce yourself.",
     "{persona} Say hello.", "{persona} Tell me who you are."),
    ("{persona} Now tell me your name.",),
)  # fmt: skip


def described(rng: Random, split: Split) -> tuple[str, str, str]:
    """A system prompt, and the name and role it gives; the role may be empty."""
    name = person_name(rng, split)
    if rng.random() < 0.08:
        name = "Captain " + name
    if rng.random() < 0.35:
        return NAME_ONLY.say(rng, split, name=name), name, ""
    role = rng.choice((*ROLES, "pirate", "pirate", "robot", "wizard", "cat"))
    return NAME_AND_ROLE.say(rng, split, name=name, role=role, a_role=a(role)), name, role


def self_description(name: str, role: str) -> str:
    cry = CRIES.get(role, "")
    sentence = f"I am {name}, {a(role)}." if role else f"I am {name}."
    return f"{cry} {sentence}".strip()


def greeting(name: str, role: str) -> str:
    start = CRIES.get(role, "Hello!")
    return f"{start} {self_description(name, role).removeprefix(start).strip()} How can I help?"


def about_persona(rng: Random, split: Split, name: str, role: str) -> Exchange:
    chance = rng.random()
    if chance < 0.3:
        return Exchange(GREET.say(rng, split), greeting(name, role), (name,))
    if chance < 0.4 and role:
        return Exchange(ASK_ROLE.say(rng, split), self_description(name, role), (role,))
    return Exchange(ASK_NAME.say(rng, split), self_description(name, role), (name,))


def persona(rng: Random, split: Split) -> Conversation:
    prompt, name, role = described(rng, split)
    if rng.random() < 0.12:
        question = IN_ONE.say(rng, split, persona=prompt)
        answer = greeting(name, role) if "hello" in question else self_description(name, role)
        return conversation(Exchange(question, answer, (name,)))
    talk = conversation(about_persona(rng, split, name, role), prompt)
    if split is Split.TRAIN and rng.random() < 0.25:
        return talk.followed_by(about_persona(rng, split, name, role))
    return talk


def named_role(rng: Random, split: Split) -> Conversation:
    """For scoring: does it say the name, first thing, after a phrasing and a name never trained?"""
    prompt, name, role = described(rng, split)
    talk = conversation(about_persona(rng, split, name, role), prompt)
    return (
        Conversation(talk.messages, talk.tools, (name,), Check.CONTAINS)
        if talk.expected == (name,)
        else named_role(rng, split)
    )
