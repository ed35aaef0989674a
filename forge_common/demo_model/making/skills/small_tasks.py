"""Things a newcomer asks to see whether anything works: count, repeat, list, spell, compare, what
comes next.

It does not know facts about the world beyond days, months and the alphabet.
"""

from __future__ import annotations

from random import Random

from forge_common.demo_model.making.conversation import Exchange, Phrasings, Split, is_held_out
from forge_common.demo_model.making.skills.arithmetic import WORDS
from forge_common.demo_model.making.words import (
    ANIMALS,
    COLORS,
    FRUITS,
    THINGS,
    TOPICS,
    invented_name,
)

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November",
    "December",
)  # fmt: skip
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

COUNT_TO = Phrasings(
    ("Count to {n}.", "Count to {n}", "Can you count to {n}?", "Count from 1 to {n}.",
     "Count up to {n}", "Please count to {n}.",
     "List the numbers from 1 to {n}", "Count from one to {n}", "Write the numbers 1 to {n}."),
    ("I want you to count up to {n}.", "Show me the numbers from 1 to {n}."),
)  # fmt: skip
COUNT_FROM = Phrasings(
    ("Count from {a} to {b}.", "List the numbers from {a} to {b}", "Numbers {a} to {b} please")
)
COUNT_DOWN = Phrasings(("Count down from {n}.", "Count backwards from {n}", "Countdown from {n}"))
REPEAT = Phrasings(
    ("Say {text}", 'Say "{text}"', "Repeat after me: {text}",
     "Repeat: {text}", 'Repeat "{text}"', "Echo {text}",
     "Just say {text}", "Reply with {text}", 'Please say "{text}".', "Write: {text}",
     "Say the words {text}", "echo: {text}",
     "Say '{text}'", 'Reply with only "{text}"', "Answer with the word {text}",
     "Respond with: {text}"),
    ('Could you repeat "{text}"?', "Say exactly this: {text}"),
)  # fmt: skip
LIST = Phrasings(
    ("List {n} {kind}.", "Name {n} {kind}", "Give me {n} {kind}.", "Tell me {n} {kind}",
     "{n} {kind} please", "Can you name {n} {kind}?",
     "Write {n} {kind}.", "What are {n} {kind}?"),
    ("I would like a list of {n} {kind}.", "Please tell me the names of {n} {kind}."),
)  # fmt: skip
KINDS = {
    "colors": COLORS,
    "animals": ANIMALS[:12],
    "fruits": FRUITS,
    "days": DAYS,
    "months": MONTHS,
    "planets": ("Mercury", "Venus", "Earth", "Mars", "Jupiter", "Saturn", "Uranus", "Neptune"),
    "countries": ("France", "Japan", "Brazil", "Kenya", "Canada", "India", "Spain", "Egypt"),
    "cities": ("Paris", "Tokyo", "Cairo", "London", "Rome", "Lima", "Oslo", "Delhi"),
    "numbers": ("1", "2", "3", "4", "5", "6", "7", "8", "9", "10"),
    "names": ("Ada", "Ben", "Clara", "David", "Emma", "Felix", "Grace", "Hugo"),
    "programming languages": ("Python", "C", "Rust", "Java", "Go", "Ruby"),
    "languages": ("English", "French", "Spanish", "German", "Italian", "Chinese"),
    "foods": ("bread", "soup", "rice", "cheese", "pasta", "salad"),
}
NEXT = Phrasings(
    ("What comes after {x}?", "What is after {x}?", "What follows {x}?",
     "What {unit} comes after {x}?", "Which {unit} is after {x}?"),
    ("Which {unit} follows {x}?",),
)  # fmt: skip
BEFORE = Phrasings(
    ("What comes before {x}?", "What {unit} comes before {x}?", "Which {unit} is before {x}?"),
    ("Which {unit} is right before {x}?",),
)
BIGGER = Phrasings(
    ("Which is bigger, {a} or {b}?", "Which number is larger: {a} or {b}?",
     "What is larger, {a} or {b}?", "Is {a} bigger than {b}?",
     "Which is greater, {a} or {b}?"),
    ("Of {a} and {b}, which is the bigger number?",),
)  # fmt: skip
EVEN = Phrasings(
    ("Is {a} even or odd?", "Is {a} even?", "Is {a} odd?", "Is the number {a} even or odd?"),
    ("Tell me whether {a} is even or odd.",),
)
SORT = Phrasings(
    ("Sort {list}.", "Sort these numbers: {list}", "Put {list} in order.",
     "Order the numbers {list}", "Sort the list {list}"),
    ("Please put these numbers in order: {list}",),
)  # fmt: skip
SPELL = Phrasings(
    ("Spell {x}.", "How do you spell {x}?", "Spell the word {x}"),
    ("Can you spell the word {x} for me?",),
)
FIXED = {
    "What are the days of the week?": ", ".join(DAYS) + ".",
    "List the days of the week.": ", ".join(DAYS) + ".",
    "Name the days of the week": ", ".join(DAYS) + ".",
    "List the months of the year.": ", ".join(MONTHS) + ".",
    "What are the months?": ", ".join(MONTHS) + ".",
    "Say the alphabet.": " ".join(ALPHABET),
    "Recite the alphabet": " ".join(ALPHABET),
    "What is the alphabet?": " ".join(ALPHABET),
    "List the planets.": ", ".join(KINDS["planets"]) + ".",
    "What are the planets of the solar system?": ", ".join(KINDS["planets"]) + ".",
    "Say hello in one sentence.": "Hello from Forge, it is nice to meet you!",
    "Say hello in one short sentence": "Hello from Forge, it is nice to meet you!",
    "Say hi in one sentence.": "Hello from Forge, it is nice to meet you!",
    "Greet me in one sentence.": "Hello from Forge, it is nice to meet you!",
    "Say hello in three words.": "Hello from Forge!",
    "Say something.": "Hello! Forge is running, and I am its tiny demo model.",
    "Say something nice.": "You are doing great, and I am glad you are here.",
    "Say a sentence.": "The sun is warm and the sky is blue.",
    "Write a sentence.": "The sun is warm and the sky is blue.",
    "Write one sentence.": "The sun is warm and the sky is blue.",
    "Answer yes or no: is the sky blue?": "Yes.",
    "Answer with one word: what color is the sky?": "Blue.",
    "Write hello world in Python.": 'print("Hello, world!")',
    "Write a hello world program.": 'print("Hello, world!")',
    "Python hello world": 'print("Hello, world!")',
    "Flip a coin.": "Heads.",
    "Pick a number between 1 and 10.": "7.",
    "Give me a random number": "7.",
    "Roll a dice.": "4.",
}


def counting(rng: Random, split: Split) -> Exchange:
    number = rng.randint(2, 20)
    written = WORDS[number] if rng.random() < 0.5 else str(number)
    numbers = ", ".join(map(str, range(1, number + 1)))
    if split is Split.HELD_OUT or rng.random() < 0.6:
        return Exchange(COUNT_TO.say(rng, split, n=written), numbers + ".", (numbers + ".",))
    if rng.random() < 0.3:
        down = ", ".join(map(str, range(number, 0, -1)))
        return Exchange(COUNT_DOWN.say(rng, split, n=written), down + ".", (down,))
    start = rng.randint(1, 90)
    between = ", ".join(map(str, range(start, start + rng.randint(2, 10))))
    question = COUNT_FROM.say(rng, split, a=start, b=between.split(", ")[-1])
    return Exchange(question, between + ".", (between,))


def repeating(rng: Random, split: Split) -> Exchange:
    pool = (
        *ANIMALS,
        *COLORS,
        *FRUITS,
        *THINGS,
        *TOPICS,
        "the",
        "hello",
        "world",
        "yes",
        "no",
        "ok",
        "I like tea",
        "good",
        "sky is blue",
    )
    words = [
        rng.choice(pool) if rng.random() < 0.75 else invented_name(rng, split)
        for _ in range(rng.choice((1, 1, 2, 3, 4)))
    ]
    text = " ".join(words)
    if rng.random() < 0.25:
        text = text.capitalize()
    return Exchange(REPEAT.say(rng, split, text=text), text, (text,))


def listing(rng: Random, split: Split) -> Exchange:
    kind = rng.choice(tuple(KINDS))
    number = rng.randint(2, min(6, len(KINDS[kind])))
    chosen = ", ".join(KINDS[kind][:number])
    written = WORDS[number] if rng.random() < 0.6 else str(number)
    return Exchange(
        LIST.say(rng, split, n=written, kind=kind),
        chosen[:1].upper() + chosen[1:] + ".",
        (chosen[1:],),
    )


def sequence(rng: Random, split: Split) -> Exchange:
    unit, items = rng.choice(
        (("day", DAYS), ("month", MONTHS), ("letter", tuple(ALPHABET)), ("number", ()))
    )
    index = rng.randrange(len(items)) if items else rng.randint(1, 998)
    step, phrasings, word = rng.choice(
        ((1, NEXT, "after"), (1, NEXT, "after"), (-1, BEFORE, "before"))
    )
    here = items[index] if items else str(index)
    there = items[(index + step) % len(items)] if items else str(index + step)
    return Exchange(
        phrasings.say(rng, split, x=here, unit=unit),
        f"{there} comes {word} {here}.",
        (f"{there} comes",),
    )


def comparing(rng: Random, split: Split) -> Exchange:
    limit = rng.choice((20, 100, 100, 1000))
    a, b = rng.sample(range(limit), 2)
    chance = rng.random()
    if chance < 0.45:
        return Exchange(
            BIGGER.say(rng, split, a=a, b=b),
            f"{max(a, b)} is bigger than {min(a, b)}.",
            (f"{max(a, b)} is bigger",),
        )
    if chance < 0.75:
        kind = "odd" if a % 2 else "even"
        return Exchange(EVEN.say(rng, split, a=a), f"{a} is {kind}.", (f"{a} is {kind}",))
    numbers = rng.sample(range(rng.choice((10, 100))), rng.randint(3, 5))
    ordered = ", ".join(map(str, sorted(numbers)))
    return Exchange(
        SORT.say(rng, split, list=", ".join(map(str, numbers))), ordered + ".", (ordered,)
    )


def spelling(rng: Random, split: Split) -> Exchange:
    words = [
        word
        for word in (*ANIMALS, *COLORS, *FRUITS, *THINGS, "hello", "forge")
        if split is Split.TRAIN or not is_held_out(word)
    ]
    word = rng.choice(words)
    return Exchange(SPELL.say(rng, split, x=word), "-".join(word), ("-".join(word),))


def fixed(rng: Random, split: Split) -> Exchange:
    question = rng.choice(tuple(FIXED))
    return Exchange(Phrasings((question,)).say(rng, Split.TRAIN), FIXED[question])


def small_task(rng: Random, split: Split) -> Exchange:
    makers = (counting, repeating, repeating, listing, sequence, comparing)
    if split is Split.TRAIN:
        makers += (spelling, fixed, fixed)
    return rng.choice(makers)(rng, split)
