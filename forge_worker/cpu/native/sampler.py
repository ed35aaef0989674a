"""NativeSampler: one token for each row of logits, by one run of a compiled kernel.

It draws what forge_worker/sampler/sampler.py draws, from the same table. Rows are tasks, so that
what a row gets depends on nothing but the row. Knows nothing of sequences beyond their row in the
SamplingTable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from forge_worker.cpu.native.activations import bits_of
from forge_worker.cpu.native.kernel import Kernel
from forge_worker.cpu.native.pool import NativePool, Record
from forge_worker.cpu.native.sampling_kernel import AT, SampleArguments
from forge_worker.cpu.native.token_row import RuleFields, room_bytes
from forge_worker.forward_inputs import FloatArray
from forge_worker.sampler.grammar_mask import MaskWords
from forge_worker.sampler.logit_rules import LogitRules
from forge_worker.sampler.sampler import Draws, Wanted, errors_of
from forge_worker.sampler.table import SamplingTable


class NativeSampler:
    def __init__(self, table: SamplingTable, pool: NativePool, kernel: Kernel) -> None:
        self._table = table
        self._pool = pool
        self._kernel = kernel
        num_rows = len(table.temperature)
        self._rows, self._positions = np.zeros((2, num_rows), np.int32)
        self._token_ids = np.zeros(num_rows, np.int64)
        self._best = np.zeros(num_rows, np.float32)
        arrays: dict[int, npt.NDArray[np.generic]] = {
            AT.rows: self._rows,
            AT.positions: self._positions,
            AT.temperature: table.temperature,
            AT.top_k: table.all_filters.top_k,
            AT.top_p: table.all_filters.top_p,
            AT.log_min_p: table.all_filters.log_min_p,
            AT.seeds: table.seeds,
            AT.choice_indices: table.choice_indices,
            AT.token_ids: self._token_ids,
            AT.best: self._best,
        }
        self._record = Record([0] * len(SampleArguments._fields))
        self._write({place: array.ctypes.data for place, array in arrays.items()})
        self._write({AT.vocab_size: table.vocab_size})
        pool.reserve_scratch(room_bytes(table.vocab_size))

    def sample(self, logits: FloatArray, wanted: Wanted) -> Draws:
        """`logits` [num_rows, vocab_size] are left as they are; draws are good until the next."""
        count = len(logits)
        logits = np.ascontiguousarray(logits, np.float32)
        rules = RowRules(self._table.rules, wanted)
        self._rows[:count], self._positions[:count] = wanted.rows, wanted.positions
        self._write(
            {
                AT.logits: logits.ctypes.data,
                AT.logits_bytes: logits.strides[0],
                AT.rules: rules.address,
            }
        )
        self._pool.run(self._kernel, self._record, count)
        return Draws(self._token_ids[:count], errors_of(self._best[:count]))

    def _write(self, numbers: Mapping[int, int]) -> None:
        """By place in the record."""
        for place, number in numbers.items():
            self._record.values[place // 8] = number


class RowRules:
    """What each row of a batch asks of its logits, at addresses for as long as this lives."""

    def __init__(self, rules: Mapping[int, LogitRules], wanted: Wanted) -> None:
        self.address = 0
        self._kept: list[object] = []
        if rules or wanted.masks:
            self.address = self._keep(self._addresses(rules, wanted.masks, wanted.rows.tolist()))

    def _addresses(
        self, rules: Mapping[int, LogitRules], masks: Mapping[int, MaskWords], rows: Sequence[int]
    ) -> np.ndarray:
        """Of the fields of each row, which lie in one table; 0 where nothing is asked."""
        table = np.zeros((len(rows), len(RuleFields._fields)), np.int64)
        is_asked = np.zeros(len(rows), np.bool_)
        for place, row in enumerate(rows if rules else ()):
            if row in rules:
                table[place] = self._of_rules(rules[row])
                is_asked[place] = True
        masked = [place for place, row in enumerate(rows) if row in masks]
        table[masked, MASK] = [self._keep(np.ascontiguousarray(masks[rows[at]])) for at in masked]
        is_asked[masked] = True
        starts = self._keep(table) + np.arange(len(rows)) * table.strides[0]
        return np.where(is_asked, starts, 0)

    def _of_rules(self, rules: LogitRules) -> RuleFields:
        params, seen, allowed = rules.params, rules.seen, rules.allowed_token_ids
        banned = np.fromiter(rules.banned_token_ids(), np.int64)
        return NOTHING._replace(
            num_seen=0 if seen is None else len(seen.token_ids),
            seen_token_ids=0 if seen is None else self._keep(seen.token_ids),
            seen_counts=0 if seen is None else self._keep(seen.output_counts),
            repetition_bits=bits_of(params.repetition_penalty),
            frequency_bits=bits_of(params.frequency_penalty),
            presence_bits=bits_of(params.presence_penalty),
            num_biased=len(rules.biases),
            biased_token_ids=self._keep(rules.bias_token_ids),
            biases=self._keep(rules.biases),
            num_banned=len(banned),
            banned_token_ids=self._keep(banned),
            num_allowed=0 if allowed is None else len(allowed),
            allowed_token_ids=0 if allowed is None else self._keep(allowed),
        )

    def _keep(self, array: np.ndarray) -> int:
        self._kept.append(array)
        return int(array.__array_interface__["data"][0])  # a third of the time of `ctypes`


MASK = RuleFields._fields.index("mask")
NOTHING = RuleFields(*[0] * len(RuleFields._fields))
