"""Speculation: how many tokens to draft for a sequence in a step, weighed against what they cost.

Drafts are run behind the last known token and sampled like any other position, so they change no
text: they only gain time, or lose it. The rule compares both in units of a step of one token:

    cost of a step      1 for one token, else 2.4 + 0.105 · tokens
    paid for n drafts   cost(tokens + n) - cost(tokens)
    gained by them      (rate^pending · (rate₁ + rate₁·rate₂ + …) - missed) · value of a token
    value of a token    cost(running) / running

The `rate` is measured for each sequence, and for what grammars force also over all of them. The
more sequences run, the less a token is worth beside what a further one costs: where a step is
bound by its arithmetic, nothing can be gained any more, and drafting ends by itself. `missed` is
the token of the step that a drafted sequence sits out, since its length is not known until its
drafts are answered; one with a grammar sits it out in any case.

Where the worker foretold what a grammar forces, that is drafted, and behind it what followed such
tokens before; unless what is repeated has proved the better guess. Knows nothing of blocks or
budgets.
"""

from __future__ import annotations

from typing import NamedTuple

from forge_common.protocol.scheduler_worker import SampledSequence
from forge_scheduler.drafter import MAX_RATE, Drafter
from forge_scheduler.foretold import PRIOR_RATE, Foretold, num_alike
from forge_scheduler.sequence import Sequence

# Measured on a CPU with 110 M parameters: a product with one column reads the weights as they
# lie, one with several copies them first. A model of 4 M parameters pays less for several.
SEVERAL_TOKENS_COST = 2.4
TOKEN_COST = 0.105
MIN_GAIN = 0.1  # of a token: less is not worth the risk of a wrong estimate

MODEL_RATE_WEIGHT = 1 / 256  # of the newest token that was foretold, for the model

MAX_RUNNING = 84  # with more, even what is nearly certain gains nothing: then nothing is read


class StepLoad(NamedTuple):
    """What a step has to do besides the drafts that are asked for."""

    num_running: int  # sequences, each with a token at least
    num_draft_tokens: int  # for sequences that were asked before


class Guess(NamedTuple):
    """Tokens that may come, and how likely each is right if those before it are.

    They are `chance` likely to begin where they would be drafted, behind all that is pending.
    """

    token_ids: list[int]
    rates: list[float]
    chance: float = 1.0
    sits_out: bool = True  # the sequence, while its drafts are in flight


class ForcedCounts(NamedTuple):
    """Of the drafts of one step, those that were foretold."""

    num_drafted: int
    num_accepted: int


class Speculation:
    """`max_draft_tokens` is how many its worker takes for one sequence in one step."""

    def __init__(self, max_draft_tokens: int) -> None:
        self.max_draft_tokens = max_draft_tokens
        self._forced_rate = PRIOR_RATE  # of all sequences: what a new one begins with

    def can_gain(self, num_running: int) -> bool:
        """Whether any sequence's drafts could, beside so many others."""
        return self.max_draft_tokens > 0 and num_running <= MAX_RUNNING

    def may_draft(self, sequence: Sequence) -> bool:
        return self.max_draft_tokens > 0 and sequence.request.is_speculative

    def draft(self, sequence: Sequence, load: StepLoad, max_tokens: int) -> list[int]:
        """Drafts for a sequence whose next step is to sample one token, `max_tokens` at most."""
        max_tokens = min(max_tokens, self.max_draft_tokens, sequence.max_draft_tokens)
        if max_tokens <= 0 or not self.can_gain(load.num_running) or not self.may_draft(sequence):
            return []
        guess = _guess(sequence, max_tokens)
        return guess.token_ids[: best_length(guess, load)]

    def take_in(
        self, sequence: Sequence, drafted: list[int], sampled: SampledSequence
    ) -> ForcedCounts:
        """Hold what was foretold to what came, and keep what is foretold now."""
        foretold = sequence.foretold
        if foretold is None:
            if sampled.forced_token_ids:
                sequence.foretold = Foretold(self._forced_rate)
                sequence.foretold.token_ids = sampled.forced_token_ids
            return ForcedCounts(0, 0)
        num_drafted = num_alike(foretold.token_ids, drafted)
        outcomes = foretold.hold_to(sampled.token_ids)
        for is_right in outcomes:
            self._forced_rate += (is_right - self._forced_rate) * MODEL_RATE_WEIGHT
        foretold.token_ids = sampled.forced_token_ids
        return ForcedCounts(num_drafted, min(num_drafted, sum(outcomes)))


def _guess(sequence: Sequence, max_tokens: int) -> Guess:
    """What is the likelier to come: what is forced, or what is repeated."""
    if sequence.drafter is None:
        sequence.drafter = Drafter(sequence.request.num_prompt_tokens)
    drafter, foretold = sequence.drafter, sequence.foretold
    repeated_rate = drafter.rate if drafter.read(sequence.token_ids) else 0.0
    if foretold is not None and foretold.token_ids and foretold.rate >= repeated_rate:
        return _forced_guess(sequence, foretold, drafter, max_tokens)
    if repeated_rate == 0:
        return Guess([], [])
    num_pending = sequence.num_pending_tokens
    token_ids = drafter.draft(sequence.token_ids, num_pending, max_tokens)
    rates, chance = [repeated_rate] * max_tokens, repeated_rate**num_pending
    return Guess(token_ids, rates, chance, sits_out=not sequence.has_grammar)


def _forced_guess(
    sequence: Sequence, foretold: Foretold, drafter: Drafter, max_tokens: int
) -> Guess:
    forced, rate = foretold.token_ids[:max_tokens], min(foretold.rate, MAX_RATE)
    behind = drafter.draft_behind(sequence.token_ids, forced, max_tokens - len(forced))
    rates = [rate] * len(forced) + [behind.rate] * len(behind.token_ids)
    return Guess(forced + behind.token_ids, rates, sits_out=False)


def best_length(guess: Guess, load: StepLoad) -> int:
    """How many drafts gain most; 0 where none gain enough."""
    num_tokens = load.num_running + load.num_draft_tokens
    token_value = step_cost(load.num_running) / load.num_running
    num_missed = 1 if guess.sits_out and load.num_running > 1 else 0
    best, best_gain = 0, MIN_GAIN * token_value
    chance, num_gained = guess.chance, -float(num_missed)
    for length, rate in enumerate(guess.rates, start=1):
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
