"""What one sequence asks of its logits before temperature, and its application to a batch.

Order: repetition penalty (Keskar et al. 2019: divide positive logits, multiply negative ones),
frequency and presence penalties (OpenAI: subtract count times the one, and the other once), bias,
then what may not be chosen at all: bad words, all but the allowed tokens, and ends before
`min_tokens`. Rows without rules cost nothing. Knows nothing of temperature or chance.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np

from forge_common.sampling import SamplingParams
from forge_worker.forward_inputs import FloatArray
from forge_worker.sampler.seen_tokens import SeenTokens
from forge_worker.top_tokens import TokenArray


class LogitRules:
    """The rules of one sequence, and as much of its history as they need."""

    def __init__(
        self,
        params: SamplingParams,
        prompt_token_ids: Sequence[int],
        output_token_ids: Sequence[int],
    ) -> None:
        self.params = params
        self._output_token_ids = list(output_token_ids)
        self.seen = SeenTokens(prompt_token_ids, output_token_ids) if penalises(params) else None
        self.bias_token_ids = np.array(list(params.logit_bias), dtype=np.int64)
        self.biases = np.array(list(params.logit_bias.values()), dtype=np.float32)
        allowed = params.allowed_token_ids
        self.allowed_token_ids = None if allowed is None else np.array(allowed, dtype=np.int64)

    def append(self, token_id: int) -> None:
        """The sequence has put out one more token."""
        self._output_token_ids.append(token_id)
        if self.seen is not None:
            self.seen.add_output(token_id)

    def banned_token_ids(self) -> Iterator[int]:
        """Tokens that must not come next: ends that are too early, and last tokens of bad words.

        A bad word counts only where its first tokens were put out, not where the prompt ends so.
        """
        if len(self._output_token_ids) < self.params.min_tokens:
            yield from self.params.eos_token_ids
            yield from self.params.stop_token_ids
        for *start, last in self.params.bad_words:
            if not start or self._output_token_ids[-len(start) :] == start:
                yield last


class RowRules(NamedTuple):
    row: int  # of the logits they are for
    rules: LogitRules


def has_rules(params: SamplingParams) -> bool:
    """Whether a sequence needs a LogitRules at all."""
    return bool(
        penalises(params)
        or params.logit_bias
        or params.bad_words
        or params.min_tokens
        or params.allowed_token_ids is not None
    )


def apply_rules(logits: FloatArray, rows: Sequence[RowRules]) -> None:
    """Change `logits` [num_rows, vocab_size] in place."""
    if rows:
        _penalise(logits, rows)
        _bias(logits, rows)
        _ban(logits, rows)
        _keep_allowed(logits, rows)


def penalises(params: SamplingParams) -> bool:
    """Whether seen tokens must be counted."""
    return (
        params.repetition_penalty != 1.0
        or params.presence_penalty != 0.0
        or params.frequency_penalty != 0.0
    )


def _penalise(logits: FloatArray, rows: Sequence[RowRules]) -> None:
    seen = [(row, rules.seen, rules.params) for row, rules in rows if rules.seen is not None]
    if not seen:
        return
    lengths = [len(tokens.token_ids) for _, tokens, _ in seen]
    at = _places([row for row, _, _ in seen], [tokens.token_ids for _, tokens, _ in seen])
    counts = np.concatenate([tokens.output_counts for _, tokens, _ in seen])
    repetition = _spread([params.repetition_penalty for _, _, params in seen], lengths)
    frequency = _spread([params.frequency_penalty for _, _, params in seen], lengths)
    presence = _spread([params.presence_penalty for _, _, params in seen], lengths)
    values = logits[at]
    values = np.where(values > 0, values / repetition, values * repetition)
    logits[at] = values - frequency * counts - presence * (counts > 0)


def _bias(logits: FloatArray, rows: Sequence[RowRules]) -> None:
    biased = [(row, rules) for row, rules in rows if len(rules.biases)]
    if biased:
        at = _places([row for row, _ in biased], [rules.bias_token_ids for _, rules in biased])
        logits[at] += np.concatenate([rules.biases for _, rules in biased])


def _ban(logits: FloatArray, rows: Sequence[RowRules]) -> None:
    banned = [(row, token_id) for row, rules in rows for token_id in rules.banned_token_ids()]
    if banned:
        at = np.fromiter(chain.from_iterable(banned), np.int64, 2 * len(banned)).reshape(-1, 2)
        logits[at[:, 0], at[:, 1]] = -np.inf


def _keep_allowed(logits: FloatArray, rows: Sequence[RowRules]) -> None:
    for row, rules in rows:
        if rules.allowed_token_ids is not None:
            allowed = logits[row, rules.allowed_token_ids]
            logits[row] = -np.inf
            logits[row, rules.allowed_token_ids] = allowed


class Places(NamedTuple):
    """An index into logits: pairs of a row and a token."""

    rows: TokenArray
    token_ids: TokenArray


def _places(rows: list[int], token_ids: list[TokenArray]) -> Places:
    lengths = [len(ids) for ids in token_ids]
    return Places(np.repeat(np.array(rows, dtype=np.int64), lengths), np.concatenate(token_ids))


def _spread(values: list[float], lengths: list[int]) -> FloatArray:
    return np.repeat(np.array(values, dtype=np.float32), lengths)
