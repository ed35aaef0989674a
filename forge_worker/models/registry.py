"""Which class computes which architecture. A family that is Llama but for the facts its ModelConfig
states (biases, head norms, windows) is one line here; one that computes otherwise is a file beside.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from forge_common.checkpoint import ModelConfig
from forge_worker.forward_inputs import FloatArray, ForwardInputs
from forge_worker.kv_cache import KVCache
from forge_worker.models.llama import LlamaForCausalLM
from forge_worker.ops.protocol import Array, Ops
from forge_worker.weights.loader import WeightLoader


class Model(Protocol):
    @property
    def config(self) -> ModelConfig: ...

    @property
    def ops(self) -> Ops: ...

    def forward(self, inputs: ForwardInputs, kv_cache: KVCache) -> FloatArray:
        """Logits of `inputs.logit_rows`, [num_logits, vocab_size], float32 on the host.

        Writes K and V of every token of the step into `kv_cache` before it attends.
        """

    def hidden(self, inputs: ForwardInputs, kv_cache: KVCache) -> Array:
        """The first part of `forward`: final states of `inputs.logit_rows`, sliceable by row."""

    def logits(self, hidden: Array) -> FloatArray:
        """The rest of `forward`, of some rows of `hidden`: those of a whole prompt may not fit."""


class ModelClass(Protocol):
    def __call__(self, config: ModelConfig, loader: WeightLoader, ops: Ops) -> Model: ...


MODEL_CLASSES: Mapping[str, ModelClass] = MappingProxyType(
    {
        "LlamaForCausalLM": LlamaForCausalLM,  # Llama 2 and 3.x, TinyLlama
        "MistralForCausalLM": LlamaForCausalLM,  # sliding window
        "Qwen2ForCausalLM": LlamaForCausalLM,  # bias on Q, K and V
        "Qwen3ForCausalLM": LlamaForCausalLM,  # RMS norm on the heads of Q and K
    }
)
