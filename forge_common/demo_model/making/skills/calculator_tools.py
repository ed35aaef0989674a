"""Calculator tools: by one expression, by two numbers and an operator, or one tool for each
operation.

The results they are given are random, so that the model reports what the tool said and does not do
the sum itself. It does not know what a conversation is.
"""

from __future__ import annotations

import json
from random import Random

from forge_common.demo_model.making.conversation import Phrasings, Split
from forge_common.demo_model.making.skills.tool_use import Use, UseMaker, schema, typed
from forge_common.demo_model.making.words import invented_name

CALC = Phrasings(
    ("What is {e}?", "Calculate {e}.", "{e}", "{e} = ?", "Compute {e}", "How much is {e}?",
     "Use the calculator: {e}", "What's {e}?", "Please calculate {e}.",
     "Use the tool to compute {e}.", "Whats {e}", "{e}=",
     "Can you compute {e}?", "Solve {e}", "Use a tool: what is {e}?",
     "What is {e}? Use the calculator.", "Work out {e}"),
    ("Could you work out {e} with the tool?", "I need to know what {e} is."),
)  # fmt: skip
CALC_NAMES = (
    "calculator",
    "calculator",
    "calculator",
    "calculate",
    "calc",
    "math",
    "evaluate",
    "eval_expression",
    "compute",
    "do_math",
    "solve",
)
HELD_OUT_CALC_NAMES = (
    "calculator",
    "arithmetic_engine",
    "number_cruncher",
    "sum_machine",
    "pocket_calc",
)
EXPRESSIONS = (
    "expression",
    "expression",
    "expression",
    "expr",
    "formula",
    "input",
    "query",
    "equation",
    "text",
)
HELD_OUT_EXPRESSIONS = ("expression", "math_text", "problem", "sum_text")
TRIPLES = (
    ("a", "b", "operator"),
    ("a", "b", "op"),
    ("x", "y", "operation"),
    ("left", "right", "operator"),
    ("first", "second", "operation"),
    ("a", "b", "operation"),
)
HELD_OUT_TRIPLES = (("p", "q", "operator"), ("num1", "num2", "op"))
OPERATION_WORDS = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide"}
SPOKEN = {
    "+": ("+", "plus", " + "),
    "-": ("-", "minus", " - "),
    "*": ("*", "times", "x", " * ", "×", "multiplied by"),
    "/": ("/", "divided by", " / "),
}
ABOUT = (
    "Evaluate an arithmetic expression.",
    "A calculator.",
    "Does math.",
    "Calculate a result",
    "Computes the value of an expression",
    "Use this for arithmetic.",
    "",
)


def operands(rng: Random) -> tuple[int, str, int]:
    limit = rng.choice((20, 100, 100, 1000, 10000))
    return rng.randint(1, limit), rng.choice("+-**/"), rng.randint(1, limit)


def long_expression(rng: Random) -> str:
    a, sign, b = operands(rng)
    c = rng.randint(1, 99)
    return rng.choice(
        (
            f"{a}{sign}{b}+{c}",
            f"({a}{sign}{b})*{c}",
            f"{a}{sign}{b}-{c}",
            f"{c}*({a}{sign}{b})",
            f"{a}.{c}{sign}{b}",
        )
    )


def by_expression(rng: Random, split: Split) -> Use:
    held_out = split is Split.HELD_OUT
    name = rng.choice(HELD_OUT_CALC_NAMES if held_out else CALC_NAMES)
    if not held_out and rng.random() < 0.15:
        name = rng.choice(("calc_", "math_", "")) + invented_name(rng, split).lower()
    argument = rng.choice(HELD_OUT_EXPRESSIONS if held_out else EXPRESSIONS)
    tool = schema(
        name, rng.choice(ABOUT), {argument: typed(rng, "string", "The expression, such as 2+3")}
    )
    if rng.random() < 0.25:
        expression = spoken = long_expression(rng)
    else:
        a, sign, b = operands(rng)
        expression, spoken = f"{a}{sign}{b}", say(rng, a, sign, b)
    result = str(rng.randrange(10 ** rng.randint(1, 6)))
    return Use(
        tool,
        CALC.say(rng, split, e=spoken),
        {argument: expression},
        wrap_result(rng, result),
        f"The answer is {result}.",
    )


def usual_calculator(rng: Random, split: Split) -> Use:
    """The tool most people try first; only the phrasing and the numbers are new when it is scored."""
    tool = schema("calculator", "A calculator.", {"expression": {"type": "string"}})
    a, sign, b = operands(rng)
    question = CALC.say(rng, split, e=say(rng, a, sign, b))
    return Use(tool, question, {"expression": f"{a}{sign}{b}"}, "", "")


def say(rng: Random, a: int, sign: str, b: int) -> str:
    word = rng.choice(SPOKEN[sign])
    return (
        f"{a} {word} {b}"
        if (word.strip().isalpha() and len(word) > 1) or " " in word.strip()
        else f"{a}{word}{b}"
    )


def by_operator(rng: Random, split: Split) -> Use:
    left, right, operator = rng.choice(HELD_OUT_TRIPLES if split is Split.HELD_OUT else TRIPLES)
    in_words = rng.random() < 0.5
    options = list(OPERATION_WORDS.values()) if in_words else list(OPERATION_WORDS)
    number = rng.choice(("number", "integer"))
    choice = {"type": "string", "enum": options}
    tool = schema(
        rng.choice(CALC_NAMES),
        rng.choice(ABOUT),
        {left: {"type": number}, right: {"type": number}, operator: choice},
    )
    a, sign, b = operands(rng)
    arguments = {left: a, right: b, operator: OPERATION_WORDS[sign] if in_words else sign}
    result = str(rng.randrange(10 ** rng.randint(1, 6)))
    return Use(
        tool,
        CALC.say(rng, split, e=say(rng, a, sign, b)),
        arguments,
        wrap_result(rng, result),
        f"The answer is {result}.",
    )


def by_two_numbers(rng: Random, split: Split) -> Use:
    sign = rng.choice("+*-")
    names = {
        "+": ("add", "sum", "add_numbers", "plus"),
        "*": ("multiply", "product", "times"),
        "-": ("subtract", "minus", "difference"),
    }
    left, right, _ = rng.choice(HELD_OUT_TRIPLES if split is Split.HELD_OUT else TRIPLES)
    number = {"type": rng.choice(("number", "integer"))}
    verb = {"+": "Add", "*": "Multiply", "-": "Subtract"}[sign]
    tool = schema(rng.choice(names[sign]), f"{verb} two numbers.", {left: number, right: number})
    a, _, b = operands(rng)
    result = str(rng.randrange(10 ** rng.randint(1, 6)))
    return Use(
        tool,
        CALC.say(rng, split, e=say(rng, a, sign, b)),
        {left: a, right: b},
        wrap_result(rng, result),
        f"The answer is {result}.",
    )


def wrap_result(rng: Random, result: str) -> str:
    forms = (
        result,
        result,
        json.dumps({"result": int(result)}),
        json.dumps({"answer": int(result)}),
        f"Result: {result}",
        json.dumps({"value": int(result)}),
    )
    return rng.choice(forms)


CALCULATORS: tuple[UseMaker, ...] = (
    by_expression,
    by_expression,
    by_expression,
    by_operator,
    by_two_numbers,
)
