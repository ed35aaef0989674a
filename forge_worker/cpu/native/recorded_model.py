"""RecordedModel: a model whose steps after the first are one native call.

The first step runs the model as it is, and notes what is launched. All that differs in the next,
however many tokens it has, stands where kernels read it, so the launches are repeated as they were
until a buffer had to grow. Of a model whose operations follow from its layers alone, which experts
do not. Knows no architecture.
"""

from __future__ import annotations

from typing import NamedTuple

from forge_common.checkpoint import ModelConfig
from forge_worker.cpu.native.launcher import Program
from forge_worker.cpu.native.ops import NativeOps, NativeStep
from forge_worker.forward_inputs import FloatArray
from forge_worker.kv_cache import KVCache
from forge_worker.models.registry import Model


class LogitsPlace(NamedTuple):
    """What launches of logits name in memory."""

    hidden: int
    logits: int
    generation: int  # of the buffers between


class RecordedModel:
    def __init__(self, model: Model, ops: NativeOps) -> None:
        self._model = model
        self._ops = ops
        self._program: Program | None = None
        self._generation = -1
        self._kv_cache: KVCache | None = None
        self._logits_programs: dict[LogitsPlace, Program] = {}

    @property
    def config(self) -> ModelConfig:
        return self._model.config

    @property
    def ops(self) -> NativeOps:
        return self._ops

    def hidden(self, step: NativeStep, kv_cache: KVCache) -> FloatArray:
        if self._program is None or not self._is_valid(kv_cache):
            return self._record(step, kv_cache)
        self._ops.launcher.repeat(self._program)
        return self._ops.final_states(step)

    def logits(self, hidden: FloatArray) -> FloatArray:
        logits = self._ops.begin_logits(len(hidden), self.config.vocab_size)
        place = LogitsPlace(hidden.ctypes.data, logits.ctypes.data, self._ops.generation)
        program = self._logits_programs.get(place)
        if program is None:
            return self._record_logits(hidden, place)
        self._ops.launcher.repeat(program)
        return logits

    def _record_logits(self, hidden: FloatArray, place: LogitsPlace) -> FloatArray:
        with self._ops.launcher.recording() as programs:
            logits: FloatArray = self._model.logits(hidden)
        self._logits_programs.clear()  # others are of memory that moved, or of rare steps
        if place.generation == self._ops.generation:
            self._logits_programs[place] = programs[0]
        return logits

    def _is_valid(self, kv_cache: KVCache) -> bool:
        return self._generation == self._ops.generation and self._kv_cache is kv_cache

    def _record(self, step: NativeStep, kv_cache: KVCache) -> FloatArray:
        generation = self._ops.generation
        with self._ops.launcher.recording() as programs:
            hidden: FloatArray = self._model.hidden(step, kv_cache)
        grew = generation != self._ops.generation
        self._program = None if grew else programs[0]
        self._generation, self._kv_cache = generation, kv_cache
        return hidden
