"""Small sums, differences, products and quotients; counting, comparing and ordering numbers.

A tenth of all number pairs is held out and never shown in training, in either order. Products
beyond 12 × 12 are worked out in steps, because a model this small cannot look them up, and larger
numbers are declined. It does not know tools: `tool_calls.py` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from forge_common.demo_model.making.conversation import Exchange, Phrasings, Split, is_held_out

WORDS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
]

TOO_BIG = (
    "That is too big for a tiny demo model. Load a real model with forge-launch --model-path PATH."
)

BARE = Phrasings(
    (
        "{sum}", "{sum}=", "{sum} = ?", "{sum}?", "What is {sum}?", "What's {sum}?",
        "Calculate {sum}.", "Compute {sum}",
        "How much is {sum}?", "Whats {sum}", "Solve {sum}", "{sum} equals?",
        "What does {sum} equal?", "{sum} is",
        "Can you compute {sum}?", "Tell me {sum}", "What is the result of {sum}?",
        "Do you know {sum}?", "{sum} = ",
        "Please calculate {sum}.", "Work out {sum}.", "What do you get for {sum}?",
        "Add it up: {sum}", "result of {sum}",
    ),
    ("Could you work out {sum} for me?", "I need to know what {sum} is.",
     "Give me the value of {sum}."),
)  # fmt: skip
NAMED = {
    "+": Phrasings(
        ("Add {a} and {b}.", "What is the sum of {a} and {b}?", "Sum {a} and {b}",
         "What do you get if you add {a} and {b}?",
         "I have {a} apples and buy {b} more. How many apples do I have?",
         "What is {a} added to {b}?",
         "There are {a} cats and {b} dogs. How many animals are there?"),
        ("Please add the numbers {a} and {b}.",
         "I had {a} coins and found {b} more. How many coins do I have?"),
    ),
    "-": Phrasings(
        ("Subtract {b} from {a}.", "Take {b} from {a}",
         "What is the difference between {a} and {b}?", "Take away {b} from {a}.",
         "I have {a} apples and eat {b}. How many apples are left?",
         "What remains of {a} after taking away {b}?"),
        ("If I take {b} away from {a}, what is left?",
         "I had {a} coins and lost {b}. How many are left?"),
    ),
    "×": Phrasings(
        ("Multiply {a} by {b}.", "What is the product of {a} and {b}?", "Multiply {a} and {b}",
         "{a} multiplied by {b}",
         "What do you get if you multiply {a} by {b}?",
         "I have {a} boxes with {b} apples each. How many apples are there?"),
        ("Please multiply the numbers {a} and {b}.",
         "There are {a} rows of {b} chairs. How many chairs are there?"),
    ),
    "/": Phrasings(
        ("Divide {a} by {b}.", "What is {a} divided by {b}?",
         "How many times does {b} go into {a}?", "Share {a} among {b}."),
        ("If I divide {a} by {b}, what do I get?",),
    ),
}  # fmt: skip
SIGNS = {
    "+": ("+", "+", "+", "plus"),
    "-": ("-", "-", "minus"),
    "×": ("*", "x", "×", "times", "times", "X"),
    "/": ("/", "/", "divided by", "÷"),
}


@dataclass(frozen=True)
class Problem:
    """`a sign b`. Pairs are held out regardless of their order, so that 7 × 8 gives nothing away
    about 8 × 7.
    """

    a: int
    sign: str
    b: int

    @property
    def is_held_out(self) -> bool:
        return is_held_out(self.sign, min(self.a, self.b), max(self.a, self.b))

    @property
    def is_in_tables(self) -> bool:
        """The tables up to 12 × 12 are taught whole: they are facts, held out by phrasing and not
        by pair.
        """
        return self.sign in "×/" and max(self.b, self.result if self.sign == "/" else self.a) <= 12

    @property
    def result(self) -> int:
        match self.sign:
            case "+":
                return self.a + self.b
            case "-":
                return self.a - self.b
            case "×":
                return self.a * self.b
            case _:
                return self.a // self.b

    @property
    def solution(self) -> str:
        equation = f"{self.a} {self.sign} {self.b} = "
        return f"{equation}{self.steps}{self.result}."

    @property
    def steps(self) -> str:
        """For products beyond the tables: split the larger factor into tens and ones."""
        large, small = max(self.a, self.b), min(self.a, self.b)
        tens, ones = large - large % 10, large % 10
        if self.sign != "×" or large <= 12 or small == 1 or ones == 0:
            return ""
        return f"{tens} × {small} + {ones} × {small} = {tens * small} + {ones * small} = "


def addition(rng: Random) -> Problem:
    limit = rng.choice((10, 20, 100, 100, 100, 100, 200, 1000))
    return Problem(rng.randrange(limit), "+", rng.randrange(limit))


def subtraction(rng: Random) -> Problem:
    a, b = rng.randrange(101), rng.randrange(101)
    return Problem(max(a, b), "-", min(a, b)) if rng.random() < 0.85 else Problem(a, "-", b)


def product(rng: Random) -> Problem:
    if rng.random() < 0.6:
        return Problem(rng.randint(0, 12), "×", rng.randint(0, 12))
    pair = [rng.randint(11, 20), rng.randint(2, 20)]
    rng.shuffle(pair)
    return Problem(pair[0], "×", pair[1])


def quotient(rng: Random) -> Problem:
    b, result = rng.randint(1, 12), rng.randint(1, 12)
    if rng.random() < 0.2:
        b, result = rng.choice((2, 3, 4, 5, 10)), rng.randint(1, 50)
    return Problem(b * result, "/", b)


KINDS = (addition, addition, addition, subtraction, product, product, quotient)


def pose(rng: Random, split: Split, problem: Problem) -> Exchange:
    named = rng.random() < 0.25
    phrasings = NAMED[problem.sign] if named else BARE
    question = phrasings.say(
        rng, split, a=spelled(rng, problem.a), b=spelled(rng, problem.b), sum=bare(rng, problem)
    )
    return Exchange(question, problem.solution, (f" {problem.result}.",))


def spelled(rng: Random, number: int) -> str:
    return WORDS[number] if 0 <= number <= 20 and rng.random() < 0.12 else str(number)


def bare(rng: Random, problem: Problem) -> str:
    sign = rng.choice(SIGNS[problem.sign])
    gap = "" if sign in "+-*x×X/÷" and rng.random() < 0.4 else " "
    if rng.random() < 0.04 and max(problem.a, problem.b) <= 20:
        return (
            f"{WORDS[problem.a]} {sign} {WORDS[problem.b]}"
            if gap
            else f"{problem.a}{sign}{problem.b}"
        )
    return f"{problem.a}{gap}{sign}{gap}{problem.b}"


def any_problem(rng: Random, split: Split, kinds: tuple[object, ...] = KINDS) -> Problem:
    """A held-out problem is a pair never trained; table entries may be asked in both splits."""
    while True:
        problem = rng.choice(kinds)(rng)  # type: ignore[operator]
        if problem.is_in_tables or problem.is_held_out == (split is Split.HELD_OUT):
            return problem


def too_big(rng: Random) -> Problem:
    """Numbers the model was not made for; it is to say so and not to guess."""
    sign = rng.choice("+-××/")
    low = 21 if sign == "×" else 1001
    return Problem(
        rng.randrange(low, 10 ** rng.randint(4, 7)),
        sign,
        rng.randrange(low, 10 ** rng.randint(4, 5)),
    )


def arithmetic(rng: Random, split: Split) -> Exchange:
    if rng.random() < 0.1:
        posed = pose(rng, split, too_big(rng))
        return Exchange(posed.question, TOO_BIG, ("too big",))
    return pose(rng, split, any_problem(rng, split))


def sum_to_99(rng: Random, split: Split) -> Exchange:
    """The sums a newcomer asks first."""
    limit = rng.choice((10, 20, 50, 100, 100, 100))
    small = (lambda r: Problem(r.randrange(limit), "+", r.randrange(limit)),)
    return pose(rng, split, any_problem(rng, split, small))


def scored_addition(rng: Random, split: Split) -> Exchange:
    problem = any_problem(rng, split, (lambda r: Problem(r.randrange(100), "+", r.randrange(100)),))
    return pose(rng, split, problem)


def scored_subtraction(rng: Random, split: Split) -> Exchange:
    return pose(rng, split, any_problem(rng, split, (subtraction,)))


def scored_tables(rng: Random, split: Split) -> Exchange:
    return pose(rng, split, Problem(rng.randint(2, 12), "×", rng.randint(2, 12)))


def scored_products(rng: Random, split: Split) -> Exchange:
    while True:
        problem = product(rng)
        if problem.is_held_out and not problem.is_in_tables:
            return pose(rng, split, problem)
