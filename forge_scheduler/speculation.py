"""Speculation: how many tokens to draft for a sequence in a step, weighed against what they cost.

Drafts are run behind the last known token and sampled like any other position, so they change no
text: they only gain time, or lose it. The rule compares both in units of a step of one token:

    cost of a step      1 for one token, else 2.4 + 0.105 · tokens
    paid for n drafts   cost(tokens + n) - cost(tokens)
    gained by them      (rate^pending · (rate + rate² + … + rateⁿ) - missed) · value of a token
    value of a token    cost(running) / running

The `rate` is measured for each sequence. The more sequences run, the less a token is worth beside
what a further one costs: where a step is bound by its arithmetic, nothing can be gained any more,
and drafting ends by itself. `missed` is the token of the step that a drafted sequence sits out,
since its length is not known until its drafts are answered. Knows nothing of blocks or budgets.
"""

from __future__ import annotations

from typing import NamedTuple

from forge_scheduler.drafter import Drafter
from forge_scheduler.sequence import Sequence

# Measured on a CPU with 110 M parameters: a product with one column reads the weights as they
# lie, one with several copies them first. A model of 4 M parameters pays less for several.
SEVERAL_TOKENS_COST = 2.4
TOKEN_COST = 0.105
MIN_GAIN = 0.1  # of a token: less is not worth the risk of a wrong estimate

MAX_RUNNING = 84  # with more, even what is nearly certain gains nothing: then nothing is read


class StepLoad(NamedTuple):
    """What a step has to do besides the drafts that are asked for."""

    num_running: int  # sequences, each with a token at least
    num_draft_tokens: int  # for sequences that were asked before


class Speculation:
    """`max_draft_tokens` is how many its worker takes for one sequence in one step."""

    def __init__(self, max_draft_tokens: int) -> None:
        self.max_draft_tokens = max_draft_tokens

    def draft(self, sequence: Sequence, load: StepLoad, max_tokens: int) -> list[int]:
        """Drafts for a sequence whose next step is to sample one token, `max_tokens` at most."""
        max_tokens = min(max_tokens, self.max_draft_tokens, sequence.max_draft_tokens)
        if max_tokens <= 0 or load.num_running > MAX_RUNNING:
            return []
        if not sequence.request.is_speculative:
            return []
        if sequence.drafter is None:
            sequence.drafter = Drafter(sequence.request.num_prompt_tokens)
        drafter = sequence.drafter
        if not drafter.read(sequence.token_ids) or drafter.rate == 0:
            return []
        num_pending = sequence.num_pending_tokens
        num_tokens = best_length(drafter.rate, num_pending, load, max_tokens)
        return drafter.draft(sequence.token_ids, num_pending, num_tokens)


def best_length(rate: float, num_pending: int, load: StepLoad, max_tokens: int) -> int:
    """How many drafts gain most; 0 where none gain enough."""
    num_tokens = load.num_running + load.num_draft_tokens
    token_value = step_cost(load.num_running) / load.num_running
    num_missed = 1 if load.num_running > 1 else 0
    best, best_gain = 0, MIN_GAIN * token_value
    chance, num_gained = rate**num_pending, -float(num_missed)
    for length in range(1, max_tokens + 1):
        chance *= rate
        num_gained += chance
        paid = step_cost(num_tokens + length) - step_cost(num_tokens)
        gain = num_gained * token_value - paid
        if gain > best_gain:
            best, best_gain = length, gain
    return best


def step_cost(num_tokens: int) -> float:
    """In units of a step of one token."""
    return 1.0 if num_tokens == 1 else SEVERAL_TOKENS_COST + TOKEN_COST * num_tokens
