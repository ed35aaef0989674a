"""Foretold: what a worker says its grammar makes a sequence put out next, and how often that came.

A grammar forces a text, and a text can be spelled by other tokens than those foretold. So it is
measured how often the next token is the foretold one, whether it was drafted or not: that costs
nothing. Knows nothing of grammars, steps or costs.
"""

from __future__ import annotations

PRIOR_RATE = 0.85  # before anything was measured
RATE_WEIGHT = 1 / 16  # of the newest token


class Foretold:
    """`token_ids` may come behind the last known token."""

    def __init__(self, rate: float) -> None:
        self.token_ids: list[int] = []
        self.rate = rate  # how likely each is right, if those before it are

    def hold_to(self, came: list[int]) -> list[bool]:
        """Of the tokens that came, which were as foretold: up to the first that was not."""
        num_right = num_alike(self.token_ids, came)
        is_wrong = num_right < min(len(self.token_ids), len(came))
        outcomes = [True] * num_right + [False] * is_wrong
        for is_right in outcomes:
            self.rate += (is_right - self.rate) * RATE_WEIGHT
        return outcomes


def num_alike(some: list[int], others: list[int]) -> int:
    """How many tokens both begin with."""
    pairs = enumerate(zip(some, others, strict=False))
    shorter = min(len(some), len(others))
    return next((place for place, (one, other) in pairs if one != other), shorter)
