"""CudaSamplingTable: what SequenceMirror tells a SamplingTable, written to the device's tables.

Each sequence's parameters go up once, when it becomes known; its tokens the device appends and
counts by itself. Knows nothing of logits.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from forge_common.sampling import SamplingParams
from forge_worker.cuda.device_tables import (
    PARAM_WORDS,
    DeviceTables,
    ParamWord,
    RuleWord,
    mask_words,
)
from forge_worker.cuda.step_kernels import StepKernels
from forge_worker.cuda.upload import UploadRing
from forge_worker.forward_inputs import IntArray
from forge_worker.sampler.logit_rules import has_rules, penalises
from forge_worker.sampler.table import MIN_TEMPERATURE, History
from forge_worker.top_tokens import TokenArray

_BITS_PER_WORD = 32


class Recount(NamedTuple):
    """A sequence whose seen tokens must be counted from the token table."""

    row: int
    num_prompt_tokens: int
    num_tokens: int


class CudaSamplingTable:
    """`flush_counts` belongs behind the flush of the ring that has the sequences' tokens."""

    def __init__(self, tables: DeviceTables, ring: UploadRing, kernels: StepKernels) -> None:
        self._places = tables.places
        self._vocab_size = tables.limits.vocab_size
        self._ring = ring
        self._kernels = kernels
        self._recounts: list[Recount] = []

    def set(self, row: int, params: SamplingParams, choice_index: int, history: History) -> None:
        words = self._param_words(params)
        words[ParamWord.CHOICE_INDEX] = choice_index
        words[ParamWord.NUM_PROMPT_TOKENS] = len(history.prompt_token_ids)
        if has_rules(params):
            self._write_rules(row, params, words)
        if words[ParamWord.HAS_PENALTIES]:
            num_prompt = len(history.prompt_token_ids)
            num_tokens = num_prompt + len(history.output_token_ids)
            self._recounts.append(Recount(row, num_prompt, num_tokens))
        self._ring.write(self._places.params.word(row), words)

    def append(self, rows: IntArray, token_ids: TokenArray) -> None:
        """Nothing is to be done: the device appends what it sampled."""

    def clear(self, row: int) -> None:
        """Nothing is to be done: a row that is not in a step is not read."""

    def flush_counts(self) -> None:
        """Queue the counting of tokens for sequences set since the last time."""
        for recount in self._recounts:
            self._kernels.count_seen(*recount)
        self._recounts = []

    def _param_words(self, params: SamplingParams) -> IntArray:
        """All that needs no list."""
        words = np.zeros(PARAM_WORDS, np.int32)
        floats = words.view(np.float32)
        greedy = params.temperature < MIN_TEMPERATURE
        floats[ParamWord.TEMPERATURE] = 0.0 if greedy else params.temperature
        words[ParamWord.TOP_K] = min(params.top_k or self._vocab_size, self._vocab_size)
        _set_pair(words, ParamWord.TOP_P, np.float64(params.top_p))
        _set_pair(words, ParamWord.SEED, np.uint64(params.seed))
        floats[ParamWord.LOG_MIN_P] = math.log(params.min_p) if params.min_p else -math.inf
        floats[ParamWord.REPETITION_PENALTY] = params.repetition_penalty
        floats[ParamWord.FREQUENCY_PENALTY] = params.frequency_penalty
        floats[ParamWord.PRESENCE_PENALTY] = params.presence_penalty
        words[ParamWord.HAS_RULES] = has_rules(params) or params.grammar is not None
        words[ParamWord.HAS_PENALTIES] = penalises(params)
        words[ParamWord.HAS_MASK] = (
            params.allowed_token_ids is not None or params.grammar is not None
        )
        words[ParamWord.MIN_TOKENS] = params.min_tokens
        return words

    def _write_rules(self, row: int, params: SamplingParams, words: IntArray) -> None:
        """The lists, and into `words` how long each is."""
        words[ParamWord.NUM_BIASES] = len(params.logit_bias)
        self._write_list(row, RuleWord.BIAS_TOKENS, list(params.logit_bias), np.int32)
        self._write_list(row, RuleWord.BIASES, list(params.logit_bias.values()), np.float32)
        if params.min_tokens:
            ends = sorted({*params.eos_token_ids, *params.stop_token_ids})
            words[ParamWord.NUM_EARLY_ENDS] = len(ends)
            self._write_list(row, RuleWord.EARLY_ENDS, ends, np.int32)
        if params.bad_words:
            words[ParamWord.NUM_BAD_WORDS] = len(params.bad_words)
            self._write_bad_words(row, params.bad_words)
        if params.allowed_token_ids is not None:
            mask = _mask_of(params.allowed_token_ids, self._vocab_size)
            self._ring.write(self._places.masks.word(row), mask)

    def _write_bad_words(self, row: int, bad_words: tuple[tuple[int, ...], ...]) -> None:
        starts = [0, *np.cumsum([len(word) for word in bad_words]).tolist()]
        self._write_list(row, RuleWord.BAD_WORD_STARTS, starts, np.int32)
        token_ids = [token_id for word in bad_words for token_id in word]
        self._write_list(row, RuleWord.BAD_WORD_TOKENS, token_ids, np.int32)

    def _write_list(self, row: int, place: RuleWord, values: list[Any], dtype: type) -> None:
        if values:
            self._ring.write(self._places.rules.word(row, place), np.array(values, dtype))


def _set_pair(words: IntArray, place: ParamWord, value: np.float64 | np.uint64) -> None:
    words[place : place + 2] = np.array([value]).view(np.int32)


def _mask_of(token_ids: tuple[int, ...], vocab_size: int) -> npt.NDArray[np.int32]:
    is_allowed = np.zeros(_BITS_PER_WORD * mask_words(vocab_size), np.bool_)
    is_allowed[list(token_ids)] = True
    return np.packbits(is_allowed, bitorder="little").view(np.int32)
