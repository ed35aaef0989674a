"""What a model will need of memory, told from the headers of its files alone, before it is loaded.

    available │ reserved │ weights │ workspace │ KV blocks │ free
                                     one step    num_blocks · block_bytes

`forge-launch --plan` prints it, the launcher refuses by it, and the worker allocates by it: one
function, so that they agree. Where the memory is, and how wide a number in it, is a BackendMemory.

KV blocks are sized, where no setting says it, to hold at least one whole context: on the host
1024 tokens for each of `max_batch_size` sequences, but never more than half of what weights and
workspace leave free; on a GPU all that they leave. A `max_model_len` that no setting states is the
model's own, or less where that much KV does not fit. Knows sizes; allocates nothing.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import NamedTuple

from msgspec import Struct

from forge_common.backend import BackendName, PrecisionName
from forge_common.backend_memory import BackendMemory
from forge_common.checkpoint import Checkpoint, ModelConfig
from forge_common.checkpoint.rope_scaling import (
    LinearScaling,
    Llama3Scaling,
    LongRopeScaling,
)
from forge_common.config import BatchSettings, CacheSettings
from forge_common.errors import ConfigError, ModelError

GIB = 2**30


class MemoryPlan(Struct, frozen=True, kw_only=True):
    backend: BackendName
    memory_name: str  # "the host", or the name of a GPU
    precision: PrecisionName
    weight_format: str
    available_bytes: int
    reserved_bytes: int
    reserved_for: str
    weights_bytes: int
    workspace_bytes: int
    block_bytes: int
    num_blocks: int
    block_size: int  # tokens; in a naive cache, a whole context
    max_model_len: int
    longest_context: int  # what the model was made for

    @property
    def kv_bytes(self) -> int:
        return self.num_blocks * self.block_bytes

    @property
    def needed_bytes(self) -> int:
        return self.weights_bytes + self.workspace_bytes + self.kv_bytes + self.reserved_bytes

    @property
    def num_kv_tokens(self) -> int:
        return self.num_blocks * self.block_size


def plan_memory(
    checkpoint: Checkpoint,
    cache: CacheSettings,
    batch: BatchSettings,
    max_model_len: int | None,
    memory: BackendMemory,
) -> MemoryPlan:
    """ConfigError or ModelError, with the numbers and the flag to change, where it cannot fit."""
    weights_bytes = memory.weight_bytes(checkpoint)
    usable_bytes = max(0, memory.available_bytes - memory.reserved_bytes)
    free_bytes = usable_bytes - weights_bytes
    if free_bytes <= 0:
        raise ModelError(
            f"the weights need {_gib(weights_bytes)} of memory in {memory.weight_format}, but"
            f" {_gib(usable_bytes)} are available on {memory.name}: a smaller model,"
            " or more memory, is needed"
        )
    needs = Needs(checkpoint.config, cache, batch, memory)
    length = needs.context_len(max_model_len, free_bytes)
    return MemoryPlan(
        backend=memory.backend,
        memory_name=memory.name,
        precision=memory.precision,
        weight_format=memory.weight_format,
        available_bytes=memory.available_bytes,
        reserved_bytes=memory.reserved_bytes,
        reserved_for=memory.reserved_for,
        weights_bytes=weights_bytes,
        workspace_bytes=needs.workspace_bytes(length),
        block_bytes=needs.block_bytes(length),
        num_blocks=needs.num_blocks(length, free_bytes),
        block_size=needs.block_size(length),
        max_model_len=length,
        longest_context=longest_context(checkpoint.config),
    )


def longest_context(config: ModelConfig) -> int:
    """Positions the model was made for. Llama 3, LongRoPE and models that scale only some of their
    layers state them stretched already, others do not."""
    ropes = set(config.ropes)
    scaling = config.ropes[0].scaling
    if len(ropes) > 1 or scaling is None or isinstance(scaling, Llama3Scaling | LongRopeScaling):
        return config.max_position_embeddings
    if isinstance(scaling, LinearScaling):
        return int(config.max_position_embeddings * scaling.factor)
    stretched = int(scaling.original_max_position_embeddings * scaling.factor)
    return max(config.max_position_embeddings, stretched)


class Needs(NamedTuple):
    """What a model needs, by the length of its context."""

    config: ModelConfig
    cache: CacheSettings
    batch: BatchSettings
    memory: BackendMemory

    def block_size(self, length: int) -> int:
        return self.cache.block_size if self.cache.kv_cache == "paged" else length

    def block_bytes(self, length: int) -> int:
        """Keys and values of all layers."""
        return self.memory.block_bytes(self.config, self.block_size(length))

    def blocks_of_context(self, length: int) -> int:
        return -(-length // self.block_size(length))

    def workspace_bytes(self, length: int) -> int:
        return self.memory.workspace_bytes(self.config, self.batch, length)

    def context_len(self, stated: int | None, free_bytes: int) -> int:
        """`stated`, or where nothing is stated the longest that fits, at most the model's own."""
        longest = longest_context(self.config)
        if stated is None:
            return self._longest_that_fits(longest, free_bytes)
        if stated > longest:
            raise ConfigError(
                f"--max-model-len {stated} is beyond the {longest} positions of the model"
            )
        self._check(stated, free_bytes)
        return stated

    def num_blocks(self, length: int, free_bytes: int) -> int:
        block_bytes = self.block_bytes(length)
        stated = self._stated_kv_bytes(length)
        if stated is not None:
            return stated // block_bytes
        room_bytes = free_bytes - self.workspace_bytes(length)
        affordable = self.memory.kv_room_bytes(room_bytes) // block_bytes
        return max(self.blocks_of_context(length), min(self._enough_blocks(length), affordable))

    def _enough_blocks(self, length: int) -> int:
        """More could not be used, or are more than a default should take."""
        if self.cache.kv_cache == "naive":
            return self.batch.max_batch_size
        default = self.memory.default_kv_tokens(self.batch, length)
        num_tokens = self.batch.max_batch_size * length if default is None else default
        return num_tokens // self.block_size(length)

    def _stated_kv_bytes(self, length: int) -> int | None:
        if self.cache.num_blocks is not None:
            return self.cache.num_blocks * self.block_bytes(length)
        if self.cache.kv_cache_memory_gib is not None:
            return int(self.cache.kv_cache_memory_gib * GIB)
        return None

    def _longest_that_fits(self, longest: int, free_bytes: int) -> int:
        """What fits grows shorter as contexts grow longer, so that halving finds the border."""
        lengths = range(1, longest + 1)
        length = bisect_left(lengths, True, key=lambda n: not self._fits(n, free_bytes))
        if length == 0:
            self._check(1, free_bytes)
        return max(length, 1)

    def _fits(self, length: int, free_bytes: int) -> bool:
        room = free_bytes - self.workspace_bytes(length)
        context_bytes = self.blocks_of_context(length) * self.block_bytes(length)
        stated = self._stated_kv_bytes(length)
        if stated is None:
            return context_bytes <= self.memory.kv_room_bytes(room)
        return context_bytes <= stated <= room

    def _check(self, length: int, free_bytes: int) -> None:
        """ModelError, naming the flag to change, unless a context of `length` has room."""
        room = free_bytes - self.workspace_bytes(length)
        context_bytes = self.blocks_of_context(length) * self.block_bytes(length)
        stated = self._stated_kv_bytes(length)
        if room < 0:
            raise ModelError(
                f"one step needs {_gib(free_bytes - room)} of workspace, but {_gib(free_bytes)} are"
                " left beside the weights: lower --max-prefill-tokens or --max-model-len"
            )
        if stated is not None and stated > room:
            raise ModelError(
                f"the KV blocks asked for need {_gib(stated)}, but {_gib(room)} are left beside"
                " weights and workspace: lower --num-blocks or --kv-cache-memory-gib"
            )
        if context_bytes > (room if stated is None else stated):
            raise ModelError(
                f"a context of {length} tokens needs {_gib(context_bytes)} of KV blocks, but"
                f" {_gib(room if stated is None else stated)} are there: lower --max-model-len"
            )


def _gib(num_bytes: int) -> str:
    return f"{num_bytes / GIB:.2f} GiB"
