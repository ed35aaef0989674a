"""Makes a tidy question look typed: lower case, no full stop, a greeting in front, a slip of the
finger.

It never touches `{slots}`, and it does not know what the question is about.
"""

from __future__ import annotations

import re
from random import Random

OPENINGS = (
    "Hi, ", "Hello, ", "Hey, ", "Hi! ", "Hello! ", "Ok, ", "Okay, ", "So, ", "Please ", "Um, ",
    "Now ",
    "Can you tell me, ", "Tell me, ", "Quick question: ", "One more: ", "And ",
)  # fmt: skip
CLOSINGS = (" Thanks.", " Thank you!", " Please.", " thanks", " pls", " :)")


def roughen(rng: Random, text: str) -> str:
    text = add_opening(rng, text)
    text = change_ending(rng, text)
    text = change_case(rng, text)
    return slip(rng, text) if rng.random() < 0.03 else text


def add_opening(rng: Random, text: str) -> str:
    if rng.random() < 0.1 and not text.startswith("{"):
        text = rng.choice(OPENINGS) + text[:1].lower() + text[1:]
    return text


def change_ending(rng: Random, text: str) -> str:
    chance = rng.random()
    if chance < 0.3:
        return text.rstrip("?.!")
    if chance < 0.34 and text[-1:] in "?!":
        return text + text[-1]
    if chance < 0.38:
        return text + rng.choice(CLOSINGS)
    return text


def change_case(rng: Random, text: str) -> str:
    chance = rng.random()
    if chance < 0.3:
        return text.lower()
    if chance < 0.32 and "{" not in text:
        return text.upper()
    return text


def slip(rng: Random, text: str) -> str:
    """Swaps two neighbouring letters inside one word outside any slot."""
    words = [match for match in re.finditer(r"[a-z]{4,}", text) if "{" not in text]
    if not words:
        return text
    word = rng.choice(words)
    at = rng.randrange(word.start() + 1, word.end() - 1)
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
