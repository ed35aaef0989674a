"""Very short stories, poems, haiku and jokes, put together from parts around a subject the user
names.

It does not know good literature.
"""

from __future__ import annotations

from random import Random

from forge_common.demo_model.making.conversation import Check, Exchange, Phrasings, Split
from forge_common.demo_model.making.words import (
    CHARACTERS,
    HELD_OUT_CHARACTERS,
    NAMES,
    THINGS,
    a,
    invented_name,
)

ASK = Phrasings(
    ("Tell me a story.", "Tell me a short story", "Write a story", "Write a very short story.",
     "Can you tell me a story?",
     "I want a story", "Story please", "Make up a story.", "Tell a story", "Tell me another story",
     "Write me a short story.",
     "Tell me a bedtime story", "Once upon a time", "Write a short tale."),
    ("Would you tell me a little story?", "I would love to hear a story."),
)  # fmt: skip
ASK_ABOUT = Phrasings(
    ("Tell me a story about {x}.", "Tell me a short story about {x}", "Write a story about {x}",
     "A story about {x} please",
     "Write a very short story about {x}.", "Can you tell me a story about {x}?",
     "Make up a story about {x}.", "Story about {x}",
     "Write me a short story about {x}.", "Tell a tale of {x}", "I want a story about {x}",
     "Tell me another story about {x}"),
    ("Would you tell me a little story about {x}?", "I would love to hear a story of {x}."),
)  # fmt: skip
PLACES = (
    "by the sea", "in a green forest", "on a high hill", "in a small village", "near a quiet river",
    "in a big city",
    "under an old bridge", "in a warm kitchen", "at the edge of the desert", "in a tall tower",
)  # fmt: skip
MOODS = ("small", "brave", "curious", "kind", "lonely", "clever", "shy", "happy", "old", "young")
TROUBLES = (
    "One day {hero} found {thing} that nobody had lost.",
    "One night a storm came and took {hero}'s {thing0} away.",
    "One morning {hero} could not find the {thing0} anywhere.",
    "One day {hero} heard a strange noise behind the {thing0}.",
    "One evening {hero} met {friend}, who was looking for {thing}.",
    "One day {hero} wanted to see the moon from close by.",
)
DEEDS = (
    "{hero} asked {friend} for help, and they searched together until dark.",
    "{hero} walked all day and did not give up.",
    "{friend} laughed, but {hero} had a good idea.",
    "At first {hero} was afraid, and then took one careful step.",
    "{hero} thought for a long time, and then began to sing.",
)
ENDINGS = (
    "In the end they shared a warm supper, and everyone was happy.",
    "In the end {hero} came home and slept very well.",
    "From that day on {hero} and {friend} were the best of friends.",
    "In the end it had been under the bed all along, and {hero} laughed.",
    "And {hero} never forgot that day.",
)
HAIKU_ASK = Phrasings(
    ("Write a haiku about {x}.", "Haiku about {x}", "Write me a haiku about {x}",
     "Can you write a haiku about {x}?", "A haiku on {x}"),
    ("I would like a haiku about {x}.",),
)  # fmt: skip
HAIKU_ANY = Phrasings(
    (
        "Write a haiku.",
        "Write me a haiku",
        "Haiku please",
        "A haiku",
        "Can you write a haiku?",
        "haiku",
    )
)
HAIKU_FIRST = (
    "Morning light is soft",
    "Quiet falls the snow",
    "Wind across the field",
    "Evening rain begins",
)
HAIKU_LAST = (
    "and the day is long",
    "the old pond is still",
    "slowly spring returns",
    "nothing more to say",
)
POEM_ASK = Phrasings(
    ("Write a poem about {x}.", "Poem about {x}", "Write a short poem about {x}",
     "Write me a poem about {x}", "Can you write a poem about {x}?"),
    ("I would like a short poem about {x}.",),
)  # fmt: skip
POEM_ANY = Phrasings(
    (
        "Write a poem.",
        "Write me a poem",
        "A short poem please",
        "Can you write a poem?",
        "Sing a song",
        "Write a song.",
    )
)
JOKE_ASK = Phrasings(
    ("Tell me a joke.", "Tell me a joke", "Do you know a joke?", "Joke please", "Make me laugh",
     "Say something funny.",
     "Another joke", "Tell a joke", "Can you tell me a joke?", "Give me a joke."),
    ("I could use a good joke.", "Do you have a joke for me?"),
)  # fmt: skip
JOKES = (
    "Why did the server go to the doctor? It had a bad cache.",
    "Why do programmers like the dark? Because light attracts bugs.",
    "What do you call a fish without eyes? A fsh.",
    "Why was six afraid of seven? Because seven ate nine.",
    "Why did the chicken cross the road? To get to the other side.",
    "What is brown and sticky? A stick.",
)
FUN_ASK = Phrasings(
    ("Tell me a fun fact.", "Tell me something interesting", "Fun fact", "Do you know a fun fact?",
     "Give me a fact.",
     "Tell me something", "Teach me something.", "Surprise me", "Tell me an interesting fact"),
    ("I would like to hear a fun fact.",),
)  # fmt: skip
FUN_FACTS = (
    "Honey does not go bad for a very long time.",
    "An octopus has three hearts.",
    "A day on Venus is longer than its year.",
    "Bananas are berries, but strawberries are not.",
    "A group of crows is called a murder.",
    "Sharks are older than trees.",
)


def tale(rng: Random, subject: str) -> str:
    """Four sentences; the subject is named first and stays the hero."""
    hero = rng.choice(NAMES) if subject.split()[0] in ("a", "an") else subject
    friend = "the " + rng.choice(CHARACTERS)
    thing = rng.choice(THINGS)
    mood, place = rng.choice(MOODS), rng.choice(PLACES)
    named = f" named {hero}" if hero != subject else f", who was {mood}"
    noun = f"a {mood} {subject.split(' ', 1)[1]}" if hero != subject else subject
    noun = noun.replace("a old", "an old")
    middle = " ".join((rng.choice(TROUBLES), rng.choice(DEEDS), rng.choice(ENDINGS)))
    text = (
        f"Once upon a time, {noun}{named}{',' if hero == subject else ''} lived {place}. {middle}"
    )
    text = (
        text.replace("{hero}", hero)
        .replace("{friend}", friend)
        .replace("{thing0}", thing)
        .replace("{thing}", a(thing))
    )
    return ". ".join(part[:1].upper() + part[1:] for part in text.split(". "))


def subject(rng: Random, split: Split) -> str:
    if rng.random() < 0.15:
        return invented_name(rng, split)
    return a(rng.choice(HELD_OUT_CHARACTERS if split is Split.HELD_OUT else CHARACTERS))


def story(rng: Random, split: Split) -> Exchange:
    about = subject(rng, split)
    if rng.random() < 0.4:
        return Exchange(
            ASK.say(rng, split), tale(rng, a(rng.choice(CHARACTERS))), ("",), Check.STORY
        )
    name = about.split()[-1]
    return Exchange(ASK_ABOUT.say(rng, split, x=about), tale(rng, about), (name,), Check.STORY)


def haiku(rng: Random, split: Split) -> Exchange:
    plain = rng.choice(HELD_OUT_CHARACTERS if split is Split.HELD_OUT else (*CHARACTERS, *THINGS))
    if split is Split.TRAIN and rng.random() < 0.4:
        return Exchange(
            HAIKU_ANY.say(rng, split),
            haiku_text(rng, rng.choice(("river", "moon", "cat", "server"))),
        )
    asked = rng.choice((a(plain), "the " + plain, plain))
    return Exchange(HAIKU_ASK.say(rng, split, x=asked), haiku_text(rng, plain), (plain, "\n"))


def haiku_text(rng: Random, noun: str) -> str:
    return (
        f"{rng.choice(HAIKU_FIRST)},\nthe {noun} waits without a sound,\n{rng.choice(HAIKU_LAST)}."
    )


def poem(rng: Random, split: Split) -> Exchange:
    plain = rng.choice(HELD_OUT_CHARACTERS if split is Split.HELD_OUT else (*CHARACTERS, *THINGS))
    if split is Split.TRAIN and rng.random() < 0.4:
        return Exchange(
            POEM_ANY.say(rng, split), poem_text(rng, rng.choice(("moon", "sea", "rose", "star")))
        )
    asked = rng.choice((a(plain), "the " + plain, plain))
    return Exchange(POEM_ASK.say(rng, split, x=asked), poem_text(rng, plain), (plain, "\n"))


def poem_text(rng: Random, noun: str) -> str:
    middle = rng.choice(
        ("The wind is low, the sky is wide,", "The night is long, the lamps are bright,")
    )
    last = (
        "and nothing here has much to hide."
        if "wide" in middle
        else "and all the world is full of light."
    )
    return f"The {noun} is here, the {noun} is near,\nit sings a song for all to hear.\n{middle}\n{last}"


def joke(rng: Random, split: Split) -> Exchange:
    return Exchange(JOKE_ASK.say(rng, split), rng.choice(JOKES), ("?",))


def fun_fact(rng: Random, split: Split) -> Exchange:
    return Exchange(FUN_ASK.say(rng, split), rng.choice(FUN_FACTS), (".",))


def telling(rng: Random, split: Split) -> Exchange:
    return rng.choice((story, story, story, story, haiku, haiku, poem, joke, fun_fact))(rng, split)
