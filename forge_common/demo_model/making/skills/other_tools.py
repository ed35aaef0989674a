"""Tools that are no calculators: weather, clock, search, looking up one value, sending a message.

It does not know what a conversation is.
"""

from __future__ import annotations

import json
from random import Random

from forge_common.demo_model.making.conversation import Phrasings, Split, is_held_out
from forge_common.demo_model.making.skills.tool_use import Use, UseMaker, schema, typed
from forge_common.demo_model.making.skills.world_facts import CAPITALS
from forge_common.demo_model.making.words import THINGS, TOPICS, invented_name, person_name

WEATHER = Phrasings(
    ("What is the weather in {x}?", "How is the weather in {x}?", "What's the weather like in {x}?",
     "weather in {x}", "Is it raining in {x}?", "Tell me the weather in {x}.", "Is it cold in {x}?",
     "weather {x}"),
    ("Could you check the weather of {x}?", "Do I need a coat in {x}?"),
)  # fmt: skip
CLOCK = Phrasings(
    (
        "What time is it in {x}?",
        "What's the time in {x}?",
        "time in {x}",
        "Tell me the time in {x}.",
    ),
    ("Could you check the time in {x}?",),
)
SEARCH = Phrasings(
    ("Search for {x}.", "Search the web for {x}", "Look up {x}.", "Find information about {x}",
     "Google {x}", "Tell me about {x}.", "What is {x}?", "search {x}"),
    ("Could you look up {x} for me?",),
)  # fmt: skip
LOOKUP = Phrasings(("Get the {t} of {x}.", "What is the {t} of {x}?", "Find the {t} of {x}",
"{t} of {x}?", "Tell me the {t} of {x}", "What's the {t} for {x}?"),
("Could you get the {t} of {x}?",))  # fmt: skip
SEND = Phrasings(
    (
        "Send {x} the message {m}.",
        "Tell {x} {m}",
        "Message {x}: {m}",
        "Send a message to {x} saying {m}",
        "Write to {x}: {m}",
    ),
    ("Please let {x} know: {m}",),
)
LOOKUPS = (
    "price",
    "size",
    "color",
    "status",
    "age",
    "address",
    "owner",
    "weight",
    "phone number",
    "balance",
    "rating",
    "speed",
)
MESSAGES = (
    "hello",
    "I am late",
    "see you soon",
    "dinner is ready",
    "call me",
    "good night",
    "the meeting is at 5",
    "thank you",
    "happy birthday",
    "I am here",
)


def place(rng: Random, split: Split) -> str:
    if rng.random() < 0.6:
        cities = [
            city for city in CAPITALS.values() if is_held_out(city) == (split is Split.HELD_OUT)
        ]
        return rng.choice(cities or ["Oslo"])
    return invented_name(rng, split)


def weather(rng: Random, split: Split) -> Use:
    city = place(rng, split)
    argument = rng.choice(("city", "location", "place", "town"))
    tool = schema(
        rng.choice(("get_weather", "weather", "get_current_weather", "forecast")),
        rng.choice(("Get the weather of a city.", "Current weather", "")),
        {argument: typed(rng, "string", "City name")},
    )
    degrees, sky = (
        rng.randint(-10, 38),
        rng.choice(("sunny", "rainy", "cloudy", "snowy", "windy", "clear")),
    )
    result = rng.choice(
        (
            f"{degrees} C, {sky}",
            f"{degrees} degrees and {sky}",
            json.dumps({"temperature": degrees, "sky": sky}),
            json.dumps({"temp": degrees, "condition": sky}),
        )
    )
    return Use(
        tool,
        WEATHER.say(rng, split, x=city),
        {argument: city},
        result,
        f"In {city} it is {degrees} degrees and {sky}.",
    )


def clock(rng: Random, split: Split) -> Use:
    city = place(rng, split)
    argument = rng.choice(("city", "location", "timezone", "place"))
    tool = schema(
        rng.choice(("get_time", "clock", "current_time", "time_in")),
        rng.choice(("Get the time in a city.", "")),
        {argument: typed(rng, "string", "")},
    )
    time = f"{rng.randrange(24):02d}:{rng.randrange(60):02d}"
    return Use(
        tool,
        CLOCK.say(rng, split, x=city),
        {argument: city},
        rng.choice((time, json.dumps({"time": time}))),
        f"In {city} it is {time}.",
    )


def search(rng: Random, split: Split) -> Use:
    topic = rng.choice(TOPICS) if rng.random() < 0.6 else person_name(rng, split)
    argument = rng.choice(("query", "q", "text", "search"))
    tool = schema(
        rng.choice(("search", "web_search", "search_web", "lookup", "google")),
        rng.choice(("Search the web.", "Find information", "")),
        {argument: typed(rng, "string", "What to search for")},
    )
    result = f"{topic[:1].upper()}{topic[1:]} is {rng.choice(('old', 'new', 'big', 'small', 'famous', 'popular'))} and {rng.choice(('useful', 'rare', 'simple', 'hard'))}."
    return Use(tool, SEARCH.say(rng, split, x=topic), {argument: topic}, result, result)


def lookup(rng: Random, split: Split) -> Use:
    what, thing = (
        rng.choice(LOOKUPS),
        rng.choice(THINGS) if rng.random() < 0.5 else invented_name(rng, split),
    )
    argument = rng.choice(("name", "item", "product", "key", "user", "id"))
    tool = schema(
        "get_" + what.replace(" ", "_"),
        f"Get the {what} of something.",
        {argument: {"type": "string"}},
    )
    value = rng.choice((str(rng.randrange(1000)), rng.choice(("good", "red", "big", "ready"))))
    return Use(
        tool,
        LOOKUP.say(rng, split, t=what, x=thing),
        {argument: thing},
        value,
        f"The {what} of {thing} is {value}.",
    )


def send(rng: Random, split: Split) -> Use:
    name, message = person_name(rng, split), rng.choice(MESSAGES)
    to, text = rng.choice(
        (("to", "text"), ("recipient", "message"), ("user", "body"), ("name", "message"))
    )
    tool = schema(
        rng.choice(("send_message", "send_text", "message", "notify")),
        "Send a message.",
        {to: {"type": "string"}, text: {"type": "string"}},
    )
    return Use(
        tool,
        SEND.say(rng, split, x=name, m=message),
        {to: name, text: message},
        rng.choice(("sent", "ok", '{"ok": true}')),
        f"I sent {name} the message.",
    )


OTHERS: tuple[UseMaker, ...] = (weather, weather, clock, search, lookup, lookup, send)
