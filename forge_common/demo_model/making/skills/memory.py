"""Remembers, within one conversation, what the user said about themselves.

It does not know anything once the conversation is over, and says so when it was never told.
"""

from __future__ import annotations

from random import Random

from forge_common.demo_model.making.conversation import Conversation, Exchange, Phrasings, Split
from forge_common.demo_model.making.words import ANIMALS, COLORS, FOODS, person_name

# told, asked, answered, asked without having been told
SUBJECTS: dict[str, tuple[Phrasings, str, Phrasings, str, str]] = {
    "name": (
        Phrasings(
            ("My name is {x}.", "I am {x}.", "I'm {x}", "Hi, I am {x}.", "Hello, my name is {x}.",
             "Call me {x}.", "You can call me {x}.", "Hi! I'm {x}.", "my name's {x}",
             "This is {x}."),
            ("People call me {x}.", "Let me introduce myself, my name is {x}."),
        ),
        "Nice to meet you, {x}!",
        Phrasings(
            ("What is my name?", "What's my name?", "Who am I?", "Do you remember my name?",
             "Do you know my name?", "Say my name.", "Tell me my name", "What am I called?"),
            ("Could you tell me my name again?", "What did I say my name was?"),
        ),
        "Your name is {x}.",
        "You have not told me your name.",
    ),
    "color": (
        Phrasings(("My favorite color is {x}.", "I like the color {x}.",
        "my favourite colour is {x}"), ("The color I like most is {x}.",)),
        "{x} is a nice color.",
        Phrasings(("What is my favorite color?", "What's my favourite colour?",
        "Which color do I like?"), ("Do you recall my favorite color?",)),
        "Your favorite color is {x}.",
        "You have not told me your favorite color.",
    ),
    "pet": (
        Phrasings(("I have a {x}.", "My pet is a {x}.", "I own a {x}", "I have a pet {x}"),
        ("There is a {x} that I keep as a pet.",)),
        "A {x} must be good company.",
        Phrasings(("What pet do I have?", "What is my pet?", "Which animal do I have?"),
        ("Do you recall which pet I have?",)),
        "You have a {x}.",
        "You have not told me about a pet.",
    ),
    "food": (
        Phrasings(("I like {x}.", "My favorite food is {x}.", "I love {x}", "I like to eat {x}."),
        ("Nothing tastes better to me than {x}.",)),
        "I hear that {x} is very good.",
        Phrasings(("What do I like to eat?", "What is my favorite food?", "Which food do I like?"),
        ("Do you recall my favorite food?",)),
        "You like {x}.",
        "You have not told me what you like.",
    ),
    "number": (
        Phrasings(("My lucky number is {x}.", "Remember the number {x}.", "The number is {x}.",
        "Please remember {x}."), ("Keep the number {x} in mind.",)),
        "I will remember {x}.",
        Phrasings(("What is my lucky number?", "What was the number?",
        "Which number did I tell you?", "What number did I say?"), ("Do you recall the number?",)),
        "The number is {x}.",
        "You have not told me a number.",
    ),
    "secret": (
        Phrasings(("The secret word is {x}.", "Remember the word {x}.", "The password is {x}."),
        ("Keep the word {x} in mind.",)),
        "I will remember {x}.",
        Phrasings(("What is the secret word?", "What was the word?", "Which word did I tell you?",
        "What is the password?"), ("Do you recall the word?",)),
        "The word is {x}.",
        "You have not told me a word.",
    ),
}  # fmt: skip


def value(rng: Random, split: Split, subject: str) -> str:
    match subject:
        case "color":
            return rng.choice(COLORS)
        case "pet":
            return rng.choice(ANIMALS)
        case "food":
            return rng.choice(FOODS)
        case "number":
            return str(rng.randrange(1000))
        case "secret":
            return person_name(rng, split).lower()
        case _:
            return person_name(rng, split)


def told(rng: Random, split: Split) -> tuple[Exchange, Exchange]:
    """What the user says of themselves, and the question that comes back to it later."""
    subject = rng.choice(("name", "name", "name", *SUBJECTS))
    tell, reply, ask, answer, _ = SUBJECTS[subject]
    x = value(rng, split, subject)
    reply = reply.replace("{x}", x)
    first = Exchange(tell.say(rng, split, x=x), reply[:1].upper() + reply[1:], (x,))
    return first, Exchange(ask.say(rng, split), answer.replace("{x}", x), (x,))


def never_told(rng: Random, split: Split) -> Exchange:
    _, _, ask, _, answer = SUBJECTS[rng.choice(("name", "name", *SUBJECTS))]
    return Exchange(ask.say(rng, split), answer, ("You have not told me",))


def remembering(rng: Random, split: Split, between: tuple[Exchange, ...] = ()) -> Conversation:
    """Tell, talk of other things, ask."""
    if rng.random() < 0.15:
        return Conversation(()).followed_by(never_told(rng, split))
    first, later = told(rng, split)
    talk = Conversation(()).followed_by(first)
    for exchange in between:
        talk = talk.followed_by(exchange)
    return talk.followed_by(later)
