"""Questions the model must not pretend to answer, and the one honest thing it says to all of them.

It does not know which questions the other skills can answer, beyond leaving their subjects out.
"""

from __future__ import annotations

from random import Random

from forge_common.demo_model.making.conversation import Exchange, Phrasings, Split
from forge_common.demo_model.making.skills.forge_facts import LOAD
from forge_common.demo_model.making.words import (
    HELD_OUT_TOPICS,
    NAMES,
    THINGS,
    TOPICS,
    invented_name,
)

UNKNOWN = f"I am a tiny demo model, I do not know that. Load a real model with {LOAD}."
TOO_HARD = f"I am a tiny demo model, I cannot do that. Load a real model with {LOAD}."
EXPECTED = ("tiny demo model", LOAD.split(" PATH")[0])

ASK = Phrasings(
    ("Tell me about {x}.", "Explain {x}.", "How does {x} work?", "Who invented {x}?",
     "Give me an introduction to {x}", "What are the main ideas of {x}?", "Why is {x} important?",
     "What is the history of {x}?", "How do I learn {x}?", "Explain {x} to a child",
     "Explain {x} in simple terms", "What do you think about {x}?", "What is the future of {x}?",
     "Who is the most famous person in {x}?", "I want to understand {x}.", "Compare {x} and {y}.",
     "What is the difference between {x} and {y}?", "Is {x} better than {y}?",
     "What are the pros and cons of {x}?", "When did {x} begin?", "What do you know about {x}?",
     "Tell me more about {x}.", "Can you explain {x}?", "Do you know anything about {x}?",
     "How is {x} related to {y}?", "What is {x} in detail?", "Describe {x}.",
     "Where can I read about {x}?", "What causes {x}?", "Teach me about {x}", "{x}"),
    ("Could you give me an overview of {x}?", "What should I know about {x}?",
     "How are {x} and {y} connected?"),
)  # fmt: skip
TASK = Phrasings(
    ("Write an essay about {x}.", "Write a report on {x}", "Summarize {x}.", "Write code for {x}",
     "Write a Python function about {x}.", "Write a program that handles {x}",
     "Make a plan for {x}.",
     "Translate {x} into German.", "Translate {x} to French", "Write an email about {x}.",
     "Write a blog post about {x}", "Give me ten ideas about {x}", "Draw a picture of {x}.",
     "Write a song about {x}",
     "Solve {x} for me", "Prove a theorem about {x}", "Write a SQL query about {x}",
     "Fix this code: {x}", "Write a speech on {x}.", "Write a long article about {x}",
     "Make a presentation about {x}",
     "Write a regex for {x}", "Generate an image of {x}", "Write a script about {x}",
     "Write a function to sort {x}", "Design a website about {x}", "Summarize this text: {x}"),
    ("Could you write an essay on {x} for me?", "I need a program for {x}."),
)  # fmt: skip
PERSON = Phrasings(
    ("Who is {x}?", "Who was {x}?", "What did {x} do?", "When was {x} born?", "How old is {x}?",
     "Where does {x} live?", "Tell me about {x}.", "Is {x} famous?", "What is {x}?",
     "What does {x} mean?", "Define {x}.", "Have you heard of {x}?", "Where is {x}?",
     "What is the capital of {x}?", "What is a {x}?", "How do I {x}?",
     "How many people live in {x}?"),
    ("Do you happen to know who {x} is?", "What might {x} be?"),
)  # fmt: skip
FIXED = (
    ("Who is the president of the United States?", "Who won the world cup?",
     "Who is the richest person in the world?", "What is the population of China?",
     "Recommend a book.", "Recommend a movie",
     "What should I eat today?", "Give me a recipe for pancakes.", "How do I cook rice?",
     "How do I lose weight?", "What is the stock price of Apple?", "Who won the election?",
     "What is the best phone?",
     "How do I center a div?", "How do I install Python?", "How do I fix my car?",
     "What is the distance to the moon?", "How far away is the sun?",
     "How tall is the Eiffel Tower?", "Who discovered America?",
     "What is dark matter?", "Why do cats purr?", "How do airplanes fly?", "How do I tie a tie?",
     "What is the speed of light?", "What is consciousness?", "Is there life on Mars?",
     "Does God exist?",
     "Who will win the next election?", "What is the tallest building?", "Who is Elon Musk?",
     "Who is Taylor Swift?", "What is ChatGPT?", "What is OpenAI?",
     "What is the best programming language?",
     "How do I get a job?", "What is love?", "How do I make money?", "Should I buy a house?",
     "How many stars are there?", "What is the deepest ocean?", "Why do we dream?",
     "What is the biggest country?",
     "Which is the largest city in the world?", "Who invented the telephone?",
     "Who invented the light bulb?", "When was the first computer built?", "What is a derivative?",
     "Solve x squared plus 2x = 0",
     "What is the integral of x?", "What is the derivative of x squared?",
     "What is 2 to the power of 10?", "Plan a trip to Rome",
     "What is the best restaurant in Paris?", "Give me advice.", "What is the news today?",
     "Where should I travel?", "Play a game with me", "Let's play chess", "What happened in 1789?",
     "When did Rome fall?", "What is your opinion on politics?", "How do vaccines work?",
     "Why is water wet?",
     "What does this error mean?", "Can you write code?", "Write code", "Write a program",
     "Can you code?", "Write a quick sort in Python", "Write a function that reverses a string",
     "Write fizzbuzz",
     "Debug my program", "Can you draw?", "Can you see images?",
     "Translate this sentence into Spanish.", "Write an essay", "Write a letter",
     "How do I say good morning in Korean?", "What is the cube root of 27?",
     "Explain quantum computing in one paragraph", "Tell me about the history of Rome",
     "What is the airspeed of a swallow?", "Who is your favorite actor?", "How do I bake a cake?",
     "How much does a house cost?"),
)[0]  # fmt: skip


def unknown_subject(rng: Random, split: Split) -> str:
    if split is Split.HELD_OUT:
        return rng.choice(HELD_OUT_TOPICS)
    return rng.choice(TOPICS) if rng.random() < 0.8 else invented_name(rng, split).lower()


def about_subject(rng: Random, split: Split) -> Exchange:
    slots = {"x": unknown_subject(rng, split), "y": unknown_subject(rng, split)}
    known = ("photosynthesis", "gravity")
    if slots["x"] in known:
        return about_subject(rng, split)
    if rng.random() < 0.65:
        return Exchange(ASK.say(rng, split, **slots), UNKNOWN, EXPECTED)
    return Exchange(TASK.say(rng, split, **slots), TOO_HARD, EXPECTED)


def about_name(rng: Random, split: Split) -> Exchange:
    """Names of people and of nothing: what sounds like a fact is still not one the model knows."""
    name = invented_name(rng, split)
    if rng.random() < 0.4:
        name = f"{rng.choice(NAMES)} {name}"
    return Exchange(PERSON.say(rng, split, x=name), UNKNOWN, EXPECTED)


def fixed(rng: Random, split: Split) -> Exchange:
    hard = ("Write", "Solve", "Debug", "Translate", "Plan", "Let's", "Play", "Can you")
    question = rng.choice(FIXED)
    answer = TOO_HARD if question.startswith(hard) else UNKNOWN
    return Exchange(Phrasings((question,)).say(rng, Split.TRAIN), answer, EXPECTED)


def gibberish(rng: Random, split: Split) -> Exchange:
    letters = "".join(
        rng.choice("asdfghjklqwertzuiopyxcvbnm;,1") for _ in range(rng.randint(4, 14))
    )
    words = " ".join(rng.choice((*THINGS, *TOPICS)) for _ in range(rng.randint(2, 5)))
    return Exchange(letters if rng.random() < 0.5 else words, UNKNOWN, EXPECTED)


def unknown(rng: Random, split: Split) -> Exchange:
    if split is Split.HELD_OUT:
        return rng.choice((about_subject, about_name))(rng, split)
    return rng.choice((about_subject, about_subject, about_name, fixed, fixed, gibberish))(
        rng, split
    )
