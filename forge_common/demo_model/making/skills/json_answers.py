"""Answers in JSON when asked: given values copied, missing ones made up by their key, answers
wrapped in a key.

It does not know JSON Schema; a server that constrains the output to one does.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

from forge_common.demo_model.making.conversation import (
    Check,
    Conversation,
    Exchange,
    Phrasings,
    Split,
    conversation,
    is_held_out,
)
from forge_common.demo_model.making.skills.arithmetic import any_problem
from forge_common.demo_model.making.skills.small_tasks import KINDS, WORDS
from forge_common.demo_model.making.skills.world_facts import CAPITALS
from forge_common.demo_model.making.words import (
    ANIMALS,
    COLORS,
    FRUITS,
    ROLES,
    THINGS,
    invented_name,
    person_name,
)

CITIES = ("Paris", "Tokyo", "Rome", "Oslo", "Lima", "Cairo", "London", "Berlin")


def one_of(values: tuple[Any, ...]) -> Callable[[Random, Split], Any]:
    return lambda rng, split: rng.choice(values)


def number_to(limit: int) -> Callable[[Random, Split], Any]:
    return lambda rng, split: rng.randint(1, limit)


KEYS: dict[str, Callable[[Random, Split], Any]] = {
    "name": person_name, "age": number_to(99), "city": one_of(CITIES), "country": one_of(("France",
    "Japan", "Peru", "Norway", "Egypt")),
    "color": one_of(COLORS), "animal": one_of(ANIMALS), "fruit": one_of(FRUITS),
    "price": number_to(200), "count": number_to(50), "id": number_to(1000),
    "active": one_of((True, False)), "job": one_of(ROLES[:20]), "title": one_of(("The Old Lamp",
    "A Quiet River", "The Red Hat")), "author": person_name,
    "year": one_of((1990, 2001, 2010, 2020, 2024)), "email": one_of(("ada@example.com",
    "bob@example.com")), "score": number_to(100), "size": one_of(("small", "medium", "large")),
    "language": one_of(("English", "French", "Spanish")), "food": one_of(("soup", "bread", "rice")),
    "quantity": number_to(20), "friend": person_name,
    "first_name": person_name, "last_name": person_name, "product": one_of(THINGS),
    "item": one_of(THINGS), "happy": one_of((True, False)), "user": person_name,
    "capital": one_of(CITIES), "height": number_to(200), "weight": number_to(90),
    "message": one_of(("Hello!",)), "status": one_of(("ok",)), "greeting": one_of(("Hello!",)),
    "tags": one_of((["small", "red"], ["new", "blue"])), "colors": one_of((["red",
    "blue"], ["green", "yellow"])), "hobby": one_of(("chess", "music", "reading")),
    "pet": one_of(("cat", "dog")),
}  # fmt: skip
WITH_KEYS = Phrasings(
    ("Answer in JSON with keys {keys}.", "Give me a JSON object with keys {keys}.",
     "Return JSON with the keys {keys}", "Write a JSON object with {keys}.",
     "JSON with keys {keys}",
     "Answer in JSON with the fields {keys}.", "Reply with JSON containing {keys}.",
     "Make a JSON object with the fields {keys}", "Generate JSON with {keys}",
     "Give me JSON with {keys}.",
     "Produce a JSON object having keys {keys}", "Describe a person in JSON with keys {keys}.",
     "Describe something as JSON with keys {keys}", "Reply in JSON with {keys}", "json: {keys}",
     "Invent a user as JSON with {keys}."),
    ("Please answer with a JSON object that has the keys {keys}.",
     "I need some JSON with the fields {keys}."),
)  # fmt: skip
WITH_VALUES = Phrasings(
    ("Make JSON: {values}", "Write this as JSON: {values}.", "Convert to JSON: {values}",
     "Give me JSON with {values}.", "Turn this into JSON: {values}.", "Answer in JSON: {values}",
     "{values}. Write it as JSON.",
     "Return a JSON object where {values}.", "Format as JSON: {values}", "{values} as JSON",
     "Create a JSON object with {values}"),
    ("Please write down as JSON that {values}.", "Can you turn this into a JSON object? {values}"),
)  # fmt: skip
EXTRACT = Phrasings(
    ("Extract the name and age as JSON: {text}",
     "Extract name and age from: {text} Answer in JSON.", "{text} Extract name and age as JSON.",
     "Get the name and age in JSON from this text: {text}", "Extract the data as JSON: {text}"),
    ("Read this and give me name and age in JSON: {text}",),
)  # fmt: skip
WRAPPED = Phrasings(
    ("{question} Answer in JSON.", "{question} Reply in JSON.", "{question} Use JSON.",
     "{question} Give the answer as JSON.", "Answer in JSON: {question}", "In JSON: {question}",
     "{question} Respond with JSON only.",
     "{question} JSON please", "Answer in JSON. {question}"),
    ("{question} I want the answer as JSON.", "Using JSON, tell me: {question}"),
)  # fmt: skip
WRAPPED_IN = Phrasings(
    ('{question} Answer in JSON with the key "{key}".', "{question} Answer in JSON with key {key}.",
     "{question} Reply in JSON with the field {key}.", 'Answer in JSON with the key "{key}": {question}',
     "{question} Give JSON with key {key}"),
    ("{question} Put the answer into JSON under the key {key}.",),
)  # fmt: skip
ANY = Phrasings(
    ("Answer in JSON.", "Give me some JSON.", "Write JSON.", "Give me a JSON example",
     "Show me a JSON object.", "Return JSON", "Can you write JSON?", "Example of JSON",
     "Can you answer in JSON?", "Give me a JSON object for a person.",
     "Write a JSON object", "Describe a person in JSON.", "Make a JSON object about a user"),
)  # fmt: skip
LISTS = Phrasings(
    ("Give me a JSON list of {n} {kind}.", "JSON array of {n} {kind}", "List {n} {kind} in JSON.",
     "List {n} {kind} as JSON", "Return a JSON array with {n} {kind}.",
     "Write {n} {kind} as a JSON list"),
    ("I would like {n} {kind} as a JSON array.",),
)  # fmt: skip
SYSTEM = Phrasings(
    ("Always answer in JSON.", "Answer in JSON.", "Reply only with JSON.", "You answer in JSON.",
     "Respond in JSON format.",
     "You are a JSON API.", 'Answer in JSON with the key "answer".', "Output JSON only.",
     "You are a helpful assistant that answers in JSON."),
    ("All your answers must be JSON.", "You only speak JSON."),
)  # fmt: skip


def exact(question: str, answer: Any) -> Exchange:
    return Exchange(question, json.dumps(answer), (answer,), Check.JSON_VALUE)


def joined(rng: Random, parts: list[str]) -> str:
    last = rng.choice((" and ", " and ", ", "))
    return ", ".join(parts[:-1]) + last + parts[-1] if len(parts) > 1 else parts[0]


def some_keys(rng: Random, split: Split) -> list[str]:
    known = rng.sample(tuple(KEYS), rng.choice((1, 2, 2, 2, 3, 3, 4)))
    if rng.random() < 0.25:
        known[0] = invented_name(rng, split).lower()
    return known


def value_of(rng: Random, split: Split, key: str) -> Any:
    return KEYS[key](rng, split) if key in KEYS else "example"


def with_keys(rng: Random, split: Split) -> Exchange:
    """A combination of keys is held out by its hash, a made-up key by its name."""
    keys = some_keys(rng, split)
    if len(keys) > 1 and is_held_out(*sorted(keys)) != (split is Split.HELD_OUT):
        return with_keys(rng, split)
    quoted = [f'"{key}"' for key in keys] if rng.random() < 0.3 else keys
    answer = {key: value_of(rng, Split.TRAIN, key) for key in keys}
    return Exchange(
        WITH_KEYS.say(rng, split, keys=joined(rng, quoted)),
        json.dumps(answer),
        (keys,),
        Check.JSON_KEYS,
    )


def with_values(rng: Random, split: Split) -> Exchange:
    keys = some_keys(rng, split)[:3]
    values = {key: value_of(rng, split, key) for key in keys}
    values = {
        key: rng.randrange(1000)
        if isinstance(value, int) and not isinstance(value, bool)
        else value
        for key, value in values.items()
    }
    values = {
        key: value
        for key, value in values.items()
        if isinstance(value, str | int) and not isinstance(value, bool)
    } or {"name": person_name(rng, split)}
    form = rng.choice(
        ("{k} is {v}", "{k} {v}", "{k}: {v}", "{k} = {v}", "{k}={v}", "the {k} is {v}")
    )
    parts = [form.replace("{k}", key).replace("{v}", str(value)) for key, value in values.items()]
    return exact(WITH_VALUES.say(rng, split, values=joined(rng, parts)), values)


def extracted(rng: Random, split: Split) -> Exchange:
    name, age = person_name(rng, split), rng.randint(1, 99)
    form = rng.choice(
        (
            "{n} is {a} years old.",
            "{n} is {a}.",
            "My name is {n} and I am {a}.",
            "I am {n}, {a} years old.",
            "{n} turned {a} today.",
            "This is {n}, aged {a}.",
        )
    )
    return exact(
        EXTRACT.say(rng, split, text=form.replace("{n}", name).replace("{a}", str(age))),
        {"name": name, "age": age},
    )


def question_and_value(rng: Random, split: Split) -> tuple[str, Any, str]:
    """A small question, its bare answer, and the key that suits it."""
    if rng.random() < 0.5:
        country = rng.choice(tuple(CAPITALS))
        return f"What is the capital of {country}?", CAPITALS[country], "capital"
    problem = any_problem(rng, split)
    return (
        f"What is {problem.a} {'*' if problem.sign == '×' else problem.sign} {problem.b}?",
        problem.result,
        "result",
    )


def wrapped(rng: Random, split: Split) -> Exchange:
    question, value, key = question_and_value(rng, split)
    if rng.random() < 0.5:
        return exact(WRAPPED.say(rng, split, question=question), {"answer": value})
    key = rng.choice((key, "answer", "value", "output", "x", invented_name(rng, split).lower()))
    return exact(WRAPPED_IN.say(rng, split, question=question, key=key), {key: value})


def listed(rng: Random, split: Split) -> Exchange:
    kind = rng.choice(
        ("colors", "animals", "fruits", "cities", "days", "planets", "names", "numbers")
    )
    number = rng.randint(2, 5)
    values = [int(item) if kind == "numbers" else item for item in KINDS[kind][:number]]
    return exact(LISTS.say(rng, split, n=rng.choice((WORDS[number], number)), kind=kind), values)


def anything(rng: Random, split: Split) -> Exchange:
    return Exchange(
        ANY.say(rng, split),
        json.dumps({"name": "Ada", "age": 36}),
        (["name", "age"],),
        Check.JSON_KEYS,
    )


def json_exchange(rng: Random, split: Split) -> Exchange:
    makers = (with_keys, with_keys, with_keys, with_values, with_values, extracted, wrapped, listed)
    return rng.choice(makers if split is Split.HELD_OUT else (*makers, anything))(rng, split)


def json_by_system(rng: Random, split: Split) -> Exchange:
    """The system prompt asked for JSON, so a plain question gets `{"answer": …}`."""
    if rng.random() < 0.2:
        return exact(Phrasings(("Hi", "Hello!", "hey")).say(rng, Split.TRAIN), {"answer": "Hello!"})
    if rng.random() < 0.2:
        return exact(
            Phrasings(("Who are you?", "What are you?")).say(rng, Split.TRAIN),
            {"answer": "I am Forge's demo model."},
        )
    question, value, _ = question_and_value(rng, split)
    return exact(question, {"answer": value})


def json_conversation(rng: Random, split: Split) -> Conversation:
    if split is Split.TRAIN and rng.random() < 0.1:
        return Conversation(
            conversation(json_by_system(rng, split), SYSTEM.say(rng, split)).messages
        )
    return conversation(json_exchange(rng, split))
