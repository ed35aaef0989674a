"""SamplingTable: the sampling parameters of every sequence, an array a parameter, a row a sequence.

Read by whole batches of rows at once. What a row does not ask for stands as the value that changes
nothing: top_k the vocabulary, top_p 1, log_min_p -inf. Knows nothing of logits.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from forge_common.sampling import SamplingParams
from forge_worker.forward_inputs import FloatArray, IntArray
from forge_worker.philox import Words
from forge_worker.sampler.logit_rules import LogitRules, has_rules
from forge_worker.top_tokens import TokenArray

MIN_TEMPERATURE = 1e-5  # below it the largest logit wins anyway, and float32 would overflow

DoubleArray = npt.NDArray[np.float64]


class Filters(NamedTuple):
    """[num_rows] each: the filters of some rows."""

    top_k: TokenArray
    top_p: DoubleArray
    log_min_p: FloatArray

    def of(self, rows: IntArray | TokenArray) -> Filters:
        return Filters(self.top_k[rows], self.top_p[rows], self.log_min_p[rows])


class History(NamedTuple):
    """The known tokens of one sequence."""

    prompt_token_ids: list[int]
    output_token_ids: list[int]


class SamplingTable:
    def __init__(self, num_rows: int, vocab_size: int) -> None:
        self.vocab_size = vocab_size
        self.temperature: FloatArray = np.zeros(num_rows, np.float32)
        self.all_filters = Filters(
            np.full(num_rows, vocab_size, np.int64),
            np.ones(num_rows, np.float64),
            np.full(num_rows, -np.inf, np.float32),
        )
        self.seeds: Words = np.zeros(num_rows, np.uint64)
        self.choice_indices: Words = np.zeros(num_rows, np.uint64)
        self.rules: dict[int, LogitRules] = {}

    def set(self, row: int, params: SamplingParams, choice_index: int, history: History) -> None:
        greedy = params.temperature < MIN_TEMPERATURE
        self.temperature[row] = 0.0 if greedy else params.temperature
        self.all_filters.top_k[row] = min(params.top_k or self.vocab_size, self.vocab_size)
        self.all_filters.top_p[row] = params.top_p
        self.all_filters.log_min_p[row] = math.log(params.min_p) if params.min_p else -math.inf
        self.seeds[row] = params.seed
        self.choice_indices[row] = choice_index
        self.rules.pop(row, None)
        if has_rules(params):
            self.rules[row] = LogitRules(params, history.prompt_token_ids, history.output_token_ids)

    def append(self, rows: IntArray, token_ids: TokenArray) -> None:
        """Each of `rows` has put out one more token."""
        if self.rules:
            for row, token_id in zip(rows.tolist(), token_ids.tolist(), strict=True):
                if row in self.rules:
                    self.rules[row].append(token_id)

    def clear(self, row: int) -> None:
        self.rules.pop(row, None)

    def filters(self, rows: IntArray) -> Filters:
        return self.all_filters.of(rows)
