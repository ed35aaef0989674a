"""Calls a tool when one fits, in the Hermes form `<tool_call>{"name": …, "arguments": {…}}</tool_call>`, and answers
from what the tool gave back. Names of tools and arguments vary, so that the given schema is copied.

It does not know how the schema is shown to the model: the chat template does.
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
    Phrasings,
    Split,
    assistant,
    is_held_out,
    system,
    user,
)
from forge_common.demo_model.making.skills.forge_facts import about_forge, about_itself, small_talk
from forge_common.demo_model.making.skills.world_facts import CAPITALS
from forge_common.demo_model.making.words import THINGS, TOPICS, invented_name, person_name


@dataclass(frozen=True)
class Use:
    """One tool, a question that needs it, the arguments that answer it, and a result with the sentence made of it."""

    tool: dict[str, Any]
    question: str
    arguments: dict[str, Any]
    result: str
    answer: str


CALC = Phrasings(
    ("What is {e}?", "Calculate {e}.", "{e}", "{e} = ?", "Compute {e}", "How much is {e}?", "Use the calculator: {e}", "What's {e}?", "Please calculate {e}.", "Use the tool to compute {e}.", "Whats {e}", "{e}=",
     "Can you compute {e}?", "Solve {e}", "Use a tool: what is {e}?", "What is {e}? Use the calculator.", "Work out {e}"),
    ("Could you work out {e} with the tool?", "I need to know what {e} is."),
)  # fmt: skip
CALC_NAMES = ("calculator", "calculator", "calculator", "calculate", "calc", "math", "evaluate", "eval_expression", "compute", "do_math", "solve")
HELD_OUT_CALC_NAMES = ("calculator", "arithmetic_engine", "number_cruncher", "sum_machine", "pocket_calc")
EXPRESSIONS = ("expression", "expression", "expression", "expr", "formula", "input", "query", "equation", "text")
HELD_OUT_EXPRESSIONS = ("expression", "math_text", "problem", "sum_text")
TRIPLES = (("a", "b", "operator"), ("a", "b", "op"), ("x", "y", "operation"), ("left", "right", "operator"), ("first", "second", "operation"), ("a", "b", "operation"))
HELD_OUT_TRIPLES = (("p", "q", "operator"), ("num1", "num2", "op"))
OPERATION_WORDS = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide"}
SPOKEN = {"+": ("+", "plus", " + "), "-": ("-", "minus", " - "), "*": ("*", "times", "x", " * ", "×", "multiplied by"), "/": ("/", "divided by", " / ")}
ABOUT = ("Evaluate an arithmetic expression.", "A calculator.", "Does math.", "Calculate a result", "Computes the value of an expression", "Use this for arithmetic.", "")


def schema(name: str, description: str, properties: dict[str, dict[str, Any]]) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    described = {"description": description} if description else {}
    return {"type": "function", "function": {"name": name, **described, "parameters": parameters}}


def typed(rng: Random, kind: str, about: str) -> dict[str, Any]:
    return {"type": kind, "description": about} if about and rng.random() < 0.4 else {"type": kind}


def operands(rng: Random) -> tuple[int, str, int]:
    limit = rng.choice((20, 100, 100, 1000, 10000))
    return rng.randint(1, limit), rng.choice("+-**/"), rng.randint(1, limit)


def long_expression(rng: Random) -> str:
    a, sign, b = operands(rng)
    c = rng.randint(1, 99)
    return rng.choice((f"{a}{sign}{b}+{c}", f"({a}{sign}{b})*{c}", f"{a}{sign}{b}-{c}", f"{c}*({a}{sign}{b})", f"{a}.{c}{sign}{b}"))


def by_expression(rng: Random, split: Split) -> Use:
    held_out = split is Split.HELD_OUT
    name = rng.choice(HELD_OUT_CALC_NAMES if held_out else CALC_NAMES)
    if not held_out and rng.random() < 0.15:
        name = rng.choice(("calc_", "math_", "")) + invented_name(rng, split).lower()
    argument = rng.choice(HELD_OUT_EXPRESSIONS if held_out else EXPRESSIONS)
    tool = schema(name, rng.choice(ABOUT), {argument: typed(rng, "string", "The expression, such as 2+3")})
    if rng.random() < 0.25:
        expression = spoken = long_expression(rng)
    else:
        a, sign, b = operands(rng)
        expression, spoken = f"{a}{sign}{b}", say(rng, a, sign, b)
    result = str(rng.randrange(10 ** rng.randint(1, 6)))
    return Use(tool, CALC.say(rng, split, e=spoken), {argument: expression}, wrap_result(rng, result), f"The answer is {result}.")


def say(rng: Random, a: int, sign: str, b: int) -> str:
    word = rng.choice(SPOKEN[sign])
    return f"{a} {word} {b}" if word.strip().isalpha() and len(word) > 1 or " " in word.strip() else f"{a}{word}{b}"


def by_operator(rng: Random, split: Split) -> Use:
    left, right, operator = rng.choice(HELD_OUT_TRIPLES if split is Split.HELD_OUT else TRIPLES)
    in_words = rng.random() < 0.5
    options = list(OPERATION_WORDS.values()) if in_words else list(OPERATION_WORDS)
    number = rng.choice(("number", "integer"))
    choice = {"type": "string", "enum": options}
    tool = schema(rng.choice(CALC_NAMES), rng.choice(ABOUT), {left: {"type": number}, right: {"type": number}, operator: choice})
    a, sign, b = operands(rng)
    arguments = {left: a, right: b, operator: OPERATION_WORDS[sign] if in_words else sign}
    result = str(rng.randrange(10 ** rng.randint(1, 6)))
    return Use(tool, CALC.say(rng, split, e=say(rng, a, sign, b)), arguments, wrap_result(rng, result), f"The answer is {result}.")


def by_two_numbers(rng: Random, split: Split) -> Use:
    sign = rng.choice("+*-")
    names = {"+": ("add", "sum", "add_numbers", "plus"), "*": ("multiply", "product", "times"), "-": ("subtract", "minus", "difference")}
    left, right, _ = rng.choice(HELD_OUT_TRIPLES if split is Split.HELD_OUT else TRIPLES)
    number = {"type": rng.choice(("number", "integer"))}
    verb = {"+": "Add", "*": "Multiply", "-": "Subtract"}[sign]
    tool = schema(rng.choice(names[sign]), f"{verb} two numbers.", {left: number, right: number})
    a, _, b = operands(rng)
    result = str(rng.randrange(10 ** rng.randint(1, 6)))
    return Use(tool, CALC.say(rng, split, e=say(rng, a, sign, b)), {left: a, right: b}, wrap_result(rng, result), f"The answer is {result}.")


def wrap_result(rng: Random, result: str) -> str:
    forms = (result, result, json.dumps({"result": int(result)}), json.dumps({"answer": int(result)}), f"Result: {result}", json.dumps({"value": int(result)}))
    return rng.choice(forms)


WEATHER = Phrasings(
    ("What is the weather in {x}?", "How is the weather in {x}?", "What's the weather like in {x}?", "weather in {x}", "Is it raining in {x}?", "Tell me the weather in {x}.", "Is it cold in {x}?", "weather {x}"),
    ("Could you check the weather of {x}?", "Do I need a coat in {x}?"),
)  # fmt: skip
CLOCK = Phrasings(("What time is it in {x}?", "What's the time in {x}?", "time in {x}", "Tell me the time in {x}."), ("Could you check the time in {x}?",))
SEARCH = Phrasings(
    ("Search for {x}.", "Search the web for {x}", "Look up {x}.", "Find information about {x}", "Google {x}", "Tell me about {x}.", "What is {x}?", "search {x}"),
    ("Could you look up {x} for me?",),
)  # fmt: skip
LOOKUP = Phrasings(("Get the {t} of {x}.", "What is the {t} of {x}?", "Find the {t} of {x}", "{t} of {x}?", "Tell me the {t} of {x}", "What's the {t} for {x}?"), ("Could you get the {t} of {x}?",))  # fmt: skip
SEND = Phrasings(("Send {x} the message {m}.", "Tell {x} {m}", "Message {x}: {m}", "Send a message to {x} saying {m}", "Write to {x}: {m}"), ("Please let {x} know: {m}",))
LOOKUPS = ("price", "size", "color", "status", "age", "address", "owner", "weight", "phone number", "balance", "rating", "speed")
MESSAGES = ("hello", "I am late", "see you soon", "dinner is ready", "call me", "good night", "the meeting is at 5", "thank you", "happy birthday", "I am here")


def place(rng: Random, split: Split) -> str:
    if rng.random() < 0.6:
        cities = [city for city in CAPITALS.values() if is_held_out(city) == (split is Split.HELD_OUT)]
        return rng.choice(cities or ["Oslo"])
    return invented_name(rng, split)


def weather(rng: Random, split: Split) -> Use:
    city = place(rng, split)
    argument = rng.choice(("city", "location", "place", "town"))
    tool = schema(rng.choice(("get_weather", "weather", "get_current_weather", "forecast")), rng.choice(("Get the weather of a city.", "Current weather", "")), {argument: typed(rng, "string", "City name")})
    degrees, sky = rng.randint(-10, 38), rng.choice(("sunny", "rainy", "cloudy", "snowy", "windy", "clear"))
    result = rng.choice((f"{degrees} C, {sky}", f"{degrees} degrees and {sky}", json.dumps({"temperature": degrees, "sky": sky}), json.dumps({"temp": degrees, "condition": sky})))
    return Use(tool, WEATHER.say(rng, split, x=city), {argument: city}, result, f"In {city} it is {degrees} degrees and {sky}.")


def clock(rng: Random, split: Split) -> Use:
    city = place(rng, split)
    argument = rng.choice(("city", "location", "timezone", "place"))
    tool = schema(rng.choice(("get_time", "clock", "current_time", "time_in")), rng.choice(("Get the time in a city.", "")), {argument: typed(rng, "string", "")})
    time = f"{rng.randrange(24):02d}:{rng.randrange(60):02d}"
    return Use(tool, CLOCK.say(rng, split, x=city), {argument: city}, rng.choice((time, json.dumps({"time": time}))), f"In {city} it is {time}.")


def search(rng: Random, split: Split) -> Use:
    topic = rng.choice(TOPICS) if rng.random() < 0.6 else person_name(rng, split)
    argument = rng.choice(("query", "q", "text", "search"))
    tool = schema(rng.choice(("search", "web_search", "search_web", "lookup", "google")), rng.choice(("Search the web.", "Find information", "")), {argument: typed(rng, "string", "What to search for")})
    result = f"{topic[:1].upper()}{topic[1:]} is {rng.choice(('old', 'new', 'big', 'small', 'famous', 'popular'))} and {rng.choice(('useful', 'rare', 'simple', 'hard'))}."
    return Use(tool, SEARCH.say(rng, split, x=topic), {argument: topic}, result, result)


def lookup(rng: Random, split: Split) -> Use:
    what, thing = rng.choice(LOOKUPS), rng.choice(THINGS) if rng.random() < 0.5 else invented_name(rng, split)
    argument = rng.choice(("name", "item", "product", "key", "user", "id"))
    tool = schema("get_" + what.replace(" ", "_"), f"Get the {what} of something.", {argument: {"type": "string"}})
    value = rng.choice((str(rng.randrange(1000)), rng.choice(("good", "red", "big", "ready"))))
    return Use(tool, LOOKUP.say(rng, split, t=what, x=thing), {argument: thing}, value, f"The {what} of {thing} is {value}.")


def send(rng: Random, split: Split) -> Use:
    name, message = person_name(rng, split), rng.choice(MESSAGES)
    to, text = rng.choice((("to", "text"), ("recipient", "message"), ("user", "body"), ("name", "message")))
    tool = schema(rng.choice(("send_message", "send_text", "message", "notify")), "Send a message.", {to: {"type": "string"}, text: {"type": "string"}})
    return Use(tool, SEND.say(rng, split, x=name, m=message), {to: name, text: message}, rng.choice(("sent", "ok", '{"ok": true}')), f"I sent {name} the message.")


UseMaker = Callable[[Random, Split], Use]
CALCULATORS: tuple[UseMaker, ...] = (by_expression, by_expression, by_expression, by_operator, by_two_numbers)
OTHERS: tuple[UseMaker, ...] = (weather, weather, clock, search, lookup, lookup, send)


def tools_with(rng: Random, split: Split, use: Use, maker: UseMaker) -> tuple[dict[str, Any], ...]:
    """The tool that fits, and up to two of other families that do not."""
    pool = OTHERS if maker in CALCULATORS else tuple(other for other in (*OTHERS, by_expression) if other is not maker and other is not search)
    extra = [other(rng, Split.TRAIN).tool for other in rng.sample(pool, rng.choice((0, 0, 0, 1, 2)))]
    tools = [use.tool, *(tool for tool in extra if tool["function"]["name"] != use.tool["function"]["name"])]
    rng.shuffle(tools)
    return tuple(strict(tool) if rng.random() < 0.15 else tool for tool in tools)


def strict(tool: dict[str, Any]) -> dict[str, Any]:
    """The same tool as OpenAI's client libraries write it down."""
    function = tool["function"]
    parameters = {**function["parameters"], "additionalProperties": False}
    return {"type": "function", "function": {**function, "parameters": parameters, "strict": True}}


def start(rng: Random) -> tuple[dict[str, Any], ...]:
    if rng.random() < 0.3:
        return (system(rng.choice(("You are a helpful assistant.", "Use the tools when they help.", "You can call tools.", "Be brief."))),)
    return ()


def call_message(use: Use) -> dict[str, Any]:
    function = {"name": use.tool["function"]["name"], "arguments": use.arguments}
    return {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": function}]}


def tool_call(rng: Random, split: Split, makers: tuple[UseMaker, ...] = CALCULATORS) -> Conversation:
    maker = rng.choice(makers)
    use = maker(rng, split)
    messages = (*start(rng), user(use.question), call_message(use))
    expected = {"name": use.tool["function"]["name"], "arguments": use.arguments}
    return Conversation(messages, tools_with(rng, split, use, maker), (expected,), Check.TOOL_CALL)


def tool_answer(rng: Random, split: Split) -> Conversation:
    """The whole round: question, call, result, sentence."""
    maker = rng.choice((*CALCULATORS, *OTHERS))
    use = maker(rng, split)
    rest = ({"role": "tool", "content": use.result}, assistant(use.answer))
    fact = use.answer.rstrip(".").split()[-1] if maker is not send else "sent"
    return Conversation((*start(rng), user(use.question), call_message(use), *rest), tools_with(rng, split, use, maker), (fact,))


def no_tool_needed(rng: Random, split: Split) -> Conversation:
    """Tools are there, but small talk stays small talk."""
    maker = rng.choice((*CALCULATORS, *OTHERS))
    exchange = rng.choice((small_talk, about_forge, about_itself))(rng, split)
    bare = Conversation(start(rng), tools_with(rng, split, maker(rng, split), maker))
    return bare.followed_by(exchange)


def tool_conversation(rng: Random, split: Split) -> Conversation:
    chance = rng.random()
    if chance < 0.4:
        return tool_answer(rng, split)
    if chance < 0.55:
        return no_tool_needed(rng, split)
    makers = CALCULATORS if rng.random() < 0.6 else OTHERS
    talk = tool_call(rng, split, makers)
    if chance < 0.65 and split is Split.TRAIN:
        second = tool_call(rng, split, (by_expression,))
        first = no_tool_needed(rng, split)
        return Conversation((*(m for m in first.messages if m["role"] != "system"), *(m for m in second.messages if m["role"] != "system")), second.tools, second.expected, second.check)
    return talk
